"""What an operator adds up: routes, the service's own requests, instances and the figures of each flow."""

import pytest
import trio

from orch.gateway.flows import Flow
from orch.gateway.statistics import GatewayOwn, GatewayRoute, GatewayStatistics
from orch.problems import ProblemError
from tests.fakes.gateway import Browser, GatewayRig, answering, gateway_rig, ok, read_request

AUDIO = "audio-service"


async def through(rig: GatewayRig, path: str) -> None:
    browser = Browser("GET", path)
    await rig.gateway.proxy(browser.scope, browser.receive, browser.send)


def rows(now: GatewayStatistics) -> list[tuple[int, int, int, int]]:
    """Return what each row of the table of routes shows, the service's own requests among them."""
    all_rows: list[GatewayRoute | GatewayOwn] = [*now.routes, *now.own]
    return [(row.requests, row.errors, row.requests_last_minute, row.errors_last_minute) for row in all_rows]


@pytest.mark.limit(300)
async def test_the_rows_add_up_to_the_tile() -> None:
    """Captions and service messages have rows of their own; what was long ago is in totals alone."""
    async with gateway_rig(retries=0) as rig:
        rig.network.servers["a:1"] = answering(ok())
        await rig.gateway.fetch(AUDIO, "GET", "/api/models")
        await trio.sleep(62)
        await rig.gateway.fetch(AUDIO, "GET", "/api/models")
        await rig.gateway.fetch(AUDIO, "GET", "/api/models", flow=Flow.REQUESTS, caller="a")
        await through(rig, "/api/audio/models")
        await through(rig, "/api/whisper/models")
        del rig.network.servers["a:1"]
        await trio.sleep(15)
        with pytest.raises(ProblemError):
            await rig.gateway.fetch(AUDIO, "GET", "/api/models")
        now = rig.gateway.statistics()
        assert (now.requests, now.errors, now.requests_last_minute, now.errors_last_minute) == (
            6,
            1,
            5,
            1,
        )
        assert tuple(map(sum, zip(*rows(now), strict=True))) == (6, 1, 5, 1)
        assert [(own.flow, own.service, own.requests_last_minute) for own in now.own] == [
            ("captions", AUDIO, 2),
            ("requests", AUDIO, 1),
        ]
        assert (now.clients.requests_last_minute, now.captions.requests_last_minute) == (3, 2)
        assert now.clients.requests + now.captions.requests == now.requests
        (one,) = (one for one in now.instances if one.url == "http://a:1")
        assert (one.requests, one.requests_last_minute, one.errors_last_minute) == (6, 5, 1)
        assert sum(lane.requests_last_minute for lane in one.lanes) == 5
        await trio.sleep(61)
        later = rig.gateway.statistics()
        assert (later.requests, later.requests_last_minute, later.clients.p95_ms) == (6, 0, None)
        assert {row[2:] for row in rows(later)} == {(0, 0)}


async def test_sentences_do_not_make_clients_requests_look_slow() -> None:
    """A request for captions takes as long as its speech: it is only in the figures of captions."""

    async def slow(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await trio.sleep(5)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = slow
        await rig.gateway.fetch(AUDIO, "POST", "/api/transcribe")
        rig.network.servers["a:1"] = answering(ok())
        await trio.sleep(6)
        await through(rig, "/api/audio/models")
        now = rig.gateway.statistics()
        assert now.captions.timed == now.clients.timed == 1
        assert now.captions.p95_ms == pytest.approx(5000, rel=0.03)
        assert now.clients.p95_ms is not None
        assert now.clients.p95_ms < 1


async def test_a_request_that_reached_no_instance_has_no_latency() -> None:
    """The immediate response of an open breaker shows nothing about the back end."""
    async with gateway_rig(retries=0) as rig:
        for _ in range(5):
            rig.gateway.record_failure(AUDIO)
        for flow in Flow:
            with pytest.raises(ProblemError):
                await rig.gateway.fetch(AUDIO, "GET", "/api/models", flow=flow)
        now = rig.gateway.statistics()
        assert (now.requests_last_minute, now.errors_last_minute, now.unasked_last_minute) == (2, 2, 2)
        assert (now.p95_ms, now.captions.timed, now.captions.p50_ms) == (None, 0, None)
        assert sum(one.requests_last_minute for one in now.instances) == 0


async def test_the_rows_of_a_service_that_is_gone_are_gone() -> None:
    """Services that were removed from the settings are dropped."""
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(ok())
        await rig.gateway.fetch(AUDIO, "GET", "/api/models")
        rig.settings.change(services={"translation-service": {"url": "http://t:1"}})
        now = rig.gateway.statistics()
        assert now.own == ()
        assert now.requests == 1
