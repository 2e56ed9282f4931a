"""Decides on the state of an instance from its checks: a table of transitions, and reasons in words. Pure.

What a check found goes in as :class:`Observation`, a new :class:`Verdict` comes out. There are two clocks:
``now`` (monotonic seconds, for what is counted) and ``at`` (seconds since the epoch, for what is shown).

Certain findings count at once: a refused connection, a process that has ended. Others may be transient and
count in a row (:class:`Limits`): 3 checks without a usable response make an instance unhealthy (Kubernetes'
``failureThreshold`` is 3 by default, too), 2 slow ones make it degraded, and an unhealthy instance needs 2
good ones to be healthy again.

A check without a response counts only while none of the instance's requests makes progress: an engine that
does one thing at a time does not answer checks while it works. Such an instance is *busy*. One that answers
checks while no request gets done is *stuck*: degraded, and after the same time unhealthy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Final, Literal

from orch.shortages import Shortage

MISSES: Final = 3
SLOW_CHECKS: Final = 2
GOOD_CHECKS: Final = 2
START_LIMIT: Final = 60.0
"""Seconds from a start to the first response. A speech engine loads its model before it responds;
faster-whisper takes 5 to 20 s from a disk that is not cached."""


UNSEEN_GRACE: Final = 15.0
"""Seconds that a starting instance has at least, once this process is able to check it again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many checks in a row count, and durations in seconds.

    ``busy``: after which an instance that is still busy is unhealthy; ``start``: from a start to the first
    response. ``is_damped``: the instance flaps, so that it is healthy only after ``good`` good checks,
    whatever it was before.
    """

    misses: int = MISSES
    slow: int = SLOW_CHECKS
    good: int = GOOD_CHECKS
    busy: float = inf
    start: float = START_LIMIT
    is_damped: bool = False


DEFAULT_LIMITS: Final = Limits()


class State(StrEnum):
    """The state of an instance or a service."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    BUSY = "busy"
    UNHEALTHY = "unhealthy"
    RECOVERING = "recovering"


SEVERITY: Final[Mapping[State, int]] = {
    State.HEALTHY: 0,
    State.UNKNOWN: 1,
    State.DEGRADED: 2,
    State.BUSY: 3,
    State.RECOVERING: 4,
    State.UNHEALTHY: 5,
}
"""The order of states; the higher number is the worse state."""

WELL: Final = frozenset({State.HEALTHY, State.DEGRADED, State.BUSY})
"""States in which a service serves requests."""


class Finding(StrEnum):
    """What was found out about an instance."""

    GOOD = "good"
    SLOW = "slow"
    IMPAIRED = "impaired"  # responds, and reports or shows a problem
    STARTING = "starting"  # responds that it is not ready yet
    MISSED = "missed"  # no usable response, which may be transient
    BUSY = "busy"  # no usable response, while requests that it has make progress
    STUCK = "stuck"  # responds, while none of the requests that it has gets done
    REFUSED = "refused"  # nothing listens at its port
    EXITED = "exited"  # its process has ended
    BEGUN = "begun"  # it is being started
    UNSEEN = "unseen"  # this process itself was not able to check it


Presence = Literal["responding", "unknown", "silent", "gone"]
"""Whether an instance is there: ``silent``: checks get no response, but it may work all the same; ``gone``:
it refuses connections, has ended, or is still starting."""

_PRESENCE: Final[Mapping[Finding, Presence]] = {
    Finding.GOOD: "responding",
    Finding.SLOW: "responding",
    Finding.IMPAIRED: "responding",
    Finding.STARTING: "gone",
    Finding.MISSED: "silent",
    Finding.BUSY: "silent",
    Finding.STUCK: "silent",
    Finding.REFUSED: "gone",
    Finding.EXITED: "gone",
    Finding.BEGUN: "gone",
}


class Signal(StrEnum):
    """The meaning of an observation, together with those before it."""

    GOOD = "good"
    PROVEN = "proven"  # good often enough in a row
    IMPAIRED = "impaired"
    STARTING = "starting"
    LATE = "late"  # still starting, for longer than it may take
    MISSED = "missed"
    BUSY = "busy"
    DOWN = "down"


