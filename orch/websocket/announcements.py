"""What is done to connections as a whole, or to one by an operator."""

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.cluster.survey import Survey
from orch.cluster.workers import described
from orch.problems import ProblemError
from orch.protocol import closes
from orch.protocol.messages import SystemAnnouncement
from orch.stores.status import StoreStanding
from orch.telemetry.events import EventLog
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.outbox import frame
from orch.websocket.sessions.sessions import Sessions

#: Characters of an announcement that the event log shows.
ANNOUNCEMENT_SHOWN: Final = 100

_log = structlog.get_logger("websocket")

_ANNOUNCE: Final = "announce"
_CLOSE: Final = "close"


class Announced(Struct, frozen=True):
    """What became of an announcement.

    How many connections took it, how many had to go because they could not, in how many seconds, and which
    workers are there and did not answer: who is connected to them may not have been told.
    """

    taken: int
    evicted: int
    seconds: float = 0.0
    missing: tuple[str, ...] = ()


class Announcements:
    """Says something to every connection, and closes one; on this worker, and through the store on others.

    The mutable state is whether clients have been told that nothing can be kept now.
    """

    def __init__(
        self, *, survey: Survey, connections: Mapping[str, Connection], sessions: Sessions, events: EventLog
    ) -> None:
        self._survey = survey
        self._connections = connections
        self._sessions = sessions
        self._events = events
        self._is_degraded = False
        survey.register(_ANNOUNCE, self._announced)
        survey.register(_CLOSE, self._closed)

    async def announce_everywhere(self, text: str) -> Announced:
        """Say ``system_announcement`` to every connection of every worker; name those that did not answer."""
        began = trio.current_time()
        asked = await self._survey.collect(_ANNOUNCE, msgspec.json.encode(text))
        told = [msgspec.json.decode(answer.data, type=Announced) for answer in asked.replies]
        taken, evicted = sum(each.taken for each in told), sum(each.evicted for each in told)
        shown = text if len(text) <= ANNOUNCEMENT_SHOWN else f"{text[:ANNOUNCEMENT_SHOWN]}…"
        self._events.record("info", "connections", f"Announced to {taken} connections: {shown}")
        return Announced(
            taken=taken,
            evicted=evicted,
            seconds=round(trio.current_time() - began, 4),
            missing=tuple(described(worker) for worker in asked.missing),
        )

    async def close_connection(self, connection_id: str) -> None:
        """Close one connection for good, on whichever worker it is.

        Raises ``unknown_connection``, ``worker_silent`` where it may be on one that does not answer.

        Returns once its client has what was queued for it, or has had time to.
        """
        if self._close_here(connection_id):
            connection = self._connections.get(connection_id)
            if connection is not None:
                await connection.finish()
            return
        asked = await self._survey.collect(_CLOSE, msgspec.json.encode(connection_id))
        if any(msgspec.json.decode(answer.data, type=bool) for answer in asked.replies):
            return
        name = connection_id[:100]
        if asked.missing:
            silent = "; ".join(described(worker) for worker in asked.missing)
            raise ProblemError(
                "worker_silent",
                f"No worker that replied has the connection {name}. Did not reply: {silent}.",
            )
        raise ProblemError("unknown_connection", f"No connection is called {name}.")

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
        return self._say(SystemAnnouncement(timestamp=self._sessions.now_ms(), message=text))

    def _announced(self, payload: bytes) -> bytes:
        return msgspec.json.encode(self.announce(msgspec.json.decode(payload, type=str)))

    def _closed(self, payload: bytes) -> bytes:
        return msgspec.json.encode(self._close_here(msgspec.json.decode(payload, type=str)))

    def sessions_lost(self, count: int) -> None:
        """Tell operators that sessions are gone that nobody has ended."""
        _log.warning("sessions lost", count=count)
        many = f"{count} sessions were" if count > 1 else "1 session was"
        self._events.record(
            "bad",
            "sessions",
            f"{many} lost: nobody ended them, but Redis no longer has them or part of their history. "
            "It was flushed, restarted without its data, or evicts keys (maxmemory-policy). Their "
            "participants were notified.",
        )

    def store_changed(self, status: StoreStanding) -> None:
        """Announce to this worker's clients that nothing can be stored now, and when it can be again."""
        is_open = status.state == "healthy"
        if is_open != self._is_degraded:
            return
        self._is_degraded = not is_open
        if is_open:
            words = "Sessions are stored again."
            self._events.record("ok", "sessions", words)
        else:
            why = f": {status.brief}" if status.brief else ""
            words = (
                f"Sessions cannot be stored right now{why}. Earlier messages are safe; new ones are "
                "queued, then rejected."
            )
            self._events.record("bad", "sessions", status.reason or words)
        self._say(
            SystemAnnouncement(
                timestamp=self._sessions.now_ms(), message=words, state="restored" if is_open else "degraded"
            )
        )

    def _say(self, announcement: SystemAnnouncement) -> Announced:
        said = frame(announcement)
        told = [connection for connection in self._connections.values() if not connection.is_closing]
        for connection in told:
            connection.offer(said)
        evicted = sum(connection.is_closing for connection in told)
        return Announced(taken=len(told) - evicted, evicted=evicted)
