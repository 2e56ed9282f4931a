"""Passes the frames of one WebSocket on, both ways, until either side closes it or is gone.

Each direction is one task that reads at most 64 KiB and sends them before it reads more: a side that does not
read stops the other, and nothing is stored. A third task pings both sides, and ends the socket if it is asked
to.

How a socket ends, and what each side is sent:

- a close frame is passed on as it is; the other side has :data:`CLOSE_SECONDS` for its own;
- a side that is lost, dead or takes nothing is disconnected; the other is sent a close frame: a client 1014
  (the gateway had no proper response), or 1012 if its instance has left the service, a back end 1001;
- a side that breaks the protocol is sent the code for that, the other one the same as if it was lost;
- when the service stops, both are sent 1001;
- when the client signs out, or loses its rights otherwise, it is sent 1008, the back end 1001.

A close frame cannot be sent into the middle of a frame. Then the connection is ended without one.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import trio

from orch.access.rate_limits import Rate, RateVerdict
from orch.gateway.sockets.frames import CLOSE, PING, PONG, Control, Violation, close_code
from orch.gateway.sockets.heartbeat import Pace
from orch.gateway.sockets.leg import GoneError, Leg, Side, StalledError

CLOSE_SECONDS: Final = 5.0
"""Seconds that a side has to answer a close frame."""
STALL: Final = 30.0
"""Seconds without pings in which a side has to take what it is sent."""

NO_CODE: Final = 1006
GOING_AWAY: Final = 1001
POLICY: Final = 1008
RESTARTING: Final = 1012
BAD_GATEWAY: Final = 1014

SMALL_FRAMES: Final = Rate(250, burst=2_000)
"""Control frames and small fragments of a client: as many as the service's own WebSockets take."""

How = Literal["closed", "lost", "silent", "stalled", "violation", "flood", "stopped", "signed_out"]
"""How a socket ended: by a close frame; without one; without a pong; taking nothing; by a wrong frame; by too
many small ones; because the service stops; because its client has lost its rights."""


class Ending(NamedTuple):
    """How a socket ended. ``code``: of the close frame, 1006 if there was none. ``side``: which began it."""

    how: How
    side: Side | Literal["gateway"]
    code: int = NO_CODE


class Farewell(NamedTuple):
    """How the gateway ends a socket: the close code and reason for each side."""

    how: How
    client: tuple[int, str]
    back_end: tuple[int, str]

    def to(self, side: Side) -> tuple[int, str]:
        """Return the code and reason for a side."""
        return self.client if side == "client" else self.back_end


STOPPING: Final = Farewell(
    "stopped", (GOING_AWAY, "The service is stopping."), (GOING_AWAY, "The service is stopping.")
)


