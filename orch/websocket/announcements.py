"""Announcements to every connection: an operator's, and those about the store."""

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.cluster.survey import Survey
from orch.cluster.workers import described
from orch.protocol.messages import SystemAnnouncement
from orch.stores.status import StoreStatus
from orch.telemetry.events import EventLog
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.outbox import frame
from orch.websocket.sessions.sessions import Sessions

#: Characters of an announcement that the event log shows.
ANNOUNCEMENT_SHOWN: Final = 100

_log = structlog.get_logger("websocket")

_ANNOUNCE: Final = "announce"


class Announced(Struct, frozen=True):
    """The result of an announcement.

    ``taken``: how many connections it was queued for; ``evicted``: how many were closed because they were too
    far behind; ``missing``: workers that did not reply, whose clients may not have it.
    """

    taken: int
    evicted: int
    seconds: float = 0.0
    missing: tuple[str, ...] = ()


class Announcements:
    """Sends ``system_announcement`` to every connection, on this worker and, by a survey, on the others.

    The mutable state is whether it was announced that nothing can be stored now.
    """

    def __init__(
        self, *, survey: Survey, connections: Mapping[str, Connection], sessions: Sessions, events: EventLog
    ) -> None:
        self._survey = survey
        self._connections = connections
        self._sessions = sessions
        self._events = events
        self._is_degraded = False
        survey.register(_ANNOUNCE, self._reply_announce)

    async def announce_everywhere(self, text: str) -> Announced:
        """Send ``system_announcement`` to every connection of every worker."""
        began = trio.current_time()
        survey = await self._survey.collect(_ANNOUNCE, msgspec.json.encode(text))
        results = [msgspec.json.decode(reply.data, type=Announced) for reply in survey.replies]
        taken, evicted = sum(one.taken for one in results), sum(one.evicted for one in results)
        shown = text if len(text) <= ANNOUNCEMENT_SHOWN else f"{text[:ANNOUNCEMENT_SHOWN]}…"
        self._events.record("info", "connections", f"Announced to {taken} connections: {shown}")
        return Announced(
            taken=taken,
            evicted=evicted,
            seconds=round(trio.current_time() - began, 4),
            missing=tuple(described(worker) for worker in survey.missing),
        )

    def announce(self, text: str) -> Announced:
        """Send ``system_announcement`` to every connection of this worker."""
        return self._send(SystemAnnouncement(timestamp=self._sessions.now_ms(), message=text))

    def _reply_announce(self, payload: bytes) -> bytes:
        return msgspec.json.encode(self.announce(msgspec.json.decode(payload, type=str)))

    def sessions_lost(self, count: int) -> None:
        """Record that sessions are gone although nobody ended them."""
        _log.warning("sessions lost", count=count)
        many = f"{count} sessions were" if count > 1 else "1 session was"
        self._events.record(
            "bad",
            "sessions",
            f"{many} lost: nobody ended them, but Redis no longer has them or part of their history. "
            "It was flushed, restarted without its data, or evicts keys (maxmemory-policy). Their "
            "participants were notified.",
        )

    def store_changed(self, status: StoreStatus) -> None:
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
        self._send(
            SystemAnnouncement(
                timestamp=self._sessions.now_ms(), message=words, state="restored" if is_open else "degraded"
            )
        )

    def _send(self, announcement: SystemAnnouncement) -> Announced:
        sent = frame(announcement)
        receivers = [connection for connection in self._connections.values() if not connection.is_closing]
        for connection in receivers:
            connection.offer(sent)
        evicted = sum(connection.is_closing for connection in receivers)
        return Announced(taken=len(receivers) - evicted, evicted=evicted)
