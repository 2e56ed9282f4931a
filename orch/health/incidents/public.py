"""What guests may read: how the services stand, incidents in plain words, uptime, announcements. Pure.

Operators' words stay out of it: reasons, notes, post-mortems and texts of recoveries may name addresses,
instances and people. Of an incident only the kinds of its entries are shown, for which the page has words in
the reader's language. Announcements are the exception: operators write them for guests.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from orch.health.health_events import Stage
from orch.health.incidents.courses import Standing
from orch.health.incidents.records import (
    DAY,
    Announcement,
    AnnouncementKind,
    Entry,
    EntryKind,
    Impact,
    Incident,
)
from orch.health.incidents.uptime import Uptime

PAST_DAYS: Final = 14
"""Days for which incidents that are over are shown."""

PAST: Final = 20
"""Incidents that are over, at most."""

UPDATES: Final = 8
"""Updates of an incident at most, the newest."""


class PublicState(StrEnum):
    """How a service stands, for guests."""

    OPERATIONAL = "operational"
    UNKNOWN = "unknown"
    MAINTENANCE = "maintenance"
    DEGRADED = "degraded"
    OUTAGE = "outage"


_ORDER: Final = tuple(PublicState)
"""From the best to the worst."""

_STATES: Final = {
    Standing.UP: PublicState.OPERATIONAL,
    Standing.DEGRADED: PublicState.DEGRADED,
    Standing.DOWN: PublicState.OUTAGE,
    Standing.UNKNOWN: PublicState.UNKNOWN,
}


class Happened(StrEnum):
    """What an update says."""

    OUTAGE = "outage"
    DEGRADED = "degraded"
    RECOVERED = "recovered"
    RESTARTING = "restarting"
    ESCALATED = "escalated"
    CLOSED = "closed"


_OF_IMPACTS: Final = {
    Impact.OUTAGE: Happened.OUTAGE,
    Impact.DEGRADED: Happened.DEGRADED,
    Impact.RECOVERED: Happened.RECOVERED,
}

_OF_STAGES: Final = {Stage.HOOK: Happened.RESTARTING, Stage.ESCALATED: Happened.ESCALATED}


class PublicUpdate(Struct, frozen=True, kw_only=True):
    """One thing that happened in an incident. ``at``: seconds since the epoch."""

    at: float
    happened: Happened


class PublicIncident(Struct, frozen=True, kw_only=True):
    """An incident. Times are seconds since the epoch; ``updates``: the newest first."""

    number: int
    service: str
    name: str
    began: float
    ended: float | None
    impact: Impact
    worst: Impact
    updates: tuple[PublicUpdate, ...]


class PublicAnnouncement(Struct, frozen=True, kw_only=True):
    """What operators announce. ``until``: None: until they end it."""

    number: int
    kind: AnnouncementKind
    text: str
    at: float
    until: float | None


class PublicService(Struct, frozen=True, kw_only=True):
    """A service. ``name``: for guests; empty: the page's own word. ``uptime``: by window."""

    service: str
    name: str
    state: PublicState
    uptime: dict[str, Uptime]


class PublicStatus(Struct, frozen=True, kw_only=True):
    """All that guests may read. ``at``: when it was put together; ``state``: the worst of the services'."""

    at: float
    title: str
    state: PublicState
    announcements: tuple[PublicAnnouncement, ...]
    incidents: tuple[PublicIncident, ...]
    past: tuple[PublicIncident, ...]
    services: tuple[PublicService, ...]


def public_state(standing: Standing, *, is_in_maintenance: bool) -> PublicState:
    """Return how a service stands for guests; in a maintenance window nothing else matters."""
    return PublicState.MAINTENANCE if is_in_maintenance else _STATES[standing]


def worst(states: Iterable[PublicState]) -> PublicState:
    """Return the worst state; of no service nothing is known."""
    return max(states, key=_ORDER.index, default=PublicState.UNKNOWN)


def public_incidents(
    incidents: Iterable[Incident], names: Mapping[str, str], now: float
) -> tuple[tuple[PublicIncident, ...], tuple[PublicIncident, ...]]:
    """Return the open incidents of the public services, and those that ended lately; the newest first."""
    shown = sorted(
        (incident for incident in incidents if incident.service in names), key=lambda each: -each.began
    )
    is_open = tuple(_public(each, names) for each in shown if each.ended is None)
    past = [each for each in shown if each.ended is not None and now - each.ended < PAST_DAYS * DAY]
    return is_open, tuple(_public(each, names) for each in past[:PAST])


def _public(incident: Incident, names: Mapping[str, str]) -> PublicIncident:
    return PublicIncident(
        number=incident.number,
        service=incident.service,
        name=names[incident.service],
        began=incident.began,
        ended=incident.ended,
        impact=incident.impact,
        worst=incident.worst,
        updates=_updates(incident.entries),
    )


def _updates(entries: Iterable[Entry]) -> tuple[PublicUpdate, ...]:
    found: list[PublicUpdate] = []
    for entry in entries:
        happened = _happened(entry)
        if happened is not None and (not found or found[-1].happened is not happened):
            found.append(PublicUpdate(at=entry.at, happened=happened))
    return tuple(reversed(found[-UPDATES:]))


def _happened(entry: Entry) -> Happened | None:
    if entry.kind is EntryKind.CLOSED:
        return Happened.CLOSED
    if entry.kind is EntryKind.RECOVERY:
        return None if entry.stage is None else _OF_STAGES.get(entry.stage)
    return None if entry.impact is None else _OF_IMPACTS[entry.impact]


def public_announcements(current: Iterable[Announcement]) -> tuple[PublicAnnouncement, ...]:
    """Return the current announcements, without what only operators need."""
    return tuple(
        PublicAnnouncement(number=each.number, kind=each.kind, text=each.text, at=each.at, until=each.until)
        for each in current
    )
