"""Back ends and clients at their worst: what the gateway does with each, over sockets and in memory."""

import gzip
import hashlib
import json
import random
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio

from orch.gateway.connection import Request, UpstreamError
from orch.gateway.request_body import RequestBody
from orch.gateway.retries import Failure
from orch.gateway.service import GatewayService
from orch.gateway.timeouts import Limits
from orch.gateway.transport import Address, Connector, Transport
from orch.gateway.upstream import Upstream
from tests.fakes.gateway import Browser, answering, gateway_rig, ok, read_request
from tests.gateway.test_loopback import hosted, reset

PIECE = bytes(range(256)) * 256
PIECES = 400  # 25 MiB


class Uploader(Browser):
    """A client that uploads ``PIECES`` times ``PIECE``."""

    def __init__(self) -> None:
        super().__init__("POST", "/api/audio/transcribe", *[PIECE] * PIECES)


def errors(gateway: GatewayService) -> list[int]:
    found = gateway.statistics().instances
    return [one.errors for one in found if one.service == "audio-service"]


async def digest_of(stream: Any) -> bytes:
    """Read one request of 25 MiB without storing it; return its body's digest."""
    head, _, body = bytes(await stream.receive_some(65_536)).partition(b"\r\n\r\n")
    assert b"content-length: %d" % (len(PIECE) * PIECES) in head
    digest, left = hashlib.sha256(body), len(PIECE) * PIECES - len(body)
    while left:
        data = await stream.receive_some(1_048_576)
        assert data, "the request is cut"
        digest.update(data)
        left -= len(data)
    return digest.hexdigest().encode()


async def works(stream: Any) -> None:
    digest = await digest_of(stream)
    await stream.send_all(ok(digest))


async def dies_before(stream: Any) -> None:
    await digest_of(stream)
    reset(stream)


async def dies_within(stream: Any) -> None:
    await digest_of(stream)
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\nabc")
    # Read, so that the reset does not overtake it.
    await stream.receive_some(1)
    reset(stream)


@pytest.mark.real_time
async def test_an_upload_of_25_mib_is_sent_again_when_its_instance_dies() -> None:
    """It has taken the whole body and is working; another instance gets the same bytes, from the disk."""
    whole = hashlib.sha256(PIECE * PIECES).hexdigest().encode()
    async with hosted(dies_before, works) as (gateway, _, _):
        browser = Uploader()
        await gateway.proxy(browser.scope, browser.receive, browser.send)
        assert (browser.status, browser.body) == (200, whole)
        assert browser.headers[b"x-gateway-attempts"] == b"2"
        assert errors(gateway) == [1, 0]
        assert gateway.statistics().spooled_bytes == 0


@pytest.mark.real_time
async def test_after_the_first_byte_of_a_response_nothing_is_sent_again() -> None:
    """The client has a part of it: it gets no second response behind that."""

    class Reader(Browser):
        async def send(self, message: Any) -> None:
            await super().send(message)
            if message.get("body") == b"abc":
                seen.set()

    seen = trio.Event()

    async def dies(stream: Any) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\nabc")
        await seen.wait()
        reset(stream)

    async with hosted(dies, answering(ok(b"second"))) as (gateway, _, _):
        browser = Reader("POST", "/api/audio/transcribe", b"sound")
        await gateway.proxy(browser.scope, browser.receive, browser.send)
        assert (browser.status, browser.body, browser.is_complete) == (200, b"abc", False)
        assert errors(gateway) == [1, 0]