class Relay:
    """One socket. ``pace``: the pings of the settings now; ``has_left``: whether the instance has left.

    ``passes_control``: whether pings pass through to the client, and pongs from it.

    The mutable state is the first thing that ended it.
    """

    def __init__(
        self,
        client: Leg,
        back_end: Leg,
        *,
        pace: Callable[[], Pace],
        has_left: Callable[[], bool],
        passes_control: bool,
    ) -> None:
        self.client: Final = client
        self.back_end: Final = back_end
        self.ending: Ending | None = None
        self._pace = pace
        self._has_left = has_left
        self._passes_control = passes_control
        self._scope = trio.CancelScope()
        self._farewell: Farewell | None = None
        self._is_asked = trio.Event()
        self._gone: Side = "back_end"
        self._full_at = 0.0
        self._small_seen = 0

    def __repr__(self) -> str:
        return f"<Relay {self.ending or 'open'}>"

    async def run(self) -> Ending:
        """Pass frames on until the end, and return it."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._attend)
                async with trio.open_nursery() as pumps:
                    pumps.start_soon(self._pump, self.client, self.back_end)
                    pumps.start_soon(self._pump, self.back_end, self.client)
                nursery.cancel_scope.cancel()
        ending = self.ending or Ending("lost", self._gone)
        if not self.client.is_closing and not (
            # It has closed, and its back end gave no answer in time.
            self.client.has_closed and await self.client.close(ending.code, "", CLOSE_SECONDS)
        ):
            self.client.abort()
        return ending

    def end(self, farewell: Farewell) -> None:
        """Close both sides in order, within :data:`CLOSE_SECONDS`."""
        if self._farewell is None:
            self._farewell = farewell
            self._is_asked.set()
            self._note(farewell.how, "gateway", farewell.client[0])
            self._limit(CLOSE_SECONDS)

    # One direction.

    async def _pump(self, source: Leg, target: Leg) -> None:
        """Pass on what ``source`` sends, until its close frame or its end."""
        try:
            while data := await source.receive():
                close, wire = await self._sort(source, source.scanner.feed(data))
                if wire:
                    ends_frame = source.scanner.is_between_frames
                    await target.send(wire, self._patience, ends_frame=ends_frame)
                if close is not None:
                    await self._pass_close(source, target, close)
                    return
                if (violation := self._violation(source)) is not None:
                    await self._fail(source, target, violation)
                    return
                if self._farewell is not None:
                    await target.close(*self._farewell.to(target.side), CLOSE_SECONDS)
        except GoneError:
            # The other direction finds its end, and perhaps a close frame before that.
            self._gone = target.side
            self._limit(CLOSE_SECONDS)
            return
        except StalledError:
            self._note("stalled", target.side)
            await self._lose(target, source)
            return
        if source.is_closing:
            # It ends without a close frame of its own, as many do; the other side waits for one.
            if target.has_closed and self.ending is not None:
                await target.close(self.ending.code, "", CLOSE_SECONDS)
            return
        self._note("lost", source.side)
        await self._lose(source, target)

    async def _sort(self, source: Leg, pieces: list[bytes | Control]) -> tuple[bytes | None, bytes]:
        """Return the payload of a close frame, if there is one, and the bytes to be passed on before it."""
        wires: list[bytes] = []
        close: bytes | None = None
        for piece in pieces:
            if not isinstance(piece, Control):
                wires.append(piece)
            elif piece.opcode == CLOSE:
                close = piece.payload
            elif piece.opcode == PONG and source.is_own_pong(piece.payload):
                continue
            elif self._passes_control:
                wires.append(piece.wire)
            elif piece.opcode == PING:
                await source.insert(PONG, piece.payload, self._patience)
        return close, wires[0] if len(wires) == 1 else b"".join(wires)

    async def _pass_close(self, source: Leg, target: Leg, payload: bytes) -> None:
        """Pass a close frame on; the other side then has some seconds for its own."""
        source.has_closed = True
        code = close_code(payload)
        self._note("closed", source.side, code)
        self._limit(CLOSE_SECONDS)
        if not await target.close(code, payload[2:].decode(errors="ignore"), CLOSE_SECONDS):
            target.abort()
            self._scope.cancel()

    def _violation(self, source: Leg) -> Violation | None:
        """Return what a side has done wrong."""
        scanner = source.scanner
        if scanner.violation is not None:
            self._note("violation", source.side, scanner.violation.code)
            return scanner.violation
        if source is self.client and scanner.small != self._small_seen:
            count, self._small_seen = scanner.small - self._small_seen, scanner.small
            self._full_at, verdict = SMALL_FRAMES.after(self._full_at, trio.current_time(), count)
            if verdict is not RateVerdict.ALLOWED:
                self._note("flood", source.side, POLICY)
                return Violation(POLICY, "Too many control frames and small fragments.")
        return None

    async def _fail(self, source: Leg, target: Leg, violation: Violation) -> None:
        """Close both sides after a violation of ``source``."""
        await source.close(*violation, CLOSE_SECONDS)
        await self._lose(source, target)

    async def _lose(self, lost: Leg, other: Leg) -> None:
        """End the socket after one side is lost. The other one is sent a close frame."""
        if lost.side == "client":
            code, reason = GOING_AWAY, "The client has disconnected."
        elif self._has_left():
            code, reason = RESTARTING, "The instance has left the service. Connect again."
        else:
            code, reason = BAD_GATEWAY, "The connection to the back end was lost."
        if not lost.is_closing:
            lost.abort()
        if not await other.close(code, reason, CLOSE_SECONDS):
            other.abort()
        self._scope.cancel()

    # Pings, and the end that somebody asked for.

    async def _attend(self) -> None:
        async with trio.open_nursery() as pings:
            if self.client.is_pinged:
                pings.start_soon(self._ping, self.client, self.back_end)
            if self.back_end.is_pinged:
                pings.start_soon(self._ping, self.back_end, self.client)
            await self._is_asked.wait()
            pings.cancel_scope.cancel()
        assert self._farewell is not None, "somebody has asked"  # noqa: S101 - an invariant
        # A side in the middle of a frame is closed by its pump, after it. Neither waits for the other.
        async with trio.open_nursery() as both:
            for leg in (self.client, self.back_end):
                both.start_soon(leg.close, *self._farewell.to(leg.side), CLOSE_SECONDS)

    async def _ping(self, leg: Leg, other: Leg) -> None:
        """Ping one side until it is dead."""
        while True:
            await trio.sleep_until(leg.heartbeat.due)
            try:
                is_alive = await leg.beat(trio.current_time(), self._pace(), self._patience)
            except StalledError:
                self._note("stalled", leg.side)
                break
            if not is_alive:
                self._note("silent", leg.side)
                break
        await self._lose(leg, other)

    @property
    def _patience(self) -> float:
        """Seconds in which a side has to take what it is sent."""
        pace = self._pace()
        return pace.interval + pace.timeout if pace.interval else STALL

    def _note(self, how: How, side: Side | Literal["gateway"], code: int = NO_CODE) -> None:
        if self.ending is None:
            self.ending = Ending(how, side, code)

    def _limit(self, seconds: float) -> None:
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + seconds)
