"""A WebSocket client on Trio for whole-service tests: one message at a time, everything kept.

It is raw on purpose, no layer over ``orch.client``: these tests look at what the service sends, also what a
client that reconnects, orders and recovers would hide.
"""

import json
import ssl
import wave
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import ClientConnection

from tests.fakes.patience import PATIENCE
from tests.fakes.websocket_client import connect

CLIPS = Path(__file__).parents[1] / "data" / "speech"


def clip(name: str) -> bytes:
    """Return the samples of a recording in tests/data/speech: 16 kHz mono s16le."""
    with wave.open(str(CLIPS / f"{name}.wav")) as file:
        samples: bytes = file.readframes(file.getnframes())
        return samples


class Client:
    """Reads everything it is sent into ``messages``; waits are for a message, never for a time."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._arrived = trio.Event()
        self.messages: list[dict[str, Any]] = []
        self.arrivals: list[float] = []
        self.is_closed = False
        self.close_code: int | None = None

    async def read(self) -> None:
        """Read until the connection is closed."""
        try:
            while True:
                text = await self._socket.recv()
                self.messages.append(json.loads(text))
                self.arrivals.append(trio.current_time())
                self._tell()
        except ConnectionClosed as closed:
            self.is_closed = True
            self.close_code = closed.rcvd.code if closed.rcvd is not None else None
            self._tell()

    def _tell(self) -> None:
        self._arrived.set()
        self._arrived = trio.Event()

    async def send(self, **message: Any) -> None:
        """Send one message."""
        await self._socket.send(json.dumps(message))

    async def send_bytes(self, block: bytes) -> None:
        """Send audio."""
        await self._socket.send(block)

    async def until(
        self, wanted: Callable[[dict[str, Any]], bool], *, limit: float = PATIENCE, start: int = 0
    ) -> dict[str, Any]:
        """Return the first message from number ``start`` on that is ``wanted``; wait for it."""
        with trio.fail_after(limit):
            seen = start
            while True:
                while seen < len(self.messages):
                    if wanted(self.messages[seen]):
                        return self.messages[seen]
                    seen += 1
                assert not self.is_closed, self.messages[-5:]
                await self._arrived.wait()

    async def of_type(self, kind: str, *, limit: float = PATIENCE, start: int = 0) -> dict[str, Any]:
        """Return the first message of a type from number ``start`` on; wait for it."""
        return await self.until(lambda message: message["type"] == kind, limit=limit, start=start)

    async def ask(self, answer: str, **message: Any) -> dict[str, Any]:
        """Send and return the answer of that type; an ``error`` fails the test with its words."""
        start = len(self.messages)
        await self.send(**message)
        found = await self.until(lambda m: m["type"] in (answer, "error"), start=start)
        assert found["type"] == answer, found
        return found

    async def closed(self, *, limit: float = PATIENCE) -> None:
        """Wait until the service has closed the connection."""
        with trio.fail_after(limit):
            while not self.is_closed:
                await self._arrived.wait()

    def finals(self) -> list[dict[str, Any]]:
        """Return the final captions so far that have words."""
        return [m for m in self.messages if m["type"] == "transcript" and m["final"] and not m.get("error")]

    def words(self) -> list[str]:
        """Return the words of the final captions, in the order spoken."""
        lines = sorted(self.finals(), key=lambda m: (m["stream_started"], m["start"]))
        return [word for line in lines for word in line["text"].lower().split()]

    async def speak(self, pcm: bytes, *, block: int = 640, pace: float = 0) -> None:
        """Send audio in blocks of bytes, ``pace`` seconds apart (0: as fast as it is taken)."""
        for begin in range(0, len(pcm), block):
            await self.send_bytes(pcm[begin : begin + block])
            if pace:
                await trio.sleep(pace)


@asynccontextmanager
async def connected(
    url: str, headers: Mapping[str, str] | None = None, *, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[Client]:
    """Connect to ``ws://…/ws`` for the block; ``url`` is the service's http address, or its https one."""
    address = url.replace("http", "ws", 1) + "/ws"
    async with connect(address, additional_headers=headers, ssl=ssl_context) as socket:
        client = Client(socket)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.read)
            await client.of_type("connected")
            yield client
            nursery.cancel_scope.cancel()