TRANSITIONS: Final[Mapping[tuple[State, Signal], State]] = {
    **{(state, Signal.LATE): State.RECOVERING for state in State},
    (State.UNKNOWN, Signal.GOOD): State.HEALTHY,
    (State.UNKNOWN, Signal.PROVEN): State.HEALTHY,
    (State.UNKNOWN, Signal.IMPAIRED): State.DEGRADED,
    (State.UNKNOWN, Signal.STARTING): State.UNKNOWN,
    (State.UNKNOWN, Signal.MISSED): State.UNKNOWN,
    (State.UNKNOWN, Signal.BUSY): State.BUSY,
    (State.UNKNOWN, Signal.DOWN): State.UNHEALTHY,
    (State.HEALTHY, Signal.GOOD): State.HEALTHY,
    (State.HEALTHY, Signal.PROVEN): State.HEALTHY,
    (State.HEALTHY, Signal.IMPAIRED): State.DEGRADED,
    (State.HEALTHY, Signal.STARTING): State.RECOVERING,
    (State.HEALTHY, Signal.MISSED): State.DEGRADED,
    (State.HEALTHY, Signal.BUSY): State.BUSY,
    (State.HEALTHY, Signal.DOWN): State.UNHEALTHY,
    (State.DEGRADED, Signal.GOOD): State.HEALTHY,
    (State.DEGRADED, Signal.PROVEN): State.HEALTHY,
    (State.DEGRADED, Signal.IMPAIRED): State.DEGRADED,
    (State.DEGRADED, Signal.STARTING): State.RECOVERING,
    (State.DEGRADED, Signal.MISSED): State.DEGRADED,
    (State.DEGRADED, Signal.BUSY): State.BUSY,
    (State.DEGRADED, Signal.DOWN): State.UNHEALTHY,
    (State.BUSY, Signal.GOOD): State.HEALTHY,
    (State.BUSY, Signal.PROVEN): State.HEALTHY,
    (State.BUSY, Signal.IMPAIRED): State.DEGRADED,
    (State.BUSY, Signal.STARTING): State.RECOVERING,
    (State.BUSY, Signal.MISSED): State.DEGRADED,
    (State.BUSY, Signal.BUSY): State.BUSY,
    (State.BUSY, Signal.DOWN): State.UNHEALTHY,
    (State.UNHEALTHY, Signal.GOOD): State.RECOVERING,
    (State.UNHEALTHY, Signal.PROVEN): State.RECOVERING,
    (State.UNHEALTHY, Signal.IMPAIRED): State.RECOVERING,
    (State.UNHEALTHY, Signal.STARTING): State.RECOVERING,
    (State.UNHEALTHY, Signal.MISSED): State.UNHEALTHY,
    (State.UNHEALTHY, Signal.BUSY): State.UNHEALTHY,
    (State.UNHEALTHY, Signal.DOWN): State.UNHEALTHY,
    (State.RECOVERING, Signal.GOOD): State.RECOVERING,
    (State.RECOVERING, Signal.PROVEN): State.HEALTHY,
    (State.RECOVERING, Signal.IMPAIRED): State.DEGRADED,
    (State.RECOVERING, Signal.STARTING): State.RECOVERING,
    (State.RECOVERING, Signal.MISSED): State.RECOVERING,
    (State.RECOVERING, Signal.BUSY): State.BUSY,
    (State.RECOVERING, Signal.DOWN): State.UNHEALTHY,
}


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation.

    ``elapsed``: seconds until the response, or None; ``engine``: the engine that the instance runs;
    ``notice``: a sentence for people, also of a healthy instance; ``shortage``: what this process was short
    of, so that nothing was observed; ``certificate_until``: when its certificate expires, in epoch seconds.
    Of a process that has ended: ``code``, its exit code (negative: the signal); ``output``, its last lines.
    """

    finding: Finding
    reasons: tuple[str, ...] = ()
    elapsed: float | None = None
    engine: str | None = None
    notice: str = ""
    shortage: Shortage | None = None
    certificate_until: float | None = None
    code: int | None = None
    output: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of an instance, and its reasons. ``since``: epoch seconds at which ``state`` began.

    ``good``, ``slow`` and ``missed`` count the last checks in a row; ``start_by`` is the time (monotonic) by
    which a starting instance has to have responded; ``busy_since`` the time since which it is busy or stuck.
    One that reports itself that it is starting has no such limit, but is late from ``late_at`` on.
    ``last``: the last finding about the instance.
    """

    state: State = State.UNKNOWN
    reasons: tuple[str, ...] = ("not checked yet",)
    since: float = 0.0
    good: int = 0
    slow: int = 0
    missed: int = 0
    starting: bool = False
    start_by: float | None = None
    busy_since: float | None = None
    late_at: float | None = None
    is_late: bool = False
    last: Finding | None = None

    @property
    def presence(self) -> Presence:
        """What is known about it apart from its state."""
        if self.starting:
            return "gone"
        return "unknown" if self.last is None else _PRESENCE[self.last]

    @property
    def is_usable(self) -> bool:
        """Whether requests should be sent there.

        An instance that was not checked yet is assumed to work; a starting one is not until it has responded,
        and a busy one is left alone while there are others.
        """
        match self.state:
            case State.HEALTHY | State.DEGRADED:
                return True
            case State.RECOVERING:
                return self.good > 0
            case State.UNKNOWN:
                return not self.starting
            case State.UNHEALTHY | State.BUSY:
                return False

    @property
    def is_troubled(self) -> bool:
        """Whether the next check should come soon."""
        is_passing = self.state in {State.RECOVERING, State.BUSY}
        return self.starting or self.missed > 0 or self.slow > 0 or is_passing


