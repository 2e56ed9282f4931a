"""Requests that wait for a place at an instance, over memory streams on a virtual clock."""

import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from orch.audio.wav import wav
from orch.gateway.flows import Flow
from orch.gateway.shedding.priorities import Priority
from orch.problems import ProblemError
from orch.speech.request_queue import QueuedRequest, Requester, RequestQueue
from tests.fakes.gateway import Browser, GatewayRig, answering, gateway_rig, ok, read_request

AUDIO = "audio-service"
A, B = "http://a:1", "http://b:1"


class Engine:
    """A back end that takes ``seconds`` for each request; ``order``: the targets as they came."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.order: list[str] = []
        self.running = 0
        self.most = 0

    async def serve(self, stream: trio.abc.Stream) -> None:
        while request := await read_request(stream):
            self.order.append(request.split(b" ")[1].decode())
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await trio.sleep(self.seconds)
            finally:
                self.running -= 1
            await stream.send_all(ok())


@asynccontextmanager
async def engine_rig(
    *urls: str, seconds: float = 1.0, limit: int = 1, routes: Any = None, **gateway: Any
) -> AsyncIterator[tuple[GatewayRig, Engine]]:
    urls = urls or (A,)
    async with gateway_rig(*urls, **gateway) as rig:
        engine = Engine(seconds)
        rig.network.servers["a:1"] = engine.serve
        limited(rig, *urls, max_concurrency=limit)
        yield rig, engine
        places = [one.places_taken for one in rig.gateway.statistics().instances]
        assert places == [0] * len(places), "every place is free again"
        assert all(queue.waiting == 0 for queue in rig.gateway.statistics().queues)


def limited(rig: GatewayRig, *urls: str, **service: Any) -> None:
    urls = urls or (A,)
    rest = [{"url": url} for url in urls[1:]]
    rig.settings.change(services={AUDIO: {"url": urls[0], "instances": rest, **service}})


async def send(rig: GatewayRig, name: str = "x", client: str = "203.0.113.9") -> Browser:
    browser = Browser("POST", f"/api/audio/{name}", b"x", client=(client, 5))
    await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
    return browser


async def fetch(rig: GatewayRig, name: str, priority: Priority | None = None) -> int:
    return (await rig.gateway.fetch(AUDIO, "POST", f"/{name}", priority=priority)).status


def queue(rig: GatewayRig, priority: str) -> Any:
    return next(one for one in rig.gateway.statistics().queues if one.priority == priority)


async def test_an_instance_gets_as_many_requests_as_declared() -> None:
    """Both flows together: an engine does not know whose request it has."""
    async with engine_rig(limit=2) as (rig, engine), trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(send, rig, str(number))
            nursery.start_soon(fetch, rig, f"live{number}")
        await trio.testing.wait_all_tasks_blocked()
        assert rig.gateway.statistics().instances[0].places_taken == 2
    assert engine.most == 2
    assert len(engine.order) == 6


async def test_live_speech_overtakes_uploads_that_wait() -> None:
    """The place that becomes free next is its own."""
    async with engine_rig() as (rig, engine), trio.open_nursery() as nursery:
        nursery.start_soon(fetch, rig, "running", Priority.BATCH)
        await trio.sleep(0.1)
        nursery.start_soon(fetch, rig, "batch", Priority.BATCH)
        nursery.start_soon(send, rig, "interactive")
        await trio.sleep(0.1)
        nursery.start_soon(fetch, rig, "live")
    assert engine.order == ["/running", "/live", "/api/interactive", "/batch"]


async def test_a_place_is_left_for_the_sentence_that_follows() -> None:
    """While somebody speaks, uploads have all places but one in four."""
    async with engine_rig(limit=4, seconds=5) as (rig, engine), trio.open_nursery() as nursery:
        await fetch(rig, "live")
        for _ in range(6):
            nursery.start_soon(fetch, rig, "batch", Priority.BATCH)
        await trio.testing.wait_all_tasks_blocked()
        assert engine.running == 3
        began = trio.current_time()
        assert await fetch(rig, "live") == 200
        assert trio.current_time() - began == 5


async def test_what_waits_for_longer_than_its_deadline_is_shed() -> None:
    """503 with Retry-After and a code of its own; counted; the instance is not blamed."""
    async with engine_rig(seconds=25) as (rig, engine):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, rig, "long")
            await trio.sleep(0.1)
            began = trio.current_time()
            browser = await send(rig, "late")
            assert trio.current_time() - began == pytest.approx(10)
            assert browser.status == 503
            assert int(browser.headers[b"retry-after"]) >= 1
            problem = json.loads(browser.body)
            assert (problem["code"], problem["priority"], problem["reason"]) == (
                "shed",
                "interactive",
                "deadline",
            )
            began = trio.current_time()
            with pytest.raises(ProblemError) as shed:
                await fetch(rig, "live")
            assert shed.value.code == "shed"
            assert trio.current_time() - began == pytest.approx(2)
            assert [queue(rig, name).shed_deadline for name in ("live", "interactive", "batch")] == [1, 1, 0]
        assert engine.order == ["/api/long"]
        lanes = rig.gateway.statistics().instances[0].lanes
        assert [lane.consecutive_failures for lane in lanes] == [0, 0]
        shed_total = [one for one in rig.gateway.readings() if one.name.name == "orch_gateway_shed_total"]
        assert sum(one.value for one in shed_total) == 2


async def test_the_wait_is_no_part_of_the_back_end_s_time_limit() -> None:
    """A batch request may wait for 120 s, although a response may take 30 s only."""
    async with engine_rig(seconds=25, timeout=30) as (rig, engine), trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(fetch, rig, str(number), Priority.BATCH)
        await trio.sleep(99)
        assert len(engine.order) == 4
    assert trio.current_time() == pytest.approx(100, abs=1)


async def test_control_and_probes_never_wait() -> None:
    """Methods that only read, and routes that are set to it."""
    routes = [{"prefix": "/api/audio/", "service": AUDIO, "path": "/api/", "priority": "control"}]
    async with engine_rig(seconds=5) as (rig, engine), trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(fetch, rig, "batch", Priority.BATCH)
        await trio.testing.wait_all_tasks_blocked()
        browser = Browser("GET", "/api/audio/models")
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        assert (browser.status, trio.current_time()) == (200, 5)
        rig.settings.change(orchestration={"gateway": {"routes": routes}})
        assert (await send(rig)).status == 200
        nursery.cancel_scope.cancel()
    assert "/api/models" in engine.order


async def test_a_full_queue_sheds_at_once_and_one_caller_s_flood_costs_itself() -> None:
    """Another caller's request takes the place of one of the flood."""
    shedding = {"interactive": {"waiting": 3, "deadline": 60}}
    async with engine_rig(shedding=shedding) as (rig, engine), trio.open_nursery() as nursery:
        answers: list[tuple[str, int]] = []

        async def ask(name: str, client: str) -> None:
            answers.append((name, (await send(rig, name, client)).status))

        for number in range(6):
            nursery.start_soon(ask, f"flood{number}", "198.51.100.1")
            await trio.testing.wait_all_tasks_blocked()
        assert answers == [("flood4", 503), ("flood5", 503)]
        nursery.start_soon(ask, "other", "198.51.100.2")
        await trio.testing.wait_all_tasks_blocked()
        assert answers[2:] == [("flood3", 503)]
        assert queue(rig, "interactive").shed_queue_full == 3
    assert engine.order.index("/api/other") == 1, "it is its turn first"


