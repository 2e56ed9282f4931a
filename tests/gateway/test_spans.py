"""The spans of requests through the gateway, over memory streams on a virtual clock."""

from typing import Any

import pytest
import structlog
import trio
import trio.testing
from websockets.http11 import Request

from orch.gateway.flows import Flow
from orch.telemetry.traces import Span, Tracer
from orch.telemetry.traces.http import known_method, span_name
from tests.fakes.gateway import Browser, GatewayRig, answering, gateway_rig, ok, read_request
from tests.fakes.proxied_sockets import Visitor, accepting, echo
from tests.fakes.spans import Recorded, sent_parents
from tests.gateway.sockets.test_socket_relay import visiting

A, B = "http://a:1", "http://b:1"
TRACE, ABOVE = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
RECORDED = f"00-{TRACE}-{ABOVE}-01".encode()
NOT_RECORDED = f"00-{TRACE}-{ABOVE}-00".encode()


async def send(rig: GatewayRig, browser: Browser) -> Browser:
    await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
    return browser


def asking(*headers: tuple[bytes, bytes], method: str = "GET", path: str = "/api/audio/hidden") -> Browser:
    return Browser(method, path, headers=[(b"host", b"front.example"), *headers], query=b"key=hidden")


async def test_a_request_is_a_span_and_its_try_one_below_it() -> None:
    """With the words of the semantic conventions; the back end's work is a part of the try."""
    made = Recorded()
    seen: list[bytes] = []
    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.network.servers["a:1"] = answering(ok(), seen=seen)
        await send(rig, asking())
    made.check()
    assert made.tree() == ["server GET /api/audio/", "  client GET"]
    assert made.of_kind("server") == [
        {
            "http.request.method": "GET",
            "http.route": "/api/audio/",
            "http.response.status_code": 200,
            "orch.service": "audio-service",
            "orch.tries": 1,
            "orch.request_id": "made-id",
        }
    ]
    (attempt,) = made.of_kind("client")
    assert attempt == {
        "http.request.method": "GET",
        "server.address": "a",
        "server.port": 1,
        "orch.service": "audio-service",
        "orch.instance": A,
        "orch.try": 1,
        "http.response.status_code": 200,
        "orch.outcome": "succeeded",
    }
    (client,) = (each for each in made.spans if each.kind == "client")
    assert sent_parents(seen) == [client.traceparent.encode()]
    assert rig.metrics.traces == [client.trace_id]


async def test_a_caller_s_trace_goes_on_through_the_gateway() -> None:
    """Its span is the parent of ours, ours that of the back end's; its ``tracestate`` passes."""
    made = Recorded(ratio=0.0)
    seen: list[bytes] = []
    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.network.servers["a:1"] = answering(ok(), seen=seen)
        await send(rig, asking((b"traceparent", RECORDED), (b"tracestate", b"v=1")))
    made.check()
    server, client = sorted(made.spans, key=lambda span: span.kind, reverse=True)
    assert (server.trace_id, str(server.parent)) == (TRACE, RECORDED.decode())
    assert client.parent == server.context
    assert sent_parents(seen) == [client.traceparent.encode()]
    assert seen[0].count(b"tracestate: v=1") == 1


@pytest.mark.parametrize("headers", [[], [(b"traceparent", NOT_RECORDED)], [(b"traceparent", b"nonsense")]])
async def test_what_is_not_recorded_passes_as_without_traces(headers: list[tuple[bytes, bytes]]) -> None:
    """No span, no example of a metric; a caller's context reaches the back end as it was."""
    made = Recorded(ratio=0.0)
    seen: list[bytes] = []
    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.network.servers["a:1"] = answering(ok(), seen=seen)
        await send(rig, asking(*headers))
        assert rig.metrics.traces == [""]
    assert made.spans == []
    (parent,) = sent_parents(seen)
    assert parent.endswith(b"-00")
    assert (parent == NOT_RECORDED) == (headers == [(b"traceparent", NOT_RECORDED)])


