"""The gateway as an ASGI application, over memory streams on a virtual clock."""

import json
from typing import Any

import pytest
import trio

from orch.gateway.response_headers import SECURITY
from tests.fakes.gateway import Browser, GatewayRig, answering, gateway_rig, ok, read_request

PROBLEM = b"application/problem+json"
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def through(rig: GatewayRig, browser: Browser) -> Browser:
    await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
    return browser


def told(browser: Browser) -> dict[str, Any]:
    """Return the problem document in the response."""
    assert browser.headers[b"content-type"] == PROBLEM
    assert int(browser.headers[b"content-length"]) == len(browser.body)
    assert browser.is_complete
    document: dict[str, Any] = json.loads(browser.body)
    assert document["status"] == browser.status
    return document


async def test_the_number_of_proxies_is_a_setting_that_applies_at_once() -> None:
    """From the settings to what a back end is sent."""
    seen: list[bytes] = []
    chain = [(b"host", b"front.example"), (b"x-forwarded-for", b"6.6.6.6, 198.51.100.7, 192.0.2.99")]
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(ok(), seen=seen)
        for hops in (0, 2):
            rig.settings.change(orchestration={"frontend": {"trusted_hops": hops}})
            browser = Browser(headers=chain, client=("127.0.0.1", 5))
            await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
    assert b"x-forwarded-for: 192.0.2.99, 127.0.0.1\r\n" in seen[0].lower()
    assert b"x-forwarded-for: 198.51.100.7, 192.0.2.99, 127.0.0.1\r\n" in seen[1].lower()


async def test_a_request_is_forwarded_and_the_response_names_the_service() -> None:
    """Path mapped, query unchanged, headers chosen; with the service, the attempts and the time."""
    seen: list[bytes] = []
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(ok(b"hi", b"Content-Type: text/plain"), seen=seen)
        browser = await through(
            rig,
            Browser(
                "GET",
                "/api/audio/a b",
                raw_path=b"/api/audio/a%20b",
                query=b"x=%2F&y=a+b",
                headers=[
                    (b"host", b"front.example"),
                    (b"connection", b"keep-alive, x-private"),
                    (b"x-private", b"1"),
                    (b"x-request-id", b"client-id"),
                    (b"accept", b"*/*"),
                    (b"via", b"1.1 fred"),
                    (b"traceparent", TRACE),
                    (b"tracestate", b"a=1"),
                ],
            ),
        )
        assert (browser.status, browser.body) == (200, b"hi")
        via = browser.headers[b"via"]
        assert via.startswith(b"1.1 orch-")
        assert browser.headers == {
            b"via": via,
            b"content-length": b"2",
            b"content-type": b"text/plain",
            b"x-request-id": b"client-id",
            b"x-gateway-service": b"audio-service",
            b"x-gateway-attempts": b"1",
            b"x-gateway-time": b"0.0",
            **dict(SECURITY),
        }
        assert rig.metrics.requests == [("audio-service", 200)]
        route = rig.gateway.statistics().routes[1]
        assert (route.prefix, route.requests, route.errors) == ("/api/audio/", 1, 0)
    assert seen[0].split(b"\r\n")[:-2] == [
        b"GET /api/a%20b?x=%2F&y=a+b HTTP/1.1",
        b"host: a:1",
        b"accept: */*",
        b"x-forwarded-for: 203.0.113.9",
        b"x-forwarded-proto: http",
        b"x-forwarded-host: front.example",
        b"x-request-id: client-id",
        b"via: 1.1 fred, " + via,
        b"traceparent: " + TRACE,
        b"tracestate: a=1",
    ]


async def test_a_request_that_comes_back_gets_508() -> None:
    """An instance's URL leads back here: the second pass ends it, and the instance is not blamed."""
    seen: list[bytes] = []
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(ok(), seen=seen)
        await through(rig, Browser())
        headers = [
            (name.lower(), value)
            for line in seen[0].split(b"\r\n")[1:-2]
            for name, _, value in [line.partition(b": ")]
        ]
        browser = await through(rig, Browser(headers=headers))
        assert browser.status == 508
        assert told(browser)["code"] == "loop_detected"
        assert len(seen) == 1
        assert rig.gateway.statistics().instances[0].errors == 0


