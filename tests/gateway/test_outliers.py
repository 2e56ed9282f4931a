"""Ejection and the breaker of a whole service, in the gateway: over memory streams on a virtual clock."""

from collections import Counter
from typing import Any

import pytest
import trio

from orch.gateway.breaker import Breaker, BreakerPolicy, State
from orch.gateway.flows import Flow
from orch.gateway.statistics import GatewayLane, GatewayServiceFlow
from orch.problems import ProblemError
from tests.fakes.gateway import GatewayRig, Serve, answering, gateway_rig, ok, read_request

AUDIO = "audio-service"
A, B, C = "http://a:1", "http://b:1", "http://c:1"
BAD = ok(status=b"500 No")


def serving(answers: dict[str, bytes], name: str) -> Serve:
    """Answer every request with what ``answers`` has for the name at that time."""

    async def serve(stream: Any) -> None:
        while await read_request(stream):
            await stream.send_all(answers[name])

    return serve


def switched(rig: GatewayRig, **answers: bytes) -> dict[str, bytes]:
    """Let instances answer as the returned dictionary says, which a test may change."""
    rig.network.servers = {f"{name}:1": serving(answers, name) for name in answers}
    return answers


def lane(rig: GatewayRig, url: str, flow: Flow = Flow.CAPTIONS) -> GatewayLane:
    [instance] = [one for one in rig.gateway.statistics().instances if one.url == url]
    return next(one for one in instance.lanes if one.flow == flow)


def whole(rig: GatewayRig, flow: Flow = Flow.CAPTIONS) -> GatewayServiceFlow:
    [service] = [one for one in rig.gateway.statistics().services if one.service == AUDIO]
    return next(one for one in service.flows if one.flow == flow)


def configure(rig: GatewayRig, *urls: str, **service: Any) -> None:
    rig.settings.change(
        services={AUDIO: {"url": urls[0], "instances": [{"url": url} for url in urls[1:]], **service}}
    )


async def ask(rig: GatewayRig, count: int = 1, flow: Flow = Flow.CAPTIONS) -> Counter[str]:
    """Send requests; count the instances that answered, and the problems."""
    seen: Counter[str] = Counter()
    for _ in range(count):
        try:
            seen[(await rig.gateway.fetch(AUDIO, "GET", "/x", flow=flow)).instance] += 1
        except ProblemError as problem:
            seen[problem.code] += 1
    return seen


async def test_one_that_fails_is_ejected_and_returns_slowly() -> None:
    """Its breaker alone would try it every ten seconds; good checks do not end the ejection either."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers = {"a:1": answering(BAD), "b:1": answering(ok())}
        assert (await ask(rig, 40))[A] == 5
        assert (lane(rig, A).ejection_cause, lane(rig, A).ejections) == ("back_end", 1)
        assert not lane(rig, A).is_admitting
        rig.network.servers["a:1"] = answering(ok())
        await trio.sleep(25)
        assert await ask(rig, 20) == {B: 20}
        await trio.sleep(6)
        texts = [event.text for event in rig.events.latest()]
        assert any(
            "is ejected: failed 5 times in a row. It gets no captions for 30 s" in one for one in texts
        )
        assert any("The ejection of http://a:1 is over" in text for text in texts)
        assert (await ask(rig, 20))[A] in range(1, 5)
        await trio.sleep(10)
        assert (await ask(rig, 20))[A] == 10


async def test_flows_are_ejected_apart() -> None:
    """What clients send does not take an instance from captions."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers = {"b:1": answering(ok())}
        await ask(rig, 20, Flow.REQUESTS)
        assert lane(rig, A, Flow.REQUESTS).ejection_cause == "connect"
        assert lane(rig, A).ejection_cause is None


