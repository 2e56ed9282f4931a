"""Hypercorn's connections under floods of empty frames."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h2.errors
import h2.events
import pytest
import trio

from orch.front.hypercorn.server import HypercornServer
from tests.fakes.http2 import Http2Client
from tests.fakes.wires import HANDSHAKE, Wire, masked

pytestmark = pytest.mark.real_time

BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
CONNECT = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":path", "/ws"),
    (":authority", "x"),
    ("sec-websocket-version", "13"),
]
GET = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x")]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Echo every message; respond to a request with hello."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "bytes": message["bytes"], "text": message["text"]})


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[HypercornServer, int]]:
    """Run the front, with HTTP/2, until the block ends."""
    stopping = trio.Event()
    front = HypercornServer(
        echo,
        host="127.0.0.1",
        port=0,
        stopping=stopping,
        drain=trio.lowlevel.checkpoint,
        grace=lambda: 0.2,
        http2=True,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(front.run)
        yield front, int(front.bound[0].rpartition(":")[2])
        stopping.set()


@pytest.mark.parametrize(
    "flood",
    [
        masked(PING, b"") * 3_000,
        masked(PONG, b"unasked") * 3_000,
        masked(BINARY, b"", is_last=False) + masked(0, b"", is_last=False) * 3_000,
    ],
    ids=["ping", "pong", "fragment"],
)
async def test_a_flooding_websocket_is_closed(flood: bytes) -> None:
    """With 1008 and the reason, as at the own front; a second one is served."""
    async with serving() as (front, port), await trio.open_tcp_stream("127.0.0.1", port) as stream:
        client = Wire(stream)
        await client.send(HANDSHAKE)
        await client.until(b"\r\n\r\n")
        await client.send(masked(BINARY, b"before"))
        while (await client.frame()) != (BINARY, b"before"):
            pass
        await client.send(flood)
        while (frame := await client.frame())[0] != CLOSE:
            assert frame[0] in (PING, PONG)
        assert frame[1][:2] == (1008).to_bytes(2, "big")
        assert b"250 a second" in frame[1]
        async with await trio.open_tcp_stream("127.0.0.1", port) as again:
            begun = trio.current_time()
            await again.send_all(HANDSHAKE)
            assert (await again.receive_some()).startswith(b"HTTP/1.1 101")
            assert trio.current_time() - begun > 0.9
        assert front.statistics().refused == {"too_many_small_frames": 1}


@pytest.mark.parametrize(
    "flood",
    [
        b"\0\0\x08\x06\0" + bytes(4) + bytes(8),  # PING
        b"\0\0\0\x04\0" + bytes(4),  # SETTINGS
        b"\0\0\x04\x08\0" + bytes(4) + b"\0\0\0\1",  # WINDOW_UPDATE
    ],
    ids=["ping", "settings", "window-update"],
)
async def test_a_flood_of_frames_of_http2_ends_the_connection(flood: bytes) -> None:
    """With ENHANCE_YOUR_CALM; others are served meanwhile."""
    async with serving() as (front, port), await trio.open_tcp_stream("127.0.0.1", port) as stream:
        client = Http2Client(stream)
        client.connection.send_headers(1, GET, end_stream=True)
        await client.send()
        assert (await client.until(h2.events.DataReceived)).data == b"hello"
        await client.send(flood * 10_000)
        ended = await client.until(h2.events.ConnectionTerminated)
        assert ended.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
        assert front.statistics().refused == {"too_many_small_frames": 1}


async def test_resets_of_http2_are_weighed() -> None:
    """Requests that are begun and reset in a breath are not served without end."""
    async with serving() as (_, port), await trio.open_tcp_stream("127.0.0.1", port) as stream:
        client = Http2Client(stream)
        for number in range(1, 6001, 2):
            client.connection.send_headers(number, GET, end_stream=True)
            client.connection.reset_stream(number)
        await client.send()
        ended = await client.until(h2.events.ConnectionTerminated)
        assert ended.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM


async def test_a_flooding_websocket_over_http2_ends_alone() -> None:
    """Its stream has the close frame; the connection, which a proxy may share, stays open."""
    async with serving() as (_, port), await trio.open_tcp_stream("127.0.0.1", port) as stream:
        client = Http2Client(stream)
        await client.send()
        await client.until(h2.events.RemoteSettingsChanged)
        client.connection.send_headers(1, CONNECT)
        await client.send()
        await client.until(h2.events.ResponseReceived)
        flood = masked(PONG, b"") * 2_500
        for begin in range(0, len(flood), 15_000):
            client.connection.send_data(1, flood[begin : begin + 15_000])
        await client.send()
        received = b""
        while (1008).to_bytes(2, "big") + b"Too many" not in received:
            received += (await client.until(h2.events.DataReceived)).data
        client.connection.send_headers(3, GET, end_stream=True)
        await client.send()
        while (event := await client.until(h2.events.DataReceived)).stream_id != 3:
            pass
        assert event.data == b"hello"