@pytest.mark.parametrize("path", ["/api/audio/x", "/api/nowhere", "/api/audio/%252e%252e"])
async def test_every_response_is_an_inert_document(path: str) -> None:
    """A back end's page in a browser runs no script, has no origin and sets nothing; a problem is no more."""
    page = ok(
        b"<script>fetch('/api/config')</script>",
        b"Content-Type: text/html",
        b"Set-Cookie: a=1",
        b"Location: http://a:1/api/next",
        b"Content-Security-Policy: default-src *",
    )
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(page)
        browser = Browser(path=path)
        browser.scope["root_path"] = "/sub"
        await through(rig, browser)
        for name, value in SECURITY:
            assert [held for said, held in browser.sent[0]["headers"] if said == name] == [value]
        assert b"set-cookie" not in browser.headers
        if browser.status == 200:
            assert browser.headers[b"location"] == b"/sub/api/audio/next"


async def test_the_rest_of_a_refused_body_is_read() -> None:
    """Otherwise a server that waits for its application to read (Hypercorn) would not send the response."""
    async with gateway_rig(max_body_bytes=1000) as rig:
        browser = Browser("POST", "/api/audio/x", *[b"x" * 600] * 20)
        browser.pieces[-1] = b"end"
        assert told(await through(rig, browser))["code"] == "body_too_large"
        assert not browser.pieces
        assert trio.current_time() < 1

        class Endless(Browser):
            async def receive(self) -> dict[str, Any]:
                await trio.sleep(0.1)
                return {"type": "http.request", "body": b"x" * 600, "more_body": True}

        assert told(await through(rig, Endless("POST")))["code"] == "body_too_large"
        assert trio.current_time() < 7


