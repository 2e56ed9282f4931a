"""The hub under both servers, with real sockets on loopback."""

import json
import socket as stdlib_socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from orch.front import servers
from tests.fakes.asgi import as_actor
from tests.fakes.hub import Hub, running_hub

pytestmark = pytest.mark.real_time


@pytest.fixture(params=["orch", "hypercorn"])
def name(request: pytest.FixtureRequest) -> servers.ServerName:
    """Return the name of each server in turn."""
    server: servers.ServerName = request.param
    return server


@asynccontextmanager
async def served(
    name: servers.ServerName, folder: Path, **websocket: int
) -> AsyncIterator[tuple[Hub, str, trio.Event]]:
    """Serve a hub on a free port; the event stops the front as the tree does."""
    stopping = trio.Event()
    async with running_hub(folder, orchestration={"websocket": websocket}) as hub:
        front = servers.create_server(
            name,
            as_actor(hub.service.endpoint),
            host="127.0.0.1",
            port=0,
            stopping=stopping,
            drain=hub.service.drain,
            grace=lambda: 5.0,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(front.run)
            yield hub, front.bound[0].replace("http", "ws", 1) + "/ws", stopping
            stopping.set()


async def ask(socket: WebSocketConnection, kind: str, **message: object) -> dict[str, object]:
    if message:
        await socket.send_message(json.dumps(message))
    while True:
        answer: dict[str, object] = json.loads(await socket.get_message())
        if answer["type"] == kind:
            return answer


async def closed_with(socket: WebSocketConnection) -> int:
    """Return the code with which the service closes the connection."""
    with pytest.raises(ConnectionClosed) as caught:
        await socket.get_message()
    # trio-websocket leaves the socket to the collector where the other side closes first.
    await socket._stream.aclose()
    assert caught.value.reason is not None
    return int(caught.value.reason.code)


async def test_a_session_over_real_sockets(tmp_path: Path, name: servers.ServerName) -> None:
    """Greeting, session, message, orderly end."""
    async with served(name, tmp_path) as (hub, url, _):
        async with open_websocket_url(url) as ann, open_websocket_url(url) as bob:
            await ask(ann, "session_created", type="create_session", session_id="s")
            await ask(bob, "session_joined", type="join_session", session_id="s")
            await bob.send_message(json.dumps({"type": "broadcast", "session_id": "s", "data": "é😀"}))
            assert (await ask(ann, "session_message"))["data"] == "é😀"
        while hub.service.statistics().active:
            await trio.lowlevel.checkpoint()


async def test_a_message_that_is_too_large_is_answered_with_1009(
    tmp_path: Path, name: servers.ServerName
) -> None:
    """In characters or only in bytes: the close code is the same."""
    async with served(name, tmp_path) as (_, url, _):
        for text in ("x" * (2**20 + 1), "é" * (2**19 + 1)):
            async with open_websocket_url(url) as ann:
                await ask(ann, "connected")
                await ann.send_message(text)
                assert await closed_with(ann) == 1009


async def handshake(url: str, *headers: str) -> tuple[trio.SocketStream, bytes]:
    """Ask for an upgrade by hand; return the connection and what is answered first."""
    host, _, port = url.removeprefix("ws://").removesuffix("/ws").partition(":")
    stream = await trio.open_tcp_stream(host, int(port))
    stream.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_RCVBUF, 4096)
    lines = (
        "GET /ws HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *headers,
        "\r\n",
    )
    await stream.send_all("\r\n".join(lines).encode())
    return stream, await stream.receive_some()


async def test_refusals_are_http_answers_with_a_problem(tmp_path: Path, name: servers.ServerName) -> None:
    """A page of another site reads 403, who comes to a full house 503; both as problem+json."""
    async with served(name, tmp_path, max_connections=1) as (_, url, _stopping):
        stream, answer = await handshake(url, "Origin: http://evil")
        async with stream:
            assert answer.startswith(b"HTTP/1.1 403 ")
        async with open_websocket_url(url) as ann:
            await ask(ann, "connected")
            stream, answer = await handshake(url)
            async with stream:
                while b"}" not in answer:
                    answer += await stream.receive_some()
                head, _, body = answer.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 503 ")
                assert b"application/problem+json" in head
                assert b"too_many_connections" in body


async def stalled(url: str) -> trio.SocketStream:
    """Join a session by hand, then read nothing more."""
    stream, answer = await handshake(url)
    assert answer.startswith(b"HTTP/1.1 101 ")
    text = b'{"type":"join_session","session_id":"s"}'
    await stream.send_all(b"\x81" + bytes([0x80 | len(text)]) + b"\0\0\0\0" + text)  # masked with zeros
    seen = b""
    while b"session_joined" not in seen:
        seen += await stream.receive_some()
    return stream


async def test_a_stalled_socket_costs_only_itself_and_shutdown_waits_for_no_one(
    tmp_path: Path, name: servers.ServerName
) -> None:
    """It is evicted while the other has every message; the front then stops well within its grace."""
    async with (
        served(name, tmp_path, outbox_bytes=65_536) as (hub, url, stopping),
        open_websocket_url(url, message_queue_size=1000) as ann,
    ):
        await ask(ann, "session_created", type="create_session", session_id="s")
        stream = await stalled(url)
        number = 0
        while hub.service.statistics().evicted == 0:
            await ask(ann, "session_message", type="broadcast", session_id="s", data="x" * 20_000)
            number += 1
            assert number < 2000
        assert (await ask(ann, "pong", type="ping"))["type"] == "pong"
        line = [each for each in hub.service.statistics().connections if each.state == "closing"]
        # With the link it may be gone already, else it is in no session any more.
        assert [each.sessions for each in line] in ([], [()])
        stopping.set()
        assert (await ask(ann, "closing"))["reason"]
        assert await closed_with(ann) == 4202
    # The hub and the front are down, and this one has not been read from since.
    await stream.aclose()
