"""The time-outs of requests: which one expires first, and what becomes of the request."""

import json
import math
import struct
from typing import Any

import pytest
import trio

from orch.gateway.connection import Request, UpstreamError
from orch.gateway.request_body import RequestBody
from orch.gateway.retries import Failure
from orch.gateway.routes import RouteTable
from orch.gateway.timeouts import Due, Limits, Timeout, TryClock, in_words, limits_of
from orch.gateway.transport import Address, Connect, Transport
from orch.gateway.upstream import Upstream
from orch.settings import Gateway, Route, decode
from orch.settings.timeouts import RouteTimeouts, Timeouts
from tests.fakes.gateway import (
    Browser,
    GatewayRig,
    MemoryNetwork,
    Serve,
    answering,
    gateway_rig,
    ok,
    read_request,
)

A, B = "http://a:1", "http://b:1"
ALL = Limits(connect=3, first_byte=10, idle=5, total=60, per_try=20, per_try_idle=15)


# Which one expires first.


def test_a_connection_that_is_not_made() -> None:
    """Its own time-out, or the attempt's if that is shorter."""
    assert TryClock(ALL, 100.0).connect == Due(103.0, Timeout.CONNECT, 3)
    assert TryClock(Limits(connect=3, per_try=2), 100.0).connect == Due(102.0, Timeout.PER_TRY, 2)


def test_while_the_request_is_sent_bytes_must_move() -> None:
    """Each byte that the instance takes moves the time-out; the attempt's stays."""
    clock = TryClock(ALL, 100.0)
    assert clock.due == Due(105.0, Timeout.IDLE, 5)
    clock.moved(104.0)
    assert clock.due == Due(109.0, Timeout.IDLE, 5)
    clock.moved(117.0)
    assert clock.due == Due(120.0, Timeout.PER_TRY, 20)


def test_an_instance_that_computes_is_not_idle() -> None:
    """Between the request and the first byte of the response only ``first_byte`` and the attempt's count."""
    clock = TryClock(ALL, 100.0)
    clock.sent(101.0)
    assert clock.due == Due(111.0, Timeout.FIRST_BYTE, 10)
    clock = TryClock(Limits(idle=5), 100.0)
    clock.sent(101.0)
    assert clock.due.at == math.inf
    clock = TryClock(Limits(idle=5, per_try_idle=15), 100.0)
    clock.sent(101.0)
    assert clock.due == Due(116.0, Timeout.PER_TRY_IDLE, 15)


def test_a_response_that_stands_still_is_idle() -> None:
    """From the head on; the time for which the client is waited for is nobody's."""
    clock = TryClock(ALL, 100.0)
    clock.sent(101.0)
    clock.answered(102.0)
    assert clock.due == Due(107.0, Timeout.IDLE, 5)
    clock.pause(102.5)
    assert clock.due.at == math.inf
    clock.resume(132.5)
    assert clock.due == Due(137.0, Timeout.IDLE, 5)
    clock.moved(148.0)
    assert clock.due == Due(150.0, Timeout.PER_TRY, 20)


@pytest.mark.parametrize("kind", Timeout)
def test_every_time_out_has_its_own_words(kind: Timeout) -> None:
    """With its seconds, and unlike those of all others."""
    assert "7.5 s" in in_words(kind, 7.5)
    assert len({in_words(each, 1) for each in Timeout}) == len(Timeout)


# Settings.


def test_a_route_s_own_time_outs_win_and_zero_is_none() -> None:
    """What a route does not set is as for all routes."""
    gateway = Gateway(timeout=40, timeouts=Timeouts(first_byte=8, idle=0, per_audio_second=2))
    assert limits_of(gateway) == Limits(first_byte=8, total=40, per_audio_second=2, counts_as=8)
    own = limits_of(gateway, RouteTimeouts(total=0, first_byte=0, connect=1, idle=9, per_audio_second=0))
    assert own == Limits(connect=1, idle=9, counts_as=40)