async def test_the_time_is_in_milliseconds() -> None:
    """Until the response's head."""

    async def slow(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await trio.sleep(0.25)
        await stream.send_all(ok())

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = slow
        assert (await through(rig, Browser())).headers[b"x-gateway-time"] == b"250.0"


async def test_the_number_of_attempts_is_in_the_response() -> None:
    """One lost and one successful attempt make two."""

    async def lose(stream: trio.abc.Stream) -> None:
        await read_request(stream)

    async with gateway_rig("http://a:1", "http://b:1") as rig:
        rig.network.servers["a:1"], rig.network.servers["b:1"] = lose, answering(ok())
        assert (await through(rig, Browser())).headers[b"x-gateway-attempts"] == b"2"


@pytest.mark.parametrize(
    ("browser", "status", "code"),
    [
        (Browser(path="/api/nowhere"), 404, "not_found"),
        (Browser(path="/api/audio/x", raw_path=b"/api/audio/..%2fx"), 400, "invalid_request"),
        (Browser(path="/api/audio/x", raw_path=b"/api/audio/%2e%2e/services/restart"), 404, "not_found"),
        (Browser("TRACE"), 405, "method_not_allowed"),
        (Browser("CONNECT"), 405, "method_not_allowed"),
        (Browser(query=b"a b"), 400, "invalid_request"),
        (
            Browser("POST", headers=[(b"content-length", b"1"), (b"content-length", b"2")]),
            400,
            "invalid_request",
        ),
        (Browser("POST", "/api/audio/x", b"ab", headers=[(b"content-length", b"3")]), 400, "invalid_request"),
        (
            Browser("POST", "/api/audio/x", b"abcd", headers=[(b"content-length", b"3")]),
            400,
            "invalid_request",
        ),
        (Browser("POST", headers=[(b"content-length", b"1001")]), 413, "body_too_large"),
        (Browser("POST", "/api/audio/x", b"x" * 1001), 413, "body_too_large"),
        (Browser("POST", "/api/audio/x", b"x" * 600, b"x" * 600), 413, "body_too_large"),
        (Browser(path="/api/translate"), 503, "service_unavailable"),
    ],
)
async def test_a_request_that_cannot_be_forwarded_is_a_problem(
    browser: Browser, status: int, code: str
) -> None:
    """Never HTML, never empty; and none of it counts against a back end that was not at fault."""

    async def swallow(stream: trio.abc.Stream) -> None:
        while await stream.receive_some(65_536):
            pass

    async with gateway_rig(max_body_bytes=1000, retries=0) as rig:
        rig.network.servers["a:1"] = swallow
        await through(rig, browser)
        document = told(browser)
        assert (browser.status, document["code"]) == (status, code)
        assert document["instance"] == "made-id"
        assert browser.headers[b"x-request-id"] == b"made-id"
        assert rig.gateway.statistics().instances[0].consecutive_failures == 0
        if code == "service_unavailable":
            assert document["service"] == "translation-service"
            assert "translation-service" in document["detail"]


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (b"garbage\r\n", 502, "bad_gateway"),
        (b"", 502, "bad_gateway"),
        (None, 504, "gateway_timeout"),
    ],
)
async def test_a_back_end_that_fails_is_named(answer: bytes | None, status: int, code: str) -> None:
    """Garbage and silence: 502 and 504, the service named in words and in the header."""

    async def serve(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        if answer is None:
            await trio.sleep_forever()
        await stream.send_all(answer or b"")

    async with gateway_rig(retries=0, timeout=3) as rig:
        rig.network.servers["a:1"] = serve
        browser = await through(rig, Browser())
        document = told(browser)
        assert (browser.status, document["code"], document["service"]) == (status, code, "audio-service")
        assert document["detail"].startswith("The audio-service ")
        assert browser.headers[b"x-gateway-service"] == b"audio-service"
        assert browser.headers[b"x-gateway-attempts"] == b"1"
        assert rig.gateway.statistics().errors == 1
        assert rig.gateway.statistics().instances[0].consecutive_failures == 1


async def test_a_problem_to_a_head_request_has_no_body() -> None:
    """Its headers are those of a GET."""
    async with gateway_rig(retries=0) as rig:
        browser = await through(rig, Browser("HEAD"))
        assert browser.status == 503
        assert browser.body == b""
        assert browser.is_complete


async def test_retry_after_goes_with_an_open_breaker() -> None:
    """In whole seconds."""
    async with gateway_rig(retries=0) as rig:
        for _ in range(5):
            await through(rig, Browser())
        browser = await through(rig, Browser())
        assert browser.headers[b"retry-after"] == b"10"
        assert b"x-gateway-attempts" not in browser.headers


async def test_a_request_is_sent_to_the_back_end_when_it_is_complete() -> None:
    """Until then an upload uses no connection; then it arrives with its length."""

    class Slow(Browser):
        async def receive(self) -> dict[str, Any]:
            await trio.sleep(1)
            return await super().receive()

    seen: list[bytes] = []
    async with gateway_rig() as rig, trio.open_nursery() as nursery:
        rig.network.servers["a:1"] = answering(ok(), seen=seen)
        browser = Slow("POST", "/api/audio/x", *[b"%d" % n * 3 for n in range(5)], headers=[])
        nursery.start_soon(through, rig, browser)
        await trio.sleep(4.5)
        assert rig.network.opened["a:1"] == 0
        assert rig.gateway.statistics().places == 1
        assert [lane.busy for lane in rig.gateway.statistics().instances[0].lanes] == [0, 0]
        await trio.sleep(1)
        assert browser.status == 200
        assert seen[0].endswith(b"content-length: 15\r\n\r\n000111222333444")
        assert rig.gateway.statistics().places == 0
        # What the client took is not the back end's time.
        assert (rig.gateway.statistics().p95_ms or 0) < 1


@pytest.mark.parametrize(
    ("headers", "pieces"),
    [
        ([(b"transfer-encoding", b"chunked")], [b"ab", b"cd"]),
        ([(b"transfer-encoding", b"chunked"), (b"content-length", b"9")], [b"ab"]),
        ([(b"content-length", b"4"), (b"expect", b"100-continue")], [b"ab", b"cd"]),
        ([], [b"abcd"]),
        ([], [b"ab", b"cd"]),
        ([], [b""]),
    ],
)
async def test_a_body_is_forwarded_with_its_length(
    headers: list[tuple[bytes, bytes]], pieces: list[bytes]
) -> None:
    """It is complete by then, even if it arrived in chunks, which many servers cannot read."""
    seen: list[bytes] = []
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(ok(), seen=seen)
        assert (await through(rig, Browser("POST", "/api/audio/x", *pieces, headers=headers))).status == 200
    head, _, body = seen[0].partition(b"\r\n\r\n")
    told = (b"content-length", b"transfer-", b"expect")
    lines = [line for line in head.split(b"\r\n") if line.startswith(told)]
    assert lines == [b"content-length: %d" % len(body)]
    assert body == b"".join(pieces)


async def test_a_response_is_forwarded_as_it_arrives() -> None:
    """Each chunk is forwarded when it arrives, not when the response is complete."""

    async def ticking(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            await stream.send_all(b"1\r\n%d\r\n" % number)
            await trio.sleep(1)
        await stream.send_all(b"0\r\n\r\n")

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = ticking
        browser = Browser()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(through, rig, browser)
            for number in range(3):
                await trio.sleep(0.5)
                assert browser.body == b"012"[: number + 1]
                await trio.sleep(0.5)
        assert browser.is_complete
        assert b"content-length" not in browser.headers
        assert b"transfer-encoding" not in browser.headers


async def test_a_slow_reader_slows_the_back_end() -> None:
    """At most one piece is read from the back end ahead of the client."""
    async with gateway_rig(timeout=1000) as rig:
        pieces = 0

        async def flood(stream: Any) -> None:
            nonlocal pieces
            await read_request(stream)
            await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                await stream.send_all(b"1\r\nx\r\n")
                pieces += 1
                await trio.sleep(1)

        rig.network.servers["a:1"] = flood
        browser = Browser(slow=True)
        assert browser.gate is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(through, rig, browser)
            await trio.sleep(50)
            assert browser.sent == []
            browser.gate.release()
            await trio.sleep(0.5)
            assert [message["type"] for message in browser.sent] == ["http.response.start"]
            assert pieces > 50
            browser.gate.release()
            await trio.sleep(0.5)
            assert len(browser.body) < 60
            browser.leave()


async def test_a_response_that_breaks_off_is_forwarded_incomplete() -> None:
    """No last body event: a server closes such a connection, and the client knows that it has not all."""

    async def half(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(ok(b"x" * 10)[:-5])

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = half
        browser = await through(rig, Browser())
        assert (browser.status, browser.body) == (200, b"xxxxx")
        assert not browser.is_complete
        assert rig.metrics.requests == [("audio-service", 502)]
        assert rig.gateway.statistics().instances[0].consecutive_failures == 1


async def test_a_stalled_response_is_cut_short_at_the_time_out() -> None:
    """The time-out covers the whole response."""

    async def stall(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(ok(b"x" * 10)[:-5])
        await trio.sleep_forever()

    async with gateway_rig(timeout=4) as rig:
        rig.network.servers["a:1"] = stall
        browser = await through(rig, Browser())
        assert trio.current_time() == pytest.approx(4)
        assert not browser.is_complete
        assert rig.metrics.requests == [("audio-service", 504)]
        assert rig.gateway.statistics().instances[0].consecutive_failures == 1


async def test_a_disconnect_ends_the_request_at_the_back_end() -> None:
    """Whether it waits for the head or reads the body; it counts as 499, not against the instance."""
    ended = 0

    async def slow(stream: trio.abc.Stream) -> None:
        nonlocal ended
        await read_request(stream)
        if await stream.receive_some(1) == b"":
            ended += 1

    async def endless(stream: trio.abc.Stream) -> None:
        nonlocal ended
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        if await stream.receive_some(1) == b"":
            ended += 1

    async with gateway_rig() as rig:
        for number, serve in enumerate((slow, endless), 1):
            rig.network.servers["a:1"] = serve
            browser = Browser()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(through, rig, browser)
                await trio.sleep(1)
                browser.leave()
            await trio.testing.wait_all_tasks_blocked()
            assert ended == number
        assert rig.metrics.requests == [("audio-service", 499), ("audio-service", 200)]
        assert rig.gateway.statistics().errors == 0
        assert rig.gateway.statistics().in_flight == 0
        assert rig.gateway.statistics().instances[0].consecutive_failures == 0
        assert rig.network.open == 0


async def test_a_disconnect_during_the_upload_reaches_no_back_end() -> None:
    """The incomplete upload is not mistaken for a complete one."""

    class Leaving(Browser):
        async def receive(self) -> dict[str, Any]:
            if len(self.pieces) == 1:
                await trio.sleep(1)
                return {"type": "http.disconnect"}
            return await super().receive()

    async with gateway_rig() as rig:
        await through(rig, Leaving("POST", "/api/audio/x", b"ab", b"cd", b"ef"))
        assert rig.network.opened["a:1"] == 0
        assert rig.metrics.requests == [("audio-service", 499)]
        assert rig.gateway.statistics().places == 0


async def test_a_client_that_does_not_send_times_out_without_a_failure_of_the_back_end() -> None:
    """408, not 504: nothing was wrong with the service."""

    class Hesitant(Browser):
        async def receive(self) -> dict[str, Any]:
            if len(self.pieces) == 1:
                await trio.sleep_forever()
            return await super().receive()

    async def collect(stream: trio.abc.Stream) -> None:
        while await stream.receive_some(65_536):
            pass

    async with gateway_rig(timeout=5) as rig:
        rig.network.servers["a:1"] = collect
        for pieces in ([b"ab", b"cd"], [b"ab"]):
            browser = await through(rig, Hesitant("POST", "/api/audio/x", *pieces))
            assert told(browser)["code"] == "request_timeout"
        assert rig.gateway.statistics().instances[0].consecutive_failures == 0


async def test_an_oserror_of_the_server_counts_as_a_disconnect() -> None:
    """ASGI lets ``send`` raise OSError then."""

    class Broken(Browser):
        async def send(self, message: Any) -> None:
            raise BrokenPipeError

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(ok())
        await through(rig, Broken())
        await through(rig, Broken(path="/api/nowhere"))
        assert rig.gateway.statistics().in_flight == 0


async def test_an_unexpected_error_is_an_internal_error() -> None:
    """One request's fault ends that request, with its id to look for in the log."""
    async with gateway_rig() as rig:
        rig.network.failure = ZeroDivisionError()
        assert told(await through(rig, Browser()))["code"] == "internal_error"
        assert rig.gateway.statistics().instances[0].in_flight == 0


@pytest.mark.real_time
async def test_an_interrupted_upload_is_repeated_on_another_instance() -> None:
    """The second instance gets all of it, from the first byte on; a large one as well, from the disk."""

    async def lose_early(stream: trio.abc.Stream) -> None:
        await stream.receive_some(65_536)

    seen: list[bytes] = []
    for pieces in ([b"ab", b"cd", b"ef"], [b"%d" % n * 65_536 for n in range(9)]):
        async with gateway_rig("http://a:1", "http://b:1") as rig:
            rig.network.servers["a:1"] = lose_early
            rig.network.servers["b:1"] = answering(ok(), seen=seen)
            browser = await through(rig, Browser("PUT", "/api/audio/x", *pieces))
            assert browser.status == 200
            assert browser.headers[b"x-gateway-attempts"] == b"2"
        assert seen[-1].partition(b"\r\n\r\n")[2] == b"".join(pieces)


async def test_a_client_that_does_not_read_is_cut_off_without_a_failure_of_the_back_end() -> None:
    """At the time-out, only the client was being waited for."""
    async with gateway_rig(timeout=5) as rig:
        rig.network.servers["a:1"] = answering(ok(b"x" * 1000))
        browser = Browser(slow=True)
        assert browser.gate is not None
        browser.gate.release()
        await through(rig, browser)
        assert trio.current_time() == pytest.approx(5)
        assert not browser.is_complete
        assert rig.gateway.statistics().instances[0].consecutive_failures == 0
