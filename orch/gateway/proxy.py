"""The gateway as an ASGI application: forwards a client's request to a back end, and the response back.

A request is read completely before it is sent to a back end: while its body arrives, it counts among the
requests of its caller and uses no connection. The response is forwarded as it arrives. It is read a little
ahead, so that a client that reads slowly does not hold the connection longer than necessary. In both
directions the client has a minimum rate.

If a response breaks off after its head, the application returns without the last body event. Our front,
Hypercorn and uvicorn then close the connection (HTTP/1.1), which shows the client that the response is
incomplete.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

from orch.access.actors import ACTOR
from orch.gateway.adapted_exchange import AdaptedExchange
from orch.gateway.api_adapter import ApiAdapter, NoAdapter
from orch.gateway.attempt import DispatchedResponse
from orch.gateway.client_heads import ClientHeads
from orch.gateway.client_request import (
    CLIENT_GONE,
    ClientGoneError,
    ClientRequest,
    Inbound,
    Receive,
    Scope,
    Send,
)
from orch.gateway.connection import Request
from orch.gateway.current_routes import CurrentRoutes
from orch.gateway.dispatch import BegunAttempt, Dispatcher, QuickResponse
from orch.gateway.exchange import Exchange
from orch.gateway.fallbacks.runner import SAFE, Fallbacks
from orch.gateway.flows import Flow
from orch.gateway.gateway_problems import client_too_slow, short
from orch.gateway.headers import Header
from orch.gateway.hedging.route_hedges import Hedges, is_hedgeable
from orch.gateway.http1 import UnsendableError
from orch.gateway.nurseries import nursery_of_block
from orch.gateway.places import Places
from orch.gateway.rate_limits.fields import problem_of as rate_problem
from orch.gateway.rate_limits.limiter import RateLimiter
from orch.gateway.recorder import Recorder
from orch.gateway.refusing import refuse
from orch.gateway.repeated_request import (
    EACH_TIME,
    OWN_EACH_TIME,
    BegunRepeat,
    Parts,
    RepeatedRequest,
    Stored,
)
from orch.gateway.request_body import RequestBody
from orch.gateway.routes import Match, UnroutableError
from orch.gateway.shedding.priorities import priority_of
from orch.gateway.spans import block, trace_of_client
from orch.gateway.spool import Spool
from orch.gateway.tcp_stream import Patience
from orch.gateway.trace_context import recorded_trace
from orch.gateway.uploads import has_no_body, stored, streamed
from orch.problems import ProblemError
from orch.repeats import EXTENSION, VARYING, Slot
from orch.settings import Gateway
from orch.settings.source import SettingsSource
from orch.shortages import Shortage, own_shortage
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.telemetry.topics import Topics
from orch.telemetry.traces import OFF, Tracer

PATIENCE_SECONDS: Final = 0.02
"""Seconds for which a response is waited for before the client's disconnect is watched for."""
DISCARD_SECONDS: Final = 5.0
"""Seconds for which the rest of a refused body is read; browsers and curl send on until then."""

_TRAILERS_WANTED: Final = ((b"te", b"trailers"), (b"connection", b"te"))
_OWN_WORDS: Final = VARYING | {b"via", b"te", b"expect"}
"""Headers with which a request is not forwarded as the one before it."""
_STREAMED: Final = frozenset({"POST", "PUT", "PATCH"})
REFUSED_METHODS: Final = frozenset({"CONNECT", "TRACE"})
"""CONNECT would open a tunnel, TRACE would return our own headers."""

log = structlog.get_logger(__name__)


