"""Decides what is done about a back end that is down: the ladder of its recovery. Pure.

Its rungs: reset connections and breakers (once, at the failure), restart it with growing pauses, escalate.

The state goes in with ``now`` (monotonic seconds), a decision comes out as a value. The wait before an
attempt doubles with each attempt within the window, so that a back end that fails at once does not use up
the machine. Past the limit, restarting soon again does not help; but the cause may pass by itself (a model
that is downloaded, a disk that is mounted), so from then on there is one attempt every
:attr:`RecoveryPolicy.again` seconds until one succeeds or an operator asks for a restart.

An attempt that failed because this process itself was short of something shows nothing about the back end,
and does not count.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class RecoveryPolicy:
    """At most ``attempts`` in ``window`` s; the first wait is ``first`` s, none is over ``longest`` s.

    Past that, one attempt every ``again`` s. ``shortage_pause``: seconds until the next attempt if this
    process was short of something for the last one. ``command_limit``: seconds that a restart hook may
    take; ``systemctl`` and ``docker`` give up later by themselves. ``work_limit``: seconds that requests in
    progress are waited for before a restart. ``verify_limit``: seconds from a restart to the first response.
    ``has_hook``: whether there is anything that restarts it; without, people are needed after ``longest`` s.
    """

    first: float = 1.0
    factor: float = 2.0
    longest: float = 30.0
    attempts: int = 5
    window: float = 300.0
    again: float = 300.0
    shortage_pause: float = 5.0
    command_limit: float = 60.0
    work_limit: float = 30.0
    verify_limit: float = 60.0
    has_hook: bool = True

    def delay(self, done: int) -> float:
        """Return the seconds to wait after a failure when ``done`` attempts were made lately."""
        return min(self.longest, self.first * self.factor**done)


@dataclass(frozen=True, slots=True)
class Recovery:
    """The attempts made so far.

    ``begun``: when each attempt began; ``failed_at``: since when the back end is down without an attempt;
    ``given_up_at``: when the limit was reached, or when the last of the rare attempts after it began;
    ``short_until``: until when this process is assumed to be short of what an attempt needs. ``is_reset``:
    whether connections and breakers were reset since it was last up. ``is_stopped``: an operator stopped the
    recovery, so that nothing is done until it is up or an operator restarts it.
    """

    begun: tuple[float, ...] = ()
    failed_at: float | None = None
    given_up_at: float | None = None
    short_until: float = 0.0
    is_reset: bool = False
    is_stopped: bool = False

    @property
    def given_up(self) -> bool:
        """Whether the limit was reached, so that attempts are rare."""
        return self.given_up_at is not None


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is wrong, or the last attempt has not shown its effect yet."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Attempt ``number`` is made at ``until``."""

    until: float
    number: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """Make attempt ``number`` now; 0: one of the rare ones past the limit."""

    number: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The limit of ``attempts`` is reached; the next one is made at ``until``."""

    attempts: int
    until: float


@dataclass(frozen=True, slots=True)
class Escalate:
    """Nothing restarts it, and it is still down."""


Decision = Nothing | Wait | Attempt | GiveUp | Escalate


def decide(recovery: Recovery, policy: RecoveryPolicy, now: float) -> Decision:
    """Return what to do now."""
    if recovery.failed_at is None or recovery.is_stopped:
        return Nothing()
    if not policy.has_hook:
        return _decide_without_hook(recovery, policy, recovery.failed_at, now)
    recent = _recent(recovery, policy, now)
    if recovery.given_up_at is not None or len(recent) >= policy.attempts:
        since = now if recovery.given_up_at is None else recovery.given_up_at
        until = max(since + policy.again, recovery.short_until)
        return Attempt(0) if now >= until else GiveUp(policy.attempts, until)
    due = max(recovery.failed_at + policy.delay(len(recent)), recovery.short_until)
    number = len(recent) + 1
    return Attempt(number) if now >= due else Wait(due, number)


def _decide_without_hook(
    recovery: Recovery, policy: RecoveryPolicy, failed_at: float, now: float
) -> Decision:
    if recovery.given_up:
        return Nothing()
    until = failed_at + policy.longest
    return Escalate() if now >= until else Wait(until, 0)


def needs_reset(recovery: Recovery) -> bool:
    """Return whether connections and breakers are reset now: once for each time that it is down."""
    return recovery.failed_at is not None and not recovery.is_reset and not recovery.is_stopped


def with_reset(recovery: Recovery) -> Recovery:
    """Note that connections and breakers were reset."""
    return replace(recovery, is_reset=True)


def stopped(recovery: Recovery) -> Recovery:
    """Note that an operator stopped the recovery."""
    return replace(recovery, is_stopped=True)


def failed(recovery: Recovery, now: float) -> Recovery:
    """Note that it is down. While it stays down, noting it again changes nothing."""
    return recovery if recovery.failed_at is not None else replace(recovery, failed_at=now)


def begin(recovery: Recovery, policy: RecoveryPolicy, now: float) -> Recovery:
    """Note that an attempt begins."""
    given_up_at = None if recovery.given_up_at is None else now
    begun = (*_recent(recovery, policy, now), now)
    return Recovery(begun=begun, given_up_at=given_up_at, is_reset=recovery.is_reset)


def unmade(before: Recovery, policy: RecoveryPolicy, now: float) -> Recovery:
    """Note that the attempt begun last was not made: this process itself was short of something.

    ``before``: the recovery before :func:`begin`. The next attempt comes soon.
    """
    failed_at = now if before.failed_at is None else before.failed_at
    return replace(before, failed_at=failed_at, short_until=now + policy.shortage_pause)


def give_up(recovery: Recovery, now: float) -> Recovery:
    """Note that attempts are rare from now on."""
    return replace(recovery, given_up_at=now)


def recovered(recovery: Recovery) -> Recovery:
    """Note that it is up. Attempts still count in their window: it may fail every minute."""
    if recovery.given_up:
        return Recovery()
    return replace(recovery, failed_at=None, is_reset=False, is_stopped=False)


def taken_over(recovery: Recovery) -> Recovery:
    """Note that this worker is responsible now: another one may have acted on what was seen before."""
    return replace(recovery, failed_at=None)


def attempts_made(recovery: Recovery, policy: RecoveryPolicy, now: float) -> int:
    """Return how many attempts count at ``now``."""
    return len(_recent(recovery, policy, now))


def attempts_left(recovery: Recovery, policy: RecoveryPolicy, now: float) -> int | None:
    """Return how many attempts are left before people are needed; None: it is not down, or was stopped.

    0 also for one that nothing restarts, once that has been found out.
    """
    if recovery.failed_at is None or recovery.is_stopped:
        return None
    if recovery.given_up:
        return 0
    match decide(recovery, policy, now):
        case GiveUp() | Escalate():
            return 0
    return policy.attempts - attempts_made(recovery, policy, now) if policy.has_hook else policy.attempts


def _recent(recovery: Recovery, policy: RecoveryPolicy, now: float) -> tuple[float, ...]:
    return tuple(begun for begun in recovery.begun if now - begun < policy.window)
