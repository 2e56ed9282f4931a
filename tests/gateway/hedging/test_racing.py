"""Requests that are sent to a second instance while the first one is slow, over memory streams."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio

from orch.gateway.api_adapter import AdaptedRequest
from orch.telemetry.events import EventLog
from orch.telemetry.pulse import Pulse
from tests.fakes.gateway import Browser, GatewayRig, gateway_rig, ok, read_request

AUDIO = "audio-service"
A, B, C = "http://a:1", "http://b:1", "http://c:1"
FAILURE = ok(b"bad", status=b"500 Internal Server Error")
BUSY = ok(b"busy", b"Retry-After: 7", status=b"503 Service Unavailable")


class Engine:
    """A back end: ``seconds`` for each response, which is ``answer``; ``bodies``: what it was sent."""

    def __init__(self, seconds: float = 0.0, answer: bytes | None = None, name: bytes = b"ok") -> None:
        self.seconds = seconds
        self.answer = ok(name) if answer is None else answer
        self.bodies: list[bytes] = []
        self.open = 0

    @property
    def count(self) -> int:
        return len(self.bodies)

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.open += 1
        try:
            while request := await read_request(stream):
                self.bodies.append(request.partition(b"\r\n\r\n")[2])
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch, stream, nursery.cancel_scope)
                    await trio.sleep(self.seconds)
                    nursery.cancel_scope.cancel()
                await stream.send_all(self.answer)
        finally:
            self.open -= 1

    async def _watch(self, stream: trio.abc.Stream, scope: trio.CancelScope) -> None:
        """End the work when the gateway closes the connection."""
        if not await stream.receive_some(1):
            scope.cancel()


def route(**changes: Any) -> dict[str, Any]:
    return {
        "prefix": "/api/audio/",
        "service": AUDIO,
        "path": "/api/",
        "repeatable": "always",
        "hedging": {"extra": 1, "percentile": 0, "delay": 0.2},
        **changes,
    }


@asynccontextmanager
async def rig_of(*engines: Engine, hedging: Any = None, **gateway: Any) -> AsyncIterator[GatewayRig]:
    """Open a gateway whose instances are a, b, c …; at the end nothing of any request may be left."""
    urls = [f"http://{name}:1" for name in "abcdefghij"[: len(engines)]]
    routes = gateway.pop("routes", [route(**({} if hedging is None else {"hedging": hedging}))])
    async with gateway_rig(*urls, routes=routes, **gateway) as rig:
        for url, engine in zip(urls, engines, strict=True):
            rig.network.servers[url.removeprefix("http://")] = engine.serve
        yield rig
        await trio.testing.wait_all_tasks_blocked()
        figures = rig.gateway.statistics()
        assert figures.in_flight == 0
        for instance in figures.instances:
            assert (instance.in_flight, instance.places_taken) == (0, 0), instance
            assert all((lane.busy, lane.waiting) == (0, 0) for lane in instance.lanes), instance


async def send(rig: GatewayRig, method: str = "POST", *body: bytes, client: str = "203.0.113.9") -> Browser:
    browser = Browser(method, "/api/audio/x", *(body or (b"x",)), client=(client, 5))
    await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
    return browser


def instances_of(rig: GatewayRig) -> list[Any]:
    return [each for each in rig.gateway.statistics().instances if each.service == AUDIO]


def figures_of(rig: GatewayRig, url: str) -> Any:
    return next(each for each in instances_of(rig) if each.url == url)


def hedging(rig: GatewayRig) -> Any:
    return rig.gateway.statistics().hedging[0]


async def test_the_second_instance_answers_and_the_first_one_is_let_go() -> None:
    """At once: its connection is closed, and it has neither failed nor taken any time."""
    slow, fast = Engine(30), Engine(0.1, name=b"fast")
    async with rig_of(slow, fast) as rig:
        began = trio.current_time()
        browser = await send(rig)
        assert (browser.status, browser.body) == (200, b"fast")
        assert trio.current_time() - began == pytest.approx(0.3)
        assert browser.headers[b"x-gateway-attempts"] == b"2"
        await trio.testing.wait_all_tasks_blocked()
        assert (slow.count, slow.open) == (1, 0)
        first = figures_of(rig, A)
        assert (first.requests, first.errors, first.p95_ms, first.consecutive_failures) == (0, 0, None, 0)
        assert (hedging(rig).sent, hedging(rig).won) == (1, 1)
        assert rig.gateway.statistics().retries == 0
        assert rig.health.noted == []


async def test_the_place_of_what_was_overtaken_is_free_while_the_response_is_still_read() -> None:
    """Not when the client has read all of it."""
    slow, fast = Engine(30), Engine(0.1, ok(b"x" * 1_000_000))
    async with rig_of(slow, fast) as rig, trio.open_nursery() as nursery:
        browser = Browser("POST", "/api/audio/x", b"x", slow=True)
        nursery.start_soon(rig.gateway.proxy, browser.scope, browser.receive, browser.send)
        await trio.sleep(0.31)
        assert [each.in_flight for each in instances_of(rig)] == [0, 1]
        assert browser.gate is not None
        for _ in range(100):
            browser.gate.release()
    assert len(browser.body) == 1_000_000
    assert browser.is_complete


async def test_a_fast_first_instance_has_no_rival() -> None:
    fast, idle = Engine(0.19), Engine()
    async with rig_of(fast, idle) as rig:
        assert (await send(rig)).status == 200
        assert idle.count == 0
        assert hedging(rig).sent == 0


async def test_the_first_one_may_still_win() -> None:
    """The extra one is then let go, and is neither a failure nor a latency of its instance."""
    first, second = Engine(0.5, name=b"first"), Engine(30)
    async with rig_of(first, second) as rig:
        assert (await send(rig)).body == b"first"
        assert (hedging(rig).sent, hedging(rig).won) == (1, 0)
        other = figures_of(rig, B)
        assert (other.requests, other.errors, other.p95_ms, other.first_byte_ms) == (0, 0, None, None)
        assert second.count == 1


@pytest.mark.parametrize("answer", [FAILURE, BUSY, ok(status=b"429 Too Many Requests")])
async def test_an_instance_that_fails_fast_does_not_win(answer: bytes) -> None:
    async with rig_of(Engine(1, name=b"right"), Engine(0, answer)) as rig:
        browser = await send(rig)
        assert (browser.status, browser.body) == (200, b"right")
        assert hedging(rig).won == 0


async def test_its_failure_counts_all_the_same() -> None:
    async with rig_of(Engine(1), Engine(0, FAILURE)) as rig:
        await send(rig)
        assert figures_of(rig, B).errors == 1
        assert figures_of(rig, B).consecutive_failures == 1
        assert rig.metrics.requests == [(AUDIO, 200)]


async def test_one_that_asks_for_a_rest_gets_it() -> None:
    """503 with Retry-After is no failure, also if another instance has answered."""
    async with rig_of(Engine(1), Engine(0, BUSY)) as rig:
        await send(rig)
        assert figures_of(rig, B).errors == 0
        assert lane(rig).rests.resting_callers(trio.current_time()) == 1


async def test_if_both_fail_the_client_gets_the_first_response() -> None:
    async with rig_of(Engine(1, FAILURE), Engine(0, BUSY)) as rig:
        browser = await send(rig)
        assert (browser.status, browser.body) == (503, b"busy")
        assert rig.gateway.statistics().retries == 0


async def test_a_failure_before_the_delay_is_forwarded_as_it_is() -> None:
    """A complete response is not repeated, with hedging or without."""
    async with rig_of(Engine(0.1, FAILURE), other := Engine()) as rig:
        assert (await send(rig)).status == 500
        assert other.count == 0


async def test_a_first_attempt_that_breaks_off_is_not_repeated_while_the_second_one_runs() -> None:
    """What runs already is the repetition; nobody waits for a third one."""
    async with rig_of(Engine(0.5, b""), second := Engine(1, name=b"second"), third := Engine()) as rig:

        async def breaks(stream: trio.abc.Stream) -> None:
            await read_request(stream)
            await trio.sleep(0.5)

        rig.network.servers["a:1"] = breaks
        assert (await send(rig)).body == b"second"
        assert (second.count, third.count) == (1, 0)
        assert figures_of(rig, A).errors == 1


async def test_after_both_broke_off_the_request_is_repeated_as_ever() -> None:
    """Extra attempts use up none of the retries."""

    async def breaks(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await trio.sleep(0.5)

    async with rig_of(Engine(), Engine(), Engine(0.1, name=b"third"), retries=1) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = breaks
        browser = await send(rig)
        assert browser.body == b"third"
        assert browser.headers[b"x-gateway-attempts"] == b"3"
        assert rig.gateway.statistics().retries == 1


async def test_an_instance_that_accepts_no_connection_is_overtaken() -> None:
    """A host that has gone without a word takes the whole time-out for connecting."""
    async with rig_of(Engine(), fast := Engine(0.1)) as rig:
        connect = rig.network.connect

        async def hangs(address: Any) -> Any:
            if address.host == "a":
                await trio.sleep_forever()
            return await connect(address)

        for instance in rig.gateway._backends.instances():
            for lane in instance.lanes.values():
                lane.upstream._connect = hangs
        began = trio.current_time()
        assert (await send(rig)).status == 200
        assert trio.current_time() - began == pytest.approx(0.3)
        assert fast.count == 1


@pytest.mark.real_time
async def test_both_instances_get_the_whole_of_a_body_on_the_disk() -> None:
    """Two readers of one file must not take pieces from each other."""
    body = bytes(random.Random(7).randbytes(700_000))
    slow, fast = Engine(), Engine()
    has_both = trio.Event()

    async def waits(stream: trio.abc.Stream, engine: Engine, answer: bytes) -> None:
        engine.bodies.append((await read_request(stream)).partition(b"\r\n\r\n")[2])
        if slow.bodies and fast.bodies:
            has_both.set()
        await has_both.wait()
        await stream.send_all(answer)

    async with rig_of(slow, fast) as rig:
        rig.network.servers["a:1"] = partial(waits, engine=slow, answer=b"HTTP/1.1 100 Continue\r\n\r\n")
        rig.network.servers["b:1"] = partial(waits, engine=fast, answer=ok())
        assert (await send(rig, "POST", body[:400_000], body[400_000:])).status == 200
        assert (slow.bodies, fast.bodies) == ([body], [body])
        assert rig.gateway.statistics().spooled_bytes == 0


async def test_requests_that_change_something_are_sent_once() -> None:
    """With ``repeatable: safe`` only methods that read are."""
    async with rig_of(Engine(0.5), second := Engine(0.5), routes=[route(repeatable="safe")]) as rig:
        for method in ("POST", "PUT", "DELETE"):
            await send(rig, method)
        assert rig.gateway.statistics().hedging == ()
        total = second.count
        began = trio.current_time()
        await send(rig, "GET")
        assert trio.current_time() - began == 0.5
        assert hedging(rig).sent == 1
        assert second.count > total


async def test_a_client_that_leaves_ends_both() -> None:
    slow, other = Engine(30), Engine(30)
    async with rig_of(slow, other) as rig:
        browser = Browser("POST", "/api/audio/x", b"x")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.gateway.proxy, browser.scope, browser.receive, browser.send)
            await trio.sleep(0.5)
            assert (slow.open, other.open) == (1, 1)
            browser.leave()
        await trio.testing.wait_all_tasks_blocked()
        assert (slow.open, other.open) == (0, 0)
        assert [each.errors for each in instances_of(rig)] == [0, 0]
        assert rig.gateway.statistics().in_flight == 0


async def test_if_the_total_runs_out_the_first_instance_has_failed_and_the_second_one_has_not() -> None:
    """It had less time than others have."""
    async with rig_of(Engine(300), Engine(300), timeout=2) as rig:
        browser = await send(rig)
        assert browser.status == 504
        assert [each.errors for each in instances_of(rig)] == [1, 0]
        assert figures_of(rig, B).requests == 0


async def test_a_response_that_breaks_off_after_it_has_won_is_its_instance_s_failure() -> None:
    """The client sees that it is incomplete; nothing is repeated after the first byte."""
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"

    async def breaks(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(half)
        await trio.sleep(0.1)

    async with rig_of(Engine(30), Engine()) as rig:
        rig.network.servers["b:1"] = breaks
        browser = await send(rig)
        assert browser.status == 200
        assert not browser.is_complete
        assert (figures_of(rig, A).errors, figures_of(rig, B).errors) == (0, 1)


async def test_a_stream_of_events_that_has_won_has_no_total() -> None:
    events = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def streams(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(events)
        for _ in range(10):
            await trio.sleep(10)
            await stream.send_all(b"3\r\nx\n\n\r\n")
        await stream.send_all(b"0\r\n\r\n")

    async with rig_of(Engine(300), Engine(), timeout=5) as rig:
        rig.network.servers["b:1"] = streams
        browser = await send(rig)
        assert browser.body == b"x\n\n" * 10
        assert browser.is_complete
        assert [each.errors for each in instances_of(rig)] == [0, 0]


async def test_a_used_up_budget_ends_nothing() -> None:
    """The first attempt goes on (in a library, all of them were cancelled when the budget was empty)."""
    policy = {"extra": 1, "percentile": 0, "delay": 0.2, "budget": 0.05}
    slow, other = Engine(1, name=b"slow"), Engine(1, name=b"slow")
    async with rig_of(slow, other, hedging=policy) as rig:
        browsers: list[Browser] = []

        async def one() -> None:
            browsers.append(await send(rig))

        async with trio.open_nursery() as nursery:
            for _ in range(60):
                nursery.start_soon(one)
        assert [each.status for each in browsers] == [200] * 60
        assert slow.count + other.count == 63
        assert (hedging(rig).sent, hedging(rig).declined["budget"]) == (3, 57)


async def test_without_a_budget_of_its_own_the_retry_budget_bounds_a_slow_service() -> None:
    """Where everything is slow, nothing is sent twice that the service cannot bear: 20 %, or three."""
    engines = [Engine(1) for _ in range(3)]
    async with rig_of(*engines) as rig:
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(send, rig)
        assert sum(each.count for each in engines) == 60
        assert hedging(rig).declined["retry_budget"] == 40
        assert rig.gateway.statistics().retries == 0


async def test_an_extra_attempt_that_would_come_too_late_is_not_sent() -> None:
    policy = {"extra": 1, "percentile": 50, "delay": 1.5, "min_samples": 3}
    engine, other = Engine(1), Engine(1)
    async with rig_of(engine, other, hedging=policy, timeout=2) as rig:
        for _ in range(4):
            await send(rig)
        engine.seconds = other.seconds = 30
        assert (await send(rig)).status == 504
        assert (hedging(rig).sent, hedging(rig).declined["too_late"]) == (0, 1)


async def test_after_a_suspension_nothing_is_sent_twice() -> None:
    """Everything looks late then, and the responses may be there already."""

    class Stopped(Pulse):
        def was_stopped_since(self, began: float) -> bool:
            return began >= 0

    pulse = Stopped(events=EventLog(wall=lambda: 0.0), wall=lambda: 0.0)
    async with rig_of(Engine(1), other := Engine(), pulse=pulse) as rig:
        assert (await send(rig)).status == 200
        assert other.count == 0
        assert hedging(rig).declined["suspended"] == 1


async def test_a_percentile_of_the_route_is_waited_for_once_it_is_known() -> None:
    policy = {"extra": 1, "percentile": 90, "delay": 0, "min_samples": 20}
    one, two = Engine(0.1), Engine(0.1)
    async with rig_of(one, two, hedging=policy) as rig:
        for _ in range(19):
            await send(rig)
        assert hedging(rig).delay_ms is None
        one.seconds = two.seconds = 5
        assert (await send(rig)).status == 200
        assert hedging(rig).sent == 0
        await trio.sleep(1)
        one.seconds = 30
        two.seconds = 0.1
        for _ in range(2):
            await send(rig)
        assert hedging(rig).delay_ms == pytest.approx(100, rel=0.06)
        assert (hedging(rig).sent, hedging(rig).won) == (1, 1)


async def test_up_to_three_more_are_sent_one_after_the_other() -> None:
    policy = {"extra": 3, "percentile": 0, "delay": 0.2}
    engines = [Engine(30), Engine(30), Engine(0.05, name=b"third"), Engine(30)]
    async with rig_of(*engines, hedging=policy) as rig:
        began = trio.current_time()
        assert (await send(rig)).body == b"third"
        assert trio.current_time() - began == pytest.approx(0.45)
        assert [each.count for each in engines] == [1, 1, 1, 0]


def drained(rig: GatewayRig) -> None:
    instance(rig).is_drained = True


def dead(rig: GatewayRig) -> None:
    rig.health.down.add(B)


def resting(rig: GatewayRig) -> None:
    lane(rig).rests.refused(trio.current_time(), 60, "")


def ejected(rig: GatewayRig) -> None:
    lane(rig).outliers.eject(B, trio.current_time())


def open_breaker(rig: GatewayRig) -> None:
    lane(rig).breaker.trip(trio.current_time())


def failed_last_time(rig: GatewayRig) -> None:
    lane(rig).report_failure(trio.current_time())


def slow_start(rig: GatewayRig) -> None:
    lane(rig).slow_start.begin(trio.current_time())


def no_connection(rig: GatewayRig) -> None:
    lane(rig).upstream._busy = lane(rig).upstream.limit


def instance(rig: GatewayRig) -> Any:
    return next(each for each in rig.gateway._backends.instances() if each.url == B)


def lane(rig: GatewayRig) -> Any:
    return next(each for each in instance(rig).lanes.values() if each.flow == "requests")


@pytest.mark.parametrize(
    "make",
    [
        drained,
        dead,
        resting,
        ejected,
        open_breaker,
        failed_last_time,
        slow_start,
        no_connection,
    ],
)
async def test_an_instance_that_is_not_quite_well_gets_no_extra_request(
    make: Callable[[GatewayRig], None],
) -> None:
    async with rig_of(Engine(1, name=b"first"), other := Engine()) as rig:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, rig)
            await trio.sleep(0.1)
            make(rig)
            await trio.sleep(0.5)
            explained = rig.gateway.explain("/api/audio/x", "POST").route
            assert explained is not None
            assert explained.hedging is not None
            assert "no second instance" in explained.hedging.reason
        assert other.count == 0
        assert hedging(rig).declined["no_instance"] == 1
        if make is no_connection:
            lane(rig).upstream._busy = 0


LIMITED = {"extra": 1, "percentile": 0, "delay": 0.2, "budget": 1}


async def test_an_extra_request_takes_no_place_from_one_that_waits() -> None:
    """One request at each of two instances, and a third one that waits for a place: it gets the next."""
    engines = [Engine(1), Engine(1)]
    async with rig_of(*engines, hedging=LIMITED, service={"max_concurrency": 1}) as rig:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(send, rig)
            await trio.sleep(0.5)
            assert [each.places_taken for each in instances_of(rig)] == [1, 1]
        assert sum(each.count for each in engines) == 4
        # Only the last of the three found an instance that had nothing to do.
        assert (hedging(rig).sent, hedging(rig).declined["no_instance"]) == (1, 2)


async def test_what_was_overtaken_gives_its_place_to_the_next() -> None:
    slow, fast = Engine(5), Engine(0.1)
    async with rig_of(slow, fast, hedging=LIMITED, service={"max_concurrency": 1}) as rig:
        await send(rig)
        assert [each.places_taken for each in instances_of(rig)] == [0, 0]
        slow.seconds = 0.1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, rig)
            nursery.start_soon(send, rig)
        assert (slow.count, fast.count) == (2, 2)


async def test_an_overtaken_instance_looks_as_slow_as_it_is() -> None:
    """Its slow responses are never seen; it must not attract requests with the few fast ones."""
    async with rig_of(Engine(30), Engine(0.1), service={"balancer": "fastest"}) as rig:
        await send(rig)
        assert figures_of(rig, A).first_byte_ms == pytest.approx(300)
        assert figures_of(rig, B).first_byte_ms == pytest.approx(100)
        began = trio.current_time()
        await send(rig)
        assert trio.current_time() - began == pytest.approx(0.1)


async def test_hedging_is_switched_on_and_off_while_requests_run() -> None:
    async with rig_of(Engine(1), other := Engine(0.1), routes=[route(hedging={})]) as rig:
        await send(rig)
        assert other.count == 0
        await send(rig)
        gateway = {"routes": [route()]}
        rig.settings.change(orchestration={"gateway": gateway})
        began = trio.current_time()
        await send(rig)
        assert trio.current_time() - began == pytest.approx(0.3)
        rig.settings.change(orchestration={"gateway": {"routes": [route(hedging={})]}})
        assert rig.gateway.statistics().hedging == ()


async def test_explain_says_after_what_time_and_to_whom() -> None:
    async with rig_of(Engine(), Engine(), routes=[route(repeatable="safe")]) as rig:
        explained = rig.gateway.explain("/api/audio/x", "GET").route
        assert explained is not None
        assert explained.hedging is not None
        assert (explained.hedging.after_ms, explained.hedging.reason) == (200, "")
        assert explained.hedging.instances == (A, B)
        without = rig.gateway.explain("/api/audio/x", "GET", without=[B]).route
        assert without is not None
        assert without.hedging is not None
        assert "no second instance" in without.hedging.reason
        posted = rig.gateway.explain("/api/audio/x", "POST").route
        assert posted is not None
        assert posted.hedging is not None
        assert "twice" in posted.hedging.reason


async def test_metrics_count_what_was_sent_won_and_declined() -> None:
    async with rig_of(Engine(1), Engine(0.1)) as rig:
        await send(rig)
        read = {
            (reading.name.name, reading.labels): reading.value
            for reading in rig.gateway.readings()
            if "hedge" in reading.name.name
        }
    where = ("/api/audio/",)
    assert read["orch_gateway_hedges_total", where] == 1
    assert read["orch_gateway_hedges_won_total", where] == 1
    assert read["orch_gateway_hedge_delay_seconds", where] == 0.2
    assert read["orch_gateway_hedges_declined_total", (*where, "budget")] == 0


async def test_clients_that_leave_at_any_moment_leave_nothing_behind() -> None:
    """Each place, connection and task of every attempt; the rig looks at its end."""
    draw = random.Random(11)
    policy = {"extra": 2, "percentile": 0, "delay": 0.05, "budget": 1}
    engines = [Engine(0.1), Engine(0.3), Engine(0.02)]
    async with rig_of(*engines, hedging=policy, service={"max_concurrency": 4}) as rig:

        async def one(leaves_after: float) -> None:
            browser = Browser("POST", "/api/audio/x", b"x")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rig.gateway.proxy, browser.scope, browser.receive, browser.send)
                await trio.sleep(leaves_after)
                browser.leave()

        async with trio.open_nursery() as nursery:
            for _ in range(120):
                nursery.start_soon(one, draw.random() * 0.4)
                await trio.sleep(draw.random() * 0.02)
                for engine in engines:
                    engine.seconds = draw.choice([0.0, 0.05, 0.3, 5.0])
        assert hedging(rig).sent > 10
        assert all(each.errors == 0 for each in instances_of(rig))


async def simulate(policy: Any) -> tuple[float, int, int]:
    """Return the 99th percentile of 160 requests, how many were sent, and how many the back ends got.

    Ten instances, of which one takes 2 s and the others 0.1 s; 20 requests/s. The first 80 do not count:
    they are what a percentile is measured with.
    """
    engines = [Engine(2.0), *(Engine(0.1) for _ in range(9))]
    times: dict[int, float] = {}
    async with rig_of(*engines, hedging=policy, running=False) as rig:

        async def one(number: int) -> None:
            began = trio.current_time()
            assert (await send(rig)).status == 200
            times[number] = trio.current_time() - began

        async with trio.open_nursery() as nursery:
            for number in range(240):
                nursery.start_soon(one, number)
                await trio.sleep(0.05)
    ranked = sorted(seconds for number, seconds in times.items() if number >= 80)
    return ranked[len(ranked) * 99 // 100 - 1], len(times), sum(each.count for each in engines)


async def test_one_slow_instance_of_ten_makes_the_99th_percentile() -> None:
    p99, asked, served = await simulate({})
    assert p99 == pytest.approx(2.0)
    assert asked == served


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [({"percentile": 0, "delay": 0.2}, 0.31), ({"percentile": 80, "delay": 0, "min_samples": 50}, 0.22)],
)
async def test_with_hedging_it_does_not_and_the_load_grows_by_no_more_than_the_budget(
    policy: dict[str, float], seconds: float
) -> None:
    p99, asked, served = await simulate({"extra": 1, "budget": 0.15, **policy})
    assert p99 < seconds
    assert asked < served <= asked * 1.15


async def test_a_service_that_is_slow_as_a_whole_gets_no_more_than_the_budget() -> None:
    """This is where hedging without a budget doubles the load, when it can be borne least."""
    engines = [Engine(0.1) for _ in range(4)]
    policy = {"extra": 1, "percentile": 95, "delay": 0, "min_samples": 20, "budget": 0.1}
    limits = {"running": False, "max_requests_per_address": 1000}
    async with rig_of(*engines, hedging=policy, **limits) as rig, trio.open_nursery() as nursery:
        for number in range(200):
            if number == 100:
                for engine in engines:
                    engine.seconds = 3
            nursery.start_soon(send, rig)
            await trio.sleep(0.02)
        await trio.sleep(10)
        sent, served = hedging(rig).sent, sum(each.count for each in engines)
    assert served == 200 + sent
    assert 0 < sent <= 20


async def test_another_service_that_a_fallback_leads_to_is_asked_once() -> None:
    """It was checked for the route's own service whether it can bear more."""
    fallback = {"use": "service", "service": "translation-service", "path": "/other/"}
    other = Engine(0.5, name=b"other")
    async with rig_of(
        Engine(0.1, FAILURE), Engine(0.1, FAILURE), routes=[route(fallbacks=[fallback])]
    ) as rig:
        rig.network.servers["t:1"] = other.serve
        assert (await send(rig)).body == b"other"
        assert other.count == 1
        assert hedging(rig).sent == 0


