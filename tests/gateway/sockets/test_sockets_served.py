"""Proxied WebSockets over real sockets: both servers that host the gateway, TLS, large messages."""

import os
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import h2.events
import pytest
import trio
import wsproto.connection
import wsproto.events
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.trio.server import ServerConnection
from websockets.typing import Subprotocol

from orch.front.hypercorn.server import HypercornServer
from orch.front.server import Server
from orch.gateway.sockets.handshake import accept_of
from tests.fakes.hosted_sockets import Kind, back_end, client_tls, hosted, server_tls
from tests.fakes.http2 import Http2Client
from tests.fakes.patience import PATIENCE
from tests.fakes.websocket_client import connect

pytestmark = pytest.mark.real_time

PATH = "/api/audio/v1/realtime"


@pytest.fixture(params=[Server, HypercornServer], ids=["orch", "hypercorn"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Return each of the servers in turn."""
    return request.param


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


def closed_with(error: ConnectionClosed) -> tuple[int, str]:
    assert error.rcvd is not None, error
    return error.rcvd.code, error.rcvd.reason


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_messages_pass_through_either_server(kind: Kind, tls: bool) -> None:  # noqa: FBT001 - a case
    """Text and binary, compressed and not, in fragments, a subprotocol, pings, and a back end's close."""

    async def talk(socket: ServerConnection) -> None:
        assert socket.subprotocol == "second"
        while (message := await socket.recv()) != "close":
            await socket.send(message)
            await (await socket.ping()).wait()
        await socket.aclose(4321, "enough")

    async def fragments() -> AsyncIterator[str]:
        for word in ("in ", "three ", "pieces"):
            yield word
            await trio.lowlevel.checkpoint()

    context = client_tls() if tls else None
    # Hypercorn, and the library's server, choose HTTP/1.1 without ALPN.
    scheme, over = ("https", {"ssl": server_tls()}) if tls else ("http", {})
    async with (
        back_end(talk, subprotocols=["second"], **over) as at,
        hosted(kind, f"{scheme}://{at.replace('127.0.0.1', 'localhost')}", tls=tls) as rig,
    ):
        url = f"{'wss' if tls else 'ws'}://localhost:{rig.port}{PATH}"
        for compression in (None, "deflate"):
            async with connect(
                url,
                subprotocols=[Subprotocol("first"), Subprotocol("second")],
                compression=compression,
                max_size=None,
                ssl=context,
            ) as socket:
                assert socket.subprotocol == "second"
                for message in ("hello", "é" * 40_000, os.urandom(300_000), b""):
                    await socket.send(message)
                    assert await socket.recv() == message
                await socket.send(fragments())
                assert await socket.recv() == "in three pieces"
                await (await socket.ping()).wait()
                await socket.send("close")
                with pytest.raises(ConnectionClosed) as caught:
                    await socket.recv()
                assert closed_with(caught.value) == (4321, "enough")
        sockets = rig.gateway.statistics().sockets
        assert (sockets.opened, sockets.endings) == (2, {"closed_back_end": 2})


async def test_a_client_s_close_reaches_the_back_end() -> None:
    """With code and reason."""
    got = []
    over = trio.Event()

    async def talk(socket: ServerConnection) -> None:
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        got.append(closed_with(caught.value))
        over.set()

    async with back_end(talk) as at, hosted(Server, f"http://{at}") as rig:
        async with connect(f"ws://127.0.0.1:{rig.port}{PATH}") as socket:
            await socket.aclose(4000, "bye")
        await over.wait()
    assert got == [(4000, "bye")]


async def test_a_client_of_hypercorn_that_closes_has_left() -> None:
    """Hypercorn does not show its code; the back end gets 1001."""
    got = []
    over = trio.Event()

    async def talk(socket: ServerConnection) -> None:
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        got.append(closed_with(caught.value)[0])
        over.set()

    async with back_end(talk) as at, hosted(HypercornServer, f"http://{at}") as rig:
        async with connect(f"ws://127.0.0.1:{rig.port}{PATH}") as socket:
            await socket.aclose(4000, "bye")
        await over.wait()
    assert got == [1001]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_browser_s_websocket_over_http_2_is_connected(tls: bool) -> None:  # noqa: FBT001 - a case
    """RFC 8441, which Hypercorn offers: an extended CONNECT, without a key."""
    fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https" if tls else "http"),
        (":authority", "127.0.0.1"),
        (":path", PATH),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "second"),
    ]
    frames = wsproto.connection.Connection(wsproto.ConnectionType.CLIENT)
    async with (
        back_end(echo, subprotocols=[Subprotocol("second")]) as at,
        hosted(HypercornServer, f"http://{at}", tls=tls) as rig,
        await trio.open_tcp_stream("127.0.0.1", rig.port) as plain,
    ):
        stream: trio.abc.Stream = plain
        if tls:
            context = client_tls()
            context.set_alpn_protocols(["h2"])
            stream = over_tls = trio.SSLStream(plain, context, server_hostname="localhost")
            await over_tls.do_handshake()
            assert over_tls.selected_alpn_protocol() == "h2"
        client = Http2Client(stream)
        await client.send()
        await client.until(h2.events.RemoteSettingsChanged)
        client.connection.send_headers(1, fields)
        await client.send()
        head = dict((await client.until(h2.events.ResponseReceived)).headers)
        assert (head[b":status"], head[b"sec-websocket-protocol"]) == (b"200", b"second")
        client.connection.send_data(1, frames.send(wsproto.events.TextMessage("hello")))
        await client.send()
        received: list[Any] = []
        while not any(isinstance(event, wsproto.events.TextMessage) for event in received):
            frames.receive_data((await client.until(h2.events.DataReceived)).data)
            received += frames.events()
        assert received[-1].data == "hello"
        assert rig.gateway.statistics().sockets.open == 1