async def test_a_client_that_never_reads_100_megabytes_costs_little_memory() -> None:
    """256 KiB are read ahead; then the back end waits, for 5 s. Later the client is cut off, in any case."""
    sent = 0
    unread: list[trio.testing.MemoryReceiveStream] = []

    async def floods(stream: trio.abc.Stream) -> None:
        nonlocal sent
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
        for _ in range(1600):
            await stream.send_all(PIECE)
            sent += len(PIECE)
            # A memory stream takes all at once: wait as a socket would, until most of it was read.
            while len(unread[0]._incoming._data) > 65_536:  # noqa: ASYNC110 - it has no event for that
                await trio.sleep(0.01)

    endless = {"total": 0, "idle": 0}
    route = {"prefix": "/api/audio/", "service": "audio-service", "path": "/api/", "timeouts": endless}
    async with gateway_rig(routes=[route]) as rig, trio.open_nursery() as nursery:
        rig.network.servers["a:1"] = floods

        async def connect(address: Address) -> Transport:
            transport = await rig.network.connect(address)
            assert isinstance(transport.stream, trio.StapledStream)
            unread.append(transport.stream.receive_stream)
            return transport

        for lane in rig.gateway._backends.lanes():
            lane.upstream._connect = connect
        browser = Browser("GET", "/api/audio/x", slow=True)
        assert browser.gate is not None
        browser.gate.release()  # the head, and nothing else
        nursery.start_soon(rig.gateway.proxy, browser.scope, browser.receive, browser.send)
        await trio.sleep(4)
        assert rig.network.open == 1
        await trio.sleep(2)
        assert rig.network.open == 0
        assert sent < 2**20
        await trio.sleep(31)
        assert not browser.is_complete
        assert errors(rig.gateway) == [0]
        assert (rig.gateway.statistics().places, rig.gateway._spool.in_memory) == (0, 0)


async def test_a_redirect_is_the_client_s_to_follow() -> None:
    """Followed here, it would reach what the client may not."""
    asked: list[bytes] = []
    async with gateway_rig() as rig:
        away = ok(b"", b"Location: http://169.254.169.254/latest", status=b"307 Temporary Redirect")
        rig.network.servers["a:1"] = answering(away, seen=asked)
        browser = Browser("POST", "/api/audio/x", b"sound")
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        assert (browser.status, browser.headers[b"location"]) == (307, b"http://169.254.169.254/latest")
        assert len(asked) == 1
        assert list(rig.network.opened) == ["a:1"]


async def test_what_is_compressed_unasked_stays_as_it_came() -> None:
    """With the header that says so; nothing is unpacked here, however much it would become."""
    packed = gzip.compress(bytes(10_000_000))
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(ok(packed, b"Content-Encoding: gzip"))
        browser = Browser("GET", "/api/audio/x")
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        assert browser.headers[b"content-encoding"] == b"gzip"
        assert browser.body == packed


async def test_a_name_look_up_that_hangs_is_bounded_by_connect() -> None:
    """It fails as a connection that is not made does, and the slot is free again."""

    class Hangs(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *_: Any) -> Any:
            await trio.sleep_forever()

        async def getnameinfo(self, *_: Any) -> Any:
            await trio.sleep_forever()

    trio.socket.set_custom_hostname_resolver(Hangs())
    upstream = Upstream("http://back-end.example:1", connect=Connector())
    request = Request("GET", "/", (), RequestBody())
    with pytest.raises(UpstreamError, match=r"^no connection within 2 s$") as caught:
        async with upstream.exchange(request, limits=Limits(connect=2)):
            pytest.fail("there is no response")
    assert caught.value.failure is Failure.REFUSED
    assert trio.current_time() == pytest.approx(2)
    assert upstream.statistics().busy == 0


async def test_a_name_that_does_not_resolve_is_a_problem_in_words() -> None:
    """503, without a stack trace and without the address."""
    async with gateway_rig(retries=1) as rig:
        rig.network.failure = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        browser = Browser("GET", "/api/audio/x")
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        document = json.loads(browser.body)
        assert (document["status"], document["code"]) == (503, "service_unavailable")
        assert "its host name does not resolve" in document["detail"]


# Requests within requests, with raw sockets on both sides.

HIDDEN = b"GET /api/audio/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /api/audio/x HTTP/1.1\r\nHost: x\r\n"
LAST = POST + b"Connection: close\r\n"


@pytest.mark.real_time
@pytest.mark.parametrize(
    "request_bytes",
    [
        POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Content-Length: 0, %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Content-Length: +0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length : 0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\n0;a\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\n2;a\rb\r\nxx\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nxxyy0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\nxx\r\n0\r\n\r\n" + HIDDEN,
        POST + b"X: a\rContent-Length: 9\r\n\r\n" + HIDDEN,
        POST + b"X\x00: a\r\n\r\n" + HIDDEN,
    ],
)
async def test_nothing_that_is_read_in_two_ways_reaches_the_back_end(request_bytes: bytes) -> None:
    """It is refused, its connection is closed, and what was hidden in it is never a request."""
    seen: list[bytes] = []
    async with hosted(answering(ok(b"fine"), seen=seen)) as (_, host, port):
        received = await exchange(host, port, request_bytes)
        assert received.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501"))
        assert received.count(b"HTTP/1.1 ") == 1
        assert seen == []


