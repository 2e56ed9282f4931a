"""Captions and clients' requests side by side: what either does, the other does not notice."""

import errno
from math import inf
from typing import Any

import pytest
import trio

from orch.gateway.flows import Flow
from orch.gateway.spool import Spool
from orch.gateway.statistics import GatewayLane
from orch.problems import ProblemError
from orch.telemetry.events import EventLog
from orch.telemetry.pulse import Pulse
from tests.fakes.gateway import Browser, GatewayRig, Serve, answering, gateway_rig, ok, read_request

AUDIO = "audio-service"


def lane(rig: GatewayRig, flow: Flow, url: str = "http://a:1") -> GatewayLane:
    """Return the figures of one flow."""
    [instance] = [each for each in rig.gateway.statistics().instances if each.url == url]
    return next(each for each in instance.lanes if each.flow == flow)


async def through(rig: GatewayRig, browser: Browser) -> Browser:
    await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
    return browser


async def caption(rig: GatewayRig) -> int:
    return (await rig.gateway.fetch(AUDIO, "POST", "/api/transcribe", body=b"x")).status


def by_path(bad: Serve) -> Serve:
    """Serve ``bad`` to clients' requests, and respond to those for captions."""

    async def serve(stream: trio.abc.Stream) -> None:
        while request := await read_request(stream):
            if b"/api/transcribe" in request.partition(b"\r\n")[0]:
                await stream.send_all(ok())
            else:
                await bad(stream)

    return serve


async def fail(stream: trio.abc.Stream) -> None:
    await stream.send_all(ok(b"no", status=b"500 E"))


async def hang(_: trio.abc.Stream) -> None:
    await trio.sleep_forever()


async def close(_: trio.abc.Stream) -> None:
    raise trio.BrokenResourceError


async def garble(stream: trio.abc.Stream) -> None:
    await stream.send_all(b"HTTP/9 what\r\n\r\n")


async def cut(stream: trio.abc.Stream) -> None:
    await stream.send_all(ok(b"x" * 10)[:-5])
    raise trio.BrokenResourceError


async def busy(stream: trio.abc.Stream) -> None:
    await stream.send_all(ok(b"busy", status=b"503 Busy"))


@pytest.mark.parametrize("bad", [fail, hang, close, garble, cut, busy])
async def test_requests_of_one_client_do_not_cut_the_back_end_off_for_others(bad: Serve) -> None:
    """Whatever the back end does: fail, hang, close, send garbage, break off, refuse."""
    async with gateway_rig(timeout=2, retries=0) as rig:
        rig.network.servers["a:1"] = by_path(bad)
        for _ in range(20):
            await through(rig, Browser("POST", "/api/audio/bad", b"x"))
        assert lane(rig, Flow.REQUESTS).breaker == "closed"
        assert lane(rig, Flow.CAPTIONS).consecutive_failures == 0
        other = await through(rig, Browser("POST", "/api/audio/transcribe", b"x", client=("198.51.100.1", 1)))
        assert (await through(rig, other)).status == 200
        assert await caption(rig) == 200


async def test_failures_of_several_clients_open_the_breaker() -> None:
    """Then others are refused at once; captions continue as long as they succeed."""
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = by_path(fail)
        for number in range(5):
            client = (f"198.51.100.{number}", 1)
            await through(rig, Browser("POST", "/api/audio/bad", b"x", client=client))
        assert lane(rig, Flow.REQUESTS).breaker == "open"
        refused = await through(rig, Browser("POST", "/api/audio/transcribe", b"x"))
        assert (refused.status, refused.headers[b"retry-after"]) == (503, b"10")
        assert await caption(rig) == 200
        assert lane(rig, Flow.CAPTIONS).breaker == "closed"
        assert rig.gateway.statistics().instances[0].usable
        event = rig.events.latest()[0]
        assert event.text.startswith("http://a:1 failed 5 times in a row. It gets no requests of clients")
        # One bad upload a cooldown keeps nobody out.
        await trio.sleep(10)
        await through(rig, Browser("POST", "/api/audio/bad", b"x", client=("198.51.100.0", 1)))
        assert lane(rig, Flow.REQUESTS).breaker == "half_open"
        assert (await through(rig, Browser("POST", "/api/audio/transcribe", b"x"))).status == 200
        assert lane(rig, Flow.REQUESTS).breaker == "closed"


