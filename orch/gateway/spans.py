"""The spans of a request: one of the request of a client, and one of each try at an instance.

A client's request has a *server* span, from its head to the end of its response, and each try (the first one,
a retry, a hedge, one at a fallback's service) a *client* span below it, whose ``traceparent`` the instance
receives. A request of the service itself has the tries alone, below the span that its caller names in the
header ``traceparent``.

Where a trace is not recorded there is no :class:`RequestTrace`: nothing here runs, and headers pass as they
came (:mod:`orch.gateway.trace_context`).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

import structlog
from msgspec.structs import replace

from orch.gateway.connection import Request
from orch.gateway.headers import Header
from orch.gateway.lane import Lane
from orch.gateway.trace_context import PARENT, STATE
from orch.telemetry.traces import Span, Tracer, http
from orch.telemetry.traces.context import read
from orch.telemetry.traces.headers import traceparent_in

_FIRST_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500


class RequestTrace:
    """A recorded request. ``parent``: of its tries; ``span``: its own, None if its caller has one.

    The mutable state is the span.
    """

    __slots__ = ("_method", "_tracer", "parent", "span")

    def __init__(self, tracer: Tracer, method: str, parent: str, span: Span | None = None) -> None:
        self._tracer = tracer
        self._method = method
        self.parent = parent
        self.span = span

    @property
    def trace_id(self) -> str:
        """The id of the trace."""
        return self.parent[3:35]

    def headers(self, given: Sequence[Header]) -> list[Header]:
        """Return the headers of a request to a back end as those of a part of this one."""
        return with_parent(given, self.parent)

    def begin_try(self, lane: Lane, number: int, *, is_extra: bool) -> "Try | None":
        """Begin the span of a try at an instance; ``number`` counts from 1, ``is_extra``: beside another."""
        span = self._tracer.start(http.span_name(self._method), kind="client", parent=self.parent)
        if span is None:
            return None
        address = lane.upstream.address
        span.set(http.METHOD, http.known_method(self._method))
        span.set(http.ADDRESS, address.socket or address.host)
        if not address.socket:
            span.set(http.PORT, address.port)
        span.set(http.SERVICE, lane.service)
        span.set("orch.instance", lane.shown)
        span.set("orch.try", number)
        if number > 1:
            span.set(http.RESENT, number - 1)
            span.set("orch.try_kind", "hedge" if is_extra else "retry")
        return Try(span)

    def ended(
        self,
        *,
        route: str,
        service: str,
        status: int | None,
        tries: int,
        request_id: bytes,
        error: str = "",
        is_cut_short: bool = False,
        fallback: bytes = b"",
    ) -> None:
        """End the span of a client's request; it may have ended already.

        ``status``: as the client got it, None if it did not wait; ``error``: the code of the problem;
        ``is_cut_short``: the response broke off after its head.
        """
        span = self.span
        if span is None:
            return
        span.name = http.span_name(self._method, route)
        span.set(http.METHOD, http.known_method(self._method))
        if route:
            span.set(http.ROUTE, route)
            span.set(http.SERVICE, service)
        span.set("orch.tries", tries)
        span.set(http.REQUEST_ID, request_id.decode("latin-1"))
        if fallback:
            span.set("orch.fallback", fallback.decode("latin-1"))
        if status is None:
            span.set(http.CANCELLED, value=True)
        else:
            span.set(http.STATUS, status)
            if status >= _FIRST_SERVER_ERROR or is_cut_short:
                span.set(http.ERROR, error or str(status))
                span.failed("the response broke off" if is_cut_short else error)
            elif error:
                span.set(http.ERROR, error)
        span.end()

    def socket_ended(self, how: str, side: str, code: int) -> None:
        """Note how a WebSocket has ended: ``code``: of its close frame, 1006 without one."""
        if self.span is not None:
            self.span.set("orch.websocket.ended", f"{how} by {side}")
            self.span.set("orch.websocket.close_code", code)

    @contextmanager
    def block(self) -> Iterator[None]:
        """Serve the request in the block: log lines have the id of its trace, and its span ends with it."""
        try:
            with structlog.contextvars.bound_contextvars(trace_id=self.trace_id):
                yield
        finally:
            self.cancelled()

    def cancelled(self) -> None:
        """End the span if nothing else has: the request was cancelled."""
        if self.span is not None and self.span.ended is None:
            self.span.set(http.CANCELLED, value=True)
            self.span.end()


class Try:
    """The span of a try, from its choice to its end."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def request(self, request: Request) -> Request:
        """Return a request as this try sends it: the instance's work is a part of the try."""
        headers = tuple(with_parent(request.headers, self._span.traceparent))
        return replace(request, headers=headers, encoded=None)

    def begun(self, at: float) -> None:
        """Note that the wait for a connection is over."""
        if at > self._span.began:
            self._span.event("sent", at=at)

    def responded(self, status: int, at: float) -> None:
        """Note that the head of a response has arrived."""
        self._span.set(http.STATUS, status)
        self._span.event("responded", at=at)

    def ended(self, outcome: str, *, status: int, why: str, has_failed: bool, is_superseded: bool) -> None:
        """End the span. ``outcome``: what the try shows about its instance; ``why``: of a failure."""
        span = self._span
        span.set("orch.outcome", outcome)
        if status:
            span.set(http.STATUS, status)
        if is_superseded:
            span.set("orch.superseded", value=True)
        if status >= _FIRST_ERROR:
            span.set(http.ERROR, str(status))
            span.failed(why if has_failed else "")
        elif has_failed:
            span.set(http.ERROR, outcome)
            span.failed(why)
        elif outcome == "abandoned":
            span.set(http.CANCELLED, value=True)
        span.end()


def with_parent(headers: Sequence[Header], traceparent: str) -> list[Header]:
    """Return headers with this ``traceparent`` in place of another one; ``tracestate`` stays."""
    kept = [header for header in headers if header[0] not in _CONTEXT]
    kept.append((PARENT, traceparent.encode("ascii")))
    kept += [header for header in headers if header[0] == STATE]
    return kept


_CONTEXT: Final = frozenset({PARENT, STATE})


def trace_of_client(
    tracer: Tracer, method: str, headers: Iterable[Header], *, began: float
) -> RequestTrace | None:
    """Return the trace of a client's request, whose header names are in lower case; None: not recorded.

    ``began``: when, on Trio's clock.
    """
    if not tracer.is_on:
        return None
    span = tracer.start(
        http.span_name(method),
        kind="server",
        parent=tracer.admit(traceparent_in(headers)),
        started_at=began,
    )
    return None if span is None else RequestTrace(tracer, method, span.traceparent, span)


def trace_of_our_own(tracer: Tracer, method: str, headers: Iterable[Header]) -> RequestTrace | None:
    """Return the trace of a request of the service itself, by its ``traceparent``; None: not recorded."""
    if not tracer.is_on:
        return None
    given = traceparent_in(headers)
    context = read(given)
    return None if context is None or not context.is_recorded else RequestTrace(tracer, method, given)


def block(trace: RequestTrace | None) -> AbstractContextManager[None]:
    """Serve a request in the block: see :meth:`RequestTrace.block`."""
    return nullcontext() if trace is None else trace.block()