class Adapter:
    """Has every request served by another one, in an API of its own."""

    def adapts(self, service: str, method: str, path: str) -> bool:
        return (service, method, path) == (AUDIO, "POST", "/api/x")

    async def respond(self, request: AdaptedRequest, fetch: Any) -> bytes:
        response = await fetch(request.service, "POST", "/v1/x", body=request.body)
        return bytes(response.body)


async def test_requests_that_an_adapter_sends_are_hedged_as_well() -> None:
    """Most engines are reached through one."""
    async with rig_of(Engine(30), Engine(0.1, name=b"fast")) as rig:
        rig.gateway.use_adapter(Adapter())
        began = trio.current_time()
        assert (await send(rig)).body == b"fast"
        assert trio.current_time() - began == pytest.approx(0.3)
        assert hedging(rig).won == 1


UNBOUNDED = {"extra": 1, "percentile": 0, "delay": 0.2, "budget": 0}
"""Every request to one of two instances may be overtaken, as long as the retry budget has room."""


async def served(rig: GatewayRig, requests: int, pause: float) -> None:
    """Send requests of several clients, one after the other; all are answered."""
    for number in range(requests):
        assert (await send(rig, client=f"203.0.113.{number % 5}")).status == 200
        await trio.sleep(pause)


@pytest.mark.limit(900)
async def test_an_instance_that_hangs_is_ejected_although_every_request_to_it_is_overtaken() -> None:
    """Nobody waits for it: one request is sent to it again, and its silence is what counts."""
    hung, fast = Engine(1e6), Engine(0.1)
    async with rig_of(hung, fast, hedging=UNBOUNDED) as rig:
        await served(rig, 30, 3)
        lanes = figures_of(rig, A).lanes
        assert any(each.ejections_total for each in lanes)
        assert rig.health.noted[0][1] == A
        assert "without a response, which others answered" in rig.health.noted[0][2]
        assert hung.count < 20
        assert all(each.ejections_total == 0 for each in figures_of(rig, B).lanes)