@pytest.mark.real_time
async def test_what_is_framed_by_both_ways_alike_reaches_the_back_end_once() -> None:
    """A body that looks like a request stays one; extensions of chunks and trailers are not passed on."""
    seen: list[bytes] = []
    chunked = LAST + b"Transfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n"
    async with hosted(answering(ok(b"fine"), seen=seen)) as (_, host, port):
        both = (
            LAST + b"Content-Length: %d\r\n\r\n%b" % (len(HIDDEN), HIDDEN),
            chunked % (len(HIDDEN), HIDDEN),
        )
        for request_bytes in both:
            received = await exchange(host, port, request_bytes)
            assert received.startswith(b"HTTP/1.1 200")
            head, _, body = seen.pop().partition(b"\r\n\r\n")
            assert not seen
            assert body == HIDDEN
            assert head.lower().count(b"content-length: %d" % len(HIDDEN)) == 1
            assert b"transfer-encoding" not in head.lower()
            assert b"trailer" not in head.lower()


@pytest.mark.real_time
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 6\r\n\r\nokevil",
        b"HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nevil",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokevil",
    ],
    ids=["a second response", "both lengths", "two lengths", "204 with a body", "after chunks", "after 100"],
)
async def test_what_follows_a_response_never_answers_the_next_request(answer: bytes) -> None:
    """Of two clients the second one gets its own response, over another connection."""

    def poisoned() -> Callable[[Any], Any]:
        asked = 0

        async def serve(stream: Any) -> None:
            nonlocal asked
            while await read_request(stream):
                asked += 1
                await stream.send_all(answer if asked == 1 else ok(b"own"))

        return serve

    async with hosted(poisoned()) as (_, host, port):
        first = await exchange(
            host, port, b"GET /api/audio/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        assert b"evil" not in first
        second = await exchange(
            host, port, b"GET /api/audio/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        assert second.endswith(b"\r\n\r\nown")


async def exchange(host: str, port: int, data: bytes) -> bytes:
    """Send bytes, and no more; return all that comes back until the connection is closed."""
    async with await trio.open_tcp_stream(host, port) as stream:
        await stream.send_all(data)
        received = b""
        while more := await stream.receive_some(65_536):
            received += more
        return received


# Cancelled at any time.


@pytest.mark.real_time
async def test_after_random_cancellations_on_the_long_way_everything_is_free() -> None:
    """Bodies from memory and from the disk, responses in parts and over the buffer, instances that reset.

    Requests end at any step, as if the client had gone; no slot, place, permit or byte of the spool is lost.
    """
    rng = random.Random(11)

    async def unsteady(stream: Any) -> None:
        while await read_request(stream):
            await trio.sleep(rng.choice([0, 0.001, 0.03]))
            if rng.random() < 0.15:
                reset(stream)
                return
            size = rng.choice([10, 70_000, 500_000])
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            await stream.send_all(bytes(size // 2))
            await trio.sleep(rng.choice([0, 0.002]))
            await stream.send_all(bytes(size - size // 2))

    async def ask(gateway: GatewayService, seconds: float, size: int, *, slow: bool) -> None:
        browser = Browser("POST", "/api/audio/transcribe", *[bytes(size // 4)] * 4, slow=slow)
        if browser.gate is not None:
            for _ in range(3):
                browser.gate.release()
        with trio.move_on_after(seconds):
            await gateway.proxy(browser.scope, browser.receive, browser.send)

    async with hosted(unsteady, unsteady, circuit_breaker_threshold=1000) as (gateway, _, _):
        for _ in range(15):
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    seconds = rng.choice([rng.random() * 0.05, rng.random() * 0.3])
                    size, slow = rng.choice([0, 4000, 100_000, 400_000]), rng.random() < 0.2
                    nursery.start_soon(partial(ask, gateway, seconds, size, slow=slow))
        figures = gateway.statistics()
        assert (figures.in_flight, figures.places, figures.spooled_bytes) == (0, 0, 0)
        assert gateway._spool.in_memory == 0
        for instance in figures.instances:
            assert instance.in_flight == 0
            assert [(lane.busy, lane.waiting) for lane in instance.lanes] == [(0, 0), (0, 0)]
