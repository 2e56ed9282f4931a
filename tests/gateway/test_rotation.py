"""Instances that leave the rotation and return: each step is an event, in its order."""

from typing import Any

import pytest
import trio

from orch.gateway.controls.commands import Command
from orch.gateway.rotation import Rotation, Seen, Step
from orch.telemetry.events import Event
from tests.fakes.gateway import Browser, GatewayRig, answering, gateway_rig, ok, read_request

IN = Seen(is_usable=True, is_slow=False, is_in=True)
SLOW = Seen(is_usable=True, is_slow=True, is_in=True)
DOWN = Seen(is_usable=False, is_slow=False, is_in=False)
DRAINED = Seen(is_usable=True, is_slow=False, is_in=False)


def steps(*seen: Seen) -> list[Step]:
    """Return what happens to an instance beside one that works."""
    rotation = Rotation()
    return [change.step for each in seen for change in rotation.see({"other": IN, "it": each})]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((IN, IN), []),
        ((IN, DOWN, DOWN), [Step.LEFT]),
        ((IN, DOWN, SLOW, SLOW, IN, IN), [Step.LEFT, Step.RETURNED, Step.COMPLETED]),
        ((IN, DOWN, IN), [Step.LEFT, Step.COMPLETED]),
        ((IN, DOWN, SLOW, DOWN, SLOW), [Step.LEFT, Step.RETURNED, Step.LEFT, Step.RETURNED]),
        ((DOWN, SLOW, IN), []),  # its first start
        ((DOWN, SLOW, IN, DOWN), [Step.LEFT]),
        ((IN, DRAINED, SLOW, IN), [Step.COMPLETED]),  # a drain, and its end, have events of their own
        ((SLOW, DOWN, SLOW, IN), []),  # it was never fully in
    ],
)
def test_each_step_of_an_instance_is_told_once(seen: tuple[Seen, ...], expected: list[Step]) -> None:
    """It leaves, returns slowly, and has its whole share; a first start is none of these."""
    assert steps(*seen) == expected


def test_only_those_that_get_requests_are_named_instead_of_it() -> None:
    """One that is drained, or down as well, takes nothing over."""
    rotation = Rotation()
    rotation.see({"a": IN, "b": IN, "c": IN, "d": IN})
    changes = rotation.see({"a": IN, "b": DOWN, "c": DRAINED, "d": DOWN})
    assert [(change.url, change.others) for change in changes] == [("b", ("a",)), ("d", ("a",))]


def test_a_single_instance_has_no_rotation() -> None:
    """What happens to it is what its health says."""
    rotation = Rotation()
    assert [*rotation.see({"a": IN}), *rotation.see({"a": DOWN}), *rotation.see({"a": SLOW})] == []


def events(rig: GatewayRig, after: int) -> list[tuple[str, str]]:
    """Return the events with a higher number, oldest first."""
    found: list[Event] = [each for each in reversed(rig.events.latest()) if each.number > after]
    return [(each.severity, each.text) for each in found]


async def test_an_instance_that_ends_and_returns_is_shown_step_by_step() -> None:
    """Health checks find it gone: no request fails, and so nothing is ejected; yet all of it is told."""
    one, two, three = (f"http://{name}:1" for name in "abc")
    async with gateway_rig(one, two, three) as rig:
        rig.network.servers = {f"{name}:1": answering(ok(b"fine")) for name in "abc"}
        await trio.sleep(12)
        last = max((each.number for each in rig.events.latest()), default=0)
        rig.health.down = {two}
        await trio.sleep(1.5)
        assert events(rig, last) == [
            ("warn", f"{two} is out of rotation. Its requests go to {one} and {three}.")
        ]
        rig.health.down = {one, two, three}
        await trio.sleep(1.5)
        assert events(rig, last)[1:] == [
            ("warn", f"{one} is out of rotation. No other instance gets requests."),
            ("warn", f"{three} is out of rotation. No other instance gets requests."),
        ]
        rig.health.down = {one, three}
        await trio.sleep(1.5)
        browser = Browser("GET", "/api/audio/x")
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        await trio.sleep(12)
        assert events(rig, last)[3:] == [
            ("info", f"{two} is back in rotation and gets slowly more requests."),
            ("ok", f"{two} gets its whole share of requests again."),
        ]


async def test_where_all_are_out_those_that_are_asked_all_the_same_are_shown() -> None:
    """Two are ejected by hand, one is drained: the ejected ones get requests, and are marked as those."""
    urls = [f"http://{name}:1" for name in "abc"]
    async with gateway_rig(*urls) as rig:
        rig.network.servers = {f"{name}:1": answering(ok(b"fine")) for name in "abc"}
        for command in (
            Command(action="eject", service="audio-service", instance=urls[0]),
            Command(action="eject", service="audio-service", instance=urls[1]),
            Command(action="drain", service="audio-service", instance=urls[2]),
        ):
            rig.gateway.carry_out(command)
        browser = Browser("GET", "/api/audio/x")
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        assert browser.status == 200
        found = [one for one in rig.gateway.statistics().instances if one.service == "audio-service"]
        assert [(one.usable, one.is_last_resort) for one in found] == [
            (False, True),
            (False, True),
            (False, False),
        ]


async def test_the_time_to_the_first_byte_that_is_shown_does_not_fade() -> None:
    """What balancers go by fades to nothing within a minute; people are shown what was measured."""
    async with gateway_rig() as rig:

        async def slow(stream: Any) -> None:
            while await read_request(stream):
                await trio.sleep(2)
                await stream.send_all(ok(b"fine"))

        rig.network.servers["a:1"] = slow
        browser = Browser("GET", "/api/audio/x")
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        await trio.sleep(40)
        assert rig.gateway.statistics().instances[0].first_byte_ms == pytest.approx(2000)