@pytest.mark.limit(900)
@pytest.mark.parametrize("seconds", [0.2, 0.5, 3.0])
async def test_an_instance_that_is_slow_is_never_blamed_for_being_overtaken(seconds: float) -> None:
    """Twice, five or thirty times as slow as the other: it answers when it is waited for."""
    slow, fast = Engine(seconds), Engine(0.1)
    async with rig_of(slow, fast, hedging=UNBOUNDED) as rig:
        await served(rig, 60, 3)
        await trio.sleep(10)
        first = figures_of(rig, A)
        assert all(each.ejections_total == 0 and each.breaker == "closed" for each in first.lanes)
        assert (first.errors, first.consecutive_failures) == (0, 0)
        # One more request about every half minute, of the thirty that it got.
        assert slow.count <= 30 + 60 * 3.3 / 30 + 1


@pytest.mark.limit(900)
async def test_one_client_s_requests_do_not_make_an_instance_hang_for_the_others() -> None:
    """As for breakers: what one client sends may be the reason."""
    async with rig_of(Engine(1e6), Engine(0.1), hedging=UNBOUNDED) as rig:
        for _ in range(30):
            assert (await send(rig)).status == 200
            await trio.sleep(3)
        assert all(each.ejections_total == 0 for each in figures_of(rig, A).lanes)


async def test_an_instance_that_hangs_is_noticed_because_the_budget_ends() -> None:
    """If every request to it were overtaken in time, nothing would ever fail there."""
    policy = {"extra": 1, "percentile": 0, "delay": 0.2, "budget": 0.05}
    routes = [route(hedging=policy, timeouts={"per_try": 1})]
    async with rig_of(hung := Engine(1e6), Engine(0.1), routes=routes) as rig:
        for number in range(60):
            assert (await send(rig, client=f"203.0.113.{number % 5}")).status == 200
        lanes = figures_of(rig, A).lanes
        assert any(each.ejections_total or each.breaker != "closed" for each in lanes)
        assert hung.count < 20
