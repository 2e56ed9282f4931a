"""Requests that repeat: a client sends the same head again over the same connection (:mod:`orch.repeats`).

What the head, the connection and the settings decide is stored: who the caller is and that it may do this,
the route, the headers for the back end, and those of its response as long as it sends the same ones. What
depends on anything else is decided for each request, as for any other: whether the settings are the same, the
caller's places, the instance with its breaker, ejection, health and limit, the retry budget. Each request has
its own id, trace and times.

A request that is not answered at once, or not by a response that shows a working instance, continues on the
long way (:class:`orch.gateway.exchange.Exchange`), so that retries and time-outs exist once.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import structlog
import trio

from orch.access.actors import Actor
from orch.gateway import response_headers
from orch.gateway.attempt import Trace
from orch.gateway.client_request import Receive, Scope, Send
from orch.gateway.connection import Request
from orch.gateway.dispatch import BegunAttempt, Dispatcher, QuickResponse
from orch.gateway.flows import Flow
from orch.gateway.gateway_problems import client_too_slow
from orch.gateway.headers import Header
from orch.gateway.hedging.route_hedges import RouteHedges
from orch.gateway.places import Places
from orch.gateway.rate_limits.buckets import Level
from orch.gateway.rate_limits.fields import FIELDS, fields
from orch.gateway.rate_limits.limiter import RateLimiter
from orch.gateway.rate_limits.policies import Taking
from orch.gateway.recorder import Recorder
from orch.gateway.request_body import RequestBody
from orch.gateway.response_headers import Place
from orch.gateway.routes import Match
from orch.gateway.shedding.priorities import priority_of
from orch.gateway.spans import RequestTrace, trace_of_client
from orch.gateway.spool import Spool
from orch.gateway.tcp_stream import Patience
from orch.gateway.trace_context import PARENT, STATE, new_parent, recorded_trace, trace_headers
from orch.gateway.transport import Address
from orch.gateway.upstream import head_of
from orch.protocol.request_id import HEADER, request_id
from orch.repeats import Answer, Deliver
from orch.settings import Gateway
from orch.telemetry.traces import Tracer

_REMEMBERED: Final = 16
"""Addresses of instances for which a head is stored."""

EACH_TIME: Final = frozenset({HEADER, PARENT, STATE})
"""Headers for back ends that are different in each request."""
OWN_EACH_TIME: Final = frozenset({HEADER, b"x-gateway-time", *FIELDS})
"""The gateway's headers for clients that are different in each response."""

log = structlog.get_logger(__name__)


class Parts(NamedTuple):
    """What all requests use."""

    dispatcher: Dispatcher
    recorder: Recorder
    places: Places
    spool: Spool
    patience: Patience
    make_id: Callable[[], str]
    rates: RateLimiter
    tracer: Tracer