async def test_without_a_better_one_the_ejected_are_asked_but_not_those_that_are_gone() -> None:
    """Fail open: a silent instance and an ejected one may work; one that refuses does not."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers = {"a:1": answering(BAD), "b:1": answering(ok())}
        await ask(rig, 20)
        assert lane(rig, A).ejection_cause == "back_end"
        rig.network.servers["a:1"] = answering(ok())
        await trio.sleep(10)  # its breaker's cooldown
        rig.health.down = {B}
        assert await ask(rig, 3) == {A: 3}
        explained = rig.gateway.explain("/api/audio/x", "GET")
        assert (explained.next, explained.problem) == (A, "")
        rig.health.down = {A, B}
        assert await ask(rig) == {"service_unavailable": 1}
        rig.health.silent = {A, B}
        assert set(await ask(rig, 4)) == {A, B}


async def test_a_single_silent_instance_is_asked() -> None:
    """Checks that get no response prove less than a request that does."""
    async with gateway_rig(A) as rig:
        rig.network.servers = {"a:1": answering(ok())}
        rig.health.down = rig.health.silent = {A}
        assert await ask(rig) == {A: 1}
        rig.health.silent = set()
        assert await ask(rig) == {"service_unavailable": 1}


async def test_the_breaker_of_a_service_opens_if_all_instances_fail() -> None:
    """And then a few trials decide; one instance that fails beside others does not open it."""
    async with gateway_rig(A, B, C, circuit_breaker_threshold=1000, retries=0) as rig:
        configure(rig, A, B, C, breaker={"service_threshold": 12}, ejection={"percent": 0})
        answers = switched(rig, a=BAD, b=ok(), c=BAD)
        await ask(rig, 60)
        assert whole(rig).breaker == "closed"
        answers["b"] = BAD
        await ask(rig, 13)
        assert whole(rig).breaker == "open"
        assert await ask(rig, 5) == {"service_unavailable": 5}
        assert not rig.gateway.explain("/api/audio/x", "GET").instances[0].reason, "clients have their own"
        await ask(rig, 20, Flow.REQUESTS)
        await trio.sleep(11)
        assert whole(rig).breaker == "half_open"
        answers["b"] = ok()
        await ask(rig, 3)
        assert whole(rig).breaker == "closed"


async def test_a_reload_keeps_ejections_and_switches_breakers() -> None:
    """A change of numbers changes no state; a breaker that is switched off lets requests through."""
    async with gateway_rig(A, B, retries=0) as rig:
        answers = switched(rig, a=BAD, b=ok())
        await ask(rig, 20)
        left = lane(rig, A).ejected_for
        configure(rig, A, B, ejection={"base": 1, "consecutive": 3})
        assert lane(rig, A).ejected_for == left
        answers["b"] = BAD
        off = {"percent": 0}
        configure(rig, A, B, breaker={"service_threshold": 4, "threshold": 1000}, ejection=off, slow_start=0)
        await trio.sleep(31)
        await ask(rig, 8)
        assert whole(rig).breaker == "open"
        configure(rig, A, B, breaker={"service_threshold": 0, "threshold": 1000})
        assert whole(rig).breaker is None
        assert (await ask(rig, 1)).keys() <= {A, B}


@pytest.mark.parametrize("sites", [1, 2, 3])
def test_a_breaker_of_several_instances_needs_them_all(sites: int) -> None:
    """Failures of fewer instances do not open it, however many; half-open, each of them has to fail again."""
    breaker = Breaker(BreakerPolicy(5, 10, sites=sites))

    def fail(site: int, now: float) -> None:
        permit = breaker.admit(now, str(site))
        assert permit is not None
        breaker.failed(permit, now, site=str(site))

    for _ in range(30):
        for site in range(sites - 1):
            fail(site, 0)
    assert breaker.state is State.CLOSED or sites == 1
    while breaker.state is State.CLOSED:
        fail(sites - 1, 0)
    for site in range(sites):
        assert breaker.is_admitting(10, str(site))
        fail(site, 10)
    assert breaker.retry_in(10) == 10


def test_an_operator_trips_and_resets_a_breaker() -> None:
    """Tripped it is open for a whole cooldown, again if it was; reset it is closed and counts from zero."""
    breaker = Breaker(BreakerPolicy(5, 10))
    for now in (0, 4):
        breaker.trip(now)
        assert breaker.retry_in(now) == 10
    breaker.reset()
    assert breaker.admit(5) is not None
    assert breaker.consecutive_failures == 0
    breaker.reset()
    assert breaker.retry_in(5) is None
