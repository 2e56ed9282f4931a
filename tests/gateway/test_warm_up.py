"""Warm-up requests: when one is due, and what cold instances get meanwhile."""

from typing import Any

import trio

from orch.gateway.warmth import PAUSE, TRIES, Warmth
from tests.fakes.gateway import Browser, GatewayRig, Serve, answering, gateway_rig, ok, read_request

WARM_UP: dict[str, Any] = {"warm_up": {"path": "/warm", "body": "{}", "timeout": 5}, "slow_start": 10}


def test_a_cold_instance_is_warmed_up_once() -> None:
    """And again when it returns."""
    warmth = Warmth()
    see: dict[str, Any] = {"has_requests": False, "every": 0.0}
    assert not warmth.see(0, is_alive=False, **see)
    assert warmth.see(1, is_alive=True, **see)
    assert not warmth.see(2, is_alive=True, **see)
    assert warmth.ended(3, "", every=0)
    assert not warmth.see(1e6, is_alive=True, **see)
    assert not warmth.see(1e6, is_alive=False, **see)
    assert warmth.see(1e6 + 1, is_alive=True, **see)


def test_a_warm_up_that_fails_is_given_up() -> None:
    """A wrong path must not keep an instance out of use."""
    warmth = Warmth()
    now = 0.0
    for number in range(1, TRIES + 1):
        assert warmth.see(now, is_alive=True, has_requests=False, every=0)
        assert warmth.ended(now, "it responded with 404", every=0) is (number == TRIES)
        assert warmth.is_warm is (number == TRIES)
        assert not warmth.see(now + PAUSE - 0.1, is_alive=True, has_requests=False, every=0)
        now += PAUSE
    assert warmth.problem == "it responded with 404"


def test_an_idle_instance_is_kept_warm() -> None:
    """While clients use it, that is not needed; a failure of this one takes nothing from it."""
    warmth = Warmth()
    assert warmth.see(0, is_alive=True, has_requests=False, every=60)
    assert warmth.ended(0, "", every=60)
    assert not warmth.see(59, is_alive=True, has_requests=False, every=60)
    assert not warmth.see(60, is_alive=True, has_requests=True, every=60)
    assert not warmth.see(119, is_alive=True, has_requests=False, every=60)
    assert warmth.see(120, is_alive=True, has_requests=False, every=60)
    assert not warmth.ended(121, "no response", every=60)
    assert warmth.is_warm


def loading(seen: list[bytes], loads: trio.Event) -> Serve:
    """Answer once the model is loaded."""

    async def serve(stream: trio.abc.Stream) -> None:
        while request := await read_request(stream):
            seen.append(request.partition(b" HTTP")[0])
            await loads.wait()
            await stream.send_all(ok())

    return serve


async def ask(rig: GatewayRig, count: int) -> None:
    for _ in range(count):
        browser = Browser()
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        assert browser.status == 200


async def test_a_returning_instance_gets_its_warm_up_before_anything_else(autojump_clock: Any) -> None:
    """Then its slow start begins."""
    seen: list[bytes] = []
    loads = trio.Event()
    async with gateway_rig("http://a:1", "http://b:1", service=WARM_UP) as rig:
        rig.network.servers["a:1"] = answering(ok())
        rig.network.servers["b:1"] = loading(seen, loads)
        rig.health.down.add("http://b:1")
        await trio.sleep(1)
        rig.health.down.clear()
        await trio.sleep(1)
        await ask(rig, 10)
        assert seen == [b"POST /warm"]
        explained = {each.url: each for each in rig.gateway.explain("/api/audio/x", "GET").instances}
        assert not explained["http://b:1"].is_candidate
        assert "warm-up" in explained["http://b:1"].reason
        loads.set()
        await trio.sleep(1)
        one = next(each for each in rig.gateway.statistics().instances if each.url == "http://b:1")
        assert (one.warm_up, one.weight_now < 0.3) == ("warm", True)
        await trio.sleep(10)
        await ask(rig, 4)
        assert len(seen) == 3


async def test_while_all_are_cold_requests_are_sent_all_the_same(autojump_clock: Any) -> None:
    """A warm-up is no reason for 503; nor is one that never ends."""

    async def refusing_warm_up(stream: trio.abc.Stream) -> None:
        while request := await read_request(stream):
            if b"/warm" in request:
                await trio.sleep_forever()
            await stream.send_all(ok())

    async with gateway_rig("http://a:1", service=WARM_UP) as rig:
        rig.network.servers["a:1"] = refusing_warm_up
        await trio.sleep(1)
        await ask(rig, 3)
        assert rig.gateway.statistics().instances[0].warm_up == "warming"
        await trio.sleep(40)
        one = rig.gateway.statistics().instances[0]
        assert (one.warm_up, one.errors, one.in_flight) == ("warm", 0, 0)
        await ask(rig, 1)
