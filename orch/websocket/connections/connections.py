"""Admits, monitors, counts and closes the connections of this worker."""

from collections import Counter
from collections.abc import Callable
from sys import intern
from typing import Any, Final, Never

import msgspec
import structlog
import trio

from orch.access.actors import actor_of
from orch.access.address_limits import AddressCounts, address_limit
from orch.capacity import Capacity
from orch.cluster.survey import Survey
from orch.cluster.workers import described
from orch.problems import ProblemError
from orch.protocol import closes
from orch.protocol.identifiers import new_name
from orch.protocol.messages import Closing, Connected
from orch.queued_bytes import QueuedBytes
from orch.settings.source import SettingsSource
from orch.settings.structs import Websocket
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.telemetry.topics import Topics
from orch.telemetry.traces.headers import traceparent_in
from orch.websocket.connections.asgi_connection import AsgiConnection
from orch.websocket.connections.connection import CLOSE_PATIENCE, Connection, ConnectionContext, Send
from orch.websocket.connections.handshake import Refused, agent, peer, refusal
from orch.websocket.connections.queue_age import QueueAge
from orch.websocket.connections.socket_connection import LINK, SocketConnection
from orch.websocket.statistics import Rates

#: Seconds between checks for stalled connections, and between samples of the rates.
BEAT: Final = 1.0

#: A beat that is this many seconds late shows that the whole process was suspended.
STANDSTILL: Final = 2.0

#: At shutdown: the number of connections closed in a batch, and the pause between batches in seconds.
DRAIN_BATCH: Final = 500
DRAIN_PAUSE: Final = 0.1

#: At shutdown: the maximum rate at which clients are asked to reconnect, and the minimum delay, in which the
#: process can restart.
RETURNS_PER_SECOND: Final = 1_000
RETURN_NOT_BEFORE: Final = 0.5

_CLOSE: Final = "close"

_log = structlog.get_logger("websocket")