def test_the_longest_total_of_a_service_bounds_how_long_it_may_be_busy() -> None:
    """A route without a limit sets none, and one of another service counts for nothing."""
    routes = tuple(
        Route(prefix=f"/{number}", service=service, path="/", timeouts=RouteTimeouts(total=total))
        for number, (service, total) in enumerate([("s", 0), ("s", 600), ("s", None), ("t", 900)])
    )
    gateway = Gateway(timeout=40, routes=routes)
    assert [gateway.longest_total(name) for name in ("s", "t", "u")] == [600, 900, 40]


def test_the_route_that_matches_brings_its_time_outs() -> None:
    """One look-up for everything that a request needs of its route."""
    routes = (
        Route(prefix="/a/", service="s", path="/", timeouts=RouteTimeouts(total=0)),
        Route(prefix="/b/", service="s", path="/"),
    )
    table = RouteTable(routes, lambda route: limits_of(Gateway(), route.timeouts))
    found = [table.match(path) for path in ("/a/x", "/b/x")]
    assert [each.limits.total for each in found if each is not None] == [math.inf, 30]


@pytest.mark.parametrize(
    ("own", "path", "expected"),
    [
        ("{total: -1}", ".total", "expected a number of 0 or more, got -1"),
        ("{connect: 0}", ".connect", "expected a number above 0, got 0"),
        ("{idle: soon}", ".idle", "expected a number of 0 or more, got 'soon'"),
        ("{first: 1}", ".first", "unknown key; expected one of total, per_audio_second, connect, first_byte"),
        ("5", "", "expected a section with keys, got a number"),
    ],
)
def test_a_wrong_time_out_is_named_with_its_place(own: str, path: str, expected: str) -> None:
    """And with what was expected there."""
    text = (
        "orchestration: {gateway: {routes: "
        f"[{{prefix: /a, service: audio-service, path: /b, timeouts: {own}}}]}}}}"
    )
    [fault] = decode(text, {}).faults
    assert fault.path == f"orchestration.gateway.routes[0].timeouts{path}"
    assert fault.expected.startswith(expected)


def test_the_defaults_can_be_set_in_the_environment() -> None:
    """Each has a name of its own."""
    decoded = decode("", {"ORCH_GATEWAY__TIMEOUTS__PER_TRY": "7", "ORCH_GATEWAY__TIMEOUTS__IDLE": "0"})
    assert not decoded.faults
    assert decoded.settings.orchestration.gateway.timeouts == Timeouts(per_try=7, idle=0)
    [fault] = decode("", {"ORCH_GATEWAY__TIMEOUTS__CONNECT": "0"}).faults
    assert "ORCH_GATEWAY__TIMEOUTS__CONNECT" in fault.path


# The length of the audio.


def wav(seconds: float, *, rate: int = 16_000) -> bytes:
    """Return a WAV file of 16-bit mono silence."""
    samples = bytes(int(seconds * rate) * 2)
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    data = struct.pack("<4sI", b"data", len(samples)) + samples
    inside = b"WAVE" + fmt + data
    return struct.pack("<4sI", b"RIFF", len(inside)) + inside


# What becomes of a request.


async def silent(stream: trio.abc.Stream) -> None:
    await read_request(stream)
    await trio.sleep_forever()


