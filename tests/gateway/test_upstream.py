"""One instance's connections, over memory streams on a virtual clock."""

import errno
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from orch.gateway.connection import IDLE_SECONDS, Request, UpstreamError, UpstreamResponse
from orch.gateway.request_body import RequestBody
from orch.gateway.retries import Failure
from orch.gateway.transport import Transport
from orch.gateway.upstream import Upstream
from tests.fakes.gateway import MemoryNetwork, Serve, answering, ok, read_request


def survey(method: str = "GET", target: str = "/api/x", body: bytes = b"") -> Request:
    return Request(method=method, target=target, headers=(), body=RequestBody(body))


def streaming(method: str, *pieces: bytes) -> Request:
    """Return a request whose body is read piece by piece, as from the disk."""

    async def read(offset: int) -> bytes:
        await trio.lowlevel.checkpoint()
        for piece in pieces:
            if offset == 0:
                return piece
            offset -= len(piece)
        return b""

    return Request(method, "/api/x", (), RequestBody(read=read, length=sum(map(len, pieces))))


async def read_all(answer: UpstreamResponse) -> bytes:
    data = b""
    while piece := await answer.receive():
        data += piece
    return data


@asynccontextmanager
async def upstream_to(
    serve: Serve | None, url: str = "http://a:1", **limits: int
) -> AsyncIterator[tuple[Upstream, MemoryNetwork]]:
    async with trio.open_nursery() as nursery:
        network = MemoryNetwork(nursery)
        if serve is not None:
            network.servers["a:1"] = serve
        upstream = Upstream(url, connect=network.connect, **limits)
        upstream.reuses_connections = True
        yield upstream, network
        assert upstream.statistics().busy == 0
        assert upstream.statistics().waiting == 0
        assert network.open == upstream.statistics().idle
        nursery.cancel_scope.cancel()


async def ask(upstream: Upstream, request: Request, **how: Any) -> tuple[int, bytes]:
    async with upstream.exchange(request, **how) as answer:
        return answer.status, await read_all(answer)


async def failing(upstream: Upstream, request: Request) -> Failure:
    with pytest.raises(UpstreamError) as caught:
        await ask(upstream, request)
    return caught.value.failure


async def test_a_request_is_sent_and_its_response_received() -> None:
    """Host is the instance, the base path of its URL is prepended, a body has its length."""
    seen: list[bytes] = []
    async with upstream_to(answering(ok(b"hi"), seen=seen), "http://a:1/base/") as (upstream, _):
        assert await ask(upstream, survey("POST", "/api/x?y=1", b"body")) == (200, b"hi")
    assert seen == [b"POST /base/api/x?y=1 HTTP/1.1\r\nhost: a:1\r\ncontent-length: 4\r\n\r\nbody"]


async def test_a_clean_connection_is_reused() -> None:
    """Three requests, one connection, as the pool's figures show."""
    async with upstream_to(answering(ok())) as (upstream, network):
        for _ in range(3):
            await ask(upstream, survey())
        assert network.opened["a:1"] == 1
        assert repr(upstream) == "<Upstream a:1: 0 busy, 1 idle, 0 waiting>"


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"hi", b"Connection: close"),
        ok(b"hi") + b"excess",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ],
)
async def test_an_unclean_connection_is_closed(answer: bytes) -> None:
    """The peer announced it or sent excess bytes, which could be mistaken for the next response."""
    async with upstream_to(answering(answer)) as (upstream, network):
        for _ in range(2):
            assert await ask(upstream, survey()) == (200, b"hi")
        assert network.opened["a:1"] == 2


async def test_a_response_left_half_read_closes_its_connection() -> None:
    """The rest of its body must not become the next response."""
    async with upstream_to(answering(ok(b"x" * 200_000))) as (upstream, network):
        async with upstream.exchange(survey()) as answer:
            await answer.receive()
        assert upstream.statistics().idle == 0
        assert len((await ask(upstream, survey()))[1]) == 200_000
        assert network.opened["a:1"] == 2


@pytest.mark.parametrize(
    ("header", "kept_for"), [(b"X: y", IDLE_SECONDS), (b"Keep-Alive: timeout=3, max=9", 2.0)]
)
async def test_an_idle_connection_is_reused_within_its_time(header: bytes, kept_for: float) -> None:
    """Shorter than the time-out of common servers, and shorter still if the server announces it."""
    async with upstream_to(answering(ok(b"", header))) as (upstream, network):
        await ask(upstream, survey())
        await trio.sleep(kept_for - 0.01)
        upstream.close_idle(trio.current_time())
        assert upstream.statistics().idle == 1
        await ask(upstream, survey())
        assert network.opened["a:1"] == 1
        await trio.sleep(kept_for + 0.01)
        await ask(upstream, survey())
        assert network.opened["a:1"] == 2
        await trio.sleep(kept_for + 0.01)
        upstream.close_idle(trio.current_time())
        assert upstream.statistics().idle == 0


