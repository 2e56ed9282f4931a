"""The WebSockets that are open through this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import trio

from orch.capacity import Capacity, CurrentCapacity
from orch.gateway.explanation import ExplainedSockets
from orch.gateway.lane import Lane
from orch.gateway.sockets.clients import ClientEnd
from orch.gateway.sockets.counts import SocketCounts
from orch.gateway.sockets.frames import FrameScanner
from orch.gateway.sockets.heartbeat import Pace
from orch.gateway.sockets.leg import BackEnd, Leg
from orch.gateway.sockets.relay import STOPPING, Ending, Relay
from orch.gateway.sockets.visits import Visit, Visits
from orch.gateway.statistics import GatewaySockets
from orch.gateway.work import Task
from orch.settings.source import SettingsSource

#: Endings that are a fault of the back end.
_FAULTS: Final = {
    "lost": "its WebSocket was closed without a close frame",
    "silent": "it did not respond to a ping over a WebSocket",
    "stalled": "it read nothing from a WebSocket",
    "violation": "it sent an invalid WebSocket frame",
}

_INFO: Final = 20
_DEBUG: Final = 10

log = structlog.get_logger(__name__)


class OpenSockets:
    """The sockets that are open. ``on_failure``: an instance has failed. ``capacity``: what fits now.

    The mutable state is the sockets, and the counts. ``visits``: these and those that are not open yet.
    """

    def __init__(
        self,
        settings: SettingsSource,
        on_failure: Callable[[Lane], None],
        capacity: Callable[[], Capacity] | None = None,
    ) -> None:
        self._settings = settings
        self._capacity = capacity or CurrentCapacity(settings, files=2**31)
        self._on_failure = on_failure
        self._open: set[Relay] = set()
        self._changed = trio.lowlevel.ParkingLot()
        self.is_draining = False
        self.counts: Final = SocketCounts()
        self.visits: Final = Visits()

    def __repr__(self) -> str:
        return f"<OpenSockets {len(self._open)}>"

    async def run(
        self,
        client: ClientEnd,
        back_end: BackEnd,
        lane: Lane,
        visit: Visit,
        *,
        deflate: bool,
        request_id: bytes,
    ) -> Ending:
        """Pass frames on until the end, and return which it was.

        ``deflate``: the two sides have negotiated permessage-deflate.
        """
        self.counts.opened += 1
        with _holding(lane) as stream:
            relay = self._relay(client, back_end, lane, stream, deflate=deflate)
            self._open.add(relay)
            if self.is_draining:
                relay.end(STOPPING)
            visit.opened(relay)
            try:
                await relay.run()
                if relay.client.has_closed and relay.client.is_closing:
                    client.finish()
            finally:
                ending = relay.ending or Ending("stopped", "gateway")  # cancelled
                self._open.discard(relay)
                self._changed.unpark_all()
                self._note(lane, ending, trio.current_time() - stream.began, request_id)
            return ending

    async def drain(self) -> None:
        """Close all sockets with 1001, and admit no new ones; return when all have ended."""
        self.is_draining = True
        for relay in self._open:
            relay.end(STOPPING)
        await trio.lowlevel.checkpoint()
        while self._open:
            await self._changed.park()

    @property
    def limit(self) -> int:
        """How many there may be: as configured, or as many as fit into the limit of open files."""
        return self._capacity().proxied

    def statistics(self) -> GatewaySockets:
        """Return the figures."""
        settings = self._settings.current.orchestration.gateway.websockets
        return self.counts.statistics(
            settings, active=len(self._open), limit=self.limit, reason=self._capacity().proxied_sentence
        )

    def explained(self) -> ExplainedSockets:
        """Return what a handshake would meet."""
        settings = self._settings.current.orchestration.gateway.websockets
        return ExplainedSockets(
            open=len(self._open),
            limit=self.limit,
            limit_per_address=settings.max_connections_per_address,
            max_message_bytes=settings.max_message_bytes,
            heartbeat_interval=settings.heartbeat_interval,
            heartbeat_timeout=settings.heartbeat_timeout,
        )

    def _relay(
        self, client: ClientEnd, back_end: BackEnd, lane: Lane, stream: Task, *, deflate: bool
    ) -> Relay:
        limit = self._settings.current.orchestration.gateway.websockets.max_message_bytes
        pace = self._pace()
        counts = self.counts

        def from_client(size: int) -> None:
            counts.from_clients += size

        def from_back_end(size: int) -> None:
            counts.from_back_ends += size
            stream.moved_at = trio.current_time()

        return Relay(
            Leg(
                "client",
                client,
                FrameScanner(masked=True, limit=limit, deflate=deflate),
                pace,
                masks=False,
                is_pinged=client.passes_frames,
                on_bytes=from_client,
            ),
            Leg(
                "back_end",
                back_end,
                FrameScanner(masked=False, limit=limit, deflate=deflate),
                pace,
                masks=True,
                is_pinged=True,
                on_bytes=from_back_end,
            ),
            pace=self._pace,
            has_left=lambda: lane.is_gone,
            passes_control=client.passes_frames,
        )

    def _pace(self) -> Pace:
        settings = self._settings.current.orchestration.gateway.websockets
        return Pace(settings.heartbeat_interval, settings.heartbeat_timeout)

    def _note(self, lane: Lane, ending: Ending, seconds: float, request_id: bytes) -> None:
        """Count an end, and report a fault of the back end to its health check."""
        self.counts.ended(ending)
        fault = _FAULTS.get(ending.how) if ending.side == "back_end" else None
        log.log(
            _INFO if ending.how not in ("closed", "stopped", "signed_out") else _DEBUG,
            "websocket ended",
            request_id=request_id.decode(),
            service=lane.service,
            instance=lane.shown,
            how=ending.how,
            side=ending.side,
            code=ending.code,
            seconds=round(seconds, 1),
        )
        if fault is not None and not lane.is_gone:
            lane.last_failure = fault
            self._on_failure(lane)


@contextmanager
def _holding(lane: Lane) -> Iterator[Task]:
    """Count the socket at its instance for as long as the block lasts."""
    stream = Task(trio.current_time(), float("inf"))
    lane.sockets += 1
    lane.work.streams.add(stream)
    try:
        yield stream
    finally:
        lane.sockets -= 1
        lane.work.streams.discard(stream)
