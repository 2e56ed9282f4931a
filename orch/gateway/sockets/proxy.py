"""Clients' WebSockets as an ASGI application: the handshake goes to a back end, and then frames both ways.

The handshake is a request like any other: route, rate limit, breakers, balancer, retries, time-outs. A
response other than 101 is passed on as it is. Once it is accepted, the socket uses no connection of the
requests' pool; it has limits of its own (``gateway.websockets``). It takes a place at an engine only if its
route names a class: then for as long as it lasts.
"""

import base64
import os
from collections.abc import Callable
from typing import Any, Final

import structlog
import trio

from orch.access.actors import ACTOR
from orch.gateway.attempt import DispatchedResponse
from orch.gateway.client_heads import ClientHeads
from orch.gateway.client_request import CLIENT_GONE, ClientGoneError, ClientRequest, Receive, Scope, Send
from orch.gateway.connection import Request
from orch.gateway.current_routes import CurrentRoutes
from orch.gateway.dispatch import Dispatcher
from orch.gateway.flows import Flow
from orch.gateway.gateway_problems import short, too_slow
from orch.gateway.http1 import SWITCHED
from orch.gateway.nurseries import nursery_of_block
from orch.gateway.places import Places
from orch.gateway.rate_limits.fields import problem_of as rate_problem
from orch.gateway.rate_limits.limiter import RateLimiter
from orch.gateway.recorder import Recorder
from orch.gateway.refusing import refuse
from orch.gateway.request_body import RequestBody
from orch.gateway.routes import Match, UnroutableError
from orch.gateway.shedding.priorities import priority_of
from orch.gateway.sockets.clients import ClientEnd, FrontClient, MessageClient
from orch.gateway.sockets.departure import Departure
from orch.gateway.sockets.handshake import KEY, Handshake
from orch.gateway.sockets.leg import BackEnd
from orch.gateway.sockets.open_sockets import OpenSockets
from orch.gateway.sockets.visits import Visit
from orch.gateway.spans import block, trace_of_client
from orch.gateway.tcp_stream import READ
from orch.problems import ProblemError
from orch.settings import Gateway
from orch.settings.source import SettingsSource
from orch.shortages import Shortage, own_shortage
from orch.telemetry.boundaries import Boundary
from orch.telemetry.traces import OFF, Tracer

TUNNEL: Final = "orch.tunnel"
_KEY_BYTES: Final = 16
_NO_BODY: Final = RequestBody()
_SCHEMES: Final = {"ws": "http", "wss": "https"}

log = structlog.get_logger(__name__)


