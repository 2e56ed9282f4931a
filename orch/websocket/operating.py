"""What is done to connections as a whole, or to one by an operator."""

from collections.abc import Mapping
from typing import Final

import msgspec
import trio
from msgspec import Struct

from orch.problems import ProblemError
from orch.telemetry.events import EventLog
from orch.websocket import closes
from orch.websocket.connection import Connection
from orch.websocket.messages import SystemAnnouncement
from orch.websocket.outbox import frame
from orch.websocket.rooms import Rooms

#: Characters of an announcement that the event log shows.
ANNOUNCEMENT_SHOWN: Final = 100


class Announced(Struct, frozen=True):
    """What became of an announcement.

    How many connections took it, how many had to go because they could not, and in how many seconds.
    """

    taken: int
    evicted: int
    seconds: float = 0.0


class Operating:
    """Says something to every connection, and closes one; on this worker, and through the store on others.

    The mutable state is whether clients have been told that nothing can be kept now.
    """

    def __init__(self, *, connections: Mapping[str, Connection], rooms: Rooms, events: EventLog) -> None:
        self._connections = connections
        self._rooms = rooms
        self._events = events
        self._is_degraded = False
        if rooms.elsewhere is not None:
            rooms.elsewhere.on_announced = self._announced
            rooms.elsewhere.on_close = self._close_here
            rooms.elsewhere.on_state = self._store_changed

    async def announce_everywhere(self, text: str) -> Announced:
        """Say ``system_announcement`` to every connection of every worker that answers in time."""
        began = trio.current_time()
        told = [self.announce(text)]
        if self._rooms.elsewhere is not None:
            answers = await self._rooms.elsewhere.announce(text.encode())
            told += [msgspec.json.decode(answer, type=Announced) for answer in answers]
        taken, evicted = sum(each.taken for each in told), sum(each.evicted for each in told)
        shown = text if len(text) <= ANNOUNCEMENT_SHOWN else f"{text[:ANNOUNCEMENT_SHOWN]}…"
        self._events.record("info", "connections", f"Announced to {taken} connections: {shown}")
        return Announced(taken=taken, evicted=evicted, seconds=round(trio.current_time() - began, 4))

    async def close_connection(self, connection_id: str) -> None:
        """Close one connection for good, on whichever worker it is. Raises ``unknown_connection``.

        Returns once its client has what was queued for it, or has had time to.
        """
        if self._close_here(connection_id):
            connection = self._connections.get(connection_id)
            if connection is not None:
                await connection.finish()
        elif self._rooms.elsewhere is None or not await self._rooms.elsewhere.close(connection_id):
            raise ProblemError("unknown_connection", f"There is no connection {connection_id[:100]}.")

    def _close_here(self, connection_id: str) -> bool:
        connection = self._connections.get(connection_id)
        if connection is None:
            return False
        if not connection.is_closing:
            self._events.record("info", "connections", f"An operator closed {connection.address}.")
            connection.close(closes.CLOSED_BY_OPERATOR, flush=True)
        return True

    def announce(self, text: str) -> Announced:
        """Say ``system_announcement`` to every connection of this worker."""
        return self._say(SystemAnnouncement(timestamp=self._rooms.now_ms(), message=text))

    def _announced(self, payload: bytes) -> bytes:
        return msgspec.json.encode(self.announce(payload.decode()))

    def _store_changed(self, is_open: bool) -> None:  # noqa: FBT001 - the store calls it so
        """Tell clients that nothing can be kept now, and when it can be again."""
        if is_open != self._is_degraded:
            return
        self._is_degraded = not is_open
        if is_open:
            words = "What is said in sessions is kept again."
            self._events.record("ok", "sessions", words)
        else:
            words = "What is said in sessions cannot be kept now; it waits, or is refused."
            self._events.record("bad", "sessions", words)
        self._say(
            SystemAnnouncement(
                timestamp=self._rooms.now_ms(), message=words, state="restored" if is_open else "degraded"
            )
        )

    def _say(self, announcement: SystemAnnouncement) -> Announced:
        said = frame(announcement)
        told = [connection for connection in self._connections.values() if not connection.is_closing]
        for connection in told:
            connection.offer(said)
        evicted = sum(connection.is_closing for connection in told)
        return Announced(taken=len(told) - evicted, evicted=evicted)
