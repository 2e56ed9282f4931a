"""What is being done about a back end that is down, as sentences for an operator. Pure."""

from orch.health import recovery
from orch.health.check_response import in_words
from orch.health.recovery import Attempt, Escalate, GiveUp, Nothing, Recovery, RecoveryPolicy, Wait
from orch.health.statistics import RecoveryStatistics


def describe(
    state: Recovery, policy: RecoveryPolicy, now: float, *, is_well: bool
) -> RecoveryStatistics | None:
    """Return what is being done at ``now``, or None if nothing needs to be. ``is_well``: it answers."""
    limit = policy.attempts
    if state.is_stopped and not is_well:
        text = "An operator stopped the recovery. It is left alone until it is up or is restarted."
        return RecoveryStatistics(attempt=0, limit=limit, next_in=None, text=text)
    return _describe(state, policy, now, is_well=is_well) if policy.has_hook else None


def _describe(
    state: Recovery, policy: RecoveryPolicy, now: float, *, is_well: bool
) -> RecoveryStatistics | None:
    limit = policy.attempts
    decision = recovery.decide(state, policy, now)
    match decision:
        case GiveUp(attempts, until):
            again = in_words(until - now)
            text = f"{give_up_in_words(attempts, policy)} The next attempt is in {again}."
            return RecoveryStatistics(attempt=attempts, limit=limit, next_in=until - now, text=text)
        case Wait(until, number):
            text = wait_in_words(decision, policy, now)
            return RecoveryStatistics(attempt=number, limit=limit, next_in=until - now, text=text)
        case Attempt(number):
            text = f"Is being restarted{attempt_in_words(number, policy)}."
            return RecoveryStatistics(attempt=number or limit, limit=limit, next_in=0.0, text=text)
        case Escalate():
            raise AssertionError("only without a hook")
        case Nothing():
            made = recovery.attempts_made(state, policy, now)
            if is_well or not made:
                return None
            text = f"Was restarted, attempt {made} of {limit}. Waiting for it to respond."
            return RecoveryStatistics(attempt=made, limit=limit, next_in=None, text=text)


def wait_in_words(wait: Wait, policy: RecoveryPolicy, now: float) -> str:
    """Return the sentence that announces the next attempt."""
    return f"Restarts in {in_words(wait.until - now)}, attempt {wait.number} of {policy.attempts}."


def give_up_in_words(attempts: int, policy: RecoveryPolicy) -> str:
    """Return the sentences that announce that attempts are rare from now on."""
    window, again = in_words(policy.window), in_words(policy.again)
    return (
        f"Was restarted {attempts} times within {window} and did not stay up. It is tried again "
        f"every {again}; restart it once the cause is fixed."
    )


def no_hook_in_words(policy: RecoveryPolicy) -> str:
    """Return the sentence that announces that nothing restarts it."""
    return f"Is still down after {in_words(policy.longest)}, and nothing is set to restart it."


def attempt_in_words(number: int, policy: RecoveryPolicy) -> str:
    """Return which attempt this is, to be put behind "restarted"; 0: one of the rare ones."""
    if number:
        return f", attempt {number} of {policy.attempts}"
    return f", one attempt every {in_words(policy.again)}"
