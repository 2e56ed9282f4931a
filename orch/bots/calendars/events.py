"""One event of a calendar, within the time that was asked for. Pure."""

from dataclasses import dataclass, field
from typing import NamedTuple

from orch.bots.meeting_url import MeetingUrl


class EventKey(NamedTuple):
    """What identifies an event for as long as it exists: RFC 5545's UID and RECURRENCE-ID.

    ``recurrence_id``: the start that the event has by the rule of its series (RFC 3339, UTC), however it was
    moved since; "" for one that is not repeated.
    """

    uid: str
    recurrence_id: str = ""


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """An event. Times are seconds since the epoch.

    ``meeting``: None if it has none that can be joined. ``is_all_day``: it has dates and no times.
    """

    key: EventKey
    start: float
    end: float
    title: str = field(repr=False)
    meeting: MeetingUrl | None = field(repr=False)
    is_cancelled: bool = False
    is_all_day: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A series of events that cannot be read: nothing is known of it. ``reason`` completes "the event …"."""

    uid: str
    reason: str


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, in seconds since the epoch: from ``start``, before ``end``."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a calendar has within a window.

    ``events``: those with a meeting, or of a series that has one, by start. ``unreadable``: series of which
    nothing is known. ``count``: how many events the file has in all, within the window or not.
    """

    window: Window
    events: tuple[CalendarEvent, ...]
    unreadable: tuple[Unreadable, ...]
    count: int
