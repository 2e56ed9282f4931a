"""The log of recent events that operators see. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Literal

from msgspec import Struct

Severity = Literal["info", "ok", "warn", "bad"]

KEPT: Final = 200


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened. ``at``: seconds since the epoch."""

    number: int
    at: float
    severity: Severity
    subject: str
    text: str


def without_surplus(events: Sequence[Event], limit: int) -> list[Event]:
    """Return at most ``limit`` of ``events`` (oldest first), with a fair share for each subject.

    The oldest event of the subject and severity with the most events is dropped, so that events which clients
    can cause (such as a slow client) displace their own kind, not those of a back end.
    """
    left = list(events)
    counts = Counter((event.subject, event.severity) for event in left)
    while len(left) > limit:
        fullest = max(counts, key=lambda share: counts[share])
        place = next(i for i, event in enumerate(left) if (event.subject, event.severity) == fullest)
        counts[fullest] -= 1
        del left[place]
    return left


class EventLog:
    """The last :data:`KEPT` events; others are dropped (:func:`without_surplus`), the log has them.

    ``on_record`` is called after each event; the hub publishes it to the pages.
    """

    def __init__(self, *, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._events: list[Event] = []
        self._count = 0
        self.on_record: Callable[[Event], None] | None = None

    def record(self, severity: Severity, subject: str, text: str) -> Event:
        """Store an event: ``subject`` names the thing, ``text`` is a sentence about it."""
        self._count += 1
        event = Event(number=self._count, at=self._wall(), severity=severity, subject=subject, text=text)
        self._events = without_surplus([*self._events, event], KEPT)
        if self.on_record is not None:
            self.on_record(event)
        return event

    def latest(self, limit: int = 50) -> tuple[Event, ...]:
        """Return the newest events, newest first, some of each subject."""
        return tuple(reversed(without_surplus(self._events, limit)))
