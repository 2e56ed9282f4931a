"""WebSockets without a network, for the client: a test plays the service's part."""

import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from orch.client.transport import Socket, SocketClosedError


class FakeSocket:
    """One connection: the client's side by the methods of ``Socket``, the service's by the others."""

    def __init__(self) -> None:
        self._frames: deque[str] = deque()
        self._ended: SocketClosedError | None = None
        self._changed = trio.lowlevel.ParkingLot()
        self.is_stalled = False
        self.sent: list[dict[str, Any]] = []
        self.blocks: list[bytes] = []
        self.closed_with: int | None = None

    # The client's.

    async def send(self, frame: str | bytes) -> None:
        await trio.lowlevel.checkpoint()
        while self.is_stalled and self._ended is None:
            await self._changed.park()
        if self._ended is not None:
            raise self._ended
        if isinstance(frame, bytes):
            self.blocks.append(frame)
        else:
            self.sent.append(json.loads(frame))
        self._changed.unpark_all()

    async def receive(self) -> str:
        await trio.lowlevel.checkpoint()
        while not self._frames:
            if self._ended is not None:
                raise self._ended
            await self._changed.park()
        return self._frames.popleft()

    async def close(self, code: int) -> None:
        await trio.lowlevel.checkpoint()
        self.closed_with = code
        self.drop(code)

    # The service's.

    def say(self, kind: str, **members: Any) -> None:
        """Say something."""
        self._frames.append(json.dumps({"type": kind, "timestamp": 0} | members))
        self._changed.unpark_all()

    def say_text(self, text: str) -> None:
        """Say what may be no message."""
        self._frames.append(text)
        self._changed.unpark_all()

    def greet(self, **members: Any) -> None:
        """Say ``connected``."""
        hello = {"connection_id": "c", "server_time": 0, "ping_interval": 25, "recovery_window": 9}
        self.say("connected", **(hello | members))

    def drop(self, code: int = 1006, reason: str = "") -> None:
        """End the connection."""
        self._ended = SocketClosedError(code, reason)
        self._changed.unpark_all()

    async def asked(self, kind: str, number: int = 1) -> dict[str, Any]:
        """Return the message of this type that was sent as the ``number``-th; wait for it."""
        while len(found := [message for message in self.sent if message["type"] == kind]) < number:
            await self._changed.park()
        return found[number - 1]

    async def heard(self, size: int) -> bytes:
        """Return the audio so far; wait until it is so many bytes."""
        while len(b"".join(self.blocks)) < size:
            await self._changed.park()
        return b"".join(self.blocks)


class FakeNetwork:
    """Where the client dials. ``failures``: what the next tries meet, in order; ``tries``: when each was."""

    def __init__(self) -> None:
        self.failures: deque[Exception] = deque()
        self.tries: list[float] = []
        self.sockets: list[FakeSocket] = []
        self._changed = trio.lowlevel.ParkingLot()

    @asynccontextmanager
    async def dial(self, url: str) -> AsyncIterator[Socket]:
        """Connect."""
        await trio.lowlevel.checkpoint()
        self.tries.append(trio.current_time())
        if self.failures:
            raise self.failures.popleft()
        socket = FakeSocket()
        self.sockets.append(socket)
        self._changed.unpark_all()
        try:
            yield socket
        finally:
            socket.drop()

    async def connection(self, number: int) -> FakeSocket:
        """Return the ``number``-th connection; wait for it."""
        while len(self.sockets) < number:
            await self._changed.park()
        return self.sockets[number - 1]
