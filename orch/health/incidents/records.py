"""Incidents and announcements, as they are stored and as operators read them. Pure.

Times are seconds since the epoch. Texts of entries are for operators: they may name addresses.
"""

from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct

from orch.health.health_events import Stage

DAY: Final = 86_400.0

STORED_DAYS: Final = 90
"""Days that incidents, uptime and announcements are stored."""

ENTRIES: Final = 120
"""Entries of an incident at most; above it the oldest automatic ones are dropped and counted."""

NOTES: Final = 50
"""Notes of an incident at most."""

INCIDENTS: Final = 500
"""Incidents stored at most; above it those that ended first are deleted."""

TEXT: Final = 600
"""Characters of an automatic entry at most."""


class Impact(StrEnum):
    """What an incident means at a time."""

    OUTAGE = "outage"  # the service does not serve requests
    DEGRADED = "degraded"  # it serves requests, with problems
    RECOVERED = "recovered"  # it works again; the incident ends if that lasts


SEVERITY: Final = {Impact.RECOVERED: 0, Impact.DEGRADED: 1, Impact.OUTAGE: 2}
"""The order of impacts; the higher number is the worse one."""


class EntryKind(StrEnum):
    """What an entry of an incident is about."""

    OPENED = "opened"
    CHANGED = "changed"
    RECOVERY = "recovery"
    NOTE = "note"
    CLOSED = "closed"


class Entry(Struct, frozen=True, kw_only=True):
    """One line of an incident. ``impact``: from then on; ``stage``: of an entry about a recovery."""

    at: float
    kind: EntryKind
    text: str
    impact: Impact | None = None
    stage: Stage | None = None


class Incident(Struct, frozen=True, kw_only=True):
    """One incident of a service.

    ``number``: 1, 2, … in the order of opening; 0: not stored yet. ``began``: when the trouble began;
    ``ended``: when it was over, None while the incident is open. ``worst``: the worst impact so far.
    ``dropped``: entries that were dropped. ``steps_until``: the time of the last step of a recovery in it.
    """

    number: int = 0
    service: str
    began: float
    ended: float | None = None
    impact: Impact
    worst: Impact
    entries: tuple[Entry, ...]
    dropped: int = 0
    steps_until: float = 0.0
    post_mortem: str = ""
    post_mortem_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.ended is None


AnnouncementKind = Literal["outage", "warning", "information", "operational"]


class Announcement(Struct, frozen=True, kw_only=True):
    """What operators announce on the public status page. ``until``: None: until they end it.

    ``ended``: when they ended it, None if they did not.
    """

    number: int = 0
    kind: AnnouncementKind
    text: str
    at: float
    until: float | None = None
    ended: float | None = None

    def is_current(self, now: float) -> bool:
        """Return whether it is shown."""
        return self.ended is None and (self.until is None or now < self.until)


def with_entries(entries: tuple[Entry, ...], added: tuple[Entry, ...]) -> tuple[tuple[Entry, ...], int]:
    """Return the entries with ``added``, in the order of time, and how many were dropped for them.

    The first entry and the notes always stay.
    """
    merged = sorted((*entries, *added), key=lambda entry: entry.at)
    surplus = len(merged) - ENTRIES
    stay: list[Entry] = []
    dropped = 0
    for number, entry in enumerate(merged):
        if dropped < surplus and number > 0 and entry.kind in {EntryKind.CHANGED, EntryKind.RECOVERY}:
            dropped += 1
        else:
            stay.append(entry)
    return tuple(stay), dropped


def shortened(text: str, limit: int = TEXT) -> str:
    """Return a text of ``limit`` characters at most."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
