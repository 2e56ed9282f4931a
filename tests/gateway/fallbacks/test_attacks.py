"""Fallbacks under clients and back ends that want to do harm, or are clumsy."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import trio

from orch.gateway.fallbacks.watch import HELD_SECONDS
from tests.fakes.gateway import Browser, answering, gateway_rig, ok, read_request
from tests.gateway.fallbacks.test_fallbacks import CACHED, SERVICE, STATIC, hang, kind, send, settings, status
from tests.gateway.test_loopback import hosted
from tests.gateway.test_promised_api import adapted


async def test_no_header_of_one_response_is_in_another_one() -> None:
    """Not the id, the time, the attempts or the limits of the first request; and none is there twice."""
    limits = [{"name": "many", "requests": 100}]
    async with gateway_rig(running=False, **settings(CACHED, rate_limits=limits)) as rig:
        rig.network.servers["a:1"] = answering(ok(b"x", b"X-Gateway-Fallback: static", b"Age: 3"))
        first = await send(rig, headers=((b"x-request-id", b"first"),))
        assert kind(first) is None, "a back end cannot claim it"
        del rig.network.servers["a:1"]
        second = await send(rig, headers=((b"x-request-id", b"second"),))
        names = [name for name, _ in second.sent[0]["headers"]]
        assert len(names) == len(set(names))
        assert second.headers[b"x-request-id"] == b"second"
        assert b"r=98" in second.headers[b"ratelimit"]
        assert second.headers[b"age"] == b"3"
        assert kind(second) == b"cached"


async def test_what_arrives_at_the_same_time_is_bounded() -> None:
    """A hundred responses that never end have a quarter of the cache at most, and leave nothing behind."""

    async def endless(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await stream.send_all(b"%x\r\n" % 20_000 + bytes(20_000) + b"\r\n")
        await trio.sleep_forever()

    small = {"max_bytes": 400_000, "max_object_bytes": 100_000}
    async with gateway_rig(
        running=False, **settings(CACHED, fallback_cache=small, requests={"connections": 200})
    ) as rig:
        cache = rig.gateway._proxy.fallbacks.cache
        rig.network.servers["a:1"] = answering(ok(bytes(50_000)))
        for number in range(7):
            await send(rig, query=b"good=%d" % number)
        rig.network.servers["a:1"] = endless
        async with trio.open_nursery() as nursery:
            for number in range(100):
                browser = Browser(query=b"%d" % number)
                nursery.start_soon(rig.gateway.proxy, browser.scope, browser.receive, browser.send)
            await trio.sleep(1)
            assert cache.arriving == 100_000
            assert cache.bytes + cache.arriving <= 400_000
            nursery.cancel_scope.cancel()
        assert cache.arriving == 0
        assert len(cache) == 5, "what was unused for longest made room"


async def test_a_larger_response_than_is_stored_passes_and_drops_the_smaller_one() -> None:
    """With a length, and without one."""

    async def chunked(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await stream.send_all((b"%x\r\n" % 100_000 + bytes(100_000) + b"\r\n") * 4 + b"0\r\n\r\n")

    for large in (answering(ok(bytes(400_000))), chunked):
        async with gateway_rig(running=False, **settings(CACHED)) as rig:
            rig.network.servers["a:1"] = answering(ok(b"small"))
            await send(rig)
            rig.network.servers["a:1"] = large
            assert len((await send(rig)).body) == 400_000
            cache = rig.gateway._proxy.fallbacks.cache
            assert (len(cache), cache.bytes, cache.arriving) == (0, 0, 0)


async def test_a_response_with_trailers_is_not_stored_without_them() -> None:
    """They may say that the body is not what it should be."""

    async def trailing(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Status: failed\r\n\r\n"
        )

    async with gateway_rig(running=False, **settings(CACHED)) as rig:
        rig.network.servers["a:1"] = answering(ok(b"old"))
        await send(rig)
        rig.network.servers["a:1"] = trailing
        await send(rig)
        assert len(rig.gateway._proxy.fallbacks.cache) == 0


async def test_an_event_stream_is_neither_stored_nor_held_back() -> None:
    """It has no end; what failed as one is passed on at once."""
    head = b"HTTP/1.1 %b\r\nContent-Type: text/event-stream\r\nContent-Length: 8\r\n\r\ndata: x\n"

    async with gateway_rig(running=False, **settings(CACHED, STATIC)) as rig:
        for code in (b"200 OK", b"500 No"):
            rig.network.servers["a:1"] = answering(head % code)
            assert kind(await send(rig)) is None
        assert len(rig.gateway._proxy.fallbacks.cache) == 0


async def test_an_error_page_that_does_not_end_delays_no_fallback() -> None:
    """Its head is enough."""

    async def stalling(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nabc")
        await trio.sleep_forever()

    async with gateway_rig(running=False, **settings(STATIC)) as rig:
        rig.network.servers["a:1"] = stalling
        assert kind(await send(rig)) == b"static"
        assert trio.current_time() <= HELD_SECONDS + 0.1
        [instance] = rig.gateway.statistics().instances[:1]
        assert (instance.errors, instance.in_flight) == (1, 0)
        assert rig.network.open == 0


async def test_an_upload_that_has_begun_is_not_sent_to_another_service() -> None:
    """Its first bytes are gone. One that has not begun can be; and the rest of a refused one is read."""
    routes = settings(SERVICE, STATIC, uploads="streamed", repeatable="always")
    seen: list[bytes] = []
    async with gateway_rig(running=False, **routes) as rig:
        rig.network.servers["t:1"] = answering(ok(b"other"), seen=seen)
        browser = Browser("POST", "/api/audio/x", b"one", b"two")
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        assert kind(browser) == b"service", "nothing was sent to a service that refuses"
        assert b"one" in seen[0]
        assert b"two" in seen[0]
        rig.network.servers["a:1"] = answering(status(500))
        browser = Browser("POST", "/api/audio/x", b"one", b"two")
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        assert kind(browser) == b"static"
        assert not browser.pieces
        assert len(seen) == 1


@pytest.mark.real_time
async def test_a_body_on_the_disk_is_sent_again_to_another_service() -> None:
    """All of it."""
    seen: list[bytes] = []
    body = bytes(range(256)) * 4096
    async with gateway_rig(running=False, **settings(SERVICE, repeatable="always")) as rig:
        rig.network.servers["a:1"] = answering(status(502))
        rig.network.servers["t:1"] = answering(ok(b"other"), seen=seen)
        browser = await send(rig, "POST", body=body)
        assert kind(browser) == b"service"
        assert seen[0].endswith(b"\r\n\r\n" + body)


async def test_a_spare_that_hangs_has_its_share_of_the_time() -> None:
    """Then comes the next one."""
    spare = {**SERVICE, "timeout": 2, "share": 0.5}
    async with gateway_rig(running=False, **settings(spare, STATIC, timeouts={"total": 5})) as rig:
        rig.network.servers["a:1"] = rig.network.servers["t:1"] = hang
        assert kind(await send(rig)) == b"static"
        assert trio.current_time() == pytest.approx(5, abs=0.1)


async def test_a_spare_that_breaks_off_is_not_covered_up() -> None:
    """The client has a part of its response; it sees that it is incomplete."""

    async def half(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    async with gateway_rig(running=False, **settings(SERVICE, STATIC)) as rig:
        rig.network.servers["t:1"] = half
        browser = await send(rig)
        assert (browser.status, browser.body, browser.is_complete) == (200, b"half", False)


async def test_two_routes_that_are_each_other_s_fallback_end() -> None:
    """A fallback is a service; that service's own fallbacks do not count."""
    seen: list[bytes] = []
    there = {"prefix": "/api/audio/", "service": "audio-service", "path": "/", "fallbacks": [
        {"use": "service", "service": "translation-service"}]}  # fmt: skip
    back = {"prefix": "/api/t/", "service": "translation-service", "path": "/", "fallbacks": [
        {"use": "service", "service": "audio-service"}]}  # fmt: skip
    async with gateway_rig(running=False, routes=[there, back], retries=0) as rig:
        rig.network.servers["a:1"] = rig.network.servers["t:1"] = answering(status(500), seen=seen)
        assert (await send(rig)).status == 500
        assert len(seen) == 2


