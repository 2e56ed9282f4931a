"""Spans of pages and the control API, by a small application of Quart's."""

import pytest
import structlog
from quart import Response
from quart_trio import QuartTrio

from orch.web.spans import trace_requests
from tests.fakes.spans import Recorded

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def application(made: Recorded) -> QuartTrio:
    app = QuartTrio("test")
    trace_requests(app, made.tracer)

    @app.get("/api/sessions/<name>")
    async def session(name: str) -> str:
        return str(structlog.contextvars.get_contextvars().get("trace_id"))

    @app.get("/api/broken")
    async def broken() -> Response:
        return Response("", status=503)

    @app.get("/livez")
    @app.get("/static/x.js")
    async def other() -> str:
        return ""

    return app


async def test_a_request_is_a_span_with_its_route() -> None:
    """The route names no session; the log has the trace, and no longer than the request lasts."""
    made = Recorded()
    client = application(made).test_client()
    response = await client.get("/api/sessions/hidden?key=hidden", headers={"traceparent": PARENT})
    made.check()
    (span,) = made.spans
    assert (span.name, span.kind, span.trace_id) == ("GET /api/sessions/<name>", "server", TRACE)
    assert span.attributes["http.response.status_code"] == 200
    assert await response.get_data(as_text=True) == TRACE
    assert "trace_id" not in structlog.contextvars.get_contextvars()


async def test_a_failure_is_one() -> None:
    """5xx; a path without a route is none."""
    made = Recorded()
    client = application(made).test_client()
    await client.get("/api/broken")
    await client.get("/hidden")
    made.check()
    assert [(each.name, each.failure) for each in made.spans] == [("GET /api/broken", ""), ("GET", None)]
    assert [each.attributes["http.response.status_code"] for each in made.spans] == [503, 404]


@pytest.mark.parametrize("path", ["/livez", "/static/x.js"])
async def test_probes_and_files_have_no_spans(path: str) -> None:
    """They would be most of what the collector stores."""
    made = Recorded()
    await application(made).test_client().get(path)
    assert made.begun == 0


async def test_off_adds_nothing_to_a_request() -> None:
    """No function is called for it."""
    app = QuartTrio("test")
    trace_requests(app, Recorded(ratio=0.0).tracer)
    assert app.before_request_funcs
    app = QuartTrio("test")
    from orch.telemetry.traces import OFF

    trace_requests(app, OFF)
    assert not app.before_request_funcs
    assert not app.after_request_funcs