def judge(
    verdict: Verdict, observation: Observation, *, now: float, at: float, limits: Limits = DEFAULT_LIMITS
) -> Verdict:
    """Return the verdict after ``observation``; without a finding only the reasons change."""
    if observation.finding is Finding.UNSEEN:
        grace = now + UNSEEN_GRACE
        return replace(
            verdict,
            reasons=observation.reasons,
            start_by=None if verdict.start_by is None else max(verdict.start_by, grace),
            late_at=None if verdict.late_at is None else max(verdict.late_at, grace),
        )
    if observation.finding in {Finding.BUSY, Finding.STUCK}:
        is_stuck = observation.finding is Finding.STUCK
        counted, signal = _count_busy(verdict, now=now, limits=limits, is_stuck=is_stuck)
    else:
        counted, signal = _count(replace(verdict, busy_since=None), observation, now=now, limits=limits)
    if not counted.starting:
        counted = replace(counted, late_at=None, is_late=False)
    state = TRANSITIONS[verdict.state, signal]
    if limits.is_damped and state is State.HEALTHY and counted.good < limits.good:
        state = State.DEGRADED if verdict.state is State.HEALTHY else verdict.state
    return replace(
        counted,
        state=state,
        last=observation.finding,
        since=verdict.since if state is verdict.state else at,
        reasons=_reasons(counted, state, signal, observation, limits),
    )


def _count(
    verdict: Verdict, observation: Observation, *, now: float, limits: Limits
) -> tuple[Verdict, Signal]:
    """Return the verdict with its counters updated, and the meaning of the observation."""
    match observation.finding:
        case Finding.GOOD | Finding.SLOW | Finding.IMPAIRED:
            slow = verdict.slow + 1 if observation.finding is Finding.SLOW else 0
            counted = replace(
                verdict, good=verdict.good + 1, slow=slow, missed=0, starting=False, start_by=None
            )
            if observation.finding is Finding.IMPAIRED or slow >= limits.slow:
                return counted, Signal.IMPAIRED
            return counted, Signal.PROVEN if counted.good >= limits.good else Signal.GOOD
        case Finding.STARTING:
            # It reports that it is starting: it is not ended for that, as large models take minutes.
            late_at = now + limits.start if verdict.late_at is None else verdict.late_at
            reported = replace(verdict, good=0, slow=0, missed=0, starting=True, start_by=None)
            reported = replace(reported, late_at=late_at, is_late=now >= late_at)
            return reported, Signal.LATE if reported.is_late else Signal.STARTING
        case Finding.BEGUN:
            begun = replace(verdict, good=0, slow=0, missed=0, starting=True, start_by=now + limits.start)
            return replace(begun, late_at=begun.start_by, is_late=False), Signal.STARTING
        case Finding.MISSED | Finding.REFUSED:
            return _count_miss(verdict, observation, now=now, limits=limits)
        case Finding.UNSEEN | Finding.BUSY | Finding.STUCK:
            raise AssertionError("handled by judge()")
        case Finding.EXITED:
            gone = replace(verdict, good=0, slow=0, missed=0, starting=False, start_by=None)
            return gone, Signal.DOWN


