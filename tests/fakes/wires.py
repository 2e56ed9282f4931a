"""A server of ours on loopback, and clients that do what no library lets them do."""

import socket as stdlib_socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
import trio

from orch.front.context import Timeouts
from orch.front.server import Server
from orch.readiness import create_readiness

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
#: For all but a request's head: a busy machine may need longer than that for an honest one.
SHORT = Timeouts(idle=0.5, body=0.5, send=0.5, pong=0.5, close=0.5)


WITH_AND_WITHOUT_EPOLL: Final = pytest.mark.parametrize(
    "readiness", [create_readiness, lambda: None], ids=["epoll", "no epoll"]
)
"""Runs a test twice: the server waits for its sockets with an epoll of its own, and with Trio's."""


@asynccontextmanager
async def serving(
    app: Any, *, timeouts: Timeouts | None = None, grace: float = 0.2, port: int = 0, **options: Any
) -> AsyncIterator[Server]:
    """Run a server until the block ends; it is stopped in order and everything is closed then."""
    stopping = trio.Event()
    server = Server(
        app,
        host="127.0.0.1",
        port=port,
        stopping=stopping,
        drain=trio.lowlevel.checkpoint,
        grace=lambda: grace,
        timeouts=timeouts,
        **options,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        yield server
        stopping.set()
    assert server.statistics().open == 0


def port(server: Server, number: int = 0) -> int:
    """Return the port of one of the places it listens at."""
    return int(server.bound[number].rpartition(":")[2])


class Wire:
    """A client by hand. ``received`` is what has come and was not asked for yet."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.received = b""

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self.stream.send_all(data)

    async def until(self, end: bytes) -> bytes:
        """Return everything up to and with ``end``."""
        while end not in self.received:
            part = await self.stream.receive_some()
            assert part, self.received
            self.received += part
        begin, _, self.received = self.received.partition(end)
        return begin + end

    async def exactly(self, size: int) -> bytes:
        """Return so many bytes."""
        while len(self.received) < size:
            part = await self.stream.receive_some()
            assert part, self.received
            self.received += part
        taken, self.received = self.received[:size], self.received[size:]
        return taken

    async def rest(self) -> bytes:
        """Return everything until the server ends the connection, in order or not."""
        try:
            while part := await self.stream.receive_some():
                self.received += bytes(part)
        except trio.BrokenResourceError:
            pass
        rest, self.received = self.received, b""
        return rest

    async def answer(self) -> tuple[int, bytes]:
        """Return status and body of the next answer, which has a Content-Length."""
        head = await self.until(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return int(head.split(b" ", 2)[1]), await self.exactly(length)

    async def frame(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame."""
        first, size = await self.exactly(2)
        if size >= 126:
            size = int.from_bytes(await self.exactly(2 if size == 126 else 8), "big")
        return first & 0x0F, await self.exactly(size)

    async def close_code(self) -> int:
        """Return the code of the close frame that comes, whatever comes before it."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")

    def reset(self) -> None:
        """End abruptly: the server is sent a RST."""
        self.stream.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()


@asynccontextmanager
async def wire(server: Server, *, buffer: int | None = None) -> AsyncIterator[Wire]:
    """Connect by hand. ``buffer``: bytes the client's kernel takes while the client reads nothing."""
    sock = trio.socket.socket()
    if buffer is not None:
        sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_RCVBUF, buffer)
    await sock.connect(("127.0.0.1", port(server)))
    async with trio.SocketStream(sock) as stream:
        yield Wire(stream)


@asynccontextmanager
async def websocket(server: Server, *, buffer: int | None = None) -> AsyncIterator[Wire]:
    """Connect a WebSocket by hand."""
    async with wire(server, buffer=buffer) as client:
        await client.send(HANDSHAKE)
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        yield client


def masked(opcode: int, payload: bytes, *, is_last: bool = True) -> bytes:
    """Return a client's frame of less than 64 KiB, masked with zeros."""
    first = opcode | (0x80 if is_last else 0)
    size = len(payload)
    head = bytes((first, 0x80 | size)) if size < 126 else bytes((first, 0xFE)) + size.to_bytes(2, "big")
    return head + bytes(4) + payload


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds; the test's limit is the limit."""
    while not holds():  # noqa: ASYNC110 - nothing tells when it does
        await trio.sleep(0.005)


async def answer(send: Any, body: bytes, *, status: int = 200, headers: Any = ()) -> None:
    """Answer a request with a body of known length."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Any) -> bytes:
    """Read a request's body."""
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        body += bytes(message["body"])
        if not message["more_body"]:
            return body