async def test_a_refusal_reaches_the_client(kind: Kind) -> None:
    """With its status and body; a path without a route, too."""

    def refuse(socket: ServerConnection, _request: object) -> Any:
        return socket.respond(403, "Not for you.\n")

    async with back_end(echo, process_request=refuse) as at, hosted(kind, f"http://{at}") as rig:
        for path, status, words in ((PATH, 403, b"Not for you.\n"), ("/api/none", 404, b'"not_found"')):
            with pytest.raises(InvalidStatus) as caught:
                async with connect(f"ws://127.0.0.1:{rig.port}{path}"):
                    pass
            response = caught.value.response
            assert response.status_code == status
            assert words in response.body
        assert rig.gateway.statistics().sockets.refused == 2


async def test_a_back_end_that_is_killed_leaves_no_client_waiting(kind: Kind) -> None:
    """Its client gets 1014 at once, and its health is looked at."""

    async def killed(socket: ServerConnection) -> None:
        await socket.recv()
        await trio.aclose_forcefully(socket.stream)

    async with back_end(killed) as at, hosted(kind, f"http://{at}") as rig:
        async with connect(f"ws://127.0.0.1:{rig.port}{PATH}") as socket:
            await socket.send("now")
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert closed_with(caught.value)[0] == 1014
        assert [why for _, _, why in rig.health.noted] == ["its WebSocket was closed without a close frame"]


async def test_a_client_that_leaves_during_the_handshake_ends_it(kind: Kind) -> None:
    """Its back end, which never accepts, sees the end at once."""
    asked, ended = trio.Event(), trio.Event()

    async def stall(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        asked.set()
        assert await stream.receive_some(65_536) == b""
        ended.set()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, stall, 0, host="127.0.0.1"))
        at = listeners[0].socket.getsockname()[1]
        async with hosted(kind, f"http://127.0.0.1:{at}") as rig:
            client = await trio.open_tcp_stream("127.0.0.1", rig.port)
            await client.send_all(handshake(rig.port))
            await asked.wait()
            await client.aclose()
            with trio.fail_after(PATIENCE):
                await ended.wait()
        nursery.cancel_scope.cancel()


async def test_a_client_that_vanishes_frees_its_back_end(kind: Kind) -> None:
    """Its connection is reset; the back end gets 1001."""
    gone = trio.Event()

    async def talk(socket: ServerConnection) -> None:
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        assert closed_with(caught.value)[0] == 1001
        gone.set()

    async with (
        back_end(talk) as at,
        hosted(kind, f"http://{at}") as rig,
        connect(f"ws://127.0.0.1:{rig.port}{PATH}") as socket,
    ):
        await trio.aclose_forcefully(socket.stream)
        await gone.wait()