async def test_the_addresses_of_one_ipv6_network_are_one_client() -> None:
    """The owner of a /64 has any number of addresses."""
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = by_path(fail)
        for number in range(50):
            client = (f"2001:db8:0:1::{number:x}", 1)
            await through(rig, Browser("POST", "/api/audio/bad", b"x", client=client))
        assert lane(rig, Flow.REQUESTS).breaker == "closed"


async def test_a_back_end_that_refuses_connections_opens_the_breakers_of_both_flows() -> None:
    """Nothing was sent, so nothing that was sent is the reason; each flow finds out for itself."""
    async with gateway_rig(retries=0) as rig:
        for _ in range(5):
            assert (await through(rig, Browser("POST", "/api/audio/x", b"x"))).status == 503
        assert lane(rig, Flow.REQUESTS).breaker == "open"
        assert lane(rig, Flow.CAPTIONS).breaker == "closed"
        for _ in range(5):
            with pytest.raises(ProblemError):
                await caption(rig)
        assert lane(rig, Flow.CAPTIONS).breaker == "open"


async def test_requests_that_fill_their_share_do_not_affect_captions() -> None:
    """All of the requests' connections busy and their queue full: a caption waits for nothing."""
    share = {"connections": 3, "waiting": 2}
    async with gateway_rig(requests=share, captions={"connections": 2, "waiting": 1}) as rig:
        rig.network.servers["a:1"] = by_path(hang)
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(through, rig, Browser("POST", "/api/audio/slow", b"x"))
            await trio.testing.wait_all_tasks_blocked()
            full = lane(rig, Flow.REQUESTS)
            assert (full.busy, full.connections, full.waiting, full.waiting_limit) == (3, 3, 2, 2)
            began = trio.current_time()
            assert await caption(rig) == 200
            assert trio.current_time() == began
            over = await through(rig, Browser("POST", "/api/audio/slow", b"x"))
            assert over.status == 503
            assert b'"overloaded"' in over.body
            assert over.headers[b"retry-after"] == b"1"
            nursery.cancel_scope.cancel()


async def test_a_wait_in_our_own_queue_is_never_the_back_end_s_failure() -> None:
    """Its time runs out: 503 overloaded, no failure, no latency, no check of the back end."""
    answered = trio.Event()

    async def slow(stream: trio.abc.Stream) -> None:
        await answered.wait()
        await stream.send_all(ok())

    async with gateway_rig(timeout=5, requests={"connections": 1, "waiting": 10}, retries=0) as rig:
        rig.network.servers["a:1"] = by_path(slow)
        found: list[Browser] = []

        async def ask() -> None:
            found.append(await through(rig, Browser("POST", "/api/audio/slow", b"x")))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(4)
            for _ in range(6):
                nursery.start_soon(ask)
            await trio.sleep(0.5)
            # The first one's time is over at 5 s; those behind it wait until 9 s for one that hangs.
        assert [browser.status for browser in found].count(504) <= 2
        assert [browser.status for browser in found].count(503) >= 5
        now = lane(rig, Flow.REQUESTS)
        assert now.consecutive_failures <= 2
        assert now.requests <= 2
        assert now.breaker == "closed"
        assert all(b'"overloaded"' in browser.body for browser in found if browser.status == 503)


async def test_a_caption_waiting_in_our_own_queue_is_no_failure_either() -> None:
    """The service's own flow has a queue too."""
    async with gateway_rig(timeout=5, captions={"connections": 1, "waiting": 10}, retries=0) as rig:

        async def hanging(stream: trio.abc.Stream) -> None:
            await read_request(stream)
            await trio.sleep_forever()

        rig.network.servers["a:1"] = hanging
        codes: list[str] = []

        async def ask() -> None:
            try:
                await caption(rig)
            except ProblemError as error:
                codes.append(error.code)

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(ask)
        assert sorted(codes) == ["gateway_timeout", "overloaded", "overloaded", "overloaded"]
        assert lane(rig, Flow.CAPTIONS).consecutive_failures == 1


