"""How an instance is, from what its checks say: a table of transitions, and the reasons in words. Pure.

Pure: what was seen goes in as :class:`Observation`, a new :class:`Verdict` comes out. Two clocks come in:
``now`` (monotonic seconds, for what is counted) and ``at`` (seconds since the epoch, for what is shown).

What is certain counts at once: a refused connection, a process that has ended. What may be a hiccup counts
in a row: :data:`MISSES` checks without a usable answer make an instance unhealthy (Kubernetes'
``failureThreshold`` is 3 by default too), :data:`SLOW_CHECKS` slow ones make it degraded, and what was
unhealthy needs :data:`GOOD_CHECKS` good ones to be healthy again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from orch.shortages import Shortage

MISSES: Final = 3
SLOW_CHECKS: Final = 2
GOOD_CHECKS: Final = 2
START_LIMIT: Final = 60.0
"""Seconds from a start to the first answer. A speech engine loads its model before it answers; faster-whisper
takes 5 to 20 s from a disk that is not warm."""


UNSEEN_GRACE: Final = 15.0
"""Seconds that an instance that is being started has at least, once this process is able to look again."""


class State(StrEnum):
    """How an instance or a service is."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    RECOVERING = "recovering"


SEVERITY: Final[Mapping[State, int]] = {
    State.HEALTHY: 0,
    State.UNKNOWN: 1,
    State.DEGRADED: 2,
    State.RECOVERING: 3,
    State.UNHEALTHY: 4,
}
"""Which of two states is worse."""

WELL: Final = frozenset({State.HEALTHY, State.DEGRADED})
"""States in which a service serves requests."""


class Seen(StrEnum):
    """What was seen of an instance."""

    GOOD = "good"
    SLOW = "slow"
    IMPAIRED = "impaired"  # answers, and says itself or shows that not all is well
    STARTING = "starting"  # answers that it is not ready yet
    MISSED = "missed"  # no usable answer, which may pass
    REFUSED = "refused"  # nothing listens there
    EXITED = "exited"  # its process has ended
    BEGUN = "begun"  # it is being started
    UNSEEN = "unseen"  # this process itself was not able to look


class Signal(StrEnum):
    """What an observation means, once what came before it is counted in."""

    GOOD = "good"
    PROVEN = "proven"  # good often enough in a row
    IMPAIRED = "impaired"
    STARTING = "starting"
    MISSED = "missed"
    DOWN = "down"


TRANSITIONS: Final[Mapping[tuple[State, Signal], State]] = {
    (State.UNKNOWN, Signal.GOOD): State.HEALTHY,
    (State.UNKNOWN, Signal.PROVEN): State.HEALTHY,
    (State.UNKNOWN, Signal.IMPAIRED): State.DEGRADED,
    (State.UNKNOWN, Signal.STARTING): State.UNKNOWN,
    (State.UNKNOWN, Signal.MISSED): State.UNKNOWN,
    (State.UNKNOWN, Signal.DOWN): State.UNHEALTHY,
    (State.HEALTHY, Signal.GOOD): State.HEALTHY,
    (State.HEALTHY, Signal.PROVEN): State.HEALTHY,
    (State.HEALTHY, Signal.IMPAIRED): State.DEGRADED,
    (State.HEALTHY, Signal.STARTING): State.RECOVERING,
    (State.HEALTHY, Signal.MISSED): State.DEGRADED,
    (State.HEALTHY, Signal.DOWN): State.UNHEALTHY,
    (State.DEGRADED, Signal.GOOD): State.HEALTHY,
    (State.DEGRADED, Signal.PROVEN): State.HEALTHY,
    (State.DEGRADED, Signal.IMPAIRED): State.DEGRADED,
    (State.DEGRADED, Signal.STARTING): State.RECOVERING,
    (State.DEGRADED, Signal.MISSED): State.DEGRADED,
    (State.DEGRADED, Signal.DOWN): State.UNHEALTHY,
    (State.UNHEALTHY, Signal.GOOD): State.RECOVERING,
    (State.UNHEALTHY, Signal.PROVEN): State.RECOVERING,
    (State.UNHEALTHY, Signal.IMPAIRED): State.RECOVERING,
    (State.UNHEALTHY, Signal.STARTING): State.RECOVERING,
    (State.UNHEALTHY, Signal.MISSED): State.UNHEALTHY,
    (State.UNHEALTHY, Signal.DOWN): State.UNHEALTHY,
    (State.RECOVERING, Signal.GOOD): State.RECOVERING,
    (State.RECOVERING, Signal.PROVEN): State.HEALTHY,
    (State.RECOVERING, Signal.IMPAIRED): State.DEGRADED,
    (State.RECOVERING, Signal.STARTING): State.RECOVERING,
    (State.RECOVERING, Signal.MISSED): State.RECOVERING,
    (State.RECOVERING, Signal.DOWN): State.UNHEALTHY,
}


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing seen.

    ``elapsed``: seconds an answer took, or null; ``engine``: what the instance runs; ``shortage``: what this
    process itself was short of, so that nothing was seen.
    """

    seen: Seen
    reasons: tuple[str, ...] = ()
    elapsed: float | None = None
    engine: str | None = None
    shortage: Shortage | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an instance is. ``since``: epoch seconds at which ``state`` began.

    ``good``, ``slow`` and ``missed`` count what came last in a row; ``start_by`` is the moment (monotonic) by
    which an instance that is being started has to have answered.
    """

    state: State = State.UNKNOWN
    reasons: tuple[str, ...] = ("not checked yet",)
    since: float = 0.0
    good: int = 0
    slow: int = 0
    missed: int = 0
    starting: bool = False
    start_by: float | None = None

    @property
    def is_usable(self) -> bool:
        """Whether requests should be sent there.

        What has not been looked at yet is trusted; what is being started is not until it has answered.
        """
        match self.state:
            case State.HEALTHY | State.DEGRADED:
                return True
            case State.RECOVERING:
                return self.good > 0
            case State.UNKNOWN:
                return not self.starting
            case State.UNHEALTHY:
                return False

    @property
    def is_troubled(self) -> bool:
        """Whether a second look should come soon."""
        return self.starting or self.missed > 0 or self.slow > 0 or self.state is State.RECOVERING