def stops_after(start: bytes) -> Serve:
    """Send the beginning of a response, and no more."""

    async def serve(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(start)
        await trio.sleep_forever()

    return serve


async def deaf(stream: trio.abc.Stream) -> None:
    await trio.sleep_forever()


def route(**timeouts: float) -> dict[str, Any]:
    """Return settings with one route that may be repeated."""
    return {
        "routes": [
            {
                "prefix": "/api/audio/",
                "service": "audio-service",
                "path": "/api/",
                "repeatable": "always",
                "timeouts": timeouts,
            }
        ]
    }


async def through(rig: GatewayRig, browser: Browser) -> Browser:
    await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
    return browser


def full_at(host: str, network: MemoryNetwork, *, after: int = 0) -> Connect:
    """Connect to peers, of which the one at ``host`` takes nothing ``after`` so many sends."""

    async def connect(address: Address) -> Transport:
        transport = await network.connect(address)
        sends = 0

        async def full() -> None:
            nonlocal sends
            sends += 1
            if sends > after:
                await trio.sleep_forever()

        if address.host == host:
            assert isinstance(transport.stream, trio.StapledStream)
            transport.stream.send_stream.send_all_hook = full
        return transport

    return connect


def errors(rig: GatewayRig) -> dict[str, int]:
    """Return the errors of each instance."""
    found = rig.gateway.statistics().instances
    return {one.url: one.errors for one in found if one.service == "audio-service"}


def problem(browser: Browser) -> tuple[int, str, str | None]:
    document = json.loads(browser.body)
    return document["status"], document["code"], document.get("timeout")


@pytest.mark.parametrize(
    ("timeouts", "serve", "kind", "after"),
    [
        ({"first_byte": 2}, silent, "first_byte", 2),
        ({"per_try": 4}, silent, "per_try", 4),
        ({"per_try_idle": 3}, silent, "per_try_idle", 3),
        ({"total": 6}, silent, "total", 6),
        ({"idle": 1, "total": 6}, silent, "total", 6),
        ({"per_try": 4, "first_byte": 2}, stops_after(b"HTTP/1.1 2"), "first_byte", 2),
    ],
)
async def test_a_time_out_is_the_instance_s_failure_in_its_own_words(
    timeouts: dict[str, float], serve: Serve, kind: str, after: float
) -> None:
    """504, with the kind, after its seconds and not later."""
    async with gateway_rig(retries=0, **route(**timeouts)) as rig:
        rig.network.servers["a:1"] = serve
        browser = await through(rig, Browser("POST", "/api/audio/x", b"sound"))
        assert problem(browser) == (504, "gateway_timeout", kind)
        assert trio.current_time() == pytest.approx(after)
        assert errors(rig) == {A: 1}
        assert [note[:2] for note in rig.health.noted] == [("audio-service", A)]


@pytest.mark.parametrize("kind", ["first_byte", "per_try", "per_try_idle"])
async def test_after_an_attempt_s_time_out_another_instance_is_asked(kind: str) -> None:
    """Before the first byte of a response, if the route is repeatable; the total goes on."""
    async with gateway_rig(A, B, **route(**{kind: 2})) as rig:
        rig.network.servers["a:1"] = silent
        rig.network.servers["b:1"] = answering(ok(b"done"))
        browser = await through(rig, Browser("POST", "/api/audio/x", b"sound"))
        assert (browser.status, browser.body) == (200, b"done")
        assert browser.headers[b"x-gateway-attempts"] == b"2"
        assert 2 <= trio.current_time() < 2.3
        assert errors(rig) == {A: 1, B: 0}


async def test_the_total_covers_all_attempts() -> None:
    """However many are left: 3 s each, and 7 s for all."""
    async with gateway_rig(A, B, **route(per_try=3, total=7)) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = silent
        browser = await through(rig, Browser("POST", "/api/audio/x", b"sound"))
        assert problem(browser) == (504, "gateway_timeout", "total")
        assert trio.current_time() == pytest.approx(7)


async def test_what_may_not_be_repeated_is_not_after_a_time_out() -> None:
    """The instance may be computing it."""
    settings = route(first_byte=2)
    settings["routes"][0]["repeatable"] = "safe"
    async with gateway_rig(A, B, **settings) as rig:
        rig.network.servers["a:1"] = silent
        rig.network.servers["b:1"] = answering(ok())
        browser = await through(rig, Browser("POST", "/api/audio/x", b"sound"))
        assert problem(browser) == (504, "gateway_timeout", "first_byte")


async def test_a_connection_that_takes_too_long_is_a_problem_of_its_own() -> None:
    """Nothing was sent: 503, and every instance is tried."""
    async with gateway_rig(A, B, retries=1, **route(connect=1)) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = answering(ok())
        rig.network.connect_seconds = 5
        browser = await through(rig, Browser("GET", "/api/audio/x"))
        assert problem(browser) == (503, "service_unavailable", "connect")
        assert 2 <= trio.current_time() < 2.3
        assert errors(rig) == {A: 1, B: 1}


async def test_a_response_that_stands_still_is_cut_short() -> None:
    """After ``idle`` seconds without a byte; what moves, however slowly, goes on."""
    async with gateway_rig(**route(idle=5, total=0)) as rig:
        rig.network.servers["a:1"] = stops_after(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        browser = await through(rig, Browser("GET", "/api/audio/x"))
        assert (browser.status, browser.body, browser.is_complete) == (200, b"abc", False)
        assert trio.current_time() == pytest.approx(5)
        assert errors(rig) == {A: 1}

        async def crawls(stream: trio.abc.Stream) -> None:
            await read_request(stream)
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
            for _ in range(20):
                await trio.sleep(4)
                await stream.send_all(b"x")

        rig.network.servers["a:1"] = crawls
        browser = await through(rig, Browser("GET", "/api/audio/x"))
        assert (browser.body, browser.is_complete) == (b"x" * 20, True)
        assert trio.current_time() == pytest.approx(85)


async def test_a_client_that_reads_slowly_is_never_the_instance_s_time_out() -> None:
    """While it is waited for, neither ``idle`` nor the attempt's time counts."""
    async with gateway_rig(client_rate=1000, **route(idle=1, per_try=2, total=0)) as rig:
        rig.network.servers["a:1"] = answering(ok(bytes(1_000_000)))
        browser = Browser("GET", "/api/audio/x", slow=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(through, rig, browser)
            assert browser.gate is not None
            while not browser.is_complete:
                await trio.sleep(3)
                browser.gate.release()
        assert len(browser.body) == 1_000_000
        assert errors(rig) == {A: 0}


async def test_a_client_that_stalls_its_upload_is_never_the_instance_s_failure() -> None:
    """408 after ``idle`` seconds without a byte, and no instance is asked."""

    class Stalling(Browser):
        async def receive(self) -> dict[str, Any]:
            if self.asked == 2:
                await trio.sleep_forever()
            self.asked += 1
            return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    async with gateway_rig(**route(idle=4)) as rig:
        rig.network.servers["a:1"] = answering(ok())
        browser = Stalling("POST", "/api/audio/x")
        with trio.move_on_after(30):
            await through(rig, browser)
        assert problem(browser) == (408, "request_timeout", "idle")
        assert errors(rig) == {A: 0}
        assert not rig.network.opened


async def test_a_slow_upload_does_not_use_up_the_total() -> None:
    """It takes 50 s to arrive, and the response 8 s, of 10."""

    class Slow(Browser):
        async def receive(self) -> dict[str, Any]:
            if self.pieces:
                await trio.sleep(5)
            return await super().receive()

    async def works(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await trio.sleep(8)
        await stream.send_all(ok(b"done"))

    async with gateway_rig(client_rate=10, **route(total=10)) as rig:
        rig.network.servers["a:1"] = works
        browser = await through(rig, Slow("POST", "/api/audio/x", *[b"x" * 1000] * 10))
        assert (browser.status, browser.body) == (200, b"done")
        assert trio.current_time() == pytest.approx(58)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [(wav(5), 15), (b"ID3" + bytes(1000), 5), (wav(12.5, rate=8000), 30), (wav(1000, rate=100), 105)],
    ids=["5 s", "not WAV", "12.5 s", "a rate that would buy 2,000 s"],
)
async def test_the_total_grows_with_the_audio(body: bytes, seconds: float) -> None:
    """5 s, and 2 s for each second of a WAV file."""
    async with gateway_rig(**route(total=5, per_audio_second=2)) as rig:
        rig.network.servers["a:1"] = silent
        browser = await through(rig, Browser("POST", "/api/audio/x", body))
        assert problem(browser) == (504, "gateway_timeout", "total")
        assert trio.current_time() == pytest.approx(seconds, abs=0.1)


async def test_a_stream_of_events_has_no_total_and_each_event_passes_at_once() -> None:
    """Eight seconds apart, with a total of 10 s; one that stands still is cut short."""
    seen: list[float] = []

    async def events(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for number in range(10):
            await trio.sleep(8)
            event = b"data: %d\n\n" % number
            await stream.send_all(b"%x\r\n%b\r\n" % (len(event), event))
        await trio.sleep_forever()

    class Listener(Browser):
        async def send(self, message: Any) -> None:
            await super().send(message)
            if message.get("body"):
                seen.append(trio.current_time())

    async with gateway_rig(**route(idle=9, total=10)) as rig:
        rig.network.servers["a:1"] = events
        browser = await through(rig, Listener("GET", "/api/audio/x"))
        assert seen == pytest.approx([8.0 * (number + 1) for number in range(10)])
        assert not browser.is_complete
        assert trio.current_time() == pytest.approx(89)


async def test_an_instance_that_takes_nothing_of_an_upload_is_idle() -> None:
    """Its receive buffer is full, and it does not read."""
    async with gateway_rig(A, B, **route(idle=3)) as rig:
        rig.network.servers["a:1"] = deaf
        rig.network.servers["b:1"] = answering(ok(b"done"))
        for lane in rig.gateway._backends.lanes():
            lane.upstream._connect = full_at("a", rig.network)
        browser = await through(rig, Browser("POST", "/api/audio/x", bytes(200_000)))
        assert (browser.status, browser.body) == (200, b"done")
        assert 3 <= trio.current_time() < 3.3


async def test_changed_time_outs_apply_to_the_next_request() -> None:
    """Without a restart; a request in progress keeps its own."""
    async with gateway_rig(retries=0, **route(first_byte=2)) as rig:
        rig.network.servers["a:1"] = silent
        async with trio.open_nursery() as nursery:
            before = Browser("GET", "/api/audio/x")
            nursery.start_soon(through, rig, before)
            await trio.sleep(1)
            rig.settings.change(orchestration={"gateway": {"retries": 0, **route(first_byte=5)}})
            after = Browser("GET", "/api/audio/x")
            await through(rig, after)
            assert trio.current_time() == pytest.approx(6)
        assert "2 s" in json.loads(before.body)["detail"]
        assert "5 s" in json.loads(after.body)["detail"]


async def test_the_time_outs_of_a_route_are_explained() -> None:
    """Those in force; none is null, since JSON has no infinity."""
    async with gateway_rig(**route(total=0, per_try=4, per_audio_second=1.5)) as rig:
        explained = rig.gateway.explain("/api/audio/x", "POST").route
        assert explained is not None
        shown = explained.timeouts
        assert (shown.total, shown.per_try, shown.connect, shown.idle) == (None, 4, 3, 300)
        assert (shown.first_byte, shown.per_audio_second) == (None, 1.5)


async def test_an_upload_from_the_disk_is_timed_by_what_the_instance_takes() -> None:
    """Pieces that it takes move the time-out, and a slow disk of ours does not count at all."""
    taken = 0

    async def read(offset: int) -> bytes:
        await trio.sleep(7)  # longer than idle
        return bytes(100) if offset < 500 else b""

    async def takes(stream: trio.abc.Stream) -> None:
        nonlocal taken
        while data := await stream.receive_some(65_536):
            taken += len(data)

    async with trio.open_nursery() as nursery:
        network = MemoryNetwork(nursery)
        network.servers["a:1"] = takes
        upstream = Upstream(A, connect=network.connect)
        request = Request("POST", "/", (), RequestBody(read=read, length=500))
        with pytest.raises(UpstreamError, match=r"^no response within 2 s of the request$") as caught:
            async with upstream.exchange(request, limits=Limits(idle=5, first_byte=2)):
                pytest.fail("there is no response")
        assert caught.value.failure is Failure.TIMED_OUT
        assert trio.current_time() == pytest.approx(6 * 7 + 2)
        assert taken > 500
        nursery.cancel_scope.cancel()


async def test_an_instance_that_stops_taking_an_upload_is_idle() -> None:
    """In the middle of a body from the disk, after 5 s."""

    async def read(offset: int) -> bytes:
        await trio.lowlevel.checkpoint()
        return bytes(100)

    async with trio.open_nursery() as nursery:
        network = MemoryNetwork(nursery)
        network.servers["a:1"] = deaf

        upstream = Upstream(A, connect=full_at("a", network, after=2))
        request = Request("POST", "/", (), RequestBody(read=read, length=10_000))
        with pytest.raises(UpstreamError, match=r"^the transfer stood still for 5 s$"):
            async with upstream.exchange(request, limits=Limits(idle=5, first_byte=2)):
                pytest.fail("there is no response")
        assert trio.current_time() == pytest.approx(5)
        assert upstream.statistics().busy == 0
        nursery.cancel_scope.cancel()
