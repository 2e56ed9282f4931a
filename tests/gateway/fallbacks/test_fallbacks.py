"""What clients get when the service of a route with fallbacks fails, over memory streams."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import trio

from orch.gateway.fallbacks.episodes import CALM
from tests.fakes.gateway import Browser, GatewayRig, Serve, answering, gateway_rig, ok, read_request

CACHED: dict[str, Any] = {"use": "cached"}
STATIC: dict[str, Any] = {"use": "static", "response": "sorry"}
SERVICE: dict[str, Any] = {"use": "service", "service": "translation-service", "path": "/v2/"}


def settings(*fallbacks: dict[str, Any], **gateway: Any) -> dict[str, Any]:
    """Return the gateway's settings with one route that has these fallbacks."""
    more = {name: gateway.pop(name) for name in ("repeatable", "uploads", "timeouts") if name in gateway}
    route = {"prefix": "/api/audio/", "service": "audio-service", "path": "/api/", "fallbacks": fallbacks}
    return {
        "routes": [{**route, **more}],
        "static_responses": [{"name": "sorry", "status": 200, "body": '{"text": ""}'}],
        "retries": 0,
        **gateway,
    }


def status(code: int, *headers: bytes, body: bytes = b"no") -> bytes:
    lines = (b"HTTP/1.1 %d X" % code, b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def send(
    rig: GatewayRig,
    method: str = "GET",
    *,
    path: str = "/api/audio/x",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    body: bytes = b"",
    query: bytes = b"",
    client: str = "203.0.113.9",
) -> Browser:
    given = [(b"host", b"front.example"), *headers]
    browser = Browser(method, path, body, headers=given, query=query, client=(client, 5))
    await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
    assert rig.gateway._proxy.boundary.failures == 0, "nothing fails unseen after the response"
    return browser


def kind(browser: Browser) -> bytes | None:
    """Return the kind of fallback that a client got, None if it was none."""
    return browser.headers.get(b"x-gateway-fallback")


async def drop(stream: trio.abc.Stream) -> None:
    await read_request(stream)


async def hang(stream: trio.abc.Stream) -> None:
    await read_request(stream)
    await trio.sleep_forever()


async def half(stream: trio.abc.Stream) -> None:
    """Promise more than it sends."""
    await read_request(stream)
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")


async def no_head(stream: trio.abc.Stream) -> None:
    await read_request(stream)
    await stream.send_all(b"garbage\r\n\r\n")


FAILURES: dict[str, tuple[Callable[[GatewayRig], None], bytes]] = {
    "refused": (lambda rig: rig.network.servers.pop("a:1"), b"hit; detail=unavailable"),  # type: ignore[dict-item]
    "dead": (lambda rig: rig.health.down.add("http://a:1"), b"hit; detail=unavailable"),
    "lost": (lambda rig: rig.network.servers.update({"a:1": drop}), b"fwd=stale; detail=broken"),
    "garbage": (lambda rig: rig.network.servers.update({"a:1": no_head}), b"fwd=stale; detail=broken"),
    "hangs": (lambda rig: rig.network.servers.update({"a:1": hang}), b"fwd=stale; detail=timeout"),
    "500": (
        lambda rig: rig.network.servers.update({"a:1": answering(status(500))}),
        b"fwd=stale; fwd-status=500; detail=status",
    ),
    "503": (
        lambda rig: rig.network.servers.update({"a:1": answering(status(503, b"Retry-After: 9"))}),
        b"hit; fwd-status=503; detail=status",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_after_each_kind_of_failure_the_last_good_response_is_used(failure: str) -> None:
    """Marked as such, with its age; the first failure of the service still counts as one."""
    fail, cache_status = FAILURES[failure]
    async with gateway_rig(running=False, **settings(CACHED)) as rig:
        rig.network.servers["a:1"] = answering(ok(b"good", b"Content-Type: text/plain", b'ETag: "1"'))
        first = await send(rig)
        assert (first.status, kind(first)) == (200, None)
        await trio.sleep(60)
        fail(rig)
        stale = await send(rig)
        assert (stale.status, stale.body, kind(stale)) == (200, b"good", b"cached")
        assert stale.headers[b"cache-status"] == b"orchestration; " + cache_status
        assert 60 <= int(stale.headers[b"age"]) <= 91
        assert stale.headers[b"content-type"] == b"text/plain"
        assert stale.headers[b"etag"] == b'"1"'
        assert stale.headers[b"content-security-policy"] == b"sandbox; default-src 'none'"
        assert [name for name, _ in stale.sent[0]["headers"]].count(b"x-request-id") == 1
        [route] = rig.gateway.statistics().routes
        assert (route.requests, route.errors) == (2, 1), "fallbacks hide no failure from the figures"
        [figures] = rig.gateway.statistics().fallbacks
        assert (figures.cached, figures.none, figures.stored) == (1, 0, 1)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 410, 429, 501])
async def test_what_the_service_says_itself_is_never_replaced(code: int) -> None:
    """Otherwise a response would be shown that was deleted, or to which access was withdrawn."""
    async with gateway_rig(running=False, **settings(CACHED, STATIC)) as rig:
        rig.network.servers["a:1"] = answering(ok(b"good"))
        await send(rig)
        rig.network.servers["a:1"] = answering(status(code))
        refused = await send(rig)
        assert (refused.status, kind(refused)) == (code, None)
        rig.network.servers["a:1"] = answering(status(500))
        afterwards = await send(rig)
        keeps = code in (429, 501)
        assert kind(afterwards) == (b"cached" if keeps else b"static")


async def test_another_service_gets_the_request_without_the_credentials_of_the_first() -> None:
    """At its own path, with the body; its response is marked, and is not stored as the first one's."""
    seen: list[bytes] = []
    async with gateway_rig(running=False, **settings(SERVICE, CACHED, repeatable="always")) as rig:
        rig.network.servers["a:1"] = answering(status(500))
        rig.network.servers["t:1"] = answering(ok(b"other"), seen=seen)
        secret = ((b"authorization", b"Bearer s"), (b"x-api-key", b"s"), (b"x_api_key", b"s"))
        browser = await send(rig, "POST", body=b"data", query=b"a=1", headers=(*secret, (b"accept", b"*/*")))
        assert (browser.status, browser.body, kind(browser)) == (200, b"other", b"service")
        assert browser.headers[b"x-gateway-service"] == b"translation-service"
        assert browser.headers[b"x-gateway-attempts"] == b"1"
        assert seen[0].startswith(b"POST /v2/x?a=1 HTTP/1.1\r\n")
        assert seen[0].endswith(b"\r\n\r\ndata")
        assert b"accept: */*" in seen[0]
        assert b"Bearer" not in seen[0]
        assert b"api" not in seen[0].partition(b"\r\n")[2].lower()
        assert len(rig.gateway._proxy.fallbacks.cache) == 0
        rig.settings.change(
            orchestration={
                "gateway": settings({**SERVICE, "forward_authorization": True}, repeatable="always")
            }
        )
        await send(rig, "POST", body=b"data", headers=secret)
        assert b"authorization: Bearer s" in seen[1]


@pytest.mark.parametrize(
    ("method", "repeatable", "failure", "is_sent"),
    [
        ("POST", "safe", drop, False),
        ("POST", "safe", answering(status(500)), False),
        ("POST", "safe", answering(status(503, b"Retry-After: 1")), True),
        ("POST", "safe", None, True),
        ("POST", "always", drop, True),
        ("GET", "safe", drop, True),
        ("GET", "never", drop, False),
        ("GET", "never", None, True),
    ],
)
async def test_a_request_that_may_have_worked_is_repeated_elsewhere_only_if_it_may_be(
    method: str, repeatable: str, failure: Serve | None, *, is_sent: bool
) -> None:
    """An order that the first service has perhaps carried out must not be carried out by a second one."""
    seen: list[bytes] = []
    async with gateway_rig(running=False, **settings(SERVICE, repeatable=repeatable)) as rig:
        if failure is not None:
            rig.network.servers["a:1"] = failure
        rig.network.servers["t:1"] = answering(ok(), seen=seen)
        browser = await send(rig, method)
        assert bool(seen) is is_sent
        assert (kind(browser) == b"service") is is_sent
        assert browser.status == 200 if is_sent else browser.status >= 500


async def test_fallbacks_are_tried_in_their_order_and_the_last_resort_is_the_first_failure() -> None:
    """A service that fails, or wants other credentials, is no fallback; the client gets the first failure."""
    problem = status(500, b"X-Detail: first", body=b'{"error": 1}')
    async with gateway_rig(running=False, **settings(SERVICE, {**STATIC, "when": ["unavailable"]})) as rig:
        rig.network.servers["a:1"] = answering(problem)
        for failure in (status(500), status(401), status(403), status(429)):
            rig.network.servers["t:1"] = answering(failure)
            browser = await send(rig)
            assert (browser.status, browser.body) == (500, b'{"error": 1}')
            assert browser.headers[b"x-detail"] == b"first"
            assert browser.headers[b"x-gateway-service"] == b"audio-service"
            assert kind(browser) is None
        rig.network.servers["t:1"] = answering(status(404))
        assert (await send(rig)).status == 404, "that is a response, not a failure"
        del rig.network.servers["a:1"], rig.network.servers["t:1"]
        static = await send(rig)
        assert (static.status, kind(static), static.body) == (200, b"static", b'{"text": ""}')
        assert static.headers[b"cache-control"] == b"no-store"
        assert static.headers[b"content-type"] == b"application/json"
        [figures] = rig.gateway.statistics().fallbacks
        assert (figures.none, figures.service, figures.static) == (4, 1, 1)


async def test_without_a_usable_fallback_the_failure_is_passed_on_as_it_is() -> None:
    """A large error page is forwarded as it arrives, and nothing is stored or made up."""
    page = b"x" * 300_000
    async with gateway_rig(running=False, **settings(CACHED)) as rig:
        rig.network.servers["a:1"] = answering(status(502, body=page))
        browser = await send(rig)
        assert (browser.status, browser.body, kind(browser)) == (502, page, None)
        del rig.network.servers["a:1"]
        refused = await send(rig)
        assert (refused.status, json.loads(refused.body)["code"]) == (503, "service_unavailable")
        [figures] = rig.gateway.statistics().fallbacks
        assert (figures.none, figures.stored) == (2, 0)


async def test_a_held_back_error_page_is_bounded() -> None:
    """While another service is asked, 64 KiB of it are in memory at most."""
    async with gateway_rig(running=False, **settings(SERVICE)) as rig:
        rig.network.servers["a:1"] = answering(status(500, body=b"x" * 300_000))
        rig.network.servers["t:1"] = answering(status(500))
        refused = await send(rig)
        assert (refused.status, json.loads(refused.body)["code"]) == (502, "bad_gateway")


async def test_after_the_first_byte_nothing_takes_the_place_of_a_response() -> None:
    """It breaks off, which the client sees; and the part is not stored as a whole."""
    async with gateway_rig(running=False, **settings(CACHED, STATIC)) as rig:
        rig.network.servers["a:1"] = answering(ok(b"good"))
        await send(rig)
        rig.network.servers["a:1"] = half
        cut = await send(rig)
        assert (cut.status, cut.body, cut.is_complete) == (200, b"half", False)
        del rig.network.servers["a:1"]
        assert (await send(rig)).body == b"good"
        assert rig.gateway._proxy.fallbacks.cache.arriving == 0


async def test_a_client_that_leaves_gets_no_fallback() -> None:
    """And no other service is asked on its behalf; what had arrived is not stored."""
    seen: list[bytes] = []
    async with gateway_rig(running=False, **settings(SERVICE, STATIC)) as rig:
        rig.network.servers["a:1"] = hang
        rig.network.servers["t:1"] = answering(ok(), seen=seen)
        browser = Browser()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.gateway.proxy, browser.scope, browser.receive, browser.send)
            await trio.sleep(1)
            browser.leave()
        assert (browser.sent, seen) == ([], [])
        [figures] = rig.gateway.statistics().fallbacks
        assert (figures.service, figures.static, figures.none) == (0, 0, 0)


