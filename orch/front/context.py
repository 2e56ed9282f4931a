"""What all connections of a server share: its nursery, time limits, deadlines, clock and counts."""

from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Final, Protocol

import trio
from msgspec import Struct

from orch.front.flooders import Flooders
from orch.front.timer_wheel import TimerWheel
from orch.front.websocket.limits import WebSocketLimits
from orch.front.websocket.partial_messages import PartialMessages
from orch.queued_bytes import QueuedBytes
from orch.readiness import Readiness
from orch.telemetry.boundaries import Boundary

TICK: Final = 0.25
"""Seconds between two looks at the deadlines, and by which one may be noticed late."""
STANDSTILL: Final = 2.0
"""Seconds between two ticks from which on this process counts as having been suspended."""
READ_FIRST: Final = 1.0
"""Seconds that connections then have to read what arrived meanwhile."""
SLOTS: Final = 512
"""Slots of the wheel: two minutes, more than any usual deadline."""
DEADLINES_IN_A_ROW: Final = 64
"""Deadlines handled in a row before other tasks run."""

NEVER: Final = float("inf")

App = Callable[[Any, Any, Any], Any]


class Timeouts(Struct, frozen=True, kw_only=True):
    """Time limits for clients, in seconds."""

    head: float = 10.0
    """For a request's head, from its first byte or from the connection's beginning."""
    idle: float = 75.0
    """For the next request on a kept connection."""
    body: float = 60.0
    """For the next part of a body, while the application waits for it."""
    send: float = 30.0
    """For the client to read anything of what is sent."""
    slowest: float = 4096.0
    """Bytes a second that a client has to read of one send, after :attr:`send`. (Not a time.)"""
    pong: float = 10.0
    """For any data to arrive after a ping."""
    close: float = 2.0
    """For the client's part in an orderly end of the connection."""


class Timed(Protocol):
    """Something with a deadline. The timer wheel sets ``slot``, its place, and ``due_at``, its time."""

    slot: int
    due_at: float

    def on_due(self, now: float) -> float | None:
        """Handle the deadline; return the time of the next one, or None."""


class ServerContext:
    """The shared state of one run of the server.

    ``now`` is the time of the last tick (:data:`TICK`). Deadlines are computed from it, so that setting one
    reads no clock. ``date`` is the value of the Date header.
    """

    def __init__(
        self,
        app: App,
        nursery: trio.Nursery,
        *,
        heartbeat: Callable[[], float],
        heartbeat_timeout: Callable[[], float],
        timeouts: Timeouts,
        limits: WebSocketLimits,
        deflate: bool,
        deflate_from: int,
        refused: Counter[str],
        responses: Counter[int],
        request_boundary: Boundary,
        wall: Callable[[], float],
        outgoing: QueuedBytes,
        readiness: Readiness | None,
    ) -> None:
        self.app = app
        self.nursery = nursery
        self.heartbeat = heartbeat
        self.heartbeat_timeout = heartbeat_timeout
        self.timeouts = timeouts
        self.limits = limits
        self.deflate = deflate
        self.deflate_from = deflate_from
        self.refused = refused
        self.responses = responses
        self.request_boundary = request_boundary
        self.outgoing = outgoing
        self.is_stopping = False
        self.now = trio.current_time()
        self.date = b""
        self.readiness = readiness
        self.served = 0
        self.partial = PartialMessages(limits.partial)
        self.flooders = Flooders(limits.flooder_delay)
        self._wall = wall
        self._second = -1
        self._wheel: TimerWheel[Timed] = TimerWheel(span=TICK, slots=SLOTS, now=self.now)
        self._read_clocks()

    def arm(self, timed: Timed, at: float) -> None:
        """Call ``timed.on_due`` at ``at`` or earlier.

        An earlier deadline that it has already stays: ``on_due`` then returns the later one.
        """
        if at < timed.due_at:
            self._wheel.remove(timed, timed.slot)
            timed.due_at = at
            timed.slot = self._wheel.put(timed, at)

    def disarm(self, timed: Timed) -> None:
        """Remove the deadline of ``timed``."""
        self._wheel.remove(timed, timed.slot)
        timed.due_at = NEVER

    async def tick(self) -> None:
        """Handle deadlines until cancelled."""
        while True:
            before = self.now
            await trio.sleep(TICK)
            self._read_clocks()
            if self.now - before > STANDSTILL:
                # This process was suspended. Data that arrived meanwhile is read before any deadline counts.
                await trio.sleep(READ_FIRST)
                self._read_clocks()
            for number, timed in enumerate(self._wheel.advance(self.now), 1):
                again = timed.on_due(self.now)
                timed.due_at = NEVER
                if again is not None:
                    self.arm(timed, again)
                if number % DEADLINES_IN_A_ROW == 0:
                    await trio.lowlevel.checkpoint()

    def _read_clocks(self) -> None:
        self.now = trio.current_time()
        wall = self._wall()
        if int(wall) != self._second:
            self._second = int(wall)
            self.date = formatdate(wall, usegmt=True).encode()
