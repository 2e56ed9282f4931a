"""One side of a proxied WebSocket: what it sends is read here, and what it is sent is written here."""

import os
from collections.abc import Callable
from typing import Final, Literal, Protocol

import trio

from orch.gateway.sockets.frames import CLOSE, PING, FrameScanner, close_payload, control
from orch.gateway.sockets.heartbeat import Action, Heartbeat, Pace
from orch.gateway.tcp_stream import TcpStream

Side = Literal["client", "back_end"]

_TOKEN: Final = 8
"""Bytes that a ping of ours has, by which its pong is recognised."""
_MASK: Final = 4


class End(Protocol):
    """A connection, as bytes of frames."""

    async def receive(self) -> bytes:
        """Return bytes, none at the end."""

    async def send(self, wire: bytes) -> None:
        """Send bytes, as fast as they are taken."""

    def backlog(self) -> int:
        """Return the bytes that have not reached the other machine, as far as that is known."""

    def abort(self) -> None:
        """End it at once."""


class StalledError(Exception):
    """A side has taken nothing for too long."""


class GoneError(Exception):
    """A side takes nothing any more; reading it finds its end."""


class BackEnd:
    """A back end's connection. ``rest``: what came with its handshake."""

    def __init__(self, stream: trio.abc.Stream, rest: bytes, read: int) -> None:
        self._stream = stream
        self._rest = rest
        self._read = read
        self._is_aborted = False

    async def receive(self) -> bytes:
        """Return bytes of frames, none at the end."""
        if self._rest:
            await trio.lowlevel.checkpoint()
            rest, self._rest = self._rest, b""
            return rest
        return bytes(await self._stream.receive_some(self._read))

    async def send(self, wire: bytes) -> None:
        """Send bytes of frames."""
        if self._is_aborted:
            raise trio.BrokenResourceError
        await self._stream.send_all(wire)

    def backlog(self) -> int:
        """Return the bytes that have not reached the back end's machine, as far as that is known."""
        stream = self._stream
        if isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        return stream.unacknowledged() if isinstance(stream, TcpStream) else 0

    def abort(self) -> None:
        """Send nothing more; the connection is closed when its exchange ends."""
        self._is_aborted = True


class Leg:
    """One side. ``masks``: whether it is a server, so that our own frames to it are masked.

    ``scanner`` follows what it sends. ``is_pinged``: whether our pings reach it.

    The mutable state is how far its close has come, whether it is being read or written, and whether what it
    was sent ends with a frame. One task reads it; who writes holds the lock, so that frames do not mix.
    """

    def __init__(
        self,
        side: Side,
        end: End,
        scanner: FrameScanner,
        pace: Pace,
        *,
        masks: bool,
        is_pinged: bool,
        on_bytes: Callable[[int], None],
    ) -> None:
        self.side: Final[Side] = side
        self.scanner: Final = scanner
        self.heartbeat: Final = Heartbeat(trio.current_time(), pace)
        self.is_pinged: Final = is_pinged
        self.has_closed = False
        """Whether its close frame has come."""
        self.is_closing = False
        """Whether it has been sent a close frame, after which it is sent nothing."""
        self._end = end
        self._masks = masks
        self._on_bytes = on_bytes
        self._lock = trio.Lock()
        self._is_torn = False
        self._is_mid_frame = False
        self._is_reading = False
        self._token = b""
        self._sent = 0

    def __repr__(self) -> str:
        return f"<Leg {self.side}{' closing' if self.is_closing else ''}>"

    async def receive(self) -> bytes:
        """Return the bytes that have come, none at the end, however it came."""
        self._is_reading = True
        try:
            data = await self._end.receive()
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            return b""
        finally:
            self._is_reading = False
        if data:
            self.heartbeat.heard(trio.current_time())
            self._on_bytes(len(data))
        return data

    async def send(self, wire: bytes, seconds: float, *, ends_frame: bool) -> None:
        """Send bytes of the other side's frames; after a close frame, drop them.

        ``ends_frame``: whether the last frame is complete with them.

        Raises GoneError, and StalledError if they are not taken within ``seconds``. After either, or
        cancelled, a part of them may have been sent, and nothing is sent any more.
        """
        async with self._lock:
            if not self.is_closing:
                await self._write(wire, seconds)
                self._is_mid_frame = not ends_frame

    async def insert(self, opcode: int, payload: bytes, seconds: float) -> bool:
        """Send a control frame of ours; return False if it cannot be sent now, in the middle of a frame.

        Raises GoneError, StalledError.
        """
        async with self._lock:
            if self.is_closing or self._is_torn or self._is_mid_frame:
                return False
            if opcode == CLOSE:
                self.is_closing = True
            await self._write(control(opcode, payload, os.urandom(_MASK) if self._masks else b""), seconds)
            return True

    async def _write(self, wire: bytes, seconds: float) -> None:
        if self._is_torn:
            raise GoneError
        self._is_torn = True
        with trio.move_on_after(seconds) as limit:
            try:
                await self._end.send(wire)
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise GoneError from error
        if limit.cancelled_caught:
            raise StalledError
        self._is_torn = False
        self._sent += len(wire)

    async def close(self, code: int, reason: str, seconds: float) -> bool:
        """Send a close frame, unless it was sent one; return whether it has been sent one."""
        try:
            return await self.insert(CLOSE, close_payload(code, reason), seconds) or self.is_closing
        except (GoneError, StalledError):
            return False

    def is_own_pong(self, payload: bytes) -> bool:
        """Return whether a pong belongs to our own last ping, so that it is not passed on."""
        return bool(self._token) and payload == self._token

    async def beat(self, now: float, pace: Pace, patience: float) -> bool:
        """Ping it if that is due; return False if it is dead. Raises StalledError after ``patience``."""
        can_ping = not (self._lock.locked() or self.is_closing or self._is_torn or self._is_mid_frame)
        backlog = self._end.backlog()
        action = self.heartbeat.look(
            now,
            pace,
            can_ping=can_ping,
            is_reading=self._is_reading,
            sent=self._sent,
            arrived=self._sent - backlog,
        )
        if action is Action.PING:
            self._token = os.urandom(_TOKEN)
            try:
                await self.insert(PING, self._token, patience)
            except GoneError:
                return True  # reading finds the end
        return action is not Action.GIVE_UP

    def abort(self) -> None:
        """End it at once."""
        self._end.abort()