async def test_a_caller_beyond_the_limit_has_its_context_passed_on_unchanged() -> None:
    """Its own trace has no hole but ours; what it may not do is fill our collector."""
    spans: list[Span] = []
    seen: list[bytes] = []
    tracer = Tracer(spans.append, callers_per_second=lambda: 1.0)
    async with gateway_rig(A, tracer=tracer) as rig:
        rig.network.servers["a:1"] = answering(ok(), seen=seen)
        for _ in range(3):
            await send(rig, asking((b"traceparent", RECORDED)))
    assert [each.kind for each in spans] == ["client", "server"]
    assert sent_parents(seen)[1:] == [RECORDED, RECORDED]


async def test_several_contexts_are_none() -> None:
    """W3C Trace Context §3.2: a trace begins."""
    made = Recorded()
    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.network.servers["a:1"] = answering(ok())
        await send(rig, asking((b"traceparent", RECORDED), (b"traceparent", RECORDED)))
    made.check()
    assert all(each.trace_id != TRACE for each in made.spans)


async def test_a_retry_is_a_span_of_its_own() -> None:
    """Each with its instance, its number, and why the first one failed."""
    made = Recorded()
    seen: list[bytes] = []

    async def lose(stream: trio.abc.Stream) -> None:
        seen.append(await read_request(stream))

    async with gateway_rig(A, B, tracer=made.tracer) as rig:
        rig.network.servers["a:1"] = lose
        rig.network.servers["b:1"] = answering(ok(), seen=seen)
        browser = await send(rig, asking())
        assert browser.status == 200
    made.check()
    assert made.tree() == ["server GET /api/audio/", "  client GET", "  client GET"]
    first, second = made.of_kind("client")
    assert (first["orch.instance"], first["orch.try"], first["orch.outcome"]) == (A, 1, "doubtful")
    assert first["error.type"] == "doubtful"
    assert "http.request.resend_count" not in first
    assert (second["orch.instance"], second["orch.try"], second["orch.try_kind"]) == (B, 2, "retry")
    assert (second["http.request.resend_count"], second["http.response.status_code"]) == (1, 200)
    failed = [each for each in made.spans if each.failure is not None]
    assert [(each.kind, each.failure) for each in failed] == [
        ("client", "the connection was closed without a response")
    ]
    assert len(set(sent_parents(seen))) == 2
    assert made.of_kind("server")[0]["orch.tries"] == 2


async def test_a_hedge_is_a_span_beside_the_first_try() -> None:
    """The one that was overtaken says so, and is no failure."""
    made = Recorded()
    seen: list[bytes] = []

    async def slow(stream: trio.abc.Stream) -> None:
        seen.append(await read_request(stream))
        await stream.receive_some(1)  # until the gateway closes it

    route = {
        "prefix": "/api/audio/",
        "service": "audio-service",
        "path": "/api/",
        "repeatable": "always",
        "hedging": {"extra": 1, "percentile": 0, "delay": 0.2},
    }
    async with gateway_rig(A, B, tracer=made.tracer, routes=[route]) as rig:
        rig.network.servers["a:1"] = slow
        rig.network.servers["b:1"] = answering(ok(), seen=seen)
        browser = await send(rig, asking(method="POST"))
        assert browser.status == 200
    made.check()
    assert made.tree() == ["server POST /api/audio/", "  client POST", "  client POST"]
    first, second = made.of_kind("client")
    assert (first["orch.superseded"], first["orch.outcome"]) == (True, "blameless")
    assert (second["orch.try_kind"], second["orch.try"], second["orch.outcome"]) == ("hedge", 2, "succeeded")
    assert all(each.failure is None for each in made.spans)
    began = sorted(each.began for each in made.spans if each.kind == "client")
    assert began[1] - began[0] == pytest.approx(0.2)
    assert len(set(sent_parents(seen))) == 2