async def test_one_client_never_gets_what_another_one_is_allowed_to_see() -> None:
    """Responses are stored under all that the back end gets, credentials of any name included."""
    async with gateway_rig(running=False, **settings(CACHED)) as rig:
        rig.network.servers["a:1"] = answering(ok(b"alice's"))
        for header in (b"authorization", b"x-api-key", b"x-user", b"x-tenant"):
            await send(rig, headers=((header, b"alice"),))
        del rig.network.servers["a:1"]
        for header in (b"authorization", b"x-api-key", b"x-user", b"x-tenant"):
            assert (await send(rig, headers=((header, b"bob"),))).status == 503
            assert (await send(rig, headers=((header, b"alice"),))).body == b"alice's"
        assert (await send(rig)).status == 503


async def test_a_header_that_is_not_in_the_url_poisons_nothing() -> None:
    """A back end may put X-Forwarded-Host into links; the response is for requests to that host alone."""
    async with gateway_rig(running=False, **settings(CACHED)) as rig:
        rig.network.servers["a:1"] = answering(ok(b"links to evil.example"))
        browser = Browser("GET", "/api/audio/x", b"", headers=[(b"host", b"evil.example")])
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        await send(rig, headers=((b"x-lang", b"<script>"),))
        del rig.network.servers["a:1"]
        assert (await send(rig)).status == 503