async def test_a_shortage_of_our_own_is_reported_as_such() -> None:
    """503 own_shortage with words for a guest, an event for operators, and nothing against the instance."""
    async with gateway_rig() as rig:
        rig.network.failure = OSError(errno.EMFILE, "Too many open files")
        for _ in range(10):
            browser = await through(rig, Browser("POST", "/api/audio/x", b"x"))
            assert (browser.status, b'"own_shortage"' in browser.body) == (503, True)
            assert b"descriptor" not in browser.body
            assert b"retry-after" in browser.headers
            with pytest.raises(ProblemError) as caught:
                await caption(rig)
            assert caught.value.code == "own_shortage"
        for flow in Flow:
            assert lane(rig, flow).breaker == "closed"
            assert lane(rig, flow).consecutive_failures == 0
            assert lane(rig, flow).requests == 0
        assert rig.health.noted == []
        assert "out of file descriptors" in rig.events.latest()[0].text


@pytest.mark.parametrize("bad", [hang, close, cut])
async def test_failures_while_this_process_was_suspended_do_not_count(bad: Serve) -> None:
    """Expired time-outs and closed connections do not count then; a response does."""

    class Stopped(Pulse):
        at = -inf

        def was_stopped_since(self, began: float) -> bool:
            return self.at >= began

    pulse = Stopped(events=EventLog(wall=lambda: 0.0), wall=lambda: 0.0)

    async def serve(stream: trio.abc.Stream) -> None:
        while await read_request(stream):
            await trio.sleep(1)
            pulse.at = trio.current_time()
            await bad(stream)

    async with gateway_rig(timeout=2, retries=0, pulse=pulse) as rig:
        rig.network.servers["a:1"] = serve
        for _ in range(6):
            with pytest.raises(ProblemError):
                await caption(rig)
        now = lane(rig, Flow.CAPTIONS)
        assert (now.breaker, now.consecutive_failures, now.requests) == ("closed", 0, 0)
        assert rig.health.noted == []
        rig.network.servers["a:1"] = answering(ok(b"no", status=b"500 E"))
        pulse.at = trio.current_time()
        assert await caption(rig) == 500
        assert lane(rig, Flow.CAPTIONS).consecutive_failures == 1


async def test_changed_shares_take_effect_while_the_gateway_runs() -> None:
    """A change of the settings holds for the next request."""
    async with gateway_rig() as rig:
        assert lane(rig, Flow.CAPTIONS).connections == 64
        rig.settings.change(
            orchestration={"gateway": {"captions": {"connections": 7}, "requests": {"waiting": 0}}}
        )
        assert lane(rig, Flow.CAPTIONS).connections == 7
        assert lane(rig, Flow.REQUESTS).waiting_limit == 0
        rig.network.servers["a:1"] = answering(ok())
        assert await caption(rig) == 200


class Stuck(Browser):
    """A client whose body never ends."""

    async def receive(self) -> dict[str, Any]:
        if not self.pieces:
            await trio.sleep_forever()
        message = await super().receive()
        return message | {"more_body": True}


async def test_endless_uploads_do_not_delay_others() -> None:
    """64 of them hold no connection: captions and other requests get their responses at once."""
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = by_path(fail)
        async with trio.open_nursery() as nursery:
            stuck = [Stuck("POST", "/api/audio/transcribe", b"x") for _ in range(64)]
            for browser in stuck:
                nursery.start_soon(through, rig, browser)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(5):
                await through(rig, Browser("POST", "/api/audio/bad", b"x"))
            began = trio.current_time()
            assert await caption(rig) == 200
            assert (await through(rig, Browser("POST", "/api/audio/transcribe", b"x"))).status == 200
            assert trio.current_time() == began
            assert rig.gateway.statistics().places == 64
            await trio.sleep(30.1)
            assert {browser.status for browser in stuck} == {408}
            assert rig.gateway.statistics().places == 0
        assert rig.gateway.statistics().instances[0].consecutive_failures == 0