def _count_busy(verdict: Verdict, *, now: float, limits: Limits, is_stuck: bool) -> tuple[Verdict, Signal]:
    """Count the time for which it has been busy or stuck.

    Not for ever: an engine that hangs may still send a byte now and then, or answer checks.
    """
    since = now if verdict.busy_since is None else verdict.busy_since
    busy = replace(verdict, good=0, slow=0, missed=0, starting=False, start_by=None, busy_since=since)
    if now - since >= limits.busy:
        return busy, Signal.DOWN
    return busy, Signal.IMPAIRED if is_stuck else Signal.BUSY


def _count_miss(
    verdict: Verdict, observation: Observation, *, now: float, limits: Limits
) -> tuple[Verdict, Signal]:
    """Distinguish a miss that may be transient from one that shows the instance down.

    While it is starting, a refused connection is expected; after ``start_by`` it is not.
    """
    missed = replace(verdict, good=0, slow=0, missed=verdict.missed + 1)
    if verdict.start_by is not None and now < verdict.start_by:
        return missed, Signal.MISSED
    is_overdue = verdict.start_by is not None
    if observation.finding is Finding.REFUSED or missed.missed >= limits.misses or is_overdue:
        return replace(missed, starting=False, start_by=None), Signal.DOWN
    return missed, Signal.MISSED


def _reasons(
    counted: Verdict, state: State, signal: Signal, observation: Observation, limits: Limits
) -> tuple[str, ...]:
    """Return the reasons for the state, in words."""
    if signal is Signal.MISSED and counted.starting:
        return ("started, no response yet",)
    if signal is Signal.MISSED and state is not State.UNHEALTHY:
        row = f" ({counted.missed} of {limits.misses} checks in a row)"
        return tuple(f"{reason}{row}" for reason in observation.reasons)
    if state is State.RECOVERING and counted.good:
        return (f"responds again, {counted.good} of {limits.good} good checks",)
    if signal in {Signal.GOOD, Signal.PROVEN}:
        if state is State.DEGRADED and counted.good:
            return (f"flaps, {counted.good} of {limits.good} good checks",)
        return ()
    return observation.reasons


@dataclass(frozen=True, slots=True)
class Member:
    """One instance of a service."""

    url: str
    verdict: Verdict


def judge_service(members: Sequence[Member]) -> tuple[State, str]:
    """Return the state of a service, and the reason ( if there is none).

    If all instances have the same state, it is that. If none is usable, it is recovering if one instance is,
    else the worst state. If some are usable, it is healthy if no other is known to be worse, else degraded,
    since the service still works.
    """
    if not members:
        return State.UNKNOWN, "no instances"
    states = [member.verdict.state for member in members]
    wrong = [member for member in members if member.verdict.state not in {State.HEALTHY, State.UNKNOWN}]
    if len(set(states)) == 1:
        state = states[0]
    elif not wrong:
        state = State.HEALTHY
    elif any(member.verdict.is_usable for member in members):
        state = State.DEGRADED
    else:
        state = State.RECOVERING if State.RECOVERING in states else max(states, key=SEVERITY.__getitem__)
    return state, _service_reason(members, wrong or [m for m in members if m.verdict.reasons])


def with_refusal(state: State, reason: str, refusal: str | None) -> tuple[State, str]:
    """Return a service's state and reason, including its reason for refusing requests.

    A server that responds to checks and refuses all other requests is of no use: degraded at best.
    """
    if refusal is None:
        return state, reason
    if SEVERITY[state] < SEVERITY[State.DEGRADED]:
        return State.DEGRADED, refusal
    return state, f"{reason}; {refusal}" if reason else refusal


def _service_reason(members: Sequence[Member], wrong: Sequence[Member]) -> str:
    if len(members) == 1:
        return "; ".join(members[0].verdict.reasons)
    if not wrong:
        return ""
    described = "; ".join(
        f"{member.url} is {member.verdict.state}"
        + (f" ({', '.join(member.verdict.reasons)})" if member.verdict.reasons else "")
        for member in wrong
    )
    return f"{len(wrong)} of {len(members)} instances: {described}"
