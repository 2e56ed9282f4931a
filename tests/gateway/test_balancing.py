"""How instances are chosen as the settings say, over memory streams on a virtual clock."""

from collections import Counter
from typing import Any

import pytest
import trio

from orch.gateway.flows import Flow
from tests.fakes.gateway import GatewayRig, Serve, answering, gateway_rig, ok, read_request

AUDIO = "audio-service"
A, B, C = "http://a:1", "http://b:1", "http://c:1"


def after(seconds: float, answer: bytes) -> Serve:
    """Answer every request after so long."""

    async def serve(stream: Any) -> None:
        while await read_request(stream):
            await trio.sleep(seconds)
            await stream.send_all(answer)

    return serve


def balanced(rig: GatewayRig, **service: Any) -> None:
    """Set how the instances that there are are balanced."""
    urls = [one.url for one in rig.gateway.statistics().instances if one.service == AUDIO]
    instances = [{"url": url} for url in urls[1:]]
    rig.settings.change(services={AUDIO: {"url": urls[0], "instances": instances, **service}})


async def ask(rig: GatewayRig, count: int, *, pause: float = 0.02, **more: Any) -> Counter[str]:
    """Send requests one after the other; count which instance answered."""
    chosen: Counter[str] = Counter()
    for _ in range(count):
        answer = await rig.gateway.fetch(AUDIO, "GET", "/x", **more)
        chosen[answer.instance] += 1
        await trio.sleep(pause)
    return chosen


async def test_an_instance_that_fails_fast_attracts_nothing() -> None:
    """Of three, one answers 500 in 1 ms: it gets less than 10 % of 300 requests before its breaker opens."""
    async with gateway_rig(A, B, C, circuit_breaker_threshold=1000) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = after(0.05, ok())
        rig.network.servers["c:1"] = after(0.001, ok(status=b"500 No"))
        balanced(rig, balancer="fastest")
        chosen = await ask(rig, 300)
        assert chosen[C] < 30
        assert min(chosen[A], chosen[B]) > 100


async def test_the_faster_machine_gets_more() -> None:
    """And the slower one still some, since what is known of it fades."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = after(0.4, ok())
        rig.network.servers["b:1"] = after(0.1, ok())
        balanced(rig, balancer="fastest")
        chosen = await ask(rig, 300)
        assert chosen[B] > 5 * chosen[A] > 0
        figures = {one.url: one.first_byte_ms for one in rig.gateway.statistics().instances}
        assert (figures[B] or 0) < 105


async def test_requests_of_both_flows_count_as_load() -> None:
    """An instance that is busy for clients is busy for captions, too."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = after(5.0, ok())
        balanced(rig, balancer="least_requests")
        chosen: Counter[str] = Counter()

        async def one(flow: Flow) -> None:
            answer = await rig.gateway.fetch(AUDIO, "GET", "/x", flow=flow)
            chosen[answer.instance] += 1

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(one, Flow.CAPTIONS)
                await trio.sleep(0.01)
                nursery.start_soon(one, Flow.REQUESTS)
                await trio.sleep(0.01)
        assert chosen == {A: 4, B: 4}


async def test_requests_with_one_header_value_stay_at_one_instance() -> None:
    """And move only when it is gone; those without are spread."""
    async with gateway_rig(A, B, C) as rig:
        for name in ("a:1", "b:1", "c:1"):
            rig.network.servers[name] = answering(ok())
        balanced(rig, balancer="sticky", sticky_header="X-Session", slow_start=0)
        places = {}
        for number in range(20):
            headers = [(b"x-session", b"%d" % number)]
            chosen = await ask(rig, 5, headers=headers)
            assert len(chosen) == 1
            places[number] = next(iter(chosen))
        assert set(places.values()) == {A, B, C}
        rig.health.down = {A}
        for number, place in places.items():
            chosen = await ask(rig, 2, headers=[(b"x-session", b"%d" % number)])
            assert chosen == {place: 2} if place != A else A not in chosen
        rig.health.down = set()
        assert len(await ask(rig, 60)) == 3


async def test_a_return_is_noticed_while_there_are_no_requests() -> None:
    """It was away and came back between two requests: it begins slowly all the same."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = answering(ok())
        balanced(rig, slow_start=60)
        assert await ask(rig, 2) == {A: 1, B: 1}
        rig.health.down = {B}
        await trio.sleep(3)
        rig.health.down = set()
        await trio.sleep(3)
        weights = {one.url: one.weight_now for one in rig.gateway.statistics().instances}
        assert weights == {A: 1, B: pytest.approx(0.1)}
        assert (await ask(rig, 22, pause=0.01))[B] <= 3


async def test_one_that_returns_gets_its_share_slowly() -> None:
    """A tenth at first, half of the requests after ``slow_start`` seconds; 0 means at once."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = answering(ok())
        balanced(rig, slow_start=20)
        assert await ask(rig, 20) == {A: 10, B: 10}
        rig.health.down = {B}
        assert await ask(rig, 5) == {A: 5}
        rig.health.down = set()
        first = await ask(rig, 22, pause=0.05)
        assert first[B] <= 3
        returned = next(one for one in rig.gateway.statistics().instances if one.url == B)
        assert returned.weight == 1
        assert 0.1 <= returned.weight_now < 0.2
        assert returned.slow_start_left is not None
        assert 18 < returned.slow_start_left < 20
        await trio.sleep(20)
        assert {one.slow_start_left for one in rig.gateway.statistics().instances} == {None}
        assert await ask(rig, 20) == {A: 10, B: 10}
        balanced(rig, slow_start=0)
        rig.health.down = {B}
        await ask(rig, 2)
        rig.health.down = set()
        assert abs((await ask(rig, 20))[B] - 10) <= 1


@pytest.mark.parametrize("kind", ["round_robin", "least_requests", "fastest", "sticky"])
async def test_every_way_leaves_out_what_cannot_be_used(kind: str) -> None:
    """And a change of the way keeps the instances."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = answering(ok())
        balanced(rig, balancer=kind)
        rig.health.down = {A}
        assert await ask(rig, 10) == {B: 10}
