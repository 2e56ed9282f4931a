"""Opens, updates and closes incidents by rule. Pure.

A service has one open incident at most; several services may have one each at the same time. What goes in is
the course of each service and the stored incidents, what comes out are incidents to store. An incident opens
once a service

- is down for :attr:`IncidentTimes.open_after` s,
- has something wrong for :attr:`IncidentTimes.degraded_after` s, or
- falls for the :data:`orch.health.incidents.courses.FLAPS` th time within ten minutes.

It begins when the trouble began, and ends when the service came back, once it has been up for
:attr:`IncidentTimes.close_after` s. During maintenance nothing is opened; what is open goes on.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from orch.health.health_events import RecoveryStep
from orch.health.incidents.courses import WRONG, Course, Standing, is_flapping
from orch.health.incidents.records import (
    SEVERITY,
    Entry,
    EntryKind,
    Impact,
    Incident,
    shortened,
    with_entries,
)

STEPS_BEFORE: Final = 1.0
"""Seconds before its beginning from which steps of a recovery belong to an incident."""

_IMPACT: Final = {
    Standing.DOWN: Impact.OUTAGE,
    Standing.DEGRADED: Impact.DEGRADED,
    Standing.UP: Impact.RECOVERED,
}

_CHANGE: Final = {
    Impact.OUTAGE: "does not serve requests",
    Impact.DEGRADED: "serves requests, and is degraded",
    Impact.RECOVERED: "works again",
}


class IncidentTimes(Struct, frozen=True, kw_only=True):
    """When incidents open and close, in seconds."""

    open_after: float = 10.0
    degraded_after: float = 60.0
    close_after: float = 120.0


class View(Struct, frozen=True, kw_only=True):
    """What is known of a service now. ``reason``: of its state, for operators.

    ``steps``: the latest steps of its recoveries, oldest first.
    """

    course: Course
    reason: str = ""
    steps: tuple[RecoveryStep, ...] = ()
    is_in_maintenance: bool = False


def review(
    open_incidents: Iterable[Incident], views: Mapping[str, View], times: IncidentTimes, now: float
) -> tuple[Incident, ...]:
    """Return the incidents that are new (number 0) or have changed."""
    found = {incident.service: incident for incident in open_incidents}
    changed: list[Incident] = []
    for service, view in views.items():
        incident = found.pop(service, None)
        after = (
            _opened(service, view, times, now) if incident is None else _updated(incident, view, times, now)
        )
        if after is not None and after != incident:
            changed.append(after)
    changed += [_removed(incident, now) for incident in found.values()]
    return tuple(changed)


def _opened(service: str, view: View, times: IncidentTimes, now: float) -> Incident | None:
    course = view.course
    began = course.wrong_since
    if view.is_in_maintenance or began is None or not _is_due(course, began, times, now):
        return None
    impact = _IMPACT[course.standing]
    text = f"{service} {_CHANGE[impact]}{_because(view)}"
    opening = Entry(at=began, kind=EntryKind.OPENED, text=shortened(text), impact=impact)
    opened = Incident(
        service=service,
        began=began,
        impact=impact,
        worst=impact,
        entries=(opening,),
        steps_until=began - STEPS_BEFORE,
    )
    return _with_steps(opened, view)


def _is_due(course: Course, wrong_since: float, times: IncidentTimes, now: float) -> bool:
    if course.standing not in WRONG:
        return False
    is_down = course.standing is Standing.DOWN and now - course.since >= times.open_after
    return is_down or now - wrong_since >= times.degraded_after or is_flapping(course, now)


def _updated(incident: Incident, view: View, times: IncidentTimes, now: float) -> Incident:
    incident = _with_steps(incident, view)
    course = view.course
    impact = _IMPACT.get(course.standing)
    if impact is None:
        return incident  # nothing is known now, so nothing is over and nothing is worse
    if impact is not incident.impact:
        text = f"{incident.service} {_CHANGE[impact]}{_because(view)}"
        changed = Entry(
            at=max(course.since, incident.entries[-1].at),
            kind=EntryKind.CHANGED,
            text=shortened(text),
            impact=impact,
        )
        worst = max(incident.worst, impact, key=SEVERITY.__getitem__)
        incident = replace(_added(incident, changed), impact=impact, worst=worst)
    is_over = impact is Impact.RECOVERED and now - course.since >= times.close_after
    return _closed(incident, ended=max(course.since, incident.began), now=now) if is_over else incident


def _closed(incident: Incident, *, ended: float, now: float) -> Incident:
    text = f"{incident.service} has worked for {now - ended:.0f} s. The incident is over."
    entry = Entry(at=now, kind=EntryKind.CLOSED, text=text, impact=Impact.RECOVERED)
    return replace(_added(incident, entry), ended=ended)


def _removed(incident: Incident, now: float) -> Incident:
    text = f"{incident.service} is no longer in the settings. The incident is over."
    entry = Entry(at=now, kind=EntryKind.CLOSED, text=text, impact=incident.impact)
    return replace(_added(incident, entry), ended=now)


def _with_steps(incident: Incident, view: View) -> Incident:
    new = [step for step in view.steps if step.at > incident.steps_until]
    if not new:
        return incident
    entries = (
        Entry(at=step.at, kind=EntryKind.RECOVERY, text=shortened(step.text), stage=step.stage)
        for step in new
    )
    return replace(_added(incident, *entries), steps_until=max(step.at for step in new))


def _added(incident: Incident, *added: Entry) -> Incident:
    entries, dropped = with_entries(incident.entries, added)
    return replace(incident, entries=entries, dropped=incident.dropped + dropped)


def _because(view: View) -> str:
    return f": {view.reason}." if view.reason else "."


def with_note(incident: Incident, text: str, at: float) -> Incident:
    """Return an incident with a note of an operator."""
    return _added(incident, Entry(at=at, kind=EntryKind.NOTE, text=text))


def with_post_mortem(incident: Incident, text: str, at: float) -> Incident:
    """Return an incident with another post-mortem; an empty text removes it."""
    return replace(incident, post_mortem=text, post_mortem_at=at if text else None)
