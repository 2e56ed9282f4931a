"""The socket itself: a real WebSocket on loopback, and handshakes that fail."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from websockets.datastructures import Headers
from websockets.http11 import Request as Handshake
from websockets.http11 import Response as HandshakeResponse
from websockets.trio.server import ServerConnection, serve

from orch.problems import ProblemError
from orch.settings import Service
from orch.speech.live_socket import Dialer, SocketClosedError
from orch.speech.requests import RefusedError

pytestmark = pytest.mark.real_time


@asynccontextmanager
async def server(
    handler: Callable[[ServerConnection], Awaitable[None]],
    refuse: Callable[[ServerConnection, Handshake], HandshakeResponse | None] = lambda _c, _r: None,
) -> AsyncIterator[Service]:
    """Serve WebSockets at a port of loopback; yield the settings of that service."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(
            lambda: serve(handler, listeners=listeners, process_request=refuse, ping_interval=None)
        )
        yield Service(url=f"http://u:p@127.0.0.1:{port}/base", dialect="deepgram", headers={"x-a": "1"})
        nursery.cancel_scope.cancel()


async def test_messages_go_both_ways_with_the_services_credentials() -> None:
    seen: list[str] = []

    async def handler(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        seen.extend([request.path, request.headers["x-a"], request.headers["authorization"]])
        async for message in connection:
            await connection.send(message)

    async with server(handler) as service, Dialer()(service, service.url, "/v1/listen?a=b") as socket:
        await socket.send("text")
        assert await socket.receive() == "text"
        await socket.send(b"\x00\x01")
        assert await socket.receive() == b"\x00\x01"
    assert seen == ["/base/v1/listen?a=b", "1", "Basic dTpw"]


async def test_a_unix_socket_is_reached_as_a_host_is(tmp_path: Path) -> None:
    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(connection.request.headers["host"] + connection.request.path)

    sock = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await sock.bind(str(tmp_path / "a.sock"))
    sock.listen(1)
    async with trio.open_nursery() as nursery:
        # Its type is for listeners of TCP, and any listener of streams does.
        listeners: list[Any] = [trio.SocketListener(sock)]
        nursery.start_soon(lambda: serve(handler, listeners=listeners, ping_interval=None))
        service = Service(url=f"unix:{tmp_path}/a.sock:/base", dialect="deepgram")
        async with Dialer()(service, service.url, "/v1/listen") as live:
            assert await live.receive() == "localhost/base/v1/listen"
        nursery.cancel_scope.cancel()


async def test_the_end_of_a_connection_has_its_code_and_reason() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.aclose(1011, "NET-0001")

    async with server(handler) as service, Dialer()(service, service.url, "/") as socket:
        with pytest.raises(SocketClosedError) as caught:
            await socket.receive()
        assert (caught.value.code, caught.value.reason) == (1011, "NET-0001")
        with pytest.raises(SocketClosedError):
            await socket.send("x")


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b'{"err_msg": "Invalid credentials."}', {}), (b"", {"dg-error": "Invalid credentials."})],
)
async def test_a_refused_handshake_has_status_headers_and_words(body: bytes, headers: dict[str, str]) -> None:
    async def handler(connection: ServerConnection) -> None:
        raise AssertionError(connection)

    def refuse(_connection: ServerConnection, _request: Handshake) -> HandshakeResponse:
        return HandshakeResponse(401, "Unauthorized", Headers({"retry-after": "5", **headers}), body)

    async with server(handler, refuse) as service:
        with pytest.raises(RefusedError) as caught:
            async with Dialer()(service, service.url, "/"):
                pass
    response = caught.value.response
    assert response.status == 401
    assert (b"retry-after", b"5") in response.headers
    assert "Invalid credentials." in json.loads(response.body).values()


async def test_a_server_that_is_not_there_or_speaks_no_websocket_is_unavailable() -> None:
    async def no_websocket(stream: trio.SocketStream) -> None:
        await stream.send_all(b"220 smtp ready\r\n")
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, no_websocket, listeners)
        for url in (f"http://127.0.0.1:{port}", f"https://127.0.0.1:{port}", "http://127.0.0.1:1"):
            service = Service(url=url, dialect="deepgram")
            with pytest.raises(ProblemError) as caught:
                async with Dialer()(service, url, "/"):
                    pass
            assert caught.value.code == "service_unavailable"
        nursery.cancel_scope.cancel()


async def test_an_error_of_the_block_stays_what_it_is() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.recv()

    async with server(handler) as service:
        with pytest.raises(OSError, match="of the block"):
            async with Dialer()(service, service.url, "/"):
                raise OSError("of the block")
