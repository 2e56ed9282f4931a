"""The queue of events that the application has not read. Pure."""

from collections import deque
from collections.abc import Hashable
from typing import Final

from orch.client.events import Event, Lost, StateChanged
from orch.protocol.messages import AudioStatus, Presence, Update

#: Events, and bytes of the frames they came in.
COUNT_LIMIT: Final = 4_096
BYTES_LIMIT: Final = 16 * 2**20


class _Entry:
    __slots__ = ("event", "key", "size")

    def __init__(self, event: Event, size: int, key: Hashable) -> None:
        self.event, self.size, self.key = event, size, key


class Backlog:
    """Unread events, in the order of their arrival: ``COUNT_LIMIT`` and ``BYTES_LIMIT`` at most.

    An event that is a whole state (of a topic, a session's participants, a stream's progress, the connection)
    replaces the one before it. When the queue is full, an event that is stored nowhere is dropped and
    counted; one that its session stores (``is_lasting``) is refused, and recovered later. ``Lost`` is always
    accepted, in its place: no loss goes unreported, and there is at most one for each join.
    """

    def __init__(self, *, count: int = COUNT_LIMIT, size: int = BYTES_LIMIT) -> None:
        self._count_limit, self._bytes_limit = count, size
        self._entries: deque[_Entry] = deque()
        self._latest: dict[Hashable, _Entry] = {}
        self._bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def has_room(self) -> bool:
        """Whether it is at most half full: refused messages may be requested again."""
        return len(self._entries) * 2 <= self._count_limit and self._bytes * 2 <= self._bytes_limit

    def offer(self, event: Event, size: int = 0, *, is_lasting: bool = False) -> bool:
        """Queue an event of ``size`` bytes; return False if it was refused or dropped."""
        key = _key(event)
        known = self._latest.get(key) if key is not None else None
        if known is not None:
            self._bytes += size - known.size
            known.event, known.size = event, size
            return True
        is_full = len(self._entries) >= self._count_limit or (
            bool(self._entries) and self._bytes + size > self._bytes_limit
        )
        if is_full and not isinstance(event, Lost):
            self.dropped += not is_lasting
            return False
        entry = _Entry(event, size, key)
        self._entries.append(entry)
        self._bytes += size
        if key is not None:
            self._latest[key] = entry
        return True

    def take(self) -> Event | None:
        """Return the oldest event, or None."""
        if not self._entries:
            return None
        entry = self._entries.popleft()
        self._bytes -= entry.size
        if entry.key is not None:
            del self._latest[entry.key]
        return entry.event


def _key(event: Event) -> Hashable:
    """Return the key of the state that the event is, or None."""
    match event:
        case Update(topic=topic):
            return ("update", topic)
        case Presence(session_id=session_id):
            return ("presence", session_id)
        case AudioStatus(stream_id=stream_id):
            return ("audio", stream_id)
        case StateChanged():
            return "state"
        case _:
            return None
