"""When what died is started again, and when that is given up.

Pure: the state goes in with ``now`` (monotonic seconds), a decision comes out as a value. The wait before an
attempt doubles with each attempt within the window, so that a back end that dies at once does not take the
machine with it; past the limit it is given up until an operator asks for a restart, since by then the cause
is one that a restart does not mend.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class RecoveryPolicy:
    """At most ``attempts`` in ``window`` s; the first wait is ``first`` s, none is over ``longest`` s."""

    first: float = 1.0
    factor: float = 2.0
    longest: float = 30.0
    attempts: int = 5
    window: float = 300.0

    def delay(self, done: int) -> float:
        """Return the seconds to wait after a failure when ``done`` attempts were made lately."""
        return min(self.longest, self.first * self.factor**done)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was tried.

    ``begun``: when attempts began; ``failed_at``: when the trouble began that is not met yet.
    """

    begun: tuple[float, ...] = ()
    failed_at: float | None = None
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Attempt ``number`` is made at ``until``."""

    until: float
    number: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """Make attempt ``number`` now."""

    number: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Enough has been tried: ``attempts`` of them."""

    attempts: int


Decision = Nothing | Wait | Attempt | GiveUp


def decide(recovery: Recovery, policy: RecoveryPolicy, now: float) -> Decision:
    """Return what to do now."""
    recent = _recent(recovery, policy, now)
    if recovery.given_up:
        return GiveUp(policy.attempts)
    if recovery.failed_at is None:
        return Nothing()
    if len(recent) >= policy.attempts:
        return GiveUp(policy.attempts)
    due = recovery.failed_at + policy.delay(len(recent))
    number = len(recent) + 1
    return Attempt(number) if now >= due else Wait(due, number)


def failed(recovery: Recovery, now: float) -> Recovery:
    """Note that it is down. Said again of the same trouble, it changes nothing."""
    return recovery if recovery.failed_at is not None else replace(recovery, failed_at=now)


def begin(recovery: Recovery, policy: RecoveryPolicy, now: float) -> Recovery:
    """Note that an attempt begins."""
    return Recovery(begun=(*_recent(recovery, policy, now), now))


def give_up(recovery: Recovery) -> Recovery:
    """Note that no more is tried, however much time passes."""
    return replace(recovery, given_up=True)


def recovered(recovery: Recovery) -> Recovery:
    """Note that it is up. Attempts still count within their window: what dies every minute is not well."""
    return Recovery() if recovery.given_up else replace(recovery, failed_at=None)


def taken_over(recovery: Recovery) -> Recovery:
    """Note that it is ours to mend from now on: what was seen until now, another may have met."""
    return replace(recovery, failed_at=None)


def attempts_made(recovery: Recovery, policy: RecoveryPolicy, now: float) -> int:
    """Return how many attempts count at ``now``."""
    return len(_recent(recovery, policy, now))


def _recent(recovery: Recovery, policy: RecoveryPolicy, now: float) -> tuple[float, ...]:
    return tuple(begun for begun in recovery.begun if now - begun < policy.window)