async def test_a_body_has_a_minimum_rate() -> None:
    """A faster client is waited for beyond the time-out; a slower one gets a 408."""

    class Dripping(Browser):
        async def receive(self) -> dict[str, Any]:
            await trio.sleep(1)
            return await super().receive()

    async with gateway_rig(timeout=5, client_rate=100) as rig:
        rig.network.servers["a:1"] = answering(ok())
        fast = await through(rig, Dripping("POST", "/api/audio/x", *[b"x" * 110] * 50))
        assert fast.status == 200
        assert trio.current_time() == pytest.approx(50)
        slow = await through(rig, Dripping("POST", "/api/audio/x", *[b"x" * 10] * 50))
        assert slow.status == 408
        assert b"100 bytes a second" in slow.body
        assert trio.current_time() < 62, "5 s, what came in that time, and what is read on afterwards"


async def test_requests_in_progress_are_limited_by_address_and_in_total() -> None:
    """429 beyond a client's limit, 503 beyond the total, each with a reason; completed requests make room."""
    async with gateway_rig(max_requests=5, max_requests_per_address=3) as rig:
        rig.network.servers["a:1"] = answering(ok())
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(through, rig, Stuck("POST", "/api/audio/x", b"x"))
            await trio.testing.wait_all_tasks_blocked()
            more = await through(rig, Browser())
            assert (more.status, b'"too_many_requests"' in more.body) == (429, True)
            assert b"retry-after" in more.headers
            with pytest.raises(ProblemError) as caught:
                await rig.gateway.fetch(AUDIO, "GET", "/", flow=Flow.REQUESTS, caller="203.0.113.9")
            assert caught.value.code == "too_many_requests"
            for _ in range(2):
                client = ("198.51.100.1", 1)
                nursery.start_soon(through, rig, Stuck("POST", "/api/audio/x", b"x", client=client))
            await trio.testing.wait_all_tasks_blocked()
            full = await through(rig, Browser(client=("198.51.100.2", 1)))
            assert (full.status, b'"overloaded"' in full.body) == (503, True)
            assert await caption(rig) == 200
            nursery.cancel_scope.cancel()
        assert (await through(rig, Browser())).status == 200
        assert rig.gateway.statistics().places == 0


def flood(size: int) -> Serve:
    async def serve(stream: trio.abc.Stream) -> None:
        while await read_request(stream):
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // 1000):
                await stream.send_all(b"x" * 1000)

    return serve


async def test_a_client_that_reads_slowly_holds_no_connection() -> None:
    """A response that fits into the buffer frees its connection before the client reads it."""
    spool = Spool(disk_limit=2**30)
    async with gateway_rig(spool=spool, requests={"connections": 1}) as rig:
        rig.network.servers["a:1"] = flood(200_000)
        slow = Browser(slow=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(through, rig, slow)
            assert slow.gate is not None
            slow.gate.release()
            await trio.sleep(1)
            assert lane(rig, Flow.REQUESTS).busy == 0
            assert len((await through(rig, Browser())).body) == 200_000
            for _ in range(1000):
                slow.gate.release()
            await trio.sleep(1)
            assert len(slow.body) == 200_000
            assert slow.is_complete
        assert spool.in_memory == 0


async def test_a_client_that_reads_below_the_minimum_rate_is_cut_off() -> None:
    """If the response is too large for the buffer; the connection is free for others then."""
    spool = Spool(disk_limit=2**30)
    async with gateway_rig(spool=spool, requests={"connections": 1}, timeout=60) as rig:
        rig.network.servers["a:1"] = flood(2_000_000)
        slow = Browser(slow=True)
        assert slow.gate is not None
        for _ in range(10):
            slow.gate.release()
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(through, rig, slow)
            await trio.sleep(7)
            assert lane(rig, Flow.REQUESTS).busy == 0
            assert len((await through(rig, Browser())).body) == 2_000_000
            nursery.cancel_scope.cancel()
        assert trio.current_time() - began < 8
        assert lane(rig, Flow.REQUESTS).consecutive_failures == 0
        assert not slow.is_complete
        assert spool.in_memory == 0
