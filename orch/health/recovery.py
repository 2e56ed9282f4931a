"""When what died is started again, and when that is tried only now and then. Pure.

Pure: the state goes in with ``now`` (monotonic seconds), a decision comes out as a value. The wait before an
attempt doubles with each attempt within the window, so that a back end that dies at once does not take the
machine with it. Past the limit the cause is one that a restart soon after does not mend; it may pass all the
same (a model that is downloaded, a disk that is mounted), so from then on there is one attempt every
:attr:`RecoveryPolicy.again` seconds until one succeeds or an operator asks for a restart.

An attempt that failed for a shortage of this process itself shows nothing about what was to be started, and
does not count.
"""

from dataclasses import dataclass, replace
from typing import Final

SHORTAGE_PAUSE: Final = 5.0
"""Seconds until the next attempt where this process was short of something for the last one."""


@dataclass(frozen=True, slots=True)
class RecoveryPolicy:
    """At most ``attempts`` in ``window`` s; the first wait is ``first`` s, none is over ``longest`` s.

    Past that, one attempt every ``again`` s.
    """

    first: float = 1.0
    factor: float = 2.0
    longest: float = 30.0
    attempts: int = 5
    window: float = 300.0
    again: float = 300.0

    def delay(self, done: int) -> float:
        """Return the seconds to wait after a failure when ``done`` attempts were made lately."""
        return min(self.longest, self.first * self.factor**done)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was tried.

    ``begun``: when attempts began; ``failed_at``: when the trouble began that is not met yet;
    ``given_up_at``: when the limit was reached, or the last of the rare attempts after it began;
    ``short_until``: before then this process is short of what an attempt needs.
    """

    begun: tuple[float, ...] = ()
    failed_at: float | None = None
    given_up_at: float | None = None
    short_until: float = 0.0

    @property
    def given_up(self) -> bool:
        """Whether the limit was reached, so that attempts are rare."""
        return self.given_up_at is not None


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is wrong, or what was done about it has to show its effect."""


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


Decision = Nothing | Wait | Attempt | GiveUp


def decide(recovery: Recovery, policy: RecoveryPolicy, now: float) -> Decision:
    """Return what to do now."""
    if recovery.failed_at is None:
        return Nothing()
    recent = _recent(recovery, policy, now)
    if recovery.given_up_at is not None or len(recent) >= policy.attempts:
        since = now if recovery.given_up_at is None else recovery.given_up_at
        until = max(since + policy.again, recovery.short_until)
        return Attempt(0) if now >= until else GiveUp(policy.attempts, until)
    due = max(recovery.failed_at + policy.delay(len(recent)), recovery.short_until)
    number = len(recent) + 1
    return Attempt(number) if now >= due else Wait(due, number)


def failed(recovery: Recovery, now: float) -> Recovery:
    """Note that it is down. Said again of the same trouble, it changes nothing."""
    return recovery if recovery.failed_at is not None else replace(recovery, failed_at=now)


def begin(recovery: Recovery, policy: RecoveryPolicy, now: float) -> Recovery:
    """Note that an attempt begins."""
    given_up_at = None if recovery.given_up_at is None else now
    return Recovery(begun=(*_recent(recovery, policy, now), now), given_up_at=given_up_at)


def unmade(before: Recovery, now: float) -> Recovery:
    """Note that the attempt begun last could not be made, for a shortage of this process's own.

    ``before``: the recovery before :func:`begin`. The next attempt comes soon.
    """
    failed_at = now if before.failed_at is None else before.failed_at
    return replace(before, failed_at=failed_at, short_until=now + SHORTAGE_PAUSE)


def give_up(recovery: Recovery, now: float) -> Recovery:
    """Note that attempts are rare from now on."""
    return replace(recovery, given_up_at=now)


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