async def test_when_the_server_stops_both_sides_get_1001(kind: Kind) -> None:
    """And the server's end waits for them."""
    got = []

    async def talk(socket: ServerConnection) -> None:
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        got.append(closed_with(caught.value)[0])

    async with (
        back_end(talk) as at,
        hosted(kind, f"http://{at}") as rig,
        connect(f"ws://127.0.0.1:{rig.port}{PATH}") as socket,
    ):
        rig.stop()
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        assert closed_with(caught.value) == (1001, "The service is stopping.")
    assert got == [1001]


# Large messages. Their ends are raw streams, so that nothing but the gateway could hold them.

BLOCK = bytes(65_536)
BLOCKS = 1_600
FRAME = len(BLOCK) * BLOCKS  # 100 MiB
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Return this process's memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def handshake(port: int) -> bytes:
    lines = [
        f"GET {PATH} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def read_head(stream: trio.abc.ReceiveStream) -> bytes:
    """Return a head that nothing follows yet."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await stream.receive_some(65_536)
    return head


async def read(stream: trio.abc.ReceiveStream, count: int) -> int:
    """Read so many bytes; return the most memory that was occupied meanwhile."""
    most = 0
    while count:
        data = await stream.receive_some(min(count, 262_144))
        assert data
        count -= len(data)
        most = max(most, resident())
    return most


async def pour(stream: trio.abc.SendStream, head: bytes) -> None:
    """Send one message of 100 MiB."""
    await stream.send_all(head)
    for _ in range(BLOCKS):
        await stream.send_all(BLOCK)


async def test_a_message_of_100_mib_passes_each_way_in_flat_memory() -> None:
    """Piece by piece; what is never stored needs no room."""
    most = 0
    up, down = b"\x82\xff" + FRAME.to_bytes(8, "big") + bytes(4), b"\x82\x7f" + FRAME.to_bytes(8, "big")

    async def talk(stream: trio.SocketStream) -> None:
        nonlocal most
        request = await stream.receive_some(65_536)
        key = re.search(rb"(?i)sec-websocket-key: *([^\r]+)", request)
        assert key is not None
        lines = [
            b"HTTP/1.1 101 Switching Protocols",
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Accept: " + accept_of(key[1]),
        ]
        await stream.send_all(b"\r\n".join([*lines, b"", b""]))
        most = await read(stream, len(up) + FRAME)
        await pour(stream, down)
        await stream.receive_some(1)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, talk, 0, host="127.0.0.1"))
        at = listeners[0].socket.getsockname()[1]
        async with hosted(Server, f"http://127.0.0.1:{at}") as rig:
            client = await trio.open_tcp_stream("127.0.0.1", rig.port)
            await client.send_all(handshake(rig.port))
            assert b" 101 " in await read_head(client)
            before = resident()
            await pour(client, up)
            most = max(most, await read(client, len(down) + FRAME))
            assert most - before < 10 * 2**20
            sockets = rig.gateway.statistics().sockets
            assert (sockets.bytes_from_clients, sockets.bytes_from_back_ends) == (
                FRAME + len(up),
                FRAME + len(down),
            )
            await client.aclose()
        nursery.cancel_scope.cancel()


async def test_a_client_that_reads_nothing_stops_its_back_end(kind: Kind) -> None:
    """What lies between them is bounded, and the other sockets go on."""
    sent = 0
    is_blocked = trio.Event()

    async def flood(socket: ServerConnection) -> None:
        nonlocal sent
        if await socket.recv() == "echo":
            await socket.send("echo")
            return
        while True:
            with trio.move_on_after(0.5) as waiting:
                await socket.send(BLOCK)
            if waiting.cancelled_caught:
                is_blocked.set()
                return
            sent += len(BLOCK)
            assert sent < 64 * 2**20, "the gateway takes what nobody reads"

    async with back_end(flood, compression=None) as at, hosted(kind, f"http://{at}") as rig:
        client = await trio.open_tcp_stream("127.0.0.1", rig.port)
        await client.send_all(handshake(rig.port))
        assert b" 101 " in await read_head(client)
        await client.send_all(b"\x81\x85\0\0\0\0flood")
        await is_blocked.wait()
        async with connect(f"ws://127.0.0.1:{rig.port}{PATH}") as other:
            await other.send("echo")
            assert await other.recv() == "echo"
        await trio.aclose_forcefully(client)