def judge(verdict: Verdict, observation: Observation, *, now: float, at: float) -> Verdict:
    """Return the verdict after ``observation``; what was not seen changes nothing but the reasons shown."""
    if observation.seen is Seen.UNSEEN:
        start_by = verdict.start_by
        return replace(
            verdict,
            reasons=observation.reasons,
            start_by=None if start_by is None else max(start_by, now + UNSEEN_GRACE),
        )
    counted, signal = _count(verdict, observation, now=now)
    state = TRANSITIONS[verdict.state, signal]
    return replace(
        counted,
        state=state,
        since=verdict.since if state is verdict.state else at,
        reasons=_reasons(counted, state, signal, observation),
    )


def _count(verdict: Verdict, observation: Observation, *, now: float) -> tuple[Verdict, Signal]:
    """Return the verdict with its counters moved on, and what the observation means."""
    match observation.seen:
        case Seen.GOOD | Seen.SLOW | Seen.IMPAIRED:
            slow = verdict.slow + 1 if observation.seen is Seen.SLOW else 0
            counted = replace(
                verdict, good=verdict.good + 1, slow=slow, missed=0, starting=False, start_by=None
            )
            if observation.seen is Seen.IMPAIRED or slow >= SLOW_CHECKS:
                return counted, Signal.IMPAIRED
            return counted, Signal.PROVEN if counted.good >= GOOD_CHECKS else Signal.GOOD
        case Seen.STARTING:
            # It speaks for itself: no time limit, large models take minutes.
            return replace(verdict, good=0, slow=0, missed=0, starting=True, start_by=None), Signal.STARTING
        case Seen.BEGUN:
            begun = replace(verdict, good=0, slow=0, missed=0, starting=True, start_by=now + START_LIMIT)
            return begun, Signal.STARTING
        case Seen.MISSED | Seen.REFUSED:
            return _count_miss(verdict, observation, now=now)
        case Seen.UNSEEN:
            raise AssertionError("judged before")
        case Seen.EXITED:
            gone = replace(verdict, good=0, slow=0, missed=0, starting=False, start_by=None)
            return gone, Signal.DOWN


def _count_miss(verdict: Verdict, observation: Observation, *, now: float) -> tuple[Verdict, Signal]:
    """Tell a miss that may pass from one that shows the instance down.

    While it is being started, nothing listening is what is to be expected; after ``start_by`` it is not.
    """
    missed = replace(verdict, good=0, slow=0, missed=verdict.missed + 1)
    if verdict.start_by is not None and now < verdict.start_by:
        return missed, Signal.MISSED
    is_overdue = verdict.start_by is not None
    if observation.seen is Seen.REFUSED or missed.missed >= MISSES or is_overdue:
        return replace(missed, starting=False, start_by=None), Signal.DOWN
    return missed, Signal.MISSED


def _reasons(counted: Verdict, state: State, signal: Signal, observation: Observation) -> tuple[str, ...]:
    """Return why the state is what it is, in words."""
    if signal is Signal.MISSED and counted.starting:
        return ("started, no answer yet",)
    if signal is Signal.MISSED and state is not State.UNHEALTHY:
        row = f" ({counted.missed} of {MISSES} checks in a row)"
        return tuple(f"{reason}{row}" for reason in observation.reasons)
    if state is State.RECOVERING and counted.good:
        return (f"answers again, {counted.good} of {GOOD_CHECKS} good checks",)
    if signal in {Signal.GOOD, Signal.PROVEN}:
        return ()
    return observation.reasons


@dataclass(frozen=True, slots=True)
class Member:
    """An instance as its service sees it."""

    url: str
    verdict: Verdict


def judge_service(members: Sequence[Member]) -> tuple[State, str]:
    """Return how a service is, and why in one sentence's words ("" where all is well).

    All instances alike: that. None usable: recovering where one is, else the worst. Some usable: healthy if
    none of them is known to be worse, else degraded, since the service still answers.
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
    """Return a service's state and reason, with what it says while it refuses what is asked of it.

    A server that answers its checks and refuses all else is there, and of no use: degraded at best.
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
    said = "; ".join(
        f"{member.url} is {member.verdict.state}"
        + (f" ({', '.join(member.verdict.reasons)})" if member.verdict.reasons else "")
        for member in wrong
    )
    return f"{len(wrong)} of {len(members)} instances: {said}"