class Resume(Protocol):
    """Continues a request on the long way."""

    async def __call__(self, begun: "BegunRepeat", scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it as an ASGI application."""
        ...


class Stored(NamedTuple):
    """What was decided for a head.

    ``headers``: for the back end, without id and trace; ``own``: for the client, without id, time and levels
    of rate limits. ``takings``: the tokens that each request takes. ``outside``: see
    :class:`~orch.gateway.response_headers.Place`.
    """

    actor: Actor | None
    caller: str
    match: Match
    method: str
    target: str
    headers: tuple[Header, ...]
    length: int
    own: tuple[Header, ...]
    outside: Callable[[str], str | None]
    policy: Gateway
    takings: tuple[Taking, ...]
    hedge: RouteHedges | None


class RepeatedRequest:
    """The way of requests with one head on one connection.

    ``holds`` returns whether the caller may still do this and the settings are the same; ``varying``: the
    headers whose values are others in each request (:data:`orch.repeats.VARYING`). The mutable state is the
    encoded head by address, and the headers of the last response with what they were made from.
    """

    __slots__ = (
        "_encoded",
        "_from",
        "_headers",
        "_holds",
        "_instance",
        "_priority",
        "_varying",
        "parts",
        "resume",
        "stored",
    )

    def __init__(
        self,
        stored: Stored,
        parts: Parts,
        holds: Callable[[], bool],
        resume: Resume,
        varying: tuple[bytes, ...],
    ) -> None:
        self.stored = stored
        self.parts = parts
        self.resume = resume
        self._holds = holds
        self._varying = varying
        self._priority = priority_of(stored.match.priority, stored.method)
        self._encoded: dict[int, tuple[Address, bytes]] = {}
        self._from: tuple[Header, ...] = ()
        self._instance = ""
        self._headers: tuple[Header, ...] = ()

    def begin(self, body: bytes, values: tuple[bytes, ...]) -> "BegunRepeat | None":
        """Begin to serve a request; None: it has to be served as any other."""
        stored, parts = self.stored, self.parts
        policy, caller = stored.policy, stored.caller
        if not self._holds() or len(body) != stored.length:
            return None
        if not parts.places.take(
            caller, limit=policy.max_requests, of_caller=policy.max_requests_per_address
        ):
            return None
        if body and not parts.spool.reserve_memory(len(body)):
            parts.places.free(caller)
            return None
        rates: tuple[Level, ...] | None = ()
        if stored.takings and (rates := parts.rates.take_at_once(stored.takings)) is None:
            self.free()
            return None
        if stored.hedge is not None:
            stored.hedge.asked()
        identity, own = self._own_words(values)
        lines = b"".join([b"%b: %b\r\n" % header for header in own])

        def encoded(address: Address) -> bytes:
            return b"%b%b\r\n" % (self._head(address), lines)

        traced: RequestTrace | None = None
        if parts.tracer.is_on:
            given = zip(self._varying, values, strict=True) if values else ()
            traced = trace_of_client(parts.tracer, stored.method, given, began=trio.current_time())
            own = own if traced is None else traced.headers(own)
        request = Request(
            stored.method,
            stored.target,
            (*stored.headers, *own),
            RequestBody(body),
            encoded=encoded,
        )
        begun = BegunRepeat(self, request, identity, rates or (), recorded_trace(own), traced)
        try:
            begun.attempt = parts.dispatcher.begin(
                stored.match.service,
                request,
                begun.trace,
                flow=Flow.REQUESTS,
                priority=self._priority,
                caller=caller,
                limits=stored.match.limits,
            )
        except BaseException:
            begun.end()
            raise
        return begun

    def free(self) -> None:
        """Free what each request holds: a place, and memory for its body."""
        self.parts.places.free(self.stored.caller)
        if self.stored.length:
            self.parts.spool.release_memory(self.stored.length)

    def _own_words(self, values: tuple[bytes, ...]) -> tuple[bytes, list[Header]]:
        """Return the id of a request, and the headers for the back end that are its own."""
        if not values:
            identity = self.parts.make_id().encode()
            return identity, [(HEADER, identity), (PARENT, new_parent())]
        given = list(zip(self._varying, values, strict=True))
        identity = request_id(given, self.parts.make_id).encode()
        return identity, [(HEADER, identity), *trace_headers(given)]

    def _head(self, address: Address) -> bytes:
        """Return the head without the lines that are different in each request, and without its end."""
        found = self._encoded.get(id(address))
        if found is None:
            stored = self.stored
            request = Request(stored.method, stored.target, stored.headers, RequestBody(bytes(stored.length)))
            if len(self._encoded) >= _REMEMBERED:
                self._encoded.clear()
            # The address is stored, too, so that no other one can have its id.
            found = self._encoded[id(address)] = (address, head_of(request, address).removesuffix(b"\r\n"))
        return found[1]

    def headers_of(self, response: QuickResponse) -> tuple[Header, ...]:
        """Return the headers for the client, except id and time."""
        if response.headers is not self._from or response.instance != self._instance:
            stored = self.stored
            place = Place(response.instance, stored.target, stored.outside)
            self._headers = tuple(response_headers.for_client(response.headers, stored.own, place))
            self._from, self._instance = response.headers, response.instance
        return self._headers


class BegunRepeat:
    """A request in progress. It holds a place, and memory for its body, until it is over."""

    __slots__ = ("attempt", "began", "rates", "request", "request_id", "trace", "trace_id", "way")

    def __init__(
        self,
        way: RepeatedRequest,
        request: Request,
        request_id: bytes,
        rates: tuple[Level, ...],
        trace_id: str,
        traced: RequestTrace | None,
    ) -> None:
        self.way = way
        self.request = request
        self.rates = rates
        self.trace = Trace(traced=traced)
        self.attempt: BegunAttempt | None = None
        self.request_id = request_id
        self.trace_id = trace_id
        self.began = trio.current_time()
        way.parts.recorder.in_flight += 1

    async def run(self, deliver: Deliver) -> bool:
        """Forward the response if it comes soon and whole; return False if it does not."""
        way, attempt = self.way, self.attempt
        parts = way.parts
        if attempt is None:
            return False
        try:
            response = await parts.dispatcher.quick(attempt, parts.patience)
        except BaseException:
            self.end()
            raise
        if response is None:
            return False
        try:
            answered_at = ended_at = trio.current_time()
            status = response.status
            if way.stored.hedge is not None:
                way.stored.hedge.first_bytes.add(answered_at, answered_at - self.began)
            lines = b"x-request-id: %b\r\nx-gateway-time: %.1f\r\n" % (
                self.request_id,
                (answered_at - self.began) * 1000,
            )
            if self.rates:
                lines += b"".join([b"%b: %b\r\n" % field for field in fields(self.rates)])
            waiting = deliver(Answer(status, way.headers_of(response), lines, response.body))
            if waiting is not None:
                seconds = way.stored.policy.timeout
                with trio.move_on_after(seconds) as limit:
                    await waiting
                if limit.cancelled_caught:
                    status = self._cut_short(seconds)
                ended_at = trio.current_time()
            if self.trace.traced is not None:
                self._end_trace(response.status, is_cut_short=status != response.status)
        finally:
            self.end()
        seconds = answered_at - self.began
        if self.trace_id:
            parts.recorder.routed(way.stored.match, status, seconds, ended_at, self.trace_id)
        else:
            parts.recorder.routed_soon(way.stored.match, status, seconds, ended_at)
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Continue on the long way."""
        try:
            await self.way.resume(self, scope, receive, send)
        finally:
            self.end()

    def end(self) -> None:
        """Free what it holds."""
        self.way.parts.recorder.in_flight -= 1
        self.way.free()
        if self.trace.traced is not None:
            self.trace.traced.cancelled()

    def _end_trace(self, status: int, *, is_cut_short: bool) -> None:
        stored, traced = self.way.stored, self.trace.traced
        if traced is not None:
            traced.ended(
                route=stored.match.prefix,
                service=stored.match.service,
                status=status,
                tries=self.trace.attempts,
                request_id=self.request_id,
                error="client_too_slow" if is_cut_short else "",
                is_cut_short=is_cut_short,
            )

    def _cut_short(self, seconds: float) -> int:
        problem = client_too_slow(seconds)
        log.warning(
            "response cut short",
            request_id=self.request_id.decode(),
            service=self.way.stored.match.service,
            reason=problem.detail,
        )
        return problem.status