async def test_a_client_that_leaves_ends_the_spans_and_is_no_failure() -> None:
    """The try is ended with it."""
    made = Recorded()

    async def slow(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.receive_some(1)

    async with gateway_rig(A, tracer=made.tracer) as rig, trio.open_nursery() as nursery:
        rig.network.servers["a:1"] = slow
        browser = asking()
        nursery.start_soon(send, rig, browser)
        await trio.sleep(1)
        assert made.spans == []
        browser.leave()
    made.check()
    assert made.tree() == ["server GET /api/audio/", "  client GET"]
    assert made.of_kind("server")[0]["orch.cancelled"] is True
    assert "http.response.status_code" not in made.of_kind("server")[0]
    assert made.of_kind("client")[0]["orch.cancelled"] is True
    assert all(each.failure is None for each in made.spans)
    assert all(each.ended is not None and each.ended - each.began == pytest.approx(1) for each in made.spans)


async def test_a_cancelled_connection_ends_the_spans() -> None:
    """As at the end of the process."""
    made = Recorded()

    async def slow(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await trio.sleep_forever()

    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.network.servers["a:1"] = slow
        with trio.move_on_after(1):
            await send(rig, asking())
    made.check()
    assert len(made.spans) == 2


@pytest.mark.parametrize(("status", "is_failure"), [(b"500 Bad", True), (b"404 None", False)])
async def test_a_status_is_a_failure_as_the_conventions_say(status: bytes, is_failure: bool) -> None:  # noqa: FBT001
    """4xx is one of the client's span, 5xx of both."""
    made = Recorded()
    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.network.servers["a:1"] = answering(ok(status=status))
        await send(rig, asking())
    made.check()
    failed = {each.kind: each.failure is not None for each in made.spans}
    assert failed == {"server": is_failure, "client": True}
    assert {each.attributes["error.type"] for each in made.spans if each.failure is not None} == {
        status[:3].decode()
    }


async def test_a_request_that_finds_no_instance_has_a_span_without_tries() -> None:
    """With the code of its problem."""
    made = Recorded()
    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.health.down.add(A)
        await send(rig, asking())
    made.check()
    (server,) = made.spans
    assert (server.attributes["error.type"], server.failure) == ("service_unavailable",) * 2
    assert (server.attributes["orch.tries"], server.attributes["http.response.status_code"]) == (0, 503)


async def test_a_path_without_a_route_has_no_route_in_its_span() -> None:
    """Nor the path itself, which is the client's."""
    made = Recorded()
    async with gateway_rig(A, tracer=made.tracer) as rig:
        await send(rig, asking(path="/elsewhere/hidden"))
    made.check()
    assert [each.name for each in made.spans] == ["GET"]


async def test_a_response_that_breaks_off_is_a_failure() -> None:
    """Although its head said 200."""
    made = Recorded()
    broken = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000

    async def serve(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(broken)

    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.network.servers["a:1"] = serve
        await send(rig, asking())
    made.check()
    (server,) = (each for each in made.spans if each.kind == "server")
    assert (server.failure, server.attributes["http.response.status_code"]) == ("the response broke off", 200)
    assert server.attributes["error.type"] == "bad_gateway"


async def test_an_invented_method_is_not_a_name() -> None:
    """Names of spans have few values, whatever clients send."""
    assert (span_name("HIDDEN", "/api/audio/"), known_method("HIDDEN")) == ("HTTP /api/audio/", "_OTHER")
    made = Recorded()
    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.network.servers["a:1"] = answering(ok())
        await send(rig, asking(method="hidden"))
    made.check()


async def test_the_log_has_the_trace_of_a_recorded_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no longer than the request lasts: the next one of the connection is another trace."""
    made = Recorded()
    seen: list[Any] = []

    async def serve(stream: trio.abc.Stream) -> None:
        await read_request(stream)

    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.network.servers["a:1"] = serve
        monkeypatch.setattr(
            rig.health,
            "note_failure",
            lambda *_: seen.append(structlog.contextvars.get_contextvars().get("trace_id")),
        )
        await send(rig, asking(method="POST"))
        assert "trace_id" not in structlog.contextvars.get_contextvars()
    assert set(seen) == {made.spans[0].trace_id}


async def test_a_request_of_our_own_has_tries_below_the_span_that_its_caller_names() -> None:
    """Without one it has none: what a part of the service begins is its own to say."""
    made = Recorded()
    seen: list[bytes] = []
    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.network.servers["a:1"] = answering(ok(), seen=seen)
        above = made.tracer.start("speech.transcribe")
        assert above is not None
        headers = [(b"traceparent", above.traceparent.encode())]
        await rig.gateway.fetch("audio-service", "POST", "/api/transcribe", headers=headers, body=b"x")
        above.end()
        await rig.gateway.fetch("audio-service", "POST", "/api/transcribe", body=b"x", flow=Flow.CAPTIONS)
        unrecorded = [(b"traceparent", NOT_RECORDED)]
        await rig.gateway.fetch("audio-service", "POST", "/api/transcribe", headers=unrecorded, body=b"x")
    made.check()
    assert made.tree() == ["internal speech.transcribe", "  client POST"]
    (client,) = (each for each in made.spans if each.kind == "client")
    assert sent_parents(seen) == [client.traceparent.encode(), NOT_RECORDED]
    assert rig.metrics.traces == [above.trace_id, "", ""]


async def test_a_fallback_at_another_service_is_below_the_same_request() -> None:
    """The trace shows both services and which one the client got."""
    made = Recorded()
    route = {
        "prefix": "/api/audio/",
        "service": "audio-service",
        "path": "/api/",
        "fallbacks": [{"use": "service", "service": "translation-service"}],
    }
    async with gateway_rig(A, tracer=made.tracer, routes=[route]) as rig:
        rig.network.servers["t:1"] = answering(ok())
        browser = await send(rig, asking())
        assert browser.status == 200
    made.check()
    services = [each["orch.service"] for each in made.of_kind("client")]
    assert services[-1] == "translation-service"
    assert set(services[:-1]) == {"audio-service"}
    (server,) = made.of_kind("server")
    assert (server["orch.fallback"], server["http.response.status_code"]) == ("service", 200)


async def test_a_thousand_requests_of_every_kind_leave_no_span_open() -> None:
    """Each ends, whichever way it went."""
    made = Recorded()
    answers = [ok(), ok(status=b"500 Bad"), ok(status=b"429 Busy"), b"nonsense\r\n\r\n", b""]

    async with gateway_rig(A, B, tracer=made.tracer, max_requests=5_000) as rig:
        for name in ("a:1", "b:1"):
            rig.network.servers[name] = answering(*answers * 200)

        async def one(number: int) -> None:
            browser = asking(method=("GET", "POST")[number % 2])
            with trio.move_on_after(0.001 if number % 7 == 0 else 60):
                await send(rig, browser)

        for start in range(0, 1_000, 50):
            async with trio.open_nursery() as nursery:
                for number in range(start, start + 50):
                    nursery.start_soon(one, number)
        await trio.testing.wait_all_tasks_blocked()
    made.check()
    assert len(made.of_kind("server")) == 1_000


async def test_a_websocket_is_one_span_and_its_handshake_a_try() -> None:
    """The span lasts as long as the socket, and says how that ended; the back end belongs to the try."""
    made = Recorded()
    seen: list[Request] = []
    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.network.servers["a:1"] = accepting(echo, seen=seen)
        visitor = Visitor("/api/audio/v1/realtime?key=hidden", headers=[(b"traceparent", RECORDED)])
        async with visiting(rig, visitor) as peer:
            await peer.text("hello")
            await peer.said()
            await trio.sleep(30)
            assert [each.kind for each in made.spans] == ["client"]
            await peer.close(4321, "hidden")
            await peer.said()
            await visitor.is_over.wait()
    made.check()
    assert made.tree() == ["server GET /api/audio/", "  client GET"]
    (server,) = (each for each in made.spans if each.kind == "server")
    (client,) = (each for each in made.spans if each.kind == "client")
    assert server.trace_id == TRACE
    assert server.ended is not None
    assert server.ended - server.began >= 30
    assert (server.attributes["http.response.status_code"], server.failure) == (101, None)
    assert server.attributes["orch.websocket.ended"] == "closed by client"
    assert server.attributes["orch.websocket.close_code"] == 4321
    headers = {name.lower(): value for name, value in seen[0].headers.raw_items()}
    assert headers["traceparent"] == client.traceparent


async def test_a_websocket_that_is_refused_has_a_span_with_its_status() -> None:
    """As a request."""
    made = Recorded()
    async with gateway_rig(A, tracer=made.tracer) as rig:
        rig.health.down.add(A)
        await Visitor().run(rig)
    made.check()
    (server,) = made.spans
    assert (server.attributes["http.response.status_code"], server.failure) == (503, "service_unavailable")