async def test_a_connection_closed_while_idle_is_not_reused() -> None:
    """So even a POST, which could not be repeated, arrives."""

    async def serve_one(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(ok())

    async with upstream_to(serve_one) as (upstream, network):
        for _ in range(3):
            assert (await ask(upstream, survey("POST", body=b"x")))[0] == 200
            await trio.sleep(0.1)
        assert network.opened["a:1"] == 3


async def test_a_connection_that_closes_as_it_is_used_is_stale_and_a_new_one_is_lost() -> None:
    """A close without a response: a reused connection was stale, on a new one the request was lost."""
    requests = 0

    async def serve(stream: trio.abc.Stream) -> None:
        nonlocal requests
        while await read_request(stream):
            requests += 1
            if requests != 1:
                return
            await stream.send_all(ok())

    async with upstream_to(serve) as (upstream, _):
        await ask(upstream, survey())
        assert await failing(upstream, survey()) is Failure.STALE
        assert await failing(upstream, survey()) is Failure.LOST


async def test_fresh_means_a_new_connection() -> None:
    """Even where one is idle."""
    async with upstream_to(answering(ok())) as (upstream, network):
        await ask(upstream, survey())
        await ask(upstream, survey(), fresh=True)
        assert network.opened["a:1"] == 2
        assert upstream.statistics().idle == 2


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"", Failure.LOST),
        (b"HTTP/1.1 200 OK\r\nContent", Failure.CUT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Failure.CUT),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", Failure.CUT),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", Failure.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", Failure.MALFORMED),
        (b"SSH-2.0-OpenSSH\r\n", Failure.MALFORMED),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, Failure.MALFORMED),
    ],
)
async def test_each_failure_has_its_kind(answer: bytes, failure: Failure) -> None:
    """And the connection is closed, its slot free (the context checks)."""

    async def serve(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(answer)

    async with upstream_to(serve) as (upstream, _):
        assert await failing(upstream, survey()) is failure


async def test_a_failed_connect_is_refused() -> None:
    """Nothing listens there, or nothing accepts for three seconds."""
    async with upstream_to(None) as (upstream, network):
        assert await failing(upstream, survey()) is Failure.REFUSED
        network.servers["a:1"] = answering(ok())
        network.connect_seconds = 60
        began = trio.current_time()
        assert await failing(upstream, survey()) is Failure.REFUSED
        assert trio.current_time() - began == pytest.approx(3)


async def test_connections_and_waiting_requests_are_limited() -> None:
    """The next one waits its turn; one too many fails at once."""

    async def slow(stream: trio.abc.Stream) -> None:
        while await read_request(stream):
            await trio.sleep(1)
            await stream.send_all(ok())

    async with upstream_to(slow, limit=2, waiting=2) as (upstream, network):
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(ask, upstream, survey())
            await trio.testing.wait_all_tasks_blocked()
            assert repr(upstream) == "<Upstream a:1: 2 busy, 0 idle, 2 waiting>"
            assert await failing(upstream, survey()) is Failure.OVERLOADED
        assert trio.current_time() == pytest.approx(2)
        assert network.opened["a:1"] == 2


async def test_the_bounds_can_be_changed_while_requests_wait() -> None:
    """More connections admit waiting requests at once; with fewer, those in progress complete first."""
    ends: list[trio.Event] = []

    async def slow(stream: trio.abc.Stream) -> None:
        while await read_request(stream):
            ends.append(trio.Event())
            await ends[-1].wait()
            await stream.send_all(ok())

    async with upstream_to(slow, limit=1, waiting=9) as (upstream, _), trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask, upstream, survey())
        await trio.testing.wait_all_tasks_blocked()
        assert (len(ends), upstream.statistics().waiting) == (1, 4)
        upstream.resize(limit=3, waiting=9)
        await trio.testing.wait_all_tasks_blocked()
        assert (len(ends), upstream.statistics().waiting) == (3, 2)
        upstream.resize(limit=1, waiting=2)
        ends[0].set()
        ends[1].set()
        await trio.testing.wait_all_tasks_blocked()
        assert (upstream.statistics().busy, upstream.statistics().waiting) == (1, 2)
        assert await failing(upstream, survey()) is Failure.OVERLOADED
        for number in (2, 3, 4):
            ends[number].set()
            await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL"])