async def test_responses_for_one_address_alone() -> None:
    """Where a back end responds according to the address, which is not part of the key otherwise."""
    for per, expected in (("credentials", 200), ("address", 503)):
        async with gateway_rig(running=False, **settings({**CACHED, "per": per})) as rig:
            rig.network.servers["a:1"] = answering(ok())
            await send(rig, client="203.0.113.9")
            del rig.network.servers["a:1"]
            assert (await send(rig, client="203.0.113.9")).status == 200
            assert (await send(rig, client="203.0.113.77")).status == expected


@pytest.mark.parametrize(
    "forbids",
    [
        b"Cache-Control: no-store",
        b"Cache-Control: max-age=60, PRIVATE",
        b"Cache-Control: no-cache",
        b'Cache-Control: no-cache="set-cookie"',
        b"Cache-Control: must-revalidate",
        b"Cache-Control: s-maxage=0",
        b'Cache-Control: x="y, no-store',
        b"Pragma: no-cache",
        b"Set-Cookie: a=1",
        b"Vary: *",
        b"Vary: accept, X-Forwarded-For",
    ],
)
async def test_what_must_not_be_stored_is_not_and_takes_the_place_of_what_was(forbids: bytes) -> None:
    """RFC 9111 §3, §4.2.4, and that a cookie makes a response personal."""
    async with gateway_rig(running=False, **settings(CACHED)) as rig:
        rig.network.servers["a:1"] = answering(ok(b"old"))
        await send(rig)
        rig.network.servers["a:1"] = answering(ok(b"secret", forbids))
        await send(rig)
        del rig.network.servers["a:1"]
        assert (await send(rig)).status == 503


