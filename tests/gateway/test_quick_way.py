"""Small requests that are sent and answered without a task or a cancel scope, over real sockets."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from orch.gateway.connection import Request, UpstreamError
from orch.gateway.request_body import RequestBody
from orch.gateway.retries import Failure
from orch.gateway.service import GatewayService
from orch.gateway.tcp_stream import Patience
from orch.gateway.transport import Connector
from orch.gateway.upstream import Upstream
from orch.readiness import Readiness
from tests.fakes.gateway import Serve, answering, ok, read_request
from tests.gateway.test_loopback import back_end, hosted, reset

pytestmark = pytest.mark.real_time

GET = Request("GET", "/", (), RequestBody())


@asynccontextmanager
async def ready(serve: Serve, *, patience: float = 30.0) -> AsyncIterator[tuple[Upstream, Patience]]:
    """Give an upstream that has one idle connection, its first request done, and a running patience."""
    connector = Connector()
    connector.readiness = Readiness()
    waiting = Patience(patience)
    async with back_end(serve) as port, trio.open_nursery() as nursery:
        nursery.start_soon(connector.readiness.run)
        nursery.start_soon(waiting.run)
        upstream = Upstream(f"http://127.0.0.1:{port}", connect=connector, limit=4)
        upstream.reuses_connections = True
        assert upstream.begin(GET) is None, "there is no connection yet"
        async with upstream.exchange(GET) as response:
            while await response.receive():
                continue
        assert upstream.statistics().idle == 1
        yield upstream, waiting
        assert upstream.statistics().busy == 0
        upstream.close_idle()
        nursery.cancel_scope.cancel()


def first_ok_then(rest: Serve) -> Serve:
    """Answer the first request of a connection, and leave the second to ``rest``."""

    async def serve(stream: Any) -> None:
        await read_request(stream)
        await stream.send_all(ok())
        await rest(stream)

    return serve


async def test_a_whole_response_is_read_at_once_and_its_connection_kept() -> None:
    """As often as one likes, over the same connection."""
    async with ready(answering(ok(b"fast"))) as (upstream, patience):
        for _ in range(3):
            begun = upstream.begin(GET)
            assert begun is not None
            assert upstream.statistics().busy == 1
            head = await begun.receive_within(patience)
            assert head is not None
            assert (head.status, begun.body()) == (200, b"fast")
            begun.end()
            assert (upstream.statistics().busy, upstream.statistics().idle) == (0, 1)


async def test_a_response_in_parts_is_continued() -> None:
    """The first part is not lost."""

    async def in_parts(stream: Any) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        await stream.receive_some(1)
        await stream.send_all(b"def")

    async with ready(first_ok_then(in_parts)) as (upstream, patience):
        begun = upstream.begin(GET)
        assert begun is not None
        assert await begun.receive_within(patience) is None
        plain = begun.connection.transport.plain
        assert plain is not None
        plain.offer(b"!")
        async with upstream.exchange(GET, begun=begun) as response:
            body = b""
            while piece := await response.receive():
                body += piece
        assert body == b"abcdef"


@pytest.mark.parametrize(
    ("answer", "failure"),
    [(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Failure.MALFORMED), (b"", Failure.STALE)],
    ids=["invalid", "closed"],
)
async def test_what_is_wrong_is_said_by_the_continuation(answer: bytes, failure: Failure) -> None:
    """With the failure that the long way finds, since it decides on what to do."""

    async def wrong(stream: Any) -> None:
        await read_request(stream)
        if answer:
            await stream.send_all(answer)
        else:
            reset(stream)

    async with ready(first_ok_then(wrong)) as (upstream, patience):
        begun = upstream.begin(GET)
        assert begun is not None
        assert await begun.receive_within(patience) is None
        with pytest.raises(UpstreamError) as caught:
            async with upstream.exchange(GET, begun=begun):
                pass
        assert caught.value.failure is failure


async def test_a_late_response_is_continued_with_a_watch() -> None:
    """The patience ends; the response comes afterwards."""
    go = trio.Event()

    async def late(stream: Any) -> None:
        await read_request(stream)
        await go.wait()
        await stream.send_all(ok(b"late"))

    async with ready(first_ok_then(late), patience=0.01) as (upstream, patience):
        begun = upstream.begin(GET)
        assert begun is not None
        assert await begun.receive_within(patience) is None
        go.set()
        async with upstream.exchange(GET, begun=begun) as response:
            assert await response.receive() == b"late"


async def test_a_body_that_the_kernel_does_not_take_at_once_is_sent_later() -> None:
    """A peer that does not read fills the buffers of its connection."""
    arrived: list[bytes] = []
    go = trio.Event()

    async def slow(stream: Any) -> None:
        await go.wait()
        arrived.append(await read_request(stream))
        await stream.send_all(ok())

    async with ready(first_ok_then(slow)) as (upstream, _):
        body = bytes(60_000)
        begun = None
        connection = upstream._idle[-1]
        plain = connection.transport.plain
        assert plain is not None
        offered = plain.offer
        plain.offer = lambda data: offered(data[:1000])  # type: ignore[method-assign]  # a full buffer
        request = Request("POST", "/", (), RequestBody(body))
        begun = upstream.begin(request)
        assert begun is not None
        plain.offer = offered  # type: ignore[method-assign]
        go.set()
        async with upstream.exchange(request, begun=begun) as response:
            assert await response.receive() == b"ok"
        assert arrived[0].endswith(body)
        assert len(arrived[0]) > len(body)


@pytest.mark.parametrize(
    ("status", "state", "errors"), [(200, "closed", 0), (404, "closed", 0), (501, "closed", 8)]
)
async def test_statuses_count_as_on_the_long_way(status: int, state: str, errors: int) -> None:
    """Server errors count as errors; only those that show a failed instance reach its breaker."""
    answer = b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % status
    async with hosted(answering(answer)) as (gateway, host, port):
        async with await trio.open_tcp_stream(host, port) as stream:
            for _ in range(8):
                await stream.send_all(b"GET /api/audio/x HTTP/1.1\r\nHost: x\r\n\r\n")
                received = b""
                while not received.endswith(b"{}"):
                    received += await stream.receive_some()
                assert received.startswith(b"HTTP/1.1 %d" % status)
                assert b"x-gateway-attempts: 1\r\n" in received
        [instance] = gateway.statistics().instances
        assert instance.lanes[1].breaker == state
        assert (instance.requests, instance.errors, instance.in_flight) == (8, errors, 0)


SCOPE = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "path": "/api/audio/x",
    "raw_path": b"/api/audio/x",
    "query_string": b"",
    "headers": [],
    "client": ("127.0.0.1", 1),
    "scheme": "http",
}


async def never() -> Any:
    await trio.sleep_forever()


async def drop(_message: object) -> None:
    await trio.lowlevel.checkpoint()


async def ask_for(gateway: GatewayService, steps: int) -> None:
    """Send a request, and cancel it after so many steps; from 40 on not at all."""
    async with trio.open_nursery() as nursery:

        async def stop() -> None:
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()

        if steps < 40:
            nursery.start_soon(stop)
        await gateway.proxy(dict(SCOPE), never, drop)
        nursery.cancel_scope.cancel()


async def test_after_random_cancellations_everything_is_free() -> None:
    """Requests end at any step, as if the client had gone; no slot, place or permit is lost."""
    rng = random.Random(7)
    payload = ok(b"x" * 3000)

    async def unsteady(stream: Any) -> None:
        while await read_request(stream):
            if rng.random() < 0.3:
                await trio.sleep(rng.random() * 0.04)
            await stream.send_all(payload[:1000])
            if rng.random() < 0.3:
                await trio.sleep(0.001)
            await stream.send_all(payload[1000:])

    async with hosted(unsteady) as (gateway, _, _):
        for _ in range(40):
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(ask_for, gateway, rng.randrange(60))
        figures = gateway.statistics()
        assert (figures.in_flight, figures.places) == (0, 0)
        [instance] = figures.instances
        assert instance.in_flight == 0
        assert [(lane.busy, lane.waiting) for lane in instance.lanes] == [(0, 0), (0, 0)]
        assert (instance.errors, instance.breaker) == (0, "closed")


async def test_a_request_that_was_cancelled_before_it_began_is_no_failure_of_the_instance() -> None:
    """A cancelled scope has a deadline in the past, which is not the instance's."""
    async with hosted(answering(ok())) as (gateway, _, _):
        await gateway.fetch("audio-service", "GET", "/x")
        with trio.CancelScope() as scope:
            scope.cancel()
            await gateway.fetch("audio-service", "GET", "/x")
        assert scope.cancelled_caught
        [instance] = gateway.statistics().instances
        assert instance.errors == 0
