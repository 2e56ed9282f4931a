"""A disconnect is noticed at once, and a client that is too late is refused at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from orch.front.hypercorn.server import HypercornServer
from orch.front.server import Server
from tests.fakes.wires import eventually

pytestmark = pytest.mark.real_time


async def answer(scope: object, receive: object, send: object) -> None:
    """Never be called."""
    raise AssertionError


@asynccontextmanager
async def served(
    serving: type[HypercornServer | Server], app: Any
) -> AsyncIterator[tuple[HypercornServer | Server, int, trio.Event]]:
    """Run a front for the block; give it, its port, and what stops it."""
    stopping = trio.Event()
    front = serving(
        app,
        host="127.0.0.1",
        port=0,
        stopping=stopping,
        drain=trio.lowlevel.checkpoint,
        grace=lambda: 60.0,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(front.run)
        yield front, int(front.bound[0].rpartition(":")[2]), stopping
        stopping.set()


@pytest.mark.parametrize("serving", [HypercornServer, Server])
@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_client_that_disconnects_without_a_request_leaves_nothing_behind(
    said: bytes, serving: type[HypercornServer | Server]
) -> None:
    """Its connection does not wait for the time-out of idle ones."""
    async with served(serving, answer) as (front, port, _):
        for _ in range(3):
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(said)
        await eventually(lambda: front.statistics().accepted == 3 and not front.statistics().open)


async def come_and_go(port: int) -> None:
    """Connect again and again."""
    while True:
        async with await trio.open_tcp_stream("127.0.0.1", port):
            pass


@pytest.mark.parametrize("serving", [HypercornServer, Server])
async def test_a_stop_refuses_new_clients_and_completes_requests_in_flight(
    serving: type[HypercornServer | Server],
) -> None:
    """A new connection does not hang until the last response is sent; that response is sent."""
    asked, may_answer = trio.Event(), trio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        asked.set()
        await may_answer.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with (
        served(serving, slow) as (_, port, stopping),
        await trio.open_tcp_stream("127.0.0.1", port) as stream,
    ):
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        stopping.set()
        with pytest.raises(OSError, match="all attempts to connect"):
            await come_and_go(port)
        may_answer.set()
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 204")