async def test_a_slow_client_of_a_static_response_is_given_up() -> None:
    """As of any other response: it has the gateway's time-out."""
    async with gateway_rig(running=False, **settings(STATIC, timeout=3)) as rig:
        browser = Browser("GET", "/api/audio/x", slow=True)
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        assert browser.sent == []
        assert trio.current_time() == pytest.approx(3, abs=0.1)
        assert rig.gateway.statistics().places == 0


async def test_a_response_translated_from_another_dialect_is_stored_too() -> None:
    """In the shape that the client gets."""
    cached = {**CACHED, "methods": ["POST"]}
    route = {"prefix": "/api/translate", "service": "translation-service", "path": "/api/translate"}
    given: dict[str, Any] = {"routes": [{**route, "fallbacks": [cached]}], "retries": 0}
    async with gateway_rig(running=False, **given) as rig:
        adapted(rig, translation={"dialect": "libretranslate"})
        good = ok(b'{"translatedText": "Hola"}', b"Content-Type: application/json")
        rig.network.servers["t:1"] = answering(good)
        asked = json.dumps({"text": "Hello", "target_language": "es"}).encode()
        kind_of_body = ((b"content-type", b"application/json"),)

        async def translate() -> Browser:
            return await send(rig, "POST", path="/api/translate", body=asked, headers=kind_of_body)

        first = await translate()
        assert json.loads(first.body)["translated_text"] == "Hola"
        del rig.network.servers["t:1"]
        second = await translate()
        assert (second.status, kind(second), second.body) == (200, b"cached", first.body)


