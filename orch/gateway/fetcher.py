"""Sends requests to back ends for callers inside the service, and returns whole responses."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import trio

from orch.gateway import headers as heads
from orch.gateway.api_adapter import AdaptedRequest, ApiAdapter, NoAdapter
from orch.gateway.attempt import Trace, collect
from orch.gateway.client_request import CLIENT_GONE
from orch.gateway.connection import Request
from orch.gateway.current_routes import CurrentRoutes
from orch.gateway.dispatch import Dispatcher
from orch.gateway.flows import Flow
from orch.gateway.gateway_problems import too_slow
from orch.gateway.headers import Header
from orch.gateway.places import Places
from orch.gateway.rate_limits.fields import problem_of
from orch.gateway.rate_limits.limiter import RateLimiter
from orch.gateway.recorder import Recorder
from orch.gateway.request_body import RequestBody
from orch.gateway.routes import is_canonical
from orch.gateway.shedding.priorities import Priority, own_priority, priority_of
from orch.gateway.spans import trace_of_our_own
from orch.gateway.trace_context import recorded_trace
from orch.problems import ProblemError
from orch.settings import Gateway
from orch.settings.source import SettingsSource
from orch.telemetry.traces import OFF, Tracer

MAX_RESPONSE: Final = 8 * 2**20


@dataclass(frozen=True, slots=True)
class FetchedResponse:
    """A back end's complete response. ``instance`` is its URL, ``elapsed`` seconds."""

    status: int
    headers: tuple[Header, ...]
    body: bytes
    service: str
    instance: str
    attempts: int
    elapsed: float


class Fetcher:
    """Sends the service's own requests, and those of clients that it serves itself.

    The mutable state is the adapter, which serves clients' requests whose API a back end does not speak.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        settings: SettingsSource,
        recorder: Recorder,
        places: Places,
        routes: CurrentRoutes,
        rates: RateLimiter,
        make_id: Callable[[], str],
        tracer: Tracer = OFF,
    ) -> None:
        self._tracer = tracer
        self.adapter: ApiAdapter = NoAdapter()
        self._dispatcher = dispatcher
        self._settings = settings
        self._recorder = recorder
        self._places = places
        self._routes = routes
        self._rates = rates
        self._make_id = make_id

    async def fetch(
        self,
        service: str,
        method: str,
        path: str,
        *,
        headers: Iterable[Header],
        body: bytes,
        max_response: int,
        flow: Flow,
        caller: str,
        priority: Priority | None,
    ) -> FetchedResponse:
        """Send a request and return the response: see ``GatewayService.fetch``."""
        if not is_canonical(path):
            raise ProblemError("invalid_request", "The path must be well-formed, without dot segments.")
        policy = self._settings.current.orchestration.gateway
        request = Request(
            method=method,
            target=path,
            headers=tuple(heads.of_our_own(headers, self._make_id().encode("ascii"))),
            body=RequestBody(body),
            is_ours=True,
        )
        if priority is None:
            priority = own_priority(method) if flow is Flow.CAPTIONS else priority_of("auto", method)
        if flow is Flow.REQUESTS and policy.rate_limits:
            # A request in a service message has no route: the limits of all routes count for its caller.
            levels = await self._rates.take(policy, "", (), caller)
            if (problem := problem_of(levels)) is not None:
                raise problem
        with self._place(flow, caller, policy), self._recorder.one_in_flight():
            if flow is Flow.REQUESTS and self.adapter.adapts(service, method, path.partition("?")[0]):
                return await self._adapted(
                    service, method, path, tuple(headers), body, max_response, caller, priority
                )
            return await self._fetch(service, request, max_response, flow, caller, policy, priority)

    async def _adapted(
        self,
        service: str,
        method: str,
        path: str,
        headers: tuple[Header, ...],
        body: bytes,
        max_response: int,
        caller: str,
        priority: Priority,
    ) -> FetchedResponse:
        """Have the adapter serve a client's request; its requests to the back end are counted each."""
        policy = self._settings.current.orchestration.gateway
        began = trio.current_time()
        last: list[FetchedResponse] = []

        async def fetch(
            service: str, method: str, path: str, *, headers: Iterable[Header] = (), body: bytes = b""
        ) -> FetchedResponse:
            request_id = self._make_id().encode("ascii")
            own = Request(
                method=method,
                target=path,
                headers=tuple(heads.of_our_own(headers, request_id)),
                body=RequestBody(body),
                is_ours=True,
            )
            last[:] = [await self._fetch(service, own, MAX_RESPONSE, Flow.REQUESTS, caller, policy, priority)]
            return last[0]

        own_path, _, query = path.partition("?")
        data = await self.adapter.respond(
            AdaptedRequest(service, method, own_path, query, headers, body), fetch
        )
        if len(data) > max_response:
            raise ProblemError(
                "bad_gateway", f"The response would have more than {max_response} bytes.", service=service
            )
        return FetchedResponse(
            status=200,
            headers=((b"content-type", b"application/json"),),
            body=data,
            service=service,
            instance=last[0].instance if last else "",
            attempts=last[0].attempts if last else 0,
            elapsed=trio.current_time() - began,
        )

    def _place(self, flow: Flow, caller: str, policy: Gateway) -> AbstractContextManager[None]:
        """Count the request among those of clients; the service's own do not count."""
        if flow is not Flow.REQUESTS:
            return nullcontext()
        return self._places.taking(
            caller, limit=policy.max_requests, of_caller=policy.max_requests_per_address
        )

    async def _fetch(
        self,
        service: str,
        request: Request,
        max_response: int,
        flow: Flow,
        caller: str,
        policy: Gateway,
        priority: Priority,
    ) -> FetchedResponse:
        began = trio.current_time()
        trace = Trace(traced=trace_of_our_own(self._tracer, request.method, request.headers))
        status = CLIENT_GONE
        try:
            with trio.fail_after(policy.timeout) as limit:
                async with self._dispatcher.send(
                    service,
                    request,
                    trace,
                    retries=policy.retries,
                    flow=flow,
                    limits=self._routes.limits,
                    # Transcribing or translating twice harms nothing.
                    repeatable="always" if flow is Flow.CAPTIONS else "safe",
                    caller=caller,
                    priority=priority,
                    limit=limit,
                ) as response:
                    data = await collect(response, max_response)
            status = response.status
            return FetchedResponse(
                status=response.status,
                headers=response.headers,
                body=data,
                service=service,
                instance=response.instance,
                attempts=trace.attempts,
                elapsed=trio.current_time() - began,
            )
        except trio.TooSlowError as error:
            problem = too_slow(service, policy.timeout, is_queued=trace.is_queued)
            status = problem.status
            raise problem from error
        except ProblemError as error:
            status = error.status
            raise
        finally:
            is_asked = trace.attempts > 0 and not trace.is_queued
            now = trio.current_time()
            seconds = now - began if is_asked else None
            self._recorder.fetched(flow, service, status, seconds, now, recorded_trace(request.headers))