async def test_the_end_of_a_connection_is_no_end_of_a_response() -> None:
    """What was cut off would look like the whole; so it is forwarded and not stored."""

    async def until_close(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\nperhaps all")

    async def chunked(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n0\r\n\r\n")

    async with gateway_rig(running=False, **settings(CACHED)) as rig:
        rig.network.servers["a:1"] = until_close
        assert (await send(rig)).body == b"perhaps all"
        rig.health.down.add("http://a:1")
        assert (await send(rig)).status == 503
        rig.health.down.clear()
        rig.network.servers["a:1"] = chunked
        await send(rig)
        rig.health.down.add("http://a:1")
        whole = await send(rig)
        assert (whole.body, whole.headers[b"content-length"]) == (b"all", b"3")


async def test_head_ranges_and_conditions_get_the_whole_or_its_head() -> None:
    """A part is never stored as the whole, nor is a response without a body."""
    async with gateway_rig(running=False, **settings({**CACHED, "max_age": 60})) as rig:
        rig.network.servers["a:1"] = answering(
            b"HTTP/1.1 206 P\r\nContent-Length: 2\r\nContent-Range: bytes 0-1/4\r\n\r\nwh"
        )
        part = ((b"range", b"bytes=0-1"),)
        assert (await send(rig, headers=part)).status == 206
        rig.network.servers["a:1"] = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        await send(rig, "HEAD")
        assert len(rig.gateway._proxy.fallbacks.cache) == 0
        rig.network.servers["a:1"] = answering(ok(b"whole", b'ETag: "1"'))
        await send(rig)
        rig.network.servers["a:1"] = answering(b'HTTP/1.1 304 N\r\nETag: "1"\r\n\r\n')
        await trio.sleep(40)
        condition = ((b"if-none-match", b'"1"'),)
        assert (await send(rig, headers=condition)).status == 304
        del rig.network.servers["a:1"]
        await trio.sleep(40)
        for headers in ((), part, condition):
            assert (await send(rig, headers=headers)).body == b"whole", "304 has confirmed it"
        head = await send(rig, "HEAD")
        assert (head.status, head.body, head.headers[b"content-length"]) == (200, b"", b"5")
        assert kind(head) == b"cached"


async def test_responses_to_post_are_stored_where_the_route_declares_it() -> None:
    """The body is part of the key; a large one is not stored."""
    for methods, expected in ((["GET"], 503), (["GET", "POST"], 200)):
        async with gateway_rig(running=False, **settings({**CACHED, "methods": methods})) as rig:
            rig.network.servers["a:1"] = answering(ok(b"Hola"))
            large = b"x" * 70_000
            await send(rig, "POST", body=b'{"text": "Hello"}')
            await send(rig, "POST", body=large)
            del rig.network.servers["a:1"]
            assert (await send(rig, "POST", body=b'{"text": "Hello"}')).status == expected
            assert (await send(rig, "POST", body=b'{"text": "Bye"}')).status == 503
            assert (await send(rig, "POST", body=large)).status == 503
            assert (await send(rig, "GET")).status == 503


async def test_a_request_that_changes_a_resource_drops_what_is_stored_of_it() -> None:
    """RFC 9111 §4.4; whatever the query. One that failed has changed nothing."""
    async with gateway_rig(running=False, **settings(CACHED)) as rig:
        rig.network.servers["a:1"] = answering(ok(b"old"))
        await send(rig, query=b"a=1")
        await send(rig, path="/api/audio/y")
        rig.network.servers["a:1"] = answering(status(409))
        await send(rig, "DELETE")
        assert len(rig.gateway._proxy.fallbacks.cache) == 2
        rig.network.servers["a:1"] = answering(b"HTTP/1.1 204 No\r\n\r\n")
        await send(rig, "DELETE")
        del rig.network.servers["a:1"]
        assert (await send(rig, query=b"a=1")).status == 503
        assert (await send(rig, path="/api/audio/y")).status == 200


@pytest.mark.parametrize("path", ["/api/sound/x", "/other/x"])
async def test_a_change_through_another_route_drops_what_is_stored_too(path: str) -> None:
    """The resource is that of the back end, whatever its routes are called and have as fallbacks."""
    given = settings(CACHED)
    given["routes"] += [
        {"prefix": "/api/sound/", "service": "audio-service", "path": "/api/", "fallbacks": [STATIC]},
        {"prefix": "/other/", "service": "audio-service", "path": "/api/"},
        {"prefix": "/third/", "service": "translation-service", "path": "/api/"},
    ]
    async with gateway_rig(running=False, **given) as rig:
        rig.network.servers["a:1"] = rig.network.servers["t:1"] = answering(ok(b"old"))
        await send(rig, query=b"a=1")
        await send(rig, "PUT", path="/third/x")  # of another service
        await send(rig, "PUT", path="/other/y")  # another resource
        assert len(rig.gateway._proxy.fallbacks.cache) == 1
        await send(rig, "PUT", path=path)
        assert len(rig.gateway._proxy.fallbacks.cache) == 0


async def test_a_post_that_changes_nothing_drops_nothing_whichever_way_it_comes() -> None:
    """The route that stores it says so; a PUT drops it."""
    given = settings({**CACHED, "methods": ["POST"]})
    given["routes"].append({"prefix": "/other/", "service": "audio-service", "path": "/api/"})
    async with gateway_rig(running=False, **given) as rig:
        rig.network.servers["a:1"] = answering(ok(b"old"))
        await send(rig, "POST", body=b"text")
        await send(rig, "POST", path="/other/x", body=b"text")
        assert len(rig.gateway._proxy.fallbacks.cache) == 1
        await send(rig, "PUT", path="/other/x", body=b"text")
        assert len(rig.gateway._proxy.fallbacks.cache) == 0


async def test_a_response_that_was_on_its_way_during_a_change_is_not_stored() -> None:
    """It may show what was there before."""
    arrived, go_on = trio.Event(), trio.Event()

    async def serve(stream: trio.abc.Stream) -> None:
        request = await read_request(stream)
        if request.startswith(b"GET"):
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\no")
            arrived.set()
            await go_on.wait()
            await stream.send_all(b"ld")
        else:
            await stream.send_all(b"HTTP/1.1 204 No\r\n\r\n")

    async with gateway_rig(running=False, **settings(CACHED)) as rig:
        rig.network.servers["a:1"] = serve
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, rig)
            await arrived.wait()
            assert (await send(rig, "PUT")).status == 204
            go_on.set()
        assert len(rig.gateway._proxy.fallbacks.cache) == 0
        await send(rig)
        assert len(rig.gateway._proxy.fallbacks.cache) == 1


async def test_a_request_with_its_fallbacks_ends_within_the_total_of_its_route() -> None:
    """Both services hang: the second one has its share, not a total of its own."""
    steps = [{**SERVICE, "share": 0.25}, STATIC]
    async with gateway_rig(running=False, **settings(*steps, timeouts={"total": 20})) as rig:
        rig.network.servers["a:1"] = rig.network.servers["t:1"] = hang
        began = trio.current_time()
        browser = await send(rig)
        assert trio.current_time() - began == pytest.approx(20, abs=0.1)
        assert kind(browser) == b"static"

        async def late(stream: trio.abc.Stream) -> None:
            await read_request(stream)
            await trio.sleep(4)
            await stream.send_all(ok(b"late"))

        rig.network.servers["t:1"] = late
        began = trio.current_time()
        browser = await send(rig)
        assert (kind(browser), browser.body) == (b"service", b"late")
        assert trio.current_time() - began == pytest.approx(19, abs=0.1)


async def test_a_fallback_has_what_the_first_service_left() -> None:
    """It failed early, so the other one may take longer than its share."""

    async def fail(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await trio.sleep(2)
        await stream.send_all(status(500))

    async def late(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await trio.sleep(17)
        await stream.send_all(ok(b"late"))

    async with gateway_rig(running=False, **settings(SERVICE, timeouts={"total": 20})) as rig:
        rig.network.servers.update({"a:1": fail, "t:1": late})
        assert (await send(rig)).body == b"late"
        rig.network.servers["t:1"] = hang
        began = trio.current_time()
        browser = await send(rig)
        assert browser.status == 500
        assert trio.current_time() - began == pytest.approx(20, abs=0.1)


async def test_after_a_time_out_without_a_share_no_other_service_is_asked() -> None:
    """There is no time left for it; the next fallback stands in."""
    seen: list[bytes] = []
    steps = [{**SERVICE, "share": 0}, STATIC]
    async with gateway_rig(running=False, **settings(*steps, timeouts={"total": 20})) as rig:
        rig.network.servers["a:1"] = hang
        rig.network.servers["t:1"] = answering(ok(), seen=seen)
        browser = await send(rig)
        assert (kind(browser), seen) == (b"static", [])


async def test_a_request_may_refuse_what_is_stored() -> None:
    """no-store, no-cache and stale-if-error of the request hold; a reload's max-age=0 does not count."""
    async with gateway_rig(running=False, **settings(CACHED)) as rig:
        rig.network.servers["a:1"] = answering(ok(b"good", b"Cache-Control: max-age=10"))
        await send(rig)
        await trio.sleep(50)
        del rig.network.servers["a:1"]
        for refusing in (b"no-store", b"no-cache", b"stale-if-error=30"):
            assert (await send(rig, headers=((b"cache-control", refusing),))).status == 503
        assert (await send(rig, headers=((b"pragma", b"no-cache"),))).status == 503
        for accepting in (b"max-age=0", b"stale-if-error=60"):
            stale = await send(rig, headers=((b"cache-control", accepting),))
            assert stale.status == 200
        assert b"; ttl=-4" in stale.headers[b"cache-status"]


@pytest.mark.limit(200)
async def test_a_stale_response_is_used_until_its_age_is_reached() -> None:
    """The operator's, or less if the back end says so."""
    async with gateway_rig(running=False, **settings({**CACHED, "max_age": 100})) as rig:
        short = ok(b"s", b"Cache-Control: max-age=10, stale-if-error=20", b"Age: 5")
        rig.network.servers["a:1"] = answering(short)
        await send(rig, path="/api/audio/short")
        rig.network.servers["a:1"] = answering(ok(b"l", b"Cache-Control: stale-if-error=9999, max-age=9999"))
        await send(rig, path="/api/audio/long")
        del rig.network.servers["a:1"]
        await trio.sleep(24)
        assert (await send(rig, path="/api/audio/short")).headers[b"age"] == b"29"
        await trio.sleep(1.5)
        assert (await send(rig, path="/api/audio/short")).status == 503
        assert (await send(rig, path="/api/audio/long")).status == 200
        await trio.sleep(80)
        assert (await send(rig, path="/api/audio/long")).status == 503


@pytest.mark.limit(200)
async def test_an_episode_has_one_event_at_its_beginning_and_one_at_its_end() -> None:
    """However many requests fail; one that fails now and then has one episode."""
    async with gateway_rig(running=False, **settings(CACHED, STATIC)) as rig:
        rig.network.servers["a:1"] = good = answering(ok(b"good"))
        await send(rig)
        for _ in range(3):
            rig.network.servers["a:1"] = answering(status(500))
            for _ in range(5):
                await send(rig)
            rig.network.servers["a:1"] = good
            await trio.sleep(CALM / 2)
            await send(rig)
        about = [event for event in rig.events.latest() if "fallback" in event.text]
        assert [event.severity for event in about] == ["warn"]
        assert rig.gateway.statistics().fallbacks[0].active_for is not None
        await trio.sleep(CALM)
        await send(rig)
        about = [event for event in rig.events.latest() if "fallback" in event.text]
        assert [event.severity for event in about] == ["ok", "warn"]
        assert "cached 15" in about[0].text
        assert rig.gateway.statistics().fallbacks[0].active_for is None


async def test_every_kind_of_fallback_ends() -> None:
    """The event and the log line at the end of an episode have all of them."""
    steps = [SERVICE, CACHED, {**STATIC, "when": ["unavailable"]}]
    async with gateway_rig(running=False, **settings(*steps)) as rig:
        rig.network.servers["a:1"] = rig.network.servers["t:1"] = good = answering(ok(b"good"))
        await send(rig)
        del rig.network.servers["a:1"]
        await send(rig)
        del rig.network.servers["t:1"]
        await send(rig)
        await send(rig, query=b"other")
        rig.network.servers["a:1"] = answering(status(500))
        await send(rig, query=b"other")
        rig.network.servers["a:1"] = good
        await trio.sleep(CALM + 1)
        browser = await send(rig)
        assert (browser.status, browser.is_complete) == (200, True)
        assert "cached 1, none 1, service 1, static 1" in rig.events.latest()[0].text


async def test_changed_settings_hold_at_once() -> None:
    """Fallbacks that are taken away are gone with what they stored; a smaller cache shrinks."""
    async with gateway_rig(running=False, **settings(CACHED)) as rig:
        rig.network.servers["a:1"] = answering(ok(b"x" * 1000))
        for number in range(5):
            await send(rig, query=b"%d" % number)
        cache = rig.gateway._proxy.fallbacks.cache
        assert len(cache) == 5
        small = settings(CACHED, fallback_cache={"max_entries": 2})
        rig.settings.change(orchestration={"gateway": small})
        assert rig.gateway.statistics().fallbacks[0].stored == 2
        rig.settings.change(orchestration={"gateway": settings(STATIC)})
        assert rig.gateway.statistics().fallbacks[0].stored == 0
        assert (len(cache), cache.bytes) == (0, 0)
        del rig.network.servers["a:1"]
        assert kind(await send(rig)) == b"static"
        rig.settings.change(orchestration={"gateway": settings()})
        assert (await send(rig)).status == 503
        assert rig.gateway.statistics().fallbacks == ()


async def test_the_explanation_says_what_is_tried_and_what_restricts_it() -> None:
    """By the method; and that there is no instance is not yet a 503."""
    steps = [SERVICE, {**CACHED, "when": ["timeout"]}, STATIC]
    async with gateway_rig(running=False, **settings(*steps)) as rig:

        def restrictions(method: str) -> list[str]:
            return [each.restriction for each in rig.gateway.explain("/api/audio/x", method).fallbacks]

        stored = "only if there is a stored response of the last 3600 s"
        assert restrictions("GET") == restrictions("HEAD") == ["", stored, ""]
        unsent = "only if no instance has worked on the request, as it is not repeatable"
        assert restrictions("POST") == [unsent, "never: responses to GET are stored", ""]
        other, cached, static = rig.gateway.explain("/api/audio/x", "GET").fallbacks
        assert (other.service, other.target) == ("translation-service", "/v2/x")
        assert (cached.when, cached.statuses, cached.target) == (("timeout",), (), None)
        assert (static.response, static.statuses) == ("sorry", (500, 502, 503, 504))
        rig.health.down.add("http://a:1")
        assert "the fallbacks are tried" in rig.gateway.explain("/api/audio/x", "GET").problem
        assert rig.gateway.explain("/api/audio/x", "GET", without=["http://a:1"]).fallbacks


async def test_a_route_without_fallbacks_stores_and_holds_nothing() -> None:
    """As before."""
    async with gateway_rig(running=False, **settings()) as rig:
        rig.network.servers["a:1"] = answering(ok(b"good"))
        await send(rig)
        rig.network.servers["a:1"] = answering(status(500))
        browser = await send(rig)
        assert (browser.status, browser.body) == (500, b"no")
        assert len(rig.gateway._proxy.fallbacks.cache) == 0
