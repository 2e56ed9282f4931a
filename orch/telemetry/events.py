"""What happened lately, in words, for an operator."""

from collections import deque
from collections.abc import Callable
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


class EventLog:
    """The last :data:`KEPT` events; older ones are dropped, the log has them.

    ``on_record`` is called after each one (the hub tells the pages).
    """

    def __init__(self, *, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._count = 0
        self.on_record: Callable[[Event], None] | None = None

    def record(self, severity: Severity, subject: str, text: str) -> Event:
        """Keep an event: ``subject`` names the thing, ``text`` is a sentence about it."""
        self._count += 1
        event = Event(number=self._count, at=self._wall(), severity=severity, subject=subject, text=text)
        self._events.append(event)
        if self.on_record is not None:
            self.on_record(event)
        return event

    def latest(self, limit: int = 50) -> tuple[Event, ...]:
        """Return the newest events, newest first."""
        return tuple(list(self._events)[-limit:][::-1])
