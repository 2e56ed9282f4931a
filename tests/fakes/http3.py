"""A client of HTTP/3 over Trio, for tests: aioquic's side of the protocol, and what no client should send."""

import os
import socket as stdlib_socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, QuicEvent, StreamReset

from tests.fakes.patience import PATIENCE

Headers = list[tuple[bytes, bytes]]


class Answer:
    """What came for one request so far."""

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.is_ended = False
        self.reset: int | None = None

    @property
    def status(self) -> int:
        """The status, 0 before there is one."""
        return int(self.headers.get(b":status", b"0"))


class Http3Client:
    """One connection. ``is_reading`` False: nothing is taken from the socket, as of a client that hangs."""

    def __init__(self, port: int, **configured: Any) -> None:
        configuration = QuicConfiguration(
            is_client=True,
            alpn_protocols=H3_ALPN,
            verify_mode=ssl.CERT_NONE,
            server_name="localhost",
            **configured,
        )
        self.quic = QuicConnection(configuration=configuration)
        self.h3 = H3Connection(self.quic)
        self.port = port
        self.answers: dict[int, Answer] = {}
        self.terminated: ConnectionTerminated | None = None
        self.is_reading = True
        self.is_open = trio.Event()
        self.changed = trio.Event()
        self.sock = trio.socket.socket(stdlib_socket.AF_INET, stdlib_socket.SOCK_DGRAM)

    async def run(self) -> None:
        """Speak until cancelled."""
        self.quic.connect(("127.0.0.1", self.port), now=trio.current_time())
        await self.flush()
        while self.terminated is None:
            timer = self.quic.get_timer()
            data = None
            with trio.CancelScope(deadline=trio.current_time() + 60 if timer is None else timer):
                if not self.is_reading:
                    await trio.sleep_forever()
                data, _ = await self.sock.recvfrom(65_536)
            now = trio.current_time()
            if data is not None:
                self.quic.receive_datagram(data, ("127.0.0.1", self.port), now=now)
            else:
                self.quic.handle_timer(now=now)
            while (event := self.quic.next_event()) is not None:
                self._note(event)
            await self.flush()
            self.changed.set()
            self.changed = trio.Event()

    def _note(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted):
            self.is_open.set()
        elif isinstance(event, ConnectionTerminated):
            self.terminated = event
        elif isinstance(event, StreamReset):
            self.answers.setdefault(event.stream_id, Answer()).reset = event.error_code
        for each in self.h3.handle_event(event):
            if isinstance(each, HeadersReceived | DataReceived):
                answer = self.answers.setdefault(each.stream_id, Answer())
                answer.is_ended = each.stream_ended
                if isinstance(each, HeadersReceived):
                    answer.headers = dict(each.headers)
                else:
                    answer.body += each.data

    async def flush(self) -> None:
        """Send what there is to send."""
        for data, _ in self.quic.datagrams_to_send(now=trio.current_time()):
            await self.sock.sendto(data, ("127.0.0.1", self.port))

    async def begin(self, path: str, *, method: str = "GET", more: Sequence[tuple[bytes, bytes]] = ()) -> int:
        """Send a request's head; return the number of its stream."""
        stream = self.quic.get_next_available_stream_id()
        head = [
            (b":method", method.encode()),
            (b":scheme", b"https"),
            (b":authority", f"localhost:{self.port}".encode()),
            (b":path", path.encode()),
            *more,
        ]
        self.h3.send_headers(stream, head, end_stream=method == "GET")
        await self.flush()
        return stream

    async def body(self, stream: int, data: bytes, *, is_last: bool = True) -> None:
        """Send more of a request."""
        self.h3.send_data(stream, data, end_stream=is_last)
        await self.flush()

    async def until_ended(self, stream: int) -> Answer:
        """Wait for the end of an answer, or of the connection."""
        with trio.fail_after(PATIENCE):
            while True:
                answer = self.answers.setdefault(stream, Answer())
                if answer.is_ended or answer.reset is not None or self.terminated is not None:
                    return answer
                await self.changed.wait()

    async def get(self, path: str) -> Answer:
        """Ask, and wait for the answer."""
        return await self.until_ended(await self.begin(path))

    async def until_terminated(self) -> ConnectionTerminated:
        """Wait until the server has ended the connection."""
        with trio.fail_after(PATIENCE):
            while self.terminated is None:
                await self.changed.wait()
        return self.terminated


@asynccontextmanager
async def http3(port: int, **configured: Any) -> AsyncIterator[Http3Client]:
    """Connect to a port of this machine."""
    client = Http3Client(port, **configured)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.run)
            with trio.fail_after(PATIENCE):
                await client.is_open.wait()
            yield client
            nursery.cancel_scope.cancel()
    finally:
        client.quic.close()
        with trio.move_on_after(1, shield=True):
            await client.flush()
        client.sock.close()


def garbage(size: int) -> bytes:
    """Return a datagram that says nothing."""
    return os.urandom(size)
