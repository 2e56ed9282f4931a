"""What the connections of one run of the server share."""

from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Final, Protocol

import trio
from msgspec import Struct

from orch.front.flooders import Flooders
from orch.front.readiness import readiness
from orch.front.timer_wheel import Wheel
from orch.front.websocket.partial_messages import PartialMessages
from orch.front.websocket.small_frames import SmallFrameLimit
from orch.outgoing import Outgoing

TICK: Final = 0.25
"""Seconds by which a deadline may be noticed late."""
STANDSTILL: Final = 2.0
"""Seconds between two ticks from which on this process is taken to have stood still."""
READ_FIRST: Final = 1.0
"""Seconds that connections then have to read what has come."""
SLOTS: Final = 512
"""Slots of the wheel: two minutes, more than any usual deadline."""
BREATH: Final = 64
"""Deadlines met in a row before others have a turn."""

NEVER: Final = float("inf")

App = Callable[[Any, Any, Any], Any]


class Patience(Struct, frozen=True, kw_only=True):
    """How long clients are waited for, in seconds."""

    head: float = 10.0
    """For a request's head, from its first byte or from the connection's beginning."""
    idle: float = 75.0
    """For the next request on a kept connection."""
    body: float = 60.0
    """For the next part of a body that the application waits for."""
    send: float = 30.0
    """For the client to take anything of what it is sent."""
    slowest: float = 4096.0
    """Bytes a second that a client has to take of one send, beyond :attr:`send`."""
    pong: float = 10.0
    """For anything to be heard after a ping."""
    close: float = 2.0
    """For the other side's part in an orderly end."""


class Timed(Protocol):
    """Something with a deadline. ``slot`` and ``due_at`` are the wheel's: where it stands, and for when."""

    slot: int
    due_at: float

    def on_due(self, now: float) -> float | None:
        """Do what is due; return when to be asked again, or None."""


class Running:
    """One run of the server: its nursery, its deadlines, its clock and its counts.

    ``now`` is the time of the last tick; deadlines are reckoned from it, so that setting one costs nothing.
    """

    def __init__(
        self,
        app: App,
        nursery: trio.Nursery,
        *,
        heartbeat: Callable[[], float],
        heartbeat_timeout: Callable[[], float],
        patience: Patience,
        message_limit: int,
        small_frames: SmallFrameLimit,
        deflate: bool,
        deflate_from: int,
        refused: Counter[str],
        wall: Callable[[], float],
        outgoing: Outgoing,
    ) -> None:
        self.app = app
        self.nursery = nursery
        self.heartbeat = heartbeat
        self.heartbeat_timeout = heartbeat_timeout
        self.patience = patience
        self.message_limit = message_limit
        self.small_frames = small_frames
        self.deflate = deflate
        self.deflate_from = deflate_from
        self.refused = refused
        self.outgoing = outgoing
        self.is_stopping = False
        self.now = trio.current_time()
        self.date = b""
        self.readiness = readiness()
        self.served = 0
        self.partial = PartialMessages()
        self.flooders = Flooders()
        self._wall = wall
        self._second = -1
        self._wheel: Wheel[Timed] = Wheel(span=TICK, slots=SLOTS, now=self.now)
        self._read_clocks()

    def arm(self, timed: Timed, at: float) -> None:
        """Have ``timed`` asked at ``at`` at the latest; a later time than it has is left to its answer."""
        if at < timed.due_at:
            self._wheel.remove(timed, timed.slot)
            timed.due_at = at
            timed.slot = self._wheel.put(timed, at)

    def disarm(self, timed: Timed) -> None:
        """Ask ``timed`` no more."""
        self._wheel.remove(timed, timed.slot)
        timed.due_at = NEVER

    async def tick(self) -> None:
        """Meet deadlines until cancelled."""
        while True:
            before = self.now
            await trio.sleep(TICK)
            self._read_clocks()
            if self.now - before > STANDSTILL:
                # This process stood still. What clients have sent meanwhile is read before anyone is judged.
                await trio.sleep(READ_FIRST)
                self._read_clocks()
            for number, timed in enumerate(self._wheel.advance(self.now), 1):
                again = timed.on_due(self.now)
                timed.due_at = NEVER
                if again is not None:
                    self.arm(timed, again)
                if number % BREATH == 0:
                    await trio.lowlevel.checkpoint()

    def _read_clocks(self) -> None:
        self.now = trio.current_time()
        wall = self._wall()
        if int(wall) != self._second:
            self._second = int(wall)
            self.date = formatdate(wall, usegmt=True).encode()
