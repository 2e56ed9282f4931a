"""Both fronts on real sockets: they serve, they stop in time, and no client can hold them up."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from orch.capacity import fit
from orch.front.admission import Admission
from orch.front.hypercorn.server import HypercornServer
from orch.front.server import Server
from tests.fakes.patience import PATIENCE

pytestmark = pytest.mark.real_time

Kind = type[HypercornServer] | type[Server]


@pytest.fixture(params=[HypercornServer, Server], ids=["hypercorn", "orch"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Return each of the fronts in turn."""
    return request.param


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Respond to every request with its path."""
    assert scope["type"] == "http"
    body = scope["path"].encode()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def flood(scope: Any, receive: Any, send: Any) -> None:
    """Accept a socket and send to it for ever."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "text": "x" * 65_536})


@asynccontextmanager
async def front(
    kind: Kind, app: Any, *, grace: float = 0.2, admission: Admission | None = None
) -> AsyncIterator[tuple[HypercornServer | Server, trio.Event]]:
    """Run a front on a free port until the block ends."""
    stopping = trio.Event()
    drained = trio.Event()

    async def drain() -> None:
        drained.set()
        await trio.lowlevel.checkpoint()

    serving = kind(
        app,
        host="127.0.0.1",
        port=0,
        stopping=stopping,
        drain=drain,
        grace=lambda: grace,
        admission=admission,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(serving.run)
        yield serving, stopping
        stopping.set()


def port(serving: HypercornServer | Server) -> int:
    return int(serving.bound[0].rpartition(":")[2])


def client(serving: HypercornServer | Server) -> Any:
    """Return a connection to the front, as a context."""

    @asynccontextmanager
    async def connected() -> AsyncIterator[trio.SocketStream]:
        async with await trio.open_tcp_stream("127.0.0.1", port(serving)) as stream:
            yield stream

    return connected()


async def get(stream: trio.SocketStream, path: str) -> bytes:
    await stream.send_all(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    answer = b""
    while path.encode() not in answer:
        part = await stream.receive_some()
        assert part, answer
        answer += part
    return answer


async def test_requests_get_responses_over_one_keep_alive_connection(kind: Kind) -> None:
    """Keep-alive works, and each request reaches the application."""
    async with front(kind, hello) as (serving, _), client(serving) as stream:
        assert b"200" in await get(stream, "/one")
        assert b"200" in await get(stream, "/two")
        assert serving.statistics().open == 1
        assert serving.statistics().accepted == 1


async def listens(scope: Any, receive: Any, send: Any) -> None:
    """Respond while waiting for a disconnect, which cancels the response, as Quart and the gateway do."""
    async with trio.open_nursery() as nursery:

        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(listen)
        await hello(scope, receive, send)
        nursery.cancel_scope.cancel()


async def test_a_connection_that_is_to_be_closed_is_closed(kind: Kind) -> None:
    """A client that reads to the end (HTTP/1.0, ``Connection: close``) gets one, whatever the app does."""
    async with front(kind, listens) as (serving, _), client(serving) as stream:
        await stream.send_all(b"GET /one HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = b""
        async for part in stream:
            answer += part
        assert answer.endswith(b"/one")


async def test_a_client_that_has_stopped_reading_does_not_delay_the_stop(kind: Kind) -> None:
    """Its socket is closed under it once the grace is over; everything is closed and counted."""
    async with front(kind, flood) as (serving, stopping):
        stream = await trio.open_tcp_stream("127.0.0.1", port(serving))
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await stream.send_all(
            b"GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert await stream.receive_some(10) == b"HTTP/1.1 1"
        await trio.testing.wait_all_tasks_blocked(0.2)
        stopping.set()
    statistics = serving.statistics()
    assert (statistics.open, statistics.closed_by_force) == (0, 1)
    await stream.aclose()


async def test_an_idle_keep_alive_connection_does_not_use_up_the_grace(kind: Kind) -> None:
    """A browser's idle connection is closed, not waited for."""
    async with front(kind, hello, grace=60) as (serving, stopping), client(serving) as stream:
        await get(stream, "/one")
        stopping.set()
        assert await stream.receive_some() == b""
    assert serving.statistics().open == 0


async def test_a_restart_listens_on_the_same_port_again(kind: Kind) -> None:
    """Port 0 is chosen once; clients find the service where it was."""
    serving = kind(
        hello,
        host="127.0.0.1",
        port=0,
        stopping=trio.Event(),
        drain=trio.lowlevel.checkpoint,
        grace=lambda: 0.1,
    )
    ports = []
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            await nursery.start(serving.run)
            ports.append(port(serving))
            async with client(serving) as stream:
                assert b"200" in await get(stream, "/")
            nursery.cancel_scope.cancel()
    assert ports[0] == ports[1]


async def test_a_port_in_use_is_an_error_of_the_branch(kind: Kind) -> None:
    """The tree's policy meets it; nothing is swallowed."""
    async with front(kind, hello) as (serving, _):
        other = kind(
            hello,
            host="127.0.0.1",
            port=port(serving),
            stopping=trio.Event(),
            drain=trio.lowlevel.checkpoint,
            grace=lambda: 0.1,
        )
        with pytest.raises(OSError, match="in use"):
            await other.run()


async def test_a_websocket_ends_at_once_when_its_client_disconnects(kind: Kind) -> None:
    """It does not linger until the next ping would have been due."""

    async def accept(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async with front(kind, accept, grace=60) as (serving, stopping):
        async with client(serving) as stream:
            await stream.send_all(
                b"GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert await stream.receive_some(10) == b"HTTP/1.1 1"
        stopping.set()
    assert serving.statistics().open == 0
    assert serving.statistics().closed_by_force == 0


async def test_clients_beyond_the_connection_limit_are_asked_to_retry_later(kind: Kind) -> None:
    """Each connection counts; those within the limit are served, and a disconnect makes room."""
    capacity = fit(files=4, asked=10, own=4)

    admission = Admission(lambda: capacity, lambda: 0, lambda _host: True)
    async with front(kind, hello, admission=admission) as (serving, _):
        async with client(serving) as one, client(serving) as two:
            assert (await get(one, "/one")).endswith(b"/one")
            assert (await get(two, "/two")).endswith(b"/two")
            async with client(serving) as third:
                await third.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                refused = b""
                while part := await third.receive_some():
                    refused += part
                assert refused.startswith(b"HTTP/1.1 503 ")
                assert b"too_many_connections" in refused
            assert (await get(one, "/again")).endswith(b"/again")
        with trio.fail_after(PATIENCE):
            while admission.is_full:  # noqa: ASYNC110 - the front has no event for it
                await trio.sleep(0.01)
        async with client(serving) as later:
            assert (await get(later, "/later")).endswith(b"/later")
