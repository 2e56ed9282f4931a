"""An operator's commands on one worker, over memory streams on a virtual clock."""

from collections import Counter
from typing import Any

import pytest
import trio

from orch.gateway.controls.commands import Command, Effect
from orch.gateway.statistics import GatewayInstance
from orch.problems import ProblemError
from tests.fakes.gateway import GatewayRig, Serve, answering, gateway_rig, ok, read_request

AUDIO = "audio-service"
A, B = "http://a:1", "http://b:1"


def do(rig: GatewayRig, action: str, instance: str = A, **more: Any) -> Effect:
    command = Command(action=action, service=AUDIO, instance=instance, **more)  # type: ignore[arg-type]
    return rig.gateway.carry_out(command)


def shown(rig: GatewayRig, url: str = A) -> GatewayInstance:
    return next(one for one in rig.gateway.statistics().instances if one.url == url)


async def ask(rig: GatewayRig, count: int) -> Counter[str]:
    return Counter([(await rig.gateway.fetch(AUDIO, "GET", "/x")).instance for _ in range(count)])


def slow(seconds: float) -> Serve:
    async def serve(stream: Any) -> None:
        while await read_request(stream):
            await trio.sleep(seconds)
            await stream.send_all(ok())

    return serve


async def test_a_drained_instance_ends_its_requests_and_gets_no_more() -> None:
    """Until it is returned; a reload changes nothing about it, and a drain of all is named to clients."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers = {"a:1": slow(10), "b:1": answering(ok())}
        done: list[str] = []

        async def one() -> None:
            done.append((await rig.gateway.fetch(AUDIO, "GET", "/x")).instance)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one)
            await trio.sleep(1)
            assert do(rig, "drain") == Effect(in_flight=1, left=1)
            assert await ask(rig, 10) == {B: 10}
            assert (shown(rig).is_drained, shown(rig).in_flight, shown(rig).usable) == (True, 1, False)
        assert done == [A]
        rig.settings.change(services={AUDIO: {"url": A, "instances": [{"url": B}], "slow_start": 0}})
        assert await ask(rig, 4) == {B: 4}
        reasons = [each.reason for each in rig.gateway.explain("/api/audio/x", "GET").instances]
        assert reasons == ["an operator has drained it", ""]
        assert do(rig, "drain", B) == Effect(in_flight=0, left=0)
        rig.health.silent = {A, B}
        with pytest.raises(ProblemError, match="drained all of its instances"):
            await ask(rig, 1)
        assert do(rig, "return").left == 1
        assert await ask(rig, 1) == {A: 1}


async def test_a_weight_holds_until_it_is_taken_back() -> None:
    """Over a reload, too; then the settings' weight counts."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers = {"a:1": answering(ok()), "b:1": answering(ok())}
        do(rig, "weigh", weight=3)
        assert await ask(rig, 40) == {A: 30, B: 10}
        rig.settings.change(services={AUDIO: {"url": A, "weight": 2, "instances": [{"url": B}]}})
        assert (shown(rig).weight, shown(rig).configured_weight) == (3, 2)
        do(rig, "weigh")
        assert await ask(rig, 30) == {A: 20, B: 10}


async def test_an_ejection_by_hand_ends_by_itself_or_by_a_return() -> None:
    """It is in the events with its reason."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers = {"a:1": answering(ok()), "b:1": answering(ok())}
        rig.settings.change(services={AUDIO: {"url": A, "instances": [{"url": B}], "slow_start": 0}})
        do(rig, "eject")
        assert await ask(rig, 4) == {B: 4}
        assert {lane.ejection_cause for lane in shown(rig).lanes} == {"operator"}
        assert any("an operator ejected it" in event.text for event in rig.events.latest())
        await trio.sleep(31)
        assert await ask(rig, 4) == {A: 2, B: 2}
        do(rig, "eject")
        do(rig, "return")
        assert await ask(rig, 4) == {A: 2, B: 2}


async def test_breakers_are_tripped_and_reset() -> None:
    """Of an instance, and of the whole service; the events name the operator, not failures."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers = {"a:1": answering(ok()), "b:1": answering(ok())}
        do(rig, "trip")
        assert shown(rig).breaker == "open"
        assert await ask(rig, 3) == {B: 3}
        do(rig, "reset")
        assert shown(rig).breaker == "closed"
        do(rig, "trip", "")
        with pytest.raises(ProblemError):
            await ask(rig, 1)
        do(rig, "reset", "")
        await ask(rig, 1)
        texts = [event.text for event in rig.events.latest()]
        assert sorted(texts) == sorted(
            [
                f"An operator closed the breakers of the {AUDIO}.",
                f"An operator closed the breakers of {A}.",
                f"An operator opened the breakers of the {AUDIO}.",
                f"An operator opened the breakers of {A}.",
            ]
        )


async def test_what_is_not_there_is_named() -> None:
    """An unknown service or instance, a weight of another action, a service without a breaker of its own."""
    async with gateway_rig(A) as rig:
        for command, words in (
            (Command(action="drain", service="nobody", instance=A), "No service is called nobody"),
            (Command(action="drain", service=AUDIO, instance=B), f"is none of the audio-service's: {A}"),
            (Command(action="drain", service=AUDIO), "none is none of"),
            (Command(action="trip", service=AUDIO), "has no breaker: name one of its instances"),
            (Command(action="drain", service=AUDIO, instance=A, weight=2), "belongs to the action weigh"),
        ):
            with pytest.raises(ProblemError) as raised:
                rig.gateway.carry_out(command)
            assert words in raised.value.detail
        assert not shown(rig).is_drained