class Proxy:
    """Serves ASGI ``http`` requests, and has each of them counted when it ends."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        settings: SettingsSource,
        routes: CurrentRoutes,
        recorder: Recorder,
        spool: Spool,
        places: Places,
        rates: RateLimiter,
        hedges: Hedges,
        on_shortage: Callable[[Shortage, str], None],
        heads: ClientHeads,
        events: EventLog,
        topics: Topics,
        topic: str,
        tracer: Tracer = OFF,
    ) -> None:
        self._tracer = tracer
        self._dispatcher = dispatcher
        self._settings = settings
        self._routes = routes
        self._recorder = recorder
        self._spool = spool
        self._places = places
        self._rates = rates
        self._hedges = hedges
        self._on_shortage = on_shortage
        self._heads = heads
        self.adapter: ApiAdapter = NoAdapter()
        self.patience = Patience(PATIENCE_SECONDS)
        self._exchange = Exchange(dispatcher, spool=spool, headers=self._for_client)
        self._adapted = AdaptedExchange(dispatcher)
        self.fallbacks = Fallbacks(events=events, topics=topics, topic=topic, sent_headers=heads.for_back_end)
        self.boundary = Boundary("gateway requests")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request. A failure is a problem document or, after the head was sent, an early end."""
        call = self._heads.request(scope, send)
        policy = self._settings.current.orchestration.gateway
        call.trace.traced = trace_of_client(self._tracer, call.method, call.headers, began=call.began)
        with block(call.trace.traced):
            await self._guard(call, policy, self._serve(call, receive, policy))

    async def resume(self, begun: BegunRepeat, scope: Scope, receive: Receive, send: Send) -> None:
        """Continue a request that began as the repetition of another one, and was not answered quickly."""
        stored = begun.way.stored
        scope[ACTOR] = stored.actor
        call = self._heads.request(scope, send, new_id=begun.request_id.decode)
        call.began = call.sent_at = begun.began
        call.match, call.trace = stored.match, begun.trace
        call.rates, call.hedge, call.trace_id = begun.rates, stored.hedge, begun.trace_id
        call.inbound = Inbound(receive, declared=0, limit=0)
        work = _while_client_waits(
            call, self._exchange.run, call, stored.match, begun.request, stored.policy, begun.attempt
        )
        with block(call.trace.traced):
            await self._guard(call, stored.policy, work)

    async def _guard(self, call: ClientRequest, policy: Gateway, work: Awaitable[None]) -> None:
        """Do what serves a request, send the problem if it fails, and count it."""
        problem: ProblemError | None = None
        try:
            await work
        except ProblemError as error:
            problem = error
        except ClientGoneError:
            log.debug("client gone", request_id=call.request_id.decode())
        except Exception as error:  # noqa: BLE001 - one request's boundary
            problem = self._unexpected(call, error)
        if problem is not None:
            with trio.move_on_after(policy.timeout):
                await refuse(call, problem)
            if call.inbound is not None:
                with trio.move_on_after(DISCARD_SECONDS):
                    await call.inbound.discard()
        self._finish(call, problem)

    async def _serve(self, call: ClientRequest, receive: Receive, policy: Gateway) -> None:
        try:
            match = call.match = self._routes.match(call.path)
        except UnroutableError as error:
            raise ProblemError("invalid_request", f"This path cannot be forwarded: {error}.") from error
        if match is None:
            raise ProblemError("not_found", "No back end is routed at this path.")
        if call.method in REFUSED_METHODS:
            raise ProblemError("method_not_allowed", f"The gateway does not forward {call.method}.")
        if policy.rate_limits:
            call.rates = await self._rates.take(policy, match.prefix, call.headers, call.caller)
            if (problem := rate_problem(call.rates)) is not None:
                raise problem
        self._spool.disk_limit = policy.spool_bytes
        with self._places.taking(
            call.caller, limit=policy.max_requests, of_caller=policy.max_requests_per_address
        ):
            if has_no_body(call):
                call.inbound = Inbound(receive, declared=0, limit=0)
                await self._forward(call, match, RequestBody(), policy)
            elif self._is_streamed(call, match):
                await self._forward(call, match, streamed(call, receive, match, policy), policy)
            else:
                async with self._spool.body() as incoming:
                    body = await stored(call, receive, match, policy, incoming)
                    await self._forward(call, match, body, policy)

    def _is_streamed(self, call: ClientRequest, match: Match) -> bool:
        return (
            match.uploads == "streamed"
            and call.method in _STREAMED
            and not self.adapter.adapts(match.service, call.method, match.path)
        )

    async def _forward(self, call: ClientRequest, match: Match, body: RequestBody, policy: Gateway) -> None:
        """Forward a request, with the fallbacks of its route."""
        if match.fallbacks:
            await self.fallbacks.forward(call, match, body, policy, self._forward_to)
        else:
            await self._forward_to(call, match, body, policy)

    async def _forward_to(
        self, call: ClientRequest, match: Match, body: RequestBody, policy: Gateway
    ) -> None:
        """Forward a request: the quick way if the response comes at once, else with a watch."""
        call.hedge = None
        if match.hedging is not None and is_hedgeable(call.method, match.repeatable, body):
            call.hedge = self._hedges.of(match.prefix, match.service, match.hedging)
            call.hedge.asked()
        if self.adapter.adapts(match.service, call.method, match.path):
            await _while_client_waits(call, self._adapted.run, self.adapter, call, match, body, policy)
            return
        request = self._request(call, body)
        begun = self._begin(call, match, request)
        if begun is not None and await self._answer_quickly(call, match, policy, begun):
            self._expect_again(call, match, request, policy)
        else:
            await _while_client_waits(call, self._exchange.run, call, match, request, policy, begun)

    def _begin(self, call: ClientRequest, match: Match, request: Request) -> BegunAttempt | None:
        try:
            return self._dispatcher.begin(
                match.service,
                request,
                call.trace,
                flow=Flow.REQUESTS,
                priority=priority_of(match.priority, call.method),
                caller=call.caller,
                limits=match.limits,
            )
        except UnsendableError as error:
            raise ProblemError("invalid_request", f"The request cannot be forwarded: {error}.") from error

    async def _answer_quickly(
        self, call: ClientRequest, match: Match, policy: Gateway, begun: BegunAttempt
    ) -> bool:
        """Forward the response if it comes soon and whole; return False if it does not.

        Most responses are small and come within milliseconds. They need no watch for the client's disconnect
        and no buffer, which together cost more than forwarding itself.
        """
        response = await self._dispatcher.quick(begun, self.patience)
        if response is None:
            return False
        call.answered_at = now = trio.current_time()
        if call.hedge is not None:
            call.hedge.first_bytes.add(now, now - (call.sent_at or now))
        headers = self._for_client(call, response, match)
        if call.fallback is not None and call.fallback.holds_whole(
            response.status, response.headers, response.body, headers
        ):
            return True
        with trio.move_on_after(policy.timeout) as limit:
            await call.out.start(response.status, headers)
            await call.out.end(response.body)
        if limit.cancelled_caught:
            raise client_too_slow(policy.timeout)
        return True

    def _for_client(
        self, call: ClientRequest, response: DispatchedResponse | QuickResponse, match: Match
    ) -> list[Header]:
        """Return the headers of a response for the client, now that its head has arrived."""
        self.fallbacks.note(call.method, match, response.status)
        return self._heads.for_client(call, response, match)

    def _expect_again(self, call: ClientRequest, match: Match, request: Request, policy: Gateway) -> None:
        """Leave the way of this request for the next one with the same head, if it can be served in it."""
        slot: Slot | None = call.scope.get("extensions", {}).get(EXTENSION)
        if (
            slot is None
            or slot.holds is None
            or call.method == "HEAD"
            or any(name in _OWN_WORDS and name not in slot.varying for name, _ in call.headers)
            or call.is_streamed
            or call.fallback is not None
            or match.fallbacks
            or (self.fallbacks.is_caching and call.method not in SAFE)
        ):
            return
        takings = self._rates.policies(policy).takings(match.prefix, call.headers, call.caller)
        if takings and self._rates.is_shared:
            return
        parts = Parts(
            self._dispatcher,
            self._recorder,
            self._places,
            self._spool,
            self.patience,
            self._heads.make_id,
            self._rates,
            self._tracer,
        )
        stored = Stored(
            call.scope.get(ACTOR),
            call.caller,
            match,
            call.method,
            request.target,
            tuple(header for header in request.headers if header[0] not in EACH_TIME),
            request.body.length,
            tuple(header for header in call.gateway_headers() if header[0] not in OWN_EACH_TIME),
            self._heads.outside(call, match),
            policy,
            takings,
            call.hedge,
        )
        slot.way = RepeatedRequest(stored, parts, slot.holds, self.resume, slot.varying)

    def _request(self, call: ClientRequest, body: RequestBody) -> Request:
        call.sent_at = trio.current_time()
        headers = self._heads.for_back_end(call)
        if call.trace.traced is not None:
            headers = call.trace.traced.headers(headers)
        call.trace_id = recorded_trace(headers)
        if call.wants_trailers:
            headers += _TRAILERS_WANTED
        if body.expects_continue:
            headers.append((b"expect", b"100-continue"))
        return Request(method=call.method, target=call.target, headers=tuple(headers), body=body)

    def _unexpected(self, call: ClientRequest, error: Exception) -> ProblemError:
        """Return the problem of an unexpected failure; a shortage of this process has its own sentence."""
        shortage = own_shortage(error)
        if shortage is None:
            self.boundary.count()
            request_id, path = call.request_id.decode(), call.scope["path"]
            log.error("request failed", request_id=request_id, path=path, exc_info=error)
            if isinstance(error, OSError):  # a folder for temporary files that is missing, or read-only
                return short("Your request cannot be stored right now. Send less, or inform the operators.")
            return ProblemError("internal_error", "The gateway failed. The log has the reason.")
        self._on_shortage(shortage, call.match.service if call.match else "")
        return short(
            "Your request cannot be stored: the orchestration service is out of disk space or other "
            "resources. Try again in a few seconds, or send less."
        )

    def _finish(self, call: ClientRequest, problem: ProblemError | None) -> None:
        status = call.out.status if call.out.status is not None else CLIENT_GONE
        if problem is not None and not call.out.is_complete:
            # The head was sent, with a status that turned out to be wrong.
            status = problem.status
            log.warning(
                "response cut short",
                request_id=call.request_id.decode(),
                service=call.match.service if call.match else None,
                reason=problem.detail,
            )
        seconds = call.back_end_seconds
        if call.failed is not None:
            # The service of the route has failed, whatever the client got instead.
            status, seconds = call.failed
        self._recorder.routed(call.match, status, seconds, trio.current_time(), call.trace_id)
        call.end_trace(problem)


async def _while_client_waits(
    call: ClientRequest, work: Callable[..., Awaitable[None]], *arguments: object
) -> None:
    """Run ``work`` with a nursery and ``arguments``, and end it when the client disconnects."""
    async with nursery_of_block() as nursery:
        if call.inbound is not None and not call.is_streamed:
            nursery.start_soon(call.inbound.watch, nursery.cancel_scope)
        await work(nursery, *arguments)