async def test_a_shortage_of_our_own_is_not_the_instance_s(name: str) -> None:
    """However deep trio wraps it: no descriptor, no memory, no port here."""

    async def connect(_: object) -> Any:
        group = ExceptionGroup("attempts", [OSError(getattr(errno, name), "none left")])
        raise OSError("all attempts to connect failed") from group

    upstream = Upstream("http://a:1", connect=connect)
    with pytest.raises(UpstreamError) as caught:
        await ask(upstream, survey())
    assert caught.value.failure is Failure.SHORTAGE
    assert caught.value.shortage is not None
    assert upstream.statistics().busy == 0


async def test_no_thread_for_resolving_a_host_is_our_own_shortage() -> None:
    """Python raises a RuntimeError for it; any other RuntimeError is a fault and is raised."""
    text = "can't start new thread"

    async def connect(_: object) -> Any:
        raise RuntimeError(text)

    upstream = Upstream("http://a:1", connect=connect)
    assert await failing(upstream, survey()) is Failure.SHORTAGE
    text = "another one"
    with pytest.raises(RuntimeError, match="another one"):
        await ask(upstream, survey())


@pytest.mark.parametrize("place", ["send", "receive"])
async def test_a_shortage_while_sending_or_reading_is_our_own_too(place: str) -> None:
    """A full buffer of the network stack is not a connection that the back end closed."""

    class Short(trio.abc.Stream):
        async def send_all(self, data: Any) -> None:
            if place == "send":
                raise trio.BrokenResourceError from OSError(errno.ENOBUFS, "no buffer")

        async def wait_send_all_might_not_block(self) -> None:
            raise NotImplementedError

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            raise trio.BrokenResourceError from OSError(errno.ENOMEM, "no memory")

        async def aclose(self) -> None:
            raise NotImplementedError

    async def connect(_: object) -> Transport:
        return Transport(Short(), lambda: None, lambda: True)

    upstream = Upstream("http://a:1", connect=connect)
    assert await failing(upstream, survey("POST", "/", b"body")) is Failure.SHORTAGE


async def test_a_streamed_body_is_sent_completely_and_can_be_sent_again() -> None:
    """With its length, piece by piece, from its beginning each time."""
    seen: list[bytes] = []
    async with upstream_to(answering(ok(), seen=seen)) as (upstream, network):
        request = streaming("POST", b"abc", b"def")
        for _ in range(2):
            assert await ask(upstream, request) == (200, b"ok")
        assert network.opened["a:1"] == 1
    assert seen == [b"POST /api/x HTTP/1.1\r\nhost: a:1\r\ncontent-length: 6\r\n\r\nabcdef"] * 2