async def test_a_cancelled_waiter_leaves_no_place_taken() -> None:
    """Wherever the cancellation hits: 300 requests, a third of which is cancelled at random."""
    chance = random.Random(7)
    async with engine_rig(seconds=0.05, limit=3) as (rig, engine), trio.open_nursery() as nursery:

        async def ask(number: int) -> None:
            with trio.move_on_after(chance.choice((0.01, 0.05, 0.1, 0.2, 9))):
                if number % 2:
                    await send(rig, str(number), f"198.51.100.{number % 7}")
                else:
                    await fetch(rig, str(number), chance.choice((Priority.LIVE, Priority.BATCH)))

        for number in range(300):
            nursery.start_soon(ask, number)
            await trio.sleep(chance.random() * 0.01)
            assert rig.gateway.statistics().instances[0].places_taken <= 3
    assert len(engine.order) > 100


async def test_a_place_given_to_a_waiter_that_is_cancelled_in_the_same_step_is_passed_on() -> None:
    """Between the gift and the waiter's next step, its caller leaves."""
    async with engine_rig() as (rig, engine), trio.open_nursery() as nursery:
        nursery.start_soon(send, rig, "first")
        await trio.sleep(0.1)
        scope = trio.CancelScope()

        async def leaves() -> None:
            with scope:
                await fetch(rig, "leaves")

        nursery.start_soon(leaves)
        await trio.sleep(0.1)
        nursery.start_soon(fetch, rig, "next", Priority.BATCH)
        await trio.sleep(0.1)
        gate = rig.gateway._backends.get(AUDIO)
        assert gate is not None
        advance: Callable[[float], None] = gate.gate.advance

        def then_cancel(now: float) -> None:
            advance(now)
            scope.cancel()

        gate.gate.advance = then_cancel  # type: ignore[method-assign]
    assert engine.order == ["/api/first", "/next"]


async def test_a_new_limit_holds_at_once_and_found_limits_are_kept() -> None:
    """More places admit those that wait; the levels of an instance survive a reload."""
    async with engine_rig(seconds=5) as (rig, engine), trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(send, rig, str(number))
        await trio.testing.wait_all_tasks_blocked()
        assert engine.running == 1
        limited(rig, max_concurrency=3)
        rig.gateway.statistics()
        await trio.testing.wait_all_tasks_blocked()
        assert engine.running == 3
        limited(rig, concurrency="found")
        instance = rig.gateway.statistics().instances[0]
        assert (instance.places_from, instance.places_limit, instance.places_taken) == ("found", 1, 3)
        limited(rig, concurrency="unlimited")
        await trio.sleep(1.1)
        assert engine.running == 4
        assert rig.gateway.statistics().queues == ()