class SocketProxy:
    """Serves ASGI ``websocket`` connections at the gateway's routes. ``sockets``: those that are open."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        settings: SettingsSource,
        routes: CurrentRoutes,
        recorder: Recorder,
        rates: RateLimiter,
        sockets: OpenSockets,
        on_shortage: Callable[[Shortage, str], None],
        heads: ClientHeads,
        tracer: Tracer = OFF,
    ) -> None:
        self._tracer = tracer
        self._dispatcher = dispatcher
        self._settings = settings
        self._routes = routes
        self._recorder = recorder
        self._rates = rates
        self._on_shortage = on_shortage
        self._heads = heads
        self._places = Places()
        self.sockets: Final = sockets
        self.boundary: Final = Boundary("gateway sockets")

    def __repr__(self) -> str:
        return f"<SocketProxy {self.sockets!r}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a socket. What fails before it is accepted is a problem document."""
        with self.sockets.visits.of(scope.get(ACTOR)) as visit:
            if (await receive())["type"] == "websocket.connect":
                request = {
                    **scope,
                    "method": "GET",
                    "scheme": _SCHEMES.get(scope.get("scheme", "ws"), "http"),
                }
                call = self._heads.request(request, _responding(scope, send))
                traced = trace_of_client(self._tracer, call.method, call.headers, began=call.began)
                call.trace.traced = traced
                with block(traced):
                    await self._visit(visit, call, _client(scope, receive, send))

    async def _visit(self, visit: Visit, call: ClientRequest, client: ClientEnd) -> None:
        policy = self._settings.current.orchestration.gateway
        problem: ProblemError | None = None
        try:
            with visit.handshake():
                await self._serve(call, client, visit, policy)
        except ProblemError as error:
            problem = error
        except ClientGoneError:
            log.debug("client gone", request_id=call.request_id.decode())
        except Exception as error:  # noqa: BLE001 - one socket's boundary
            problem = self._unexpected(call, error)
        if call.out.status == SWITCHED:
            if problem is not None:
                client.abort()
            call.end_trace(problem)
            return
        self.sockets.counts.refused += 1
        if problem is not None:
            with trio.move_on_after(policy.timeout):
                await refuse(call, problem)
        self._finish(call, problem)
        call.end_trace(problem)

    async def _serve(self, call: ClientRequest, client: ClientEnd, visit: Visit, policy: Gateway) -> None:
        try:
            match = call.match = self._routes.match(call.path)
        except UnroutableError as error:
            raise ProblemError("invalid_request", f"This path cannot be forwarded: {error}.") from error
        if match is None:
            raise ProblemError("not_found", "No back end is routed at this path.")
        if self.sockets.is_draining:
            raise _stopping()
        if policy.rate_limits:
            call.rates = await self._rates.take(policy, match.prefix, call.headers, call.caller)
            if (problem := rate_problem(call.rates)) is not None:
                raise problem
        limits = policy.websockets
        with self._places.taking(
            call.caller,
            limit=self.sockets.limit,
            of_caller=limits.max_connections_per_address,
            what="WebSockets to back ends open",
        ):
            await self._connect(call, client, visit, match, policy)

    async def _connect(
        self, call: ClientRequest, client: ClientEnd, visit: Visit, match: Match, policy: Gateway
    ) -> None:
        """Send the handshake to an instance, and pass on its response, or frames."""
        key = next((value for name, value in call.headers if name == KEY), b"")
        if not client.passes_frames or not key:
            key = base64.b64encode(os.urandom(_KEY_BYTES))
        handshake = Handshake(call.headers, key, passes_extensions=client.passes_frames)
        request = self._request(call, handshake)
        departure = Departure(client)
        async with nursery_of_block() as nursery:
            nursery.start_soon(departure.run, nursery.cancel_scope)
            await self._exchange(call, client, visit, handshake, request, match, departure, policy.retries)
        if departure.has_left:
            raise ClientGoneError

    async def _exchange(
        self,
        call: ClientRequest,
        client: ClientEnd,
        visit: Visit,
        handshake: Handshake,
        request: Request,
        match: Match,
        departure: Departure,
        retries: int,
    ) -> None:
        seconds = match.limits.total
        with trio.move_on_after(seconds) as limit:
            async with self._dispatcher.send(
                match.service,
                request,
                call.trace,
                retries=retries,
                flow=Flow.REQUESTS,
                limits=match.limits,
                repeatable=match.repeatable,
                caller=call.caller,
                priority=priority_of(match.priority, request.method),
                limit=limit,
            ) as response:
                call.answered_at = trio.current_time()
                await departure.stop()
                await visit.answer()
                if response.status != SWITCHED:
                    await self._pass_response(call, response, match)
                    return
                limit.deadline = float("inf")
                await self._pass_frames(call, client, visit, handshake, response, match)
        if limit.cancelled_caught and call.out.status is None:
            raise too_slow(match.service, seconds, is_queued=call.trace.is_queued)

    def _request(self, call: ClientRequest, handshake: Handshake) -> Request:
        call.sent_at = trio.current_time()
        headers = self._heads.for_back_end(call)
        if call.trace.traced is not None:
            headers = call.trace.traced.headers(headers)
        return Request(
            method="GET",
            target=call.target,
            headers=tuple(handshake.for_back_end(headers)),
            body=_NO_BODY,
            check_switch=handshake.fault,
        )

    async def _pass_response(self, call: ClientRequest, response: DispatchedResponse, match: Match) -> None:
        """Pass on a response that is no 101, as that of a plain request."""
        await call.out.start(response.status, self._heads.for_client(call, response, match))
        while data := await response.receive():
            await call.out.piece(data)
        await call.out.end()

    async def _pass_frames(
        self,
        call: ClientRequest,
        client: ClientEnd,
        visit: Visit,
        handshake: Handshake,
        response: DispatchedResponse,
        match: Match,
    ) -> None:
        """Accept the socket, and pass frames on until it ends."""
        headers = self._heads.for_client(call, response, match)
        try:
            await client.accept(handshake, response.headers, headers)
        except (OSError, trio.BrokenResourceError) as error:
            raise ClientGoneError from error
        call.out.status = SWITCHED
        self._finish(call, None)
        deflate = handshake.is_compressed(response.headers)
        back_end = BackEnd(*response.switched(), READ)
        ending = await self.sockets.run(
            client, back_end, response.lane, visit, deflate=deflate, request_id=call.request_id
        )
        if call.trace.traced is not None:
            call.trace.traced.socket_ended(ending.how, ending.side, ending.code)

    def _finish(self, call: ClientRequest, problem: ProblemError | None) -> None:
        """Count the handshake among the requests."""
        status = call.out.status if call.out.status is not None else CLIENT_GONE
        if problem is not None and not call.out.is_complete:
            status = problem.status
        self._recorder.routed(call.match, status, call.back_end_seconds, trio.current_time())

    def _unexpected(self, call: ClientRequest, error: Exception) -> ProblemError:
        """Return the problem of an unexpected failure; a shortage of this process has its own sentence."""
        shortage = own_shortage(error)
        if shortage is not None:
            self._on_shortage(shortage, call.match.service if call.match else "")
            return short()
        self.boundary.count()
        log.error(
            "websocket failed",
            request_id=call.request_id.decode(),
            path=call.scope["path"],
            exc_info=error,
        )
        return ProblemError("internal_error", "The gateway failed. The log has the reason.")


def _client(scope: Scope, receive: Receive, send: Send) -> ClientEnd:
    """Return the client's side, as its server offers it."""
    tunnel: Any = (scope.get("extensions") or {}).get(TUNNEL)
    return MessageClient(receive, send) if tunnel is None else FrontClient(tunnel())


def _stopping() -> ProblemError:
    return ProblemError("shutting_down", "The service is starting or stopping. Connect again soon.")


def _responding(scope: Scope, send: Send) -> Send:
    """Return a ``send`` for the response to a handshake that is refused.

    A server that can send none gets a close, for which it responds with 403.
    """
    can_respond = "websocket.http.response" in (scope.get("extensions") or {})

    async def respond(message: Any) -> None:
        if can_respond:
            await send({**message, "type": f"websocket.{message['type']}"})
        elif message["type"] == "http.response.start":
            await send({"type": "websocket.close", "code": 1008})

    return respond
