"""The start of an instance: whether it comes up, and if not, why. Pure.

A start begins when the program is run, when a hook has restarted what runs elsewhere, or when that reports
by itself that it is starting. It succeeds with the first response that is usable. Until then the instance is
*starting*; past the limit it is *late* while it reports that it is starting, which takes minutes for a large
model; and the start has *failed* once the process has ended, could not be run at all, or has not responded
within the limit.

A start for which this process itself was short of something has failed too, but does not count.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from typing import Final

from msgspec import Struct

from orch.health.check_response import in_words
from orch.health.verdict import Finding, Observation, State, Verdict

LINES: Final = 5
"""Lines of a child's output that are shown with a failed start: the end of a traceback has the reason."""

NOT_RUN: Final = "cannot be started"
"""How the reason begins of a program that could not even be run."""


class Phase(StrEnum):
    """The phase of a start."""

    NONE = "none"
    """Nothing is being started: it has responded since its last start, or was never started from here."""
    STARTING = "starting"
    LATE = "late"
    FAILED = "failed"


OVERDUE: Final = frozenset({Phase.LATE, Phase.FAILED})
"""Phases of an instance that should have come up by now, so that it counts as down."""


class Event(StrEnum):
    """What an observation means to a start."""

    BEGUN = auto()
    RESPONDED = auto()
    SILENT = auto()
    REPORTS = auto()
    LATE = auto()
    OVERDUE = auto()
    EXITED = auto()


TRANSITIONS: Final[Mapping[tuple[Phase, Event], Phase]] = {
    **{(Phase.NONE, event): Phase.NONE for event in Event},
    **{(phase, event): Phase.STARTING for phase in Phase for event in (Event.BEGUN, Event.REPORTS)},
    (Phase.NONE, Event.LATE): Phase.LATE,
    (Phase.STARTING, Event.RESPONDED): Phase.NONE,
    (Phase.STARTING, Event.SILENT): Phase.STARTING,
    (Phase.STARTING, Event.LATE): Phase.LATE,
    (Phase.STARTING, Event.OVERDUE): Phase.FAILED,
    (Phase.STARTING, Event.EXITED): Phase.FAILED,
    (Phase.LATE, Event.RESPONDED): Phase.NONE,
    (Phase.LATE, Event.SILENT): Phase.LATE,
    (Phase.LATE, Event.LATE): Phase.LATE,
    (Phase.LATE, Event.OVERDUE): Phase.FAILED,
    (Phase.LATE, Event.EXITED): Phase.FAILED,
    (Phase.FAILED, Event.RESPONDED): Phase.NONE,
    (Phase.FAILED, Event.SILENT): Phase.FAILED,
    (Phase.FAILED, Event.LATE): Phase.LATE,
    (Phase.FAILED, Event.OVERDUE): Phase.FAILED,
    (Phase.FAILED, Event.EXITED): Phase.FAILED,
}


@dataclass(frozen=True, slots=True)
class Start:
    """The start of an instance. ``since``: epoch seconds at which ``phase`` began.

    ``is_first``: it has not responded since this process began to watch it. ``failures``: starts in a row
    that failed. Of the one that failed last: ``why``, without its subject; ``code``: the process's exit code
    (negative: the signal that ended it); ``output``: its last lines; ``is_short``: this process was short of
    what it takes to start it.
    """

    phase: Phase = Phase.NONE
    since: float = 0.0
    is_first: bool = True
    failures: int = 0
    why: str = ""
    code: int | None = None
    output: tuple[str, ...] = ()
    is_short: bool = False


class StartStatistics(Struct, frozen=True, kw_only=True):
    """A start that has not succeeded yet. Fields as in :class:`Start`; ``limit``: its seconds at most."""

    phase: Phase
    since: float
    is_first: bool
    failures: int
    limit: float
    why: str
    code: int | None
    output: tuple[str, ...]


def statistics_of(start: Start, limit: float) -> StartStatistics | None:
    """Return what is shown of a start; None if none is under way."""
    if start.phase is Phase.NONE:
        return None
    return StartStatistics(
        phase=start.phase,
        since=start.since,
        is_first=start.is_first,
        failures=start.failures,
        limit=limit,
        why=start.why,
        code=start.code,
        output=start.output,
    )


def follow(
    start: Start, observation: Observation, *, before: Verdict, after: Verdict, at: float, limit: float
) -> Start:
    """Return the start after an observation. ``before``, ``after``: the verdicts; ``limit``: as in Limits."""
    event = _meaning(observation, after)
    phase = TRANSITIONS[start.phase, event]
    if phase is Phase.NONE:
        is_over = event is Event.RESPONDED and (start.is_first or start.phase is not Phase.NONE)
        return Start(is_first=False) if is_over else start
    is_new = phase is not start.phase or event is Event.BEGUN
    followed = replace(start, phase=phase, since=at if is_new else start.since)
    if event is Event.BEGUN:
        return replace(followed, is_short=False)
    has_failed = is_new and phase is Phase.FAILED
    if event is Event.EXITED:
        if has_failed and observation.shortage is not None:
            return replace(followed, is_short=True)
        # One that was ended because it did not respond has written something too, which helps.
        followed = replace(followed, code=observation.code, output=observation.output[-LINES:])
        why = "; ".join(observation.reasons)
    else:
        # What had a limit has exceeded it: before that, silence is expected.
        how = "stopped responding before it was ready"
        if before.start_by is not None or start.phase is Phase.LATE:
            how = f"no usable response within {in_words(limit)}"
        last = f" (the last check: {'; '.join(observation.reasons)})" if observation.reasons else ""
        why = how + last
    if not has_failed:
        return followed
    if event is not Event.EXITED:
        followed = replace(followed, code=None, output=())
    return replace(followed, why=why, failures=start.failures + 1)


def _meaning(observation: Observation, verdict: Verdict) -> Event:
    match observation.finding:
        case Finding.BEGUN:
            return Event.BEGUN
        case Finding.EXITED:
            return Event.EXITED
        case Finding.GOOD | Finding.SLOW | Finding.IMPAIRED | Finding.BUSY | Finding.STUCK:
            return Event.RESPONDED
        case Finding.STARTING:
            return Event.LATE if verdict.is_late else Event.REPORTS
        case Finding.MISSED | Finding.REFUSED:
            return Event.OVERDUE if verdict.state is State.UNHEALTHY else Event.SILENT
        case Finding.UNSEEN:
            return Event.SILENT


def reasons_of(start: Start, verdict: Verdict, limit: float) -> tuple[str, ...]:
    """Return the reasons of a verdict, with those of a start that has failed or is late."""
    if start.phase is Phase.LATE:
        return (*verdict.reasons, f"has not come up within {in_words(limit)}")
    if start.phase is not Phase.FAILED or start.is_short or verdict.state is not State.UNHEALTHY:
        return verdict.reasons
    times = "" if start.failures == 1 else f" {start.failures} times in a row"
    last = f"; its last output: {start.output[-1]}" if start.output else ""
    if start.why.startswith(NOT_RUN):
        return (f"{start.why}{times and f' ({times.strip()})'}",)
    return (f"failed to start{times}: {start.why}{last}",)