class Connections:
    """The open connections by name, ``max_connections`` at most.

    They live in the tasks of the server that accepted them, and survive a restart of the hub's branch.
    ``is_open``: whether new ones are admitted. ``on_closing`` is called once for each, when nothing more will
    be sent to it.

    The mutable state is the connections, the addresses they come from, how long each has been behind, and the
    counters.
    """

    def __init__(
        self,
        *,
        settings: SettingsSource,
        capacity: Callable[[], Capacity],
        survey: Survey,
        events: EventLog,
        topics: Topics,
        wall: Callable[[], float],
        now_ms: Callable[[], int],
        draw: Callable[[], float],
        is_open: Callable[[], bool],
        on_closing: Callable[[Connection], None],
    ) -> None:
        self._settings = settings
        self._capacity = capacity
        self._survey = survey
        self._events = events
        self._topics = topics
        self._now_ms = now_ms
        self._draw = draw
        self._on_closing = on_closing
        self.by_name: dict[str, Connection] = {}
        self.total = 0
        self.closes: Counter[str] = Counter()
        self.rates = Rates()
        self._is_open = is_open
        self.beat_boundary = Boundary("connections")
        self._addresses = AddressCounts()
        self._queue_age = QueueAge()
        self._received_before = self._sent_before = self._sent_bytes_before = 0
        self._gone = trio.lowlevel.ParkingLot()
        self.outgoing = QueuedBytes(self._websocket.outboxes_bytes)
        self._context = ConnectionContext(
            self._websocket, wall=wall, now_ms=now_ms, on_closing=self._closing, outgoing=self.outgoing
        )
        survey.register(_CLOSE, self._reply_close)

    def __len__(self) -> int:
        return len(self.by_name)

    @property
    def _websocket(self) -> Websocket:
        return self._settings.current.orchestration.websocket

    @property
    def evicted(self) -> int:
        """The number of connections closed because their client read too slowly."""
        return self.closes[closes.SLOW_CLIENT.name]

    @property
    def sign_ins(self) -> frozenset[str]:
        """The sign-ins with open connections."""
        return frozenset(connection.actor.sign_in for connection in self.by_name.values()) - {""}

    def counts(self) -> tuple[int, int]:
        """Return the numbers of messages received and sent, including those of ended connections."""
        connections = self.by_name.values()
        return (
            self._received_before + sum(connection.received for connection in connections),
            self._sent_before + sum(connection.sent for connection in connections),
        )

    def byte_counts(self) -> tuple[int, int]:
        """Return the bytes received from clients and queued for them, those of ended connections included."""
        queued = sum(connection.enqueued_bytes for connection in self.by_name.values())
        return self._context.received_bytes, self._sent_bytes_before + queued

    # Opening and ending.

    def would_refuse(self, scope: Any) -> Refused | None:
        """Return why a handshake would be refused now, by its headers and peer; None: it would not."""
        actor = actor_of(scope)
        limit = self._capacity().websockets
        return refusal(
            scope["headers"],
            actor=actor,
            is_open=self._is_open(),
            active=len(self.by_name),
            limit=limit,
            from_address=self._addresses.count(actor.address),
            address_limit=address_limit(self._websocket.max_connections_per_address, limit, actor.address),
        )

    def admit(self, scope: Any, send: Send) -> Connection | Refused:
        """Return a new connection for a handshake, or why it is refused."""
        refused = self.would_refuse(scope)
        if refused is not None:
            return refused
        host, port = peer(scope)
        actor = actor_of(scope)
        self._context.follow(self._websocket)
        who = {"actor": actor, "host": intern(host), "port": port, "agent": agent(scope["headers"])}
        link = (scope.get("extensions") or {}).get(LINK)
        connection: Connection = (
            AsgiConnection(new_name(), self._context, send, **who)
            if link is None
            else SocketConnection(new_name(), self._context, link, **who)
        )
        connection.traceparent = traceparent_in(scope["headers"])
        self.by_name[connection.connection_id] = connection
        self._addresses.add(actor.address)
        self.total += 1
        self._topics.touch("connections")
        return connection

    def greet(self, connection: Connection) -> None:
        """Send a new client ``connected``."""
        websocket = self._websocket
        now = self._now_ms()
        connection.answer(
            Connected(
                timestamp=now,
                connection_id=connection.connection_id,
                server_time=now,
                ping_interval=websocket.heartbeat_interval,
                recovery_window=min(websocket.session_timeout, websocket.history_seconds),
            )
        )

    def _closing(self, connection: Connection) -> None:
        if connection.closed_as is not None:
            self.closes[connection.closed_as.name] += 1
        if connection.closed_as is closes.SLOW_CLIENT:
            self._events.record(
                "warn", "connections", f"{connection.address} read too slowly and was disconnected."
            )
        self._on_closing(connection)

    def forget(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        connection.close(closes.NORMAL)
        del self.by_name[connection.connection_id]
        self._addresses.remove(connection.actor.address)
        self._queue_age.forget(connection.connection_id)
        self._received_before += connection.received
        self._sent_before += connection.sent
        self._sent_bytes_before += connection.enqueued_bytes
        self._gone.unpark_all()
        self._topics.touch("connections")

    # Closing.

    async def close(self, connection_id: str) -> None:
        """Close one connection for an operator, on whichever worker it is.

        Returns once its client has read what was queued for it, or has had the time to. Raises
        ``unknown_connection``, ``worker_silent`` where it may be on a worker that does not reply.
        """
        if self._close_here(connection_id):
            connection = self.by_name.get(connection_id)
            if connection is not None:
                await connection.finish()
            return
        survey = await self._survey.collect(_CLOSE, msgspec.json.encode(connection_id))
        if any(msgspec.json.decode(reply.data, type=bool) for reply in survey.replies):
            return
        name = connection_id[:100]
        if survey.missing:
            silent = "; ".join(described(worker) for worker in survey.missing)
            raise ProblemError(
                "worker_silent",
                f"No worker that replied has the connection {name}. Did not reply: {silent}.",
            )
        raise ProblemError("unknown_connection", f"No connection is called {name}.")

    def _reply_close(self, payload: bytes) -> bytes:
        return msgspec.json.encode(self._close_here(msgspec.json.decode(payload, type=str)))

    def _close_here(self, connection_id: str) -> bool:
        connection = self.by_name.get(connection_id)
        if connection is None:
            return False
        if not connection.is_closing:
            self._events.record("info", "connections", f"An operator closed {connection.address}.")
            connection.close(closes.CLOSED_BY_OPERATOR, flush=True)
        return True

    def sign_out(self, sign_in: str) -> None:
        """Close the connections of a browser that has signed out."""
        for connection in tuple(self.by_name.values()):
            if connection.actor.sign_in == sign_in:
                connection.close(closes.SIGNED_OUT, flush=True)

    def sign_out_operators(self) -> None:
        """Close the connections of all operators: the token was changed."""
        for connection in tuple(self.by_name.values()):
            if connection.actor.is_operator:
                connection.close(closes.SIGNED_OUT, flush=True)

    async def drain(self) -> None:
        """Ask all clients to reconnect later, and close them in batches.

        Returns when all have ended; clients that do not read have the time limit of a close.
        """
        waiting = list(self.by_name.values())
        spread = len(waiting) / RETURNS_PER_SECOND
        for start in range(0, len(waiting), DRAIN_BATCH):
            if start:
                await trio.sleep(DRAIN_PAUSE)
            for connection in waiting[start : start + DRAIN_BATCH]:
                connection.answer(
                    Closing(
                        timestamp=self._now_ms(),
                        reason=closes.SHUTTING_DOWN.reason,
                        reconnect_after=round(RETURN_NOT_BEFORE + spread * self._draw(), 3),
                    )
                )
                connection.close(closes.SHUTTING_DOWN, flush=True)
        with trio.move_on_after(CLOSE_PATIENCE + BEAT):
            async with trio.open_nursery() as finishing:
                for connection in waiting:
                    if connection.queued_bytes:
                        finishing.start_soon(connection.finish)
            while self.by_name:
                await self._gone.park()
        if waiting:
            _log.info("drained", connections=len(waiting), stuck=len(self.by_name))

    # Watching.

    async def watch(self) -> Never:
        """Once a second, drop connections that read nothing or too little, and sample the rates.

        A dead network shows as a send that stalls once the buffers are full; the server's own pings fill
        them.
        """
        looked_at = trio.current_time()
        while True:
            now = trio.current_time()
            if now - looked_at > BEAT + STANDSTILL:
                # This process was suspended, and did not see what clients have read: check at the next beat.
                self._queue_age = QueueAge()
            else:
                with self.beat_boundary.item():
                    self._look()
            looked_at = now
            await trio.sleep(BEAT)

    def _look(self) -> None:
        now = trio.current_time()
        self.rates.sample(now, *self.counts())
        websocket = self._websocket
        self._context.follow(websocket)
        send_limit = websocket.heartbeat_interval + websocket.heartbeat_timeout
        is_any_behind = len(self._queue_age) > 0
        for connection in tuple(self.by_name.values()):
            if connection.is_drained:  # the common case among thousands
                if is_any_behind:
                    self._queue_age.forget(connection.connection_id)
            elif connection.is_stuck(now, send_limit=send_limit):
                connection.drop()
            elif self._queued_for(connection, now) >= websocket.outbox_seconds:
                connection.overflow()

    def _queued_for(self, connection: Connection, now: float) -> float:
        return self._queue_age.seconds(
            connection.connection_id,
            enqueued=connection.enqueued_bytes,
            queued=connection.queued_bytes,
            now=now,
        )
