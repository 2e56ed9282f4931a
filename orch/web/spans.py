"""The spans of requests to pages and the control API: one each, if its trace is recorded.

Probes, metrics and static files have none: they are asked for all day long, and say nothing.
"""

from http import HTTPStatus
from typing import Final

import structlog
from quart import Quart, Response, g, request

from orch.telemetry.traces import Span, Tracer, http
from orch.telemetry.traces.headers import traceparent_in

_UNTRACED: Final = ("/static/", "/livez", "/readyz", "/metrics")


def trace_requests(app: Quart, tracer: Tracer) -> None:
    """Have each request of an application recorded, if its trace is; nothing where traces are off."""
    if not tracer.is_on:
        return

    @app.before_request
    async def begin() -> None:
        _begin(tracer)

    @app.after_request
    async def respond(response: Response) -> Response:
        if (span := g.get("span")) is not None:
            _responded(span, response.status_code)
        return response

    @app.teardown_request
    async def end(_error: BaseException | None) -> None:
        if (span := g.get("span")) is not None:
            _end(span)


def _begin(tracer: Tracer) -> None:
    if request.path.startswith(_UNTRACED):
        return
    rule = "" if request.url_rule is None else request.url_rule.rule
    span = tracer.start(
        http.span_name(request.method, rule),
        kind="server",
        parent=tracer.admit(traceparent_in(request.scope["headers"])),
    )
    if span is None:
        return
    span.set(http.METHOD, http.known_method(request.method))
    if rule:
        span.set(http.ROUTE, rule)
    g.span = span
    structlog.contextvars.bind_contextvars(trace_id=span.trace_id)


def _responded(span: Span, status: int) -> None:
    span.set(http.STATUS, status)
    span.set(http.REQUEST_ID, g.get("request_id", ""))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.set(http.ERROR, str(status))
        span.failed()


def _end(span: Span) -> None:
    structlog.contextvars.unbind_contextvars("trace_id")
    if http.STATUS not in span.attributes:
        span.set(http.CANCELLED, value=True)
    span.end()