async def test_the_limit_of_an_engine_with_two_places_is_found() -> None:
    """It begins with one; requests that wait show that more would be used."""
    async with engine_rig() as (rig, engine), trio.open_nursery() as nursery:
        limited(rig, concurrency="found", dialect="openai")
        rig.network.servers["a:1"] = engine.serve
        sound = wav(bytes(32_000), 16_000)

        async def speak() -> None:
            while True:
                await rig.gateway.fetch(AUDIO, "POST", "/t", body=sound)

        for _ in range(2):
            nursery.start_soon(speak)
        await trio.sleep(30)
        assert rig.gateway.statistics().instances[0].places_limit == 2
        assert rig.gateway.concurrency(AUDIO, wanted=1) == 2
        nursery.cancel_scope.cancel()


async def test_the_queue_of_live_speech_uses_what_is_found() -> None:
    """It holds back what the gateway has no place for, and says so: the limit grows all the same."""
    async with engine_rig() as (rig, engine), trio.open_nursery() as nursery:
        limited(rig, concurrency="found")
        sound = wav(bytes(32_000), 16_000)
        queue: RequestQueue

        def places() -> int:
            return rig.gateway.concurrency(AUDIO, wanted=min(4, queue.wanted)) or 4

        queue = RequestQueue(places)

        async def speak(name: str) -> None:
            while True:
                async with queue.slot(QueuedRequest(Requester(name, "s", "1"), is_final=True)):
                    await rig.gateway.fetch(AUDIO, "POST", "/t", body=sound)

        for name in "abcd":
            nursery.start_soon(speak, name)
        await trio.sleep(60)
        assert rig.gateway.statistics().instances[0].places_limit == 4
        assert engine.most == 4
        live = next(one for one in rig.gateway.statistics().queues if one.priority == "live")
        assert live.queued == 0, "they wait in the order of the speakers, not at the gate"
        nursery.cancel_scope.cancel()


async def test_clients_of_public_routes_do_not_decide_how_much_an_engine_does() -> None:
    """A file that declares an hour of sound would make the engine look a thousand times as fast."""
    public: dict[str, Any] = {"public": True, "public_routes": [{"path": "/api/audio/", "methods": ["POST"]}]}
    async with engine_rig(**public) as (rig, engine), trio.open_nursery() as nursery:
        limited(rig, concurrency="found")
        rig.network.servers["a:1"] = engine.serve

        async def speak() -> None:
            while True:
                sound = wav(bytes(32_000), 16_000)
                await rig.gateway.fetch(AUDIO, "POST", "/t", body=sound, flow=Flow.REQUESTS)

        for _ in range(2):
            nursery.start_soon(speak)
        await trio.sleep(60)
        assert rig.gateway.statistics().instances[0].places_limit == 1
        rig.settings.change(orchestration={"gateway": {}})
        await trio.sleep(30)
        assert rig.gateway.statistics().instances[0].places_limit == 2
        nursery.cancel_scope.cancel()


async def test_the_instance_with_a_free_place_is_used_whatever_the_balancer_s_turn() -> None:
    """One that is at its limit is no candidate while another is not."""
    async with engine_rig(A, B, seconds=60) as (rig, _):
        rig.network.servers["b:1"] = answering(ok())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fetch, rig, "long")
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(4):
                answer = await rig.gateway.fetch(AUDIO, "POST", "/short", flow=Flow.REQUESTS)
                assert answer.instance == B
            nursery.cancel_scope.cancel()


async def test_those_that_wait_are_refused_when_no_instance_is_left() -> None:
    """Found dead while they wait, or removed from the settings: at once, not at their deadline."""
    async with engine_rig(seconds=9) as (rig, _), trio.open_nursery() as nursery:
        codes: list[str] = []

        async def ask() -> None:
            try:
                await fetch(rig, "x", Priority.BATCH)
            except ProblemError as problem:
                codes.append(problem.code)

        for _ in range(3):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        rig.health.down = {A}
        await trio.sleep(1.5)
        assert codes == ["service_unavailable"] * 2


async def test_explain_shows_class_places_and_the_wait() -> None:
    """What a request that comes now would meet."""
    async with engine_rig(seconds=5) as (rig, _), trio.open_nursery() as nursery:
        free = rig.gateway.explain("/api/audio/x", "POST")
        assert free.route is not None
        assert free.wait is not None
        assert (free.route.priority, free.wait.would_wait, free.wait.deadline) == ("interactive", False, 10)
        assert (free.instances[0].places_taken, free.instances[0].places_limit) == (0, 1)
        for _ in range(3):
            nursery.start_soon(send, rig)
        await trio.testing.wait_all_tasks_blocked()
        full = rig.gateway.explain("/api/audio/x", "POST")
        assert full.wait is not None
        assert (full.wait.would_wait, full.wait.ahead, full.next) == (True, 2, None)
        reading = rig.gateway.explain("/api/audio/x", "GET")
        assert (reading.wait, reading.next) == (None, A)