async def test_a_response_before_the_body_was_sent_is_valid() -> None:
    """An early refusal of an upload is read; the rest is not sent, and the connection not reused."""

    async def refuse(stream: trio.abc.Stream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(ok(b"too large", status=b"413 Too Large"))
        await trio.sleep_forever()

    async def read(offset: int) -> bytes:
        if offset:
            await trio.sleep(1000)
        return b"begin"

    async with upstream_to(refuse) as (upstream, _):
        body = RequestBody(read=read, length=100)
        assert await ask(upstream, Request("POST", "/", (), body)) == (413, b"too large")
        assert upstream.statistics().idle == 0


async def test_a_response_is_read_although_sending_failed() -> None:
    """The back end responded, then closed while the body was being sent."""

    async def refuse(stream: Any) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(ok(b"no", status=b"413 No"))
        stream.receive_stream.close()
        await trio.sleep(10)

    async with upstream_to(refuse) as (upstream, _):
        request = streaming("POST", *[b"x" * 1000] * 50)
        assert await ask(upstream, request) == (413, b"no")


async def test_an_error_while_reading_the_body_is_raised_unchanged() -> None:
    """An error of the disk is not wrapped in a group."""

    async def read(_: int) -> bytes:
        await trio.sleep(1)
        raise OSError(errno.EIO, "Input/output error")

    async def silent(stream: trio.abc.Stream) -> None:
        while await stream.receive_some(65_536):
            pass

    async with upstream_to(silent) as (upstream, _):
        with pytest.raises(OSError, match="Input/output error"):
            await ask(upstream, Request("POST", "/", (), RequestBody(read=read, length=9)))


@pytest.mark.parametrize(
    ("method", "answer", "body"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 204 No\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + ok(b"x"), b"x"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", b"x"),
    ],
)
async def test_responses_without_a_body_and_with_early_hints(method: str, answer: bytes, body: bytes) -> None:
    """HEAD, 204 and 304 have none whatever their headers are; hints are skipped; all are reusable."""
    async with upstream_to(answering(answer)) as (upstream, network):
        for _ in range(2):
            assert (await ask(upstream, survey(method)))[1] == body
        assert network.opened["a:1"] == 1


async def test_reading_waits_for_the_reader() -> None:
    """A back end that sends faster than the caller reads is held back: nothing is buffered here."""
    sent = 0

    async def flood(stream: Any) -> None:
        nonlocal sent
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await stream.send_all(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            sent += 1
            await trio.sleep(0.001)

    async with upstream_to(flood) as (upstream, _), upstream.exchange(survey()) as answer:
        assert len(await answer.receive()) <= 65_536
        await trio.sleep(1)
        assert sent > 500
        assert answer._connection.parser._body == []


async def test_connections_are_closed_after_use_if_reuse_is_off() -> None:
    """A gateway whose branch is not running leaves nothing open."""
    async with upstream_to(answering(ok())) as (upstream, network):
        upstream.reuses_connections = False
        await ask(upstream, survey())
        assert network.open == 0


def slow_server(chance: random.Random) -> Serve:
    """Take time at every step, and respond in random ways."""

    async def serve(stream: trio.abc.Stream) -> None:
        while await read_request(stream):
            await trio.sleep(chance.uniform(0, 1))
            answer = chance.choice(
                [
                    ok(b"x" * 1000),
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
                    ok(b"hi", b"Connection: close"),
                    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
                    b"garbage\r\n\r\n",
                ]
            )
            half = len(answer) // 2
            await stream.send_all(answer[:half])
            await trio.sleep(chance.uniform(0, 1))
            await stream.send_all(answer[half:])
            if answer.endswith(b"end"):
                return

    return serve


@pytest.mark.limit(1000)
async def test_after_a_thousand_random_cancellations_every_slot_is_free() -> None:
    """Wherever a cancellation hits (waiting, connecting, sending, reading), connection and slot are freed."""
    chance = random.Random(7)
    async with upstream_to(slow_server(chance), limit=8, waiting=2000) as (upstream, network):
        network.connect_seconds = 0.2
        failures: set[Failure] = set()

        async def one() -> None:
            await trio.sleep(chance.uniform(0, 60))
            request = survey() if chance.random() < 0.5 else slow_upload(chance)
            with trio.move_on_after(chance.uniform(0, 4)):
                try:
                    await ask(upstream, request)
                except UpstreamError as error:
                    failures.add(error.failure)

        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(one)
        assert network.opened["a:1"] > 100
        assert failures == {Failure.MALFORMED}
        upstream.close_idle()
        assert network.open == 0
        # And it still works, at its full width.
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(ask_until_it_works, upstream)


def slow_upload(chance: random.Random) -> Request:
    count = chance.randint(1, 4)

    async def read(offset: int) -> bytes:
        await trio.sleep(chance.uniform(0, 0.5))
        return b"piece" if offset < 5 * count else b""

    return Request("POST", "/", (), RequestBody(read=read, length=5 * count))


async def ask_until_it_works(upstream: Upstream) -> None:
    while True:
        try:
            await ask(upstream, survey())
            return
        except UpstreamError:
            continue


def cancelled_at(step: int, upstream: Upstream, make: Callable[[], Request]) -> Callable[[], Awaitable[None]]:
    async def main() -> None:
        async with trio.open_nursery() as nursery:

            async def later() -> None:
                for _ in range(step):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()

            nursery.start_soon(later)
            await ask(upstream, make())

    return main


@pytest.mark.parametrize("make", [survey, lambda: streaming("POST", b"a", b"b")])
async def test_a_cancellation_at_any_single_step_leaves_nothing_behind(make: Callable[[], Request]) -> None:
    """Every checkpoint of an exchange in turn, the first to well past the last."""
    async with upstream_to(answering(ok()), limit=1) as (upstream, _):
        for step in range(40):
            await cancelled_at(step, upstream, make)()
            assert upstream.statistics().busy == 0
        assert (await ask(upstream, survey()))[0] == 200