async def responses(port: int, host: str, count: int) -> Sequence[bytes]:
    """Send requests over one connection; return the responses."""
    found = []
    async with await trio.open_tcp_stream(host, port) as stream:
        for _ in range(count):
            await stream.send_all(b"GET /api/audio/x HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while not received.endswith(b"!"):
                received += await stream.receive_some()
            found.append(received)
    return found


@pytest.mark.real_time
async def test_what_is_answered_at_once_is_stored_and_replaced_as_well() -> None:
    """Over real sockets, small responses take the short way: once 200, then 501, which the route replaces."""
    count = 0

    async def changing(stream: trio.abc.Stream) -> None:
        nonlocal count
        while await read_request(stream):
            count += 1
            good = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n%02d!" % count
            await stream.send_all(good if count < 4 else status(501))

    fallback = {**CACHED, "statuses": [501]}
    async with hosted(changing, **settings(fallback)) as (gateway, host, port):
        first, second, third, fourth = await responses(port, host, 4)
        assert [each[-3:] for each in (first, second, third, fourth)] == [b"01!", b"02!", b"03!", b"03!"]
        assert b"x-gateway-fallback: cached\r\n" in fourth
        assert b"cache-status: orchestration; fwd=stale; fwd-status=501; detail=status\r\n" in fourth
        assert b"x-gateway-fallback" not in first + second + third
        [figures] = gateway.statistics().fallbacks
        assert (figures.cached, figures.stored) == (1, 1)


async def test_prometheus_reads_the_kinds_of_fallbacks() -> None:
    """For each route that has some, from the start on."""
    async with gateway_rig(running=False, **settings(STATIC)) as rig:
        await send(rig)
        read = {
            (reading.name.name, *reading.labels): reading.value
            for reading in rig.gateway.readings()
            if "fallback" in reading.name.name
        }
        name = "orch_gateway_fallbacks_total"
        kinds = {kind: read[name, "/api/audio/", kind] for kind in ("service", "cached", "static", "none")}
        assert kinds == {"service": 0, "cached": 0, "static": 1, "none": 0}
        assert read["orch_gateway_fallbacks_active", "/api/audio/"] == 1
        assert ("orch_gateway_fallback_cache_bytes",) in read
