"""Counts requests: by flow, by route and by service, in the last minute and since the start."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from orch.gateway.flows import Flow
from orch.gateway.routes import Match
from orch.gateway.statistics import GatewayFlow, GatewayOwn, GatewayRoute
from orch.gateway.window import Window, flow_of
from orch.settings import Route
from orch.telemetry.percentiles import step_of

_FIRST_ERROR: Final = 500


class Metrics(Protocol):
    """What the gateway counts for Prometheus."""

    def gateway_request(
        self,
        service: str,
        route: str,
        flow: str,
        status: int,
        seconds: float | None,
        trace_id: str = "",
    ) -> None:
        """Count a request that has ended; ``seconds`` the back end took, None if it got no request.

        ``route``: the prefix of a client's, the flow of the service's own. ``trace_id``: of its trace, if
        that is recorded.
        """
        ...

    def gateway_retry(self, service: str) -> None:
        """Count a repeated attempt."""
        ...

    def breaker_state(self, service: str, instance: str, flow: str, state: str) -> None:
        """Set the state of a flow's breaker of an instance: closed, open or half_open."""
        ...


class Recorder:
    """Counts every request once: in total, for its flow, and for its route or, without one, its service.

    ``now`` is Trio's clock. ``seconds`` is the time the back end took, None if it got no request. The mutable
    state is one window for each of these, the requests in flight, and the retries.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.in_flight = 0
        self.retries = 0
        self._metrics = metrics
        self._total: Window | None = None
        self._flows: dict[Flow, Window] = {}
        self._routes: dict[str, Window] = {}
        self._own: dict[tuple[Flow, str], Window] = {}

    @contextmanager
    def one_in_flight(self) -> Iterator[None]:
        """Count a request as in flight for as long as the block lasts."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def routed(
        self, match: Match | None, status: int, seconds: float | None, now: float, trace_id: str = ""
    ) -> None:
        """Count a client's request that has ended; one without a route (None) does not count."""
        if match is None:
            return
        window = self._routes.get(match.prefix) or self._route(match.prefix, now)
        self._count(window, match.prefix, Flow.REQUESTS, match.service, status, seconds, now, trace_id)

    def fetched(
        self,
        flow: Flow,
        service: str,
        status: int,
        seconds: float | None,
        now: float,
        trace_id: str = "",
    ) -> None:
        """Count a request that has ended and that the service sent itself, over no route."""
        window = self._own.get((flow, service))
        if window is None:
            window = self._own[flow, service] = Window(now)
        self._count(window, flow, flow, service, status, seconds, now, trace_id)

    def retried(self, service: str) -> None:
        """Count a repeated attempt."""
        self.retries += 1
        self._metrics.gateway_retry(service)

    def retain(self, prefixes: Collection[str], services: Collection[str]) -> None:
        """Forget the routes and services that are no longer in the settings."""
        self._routes = {prefix: window for prefix, window in self._routes.items() if prefix in prefixes}
        self._own = {key: window for key, window in self._own.items() if key[1] in services}

    def total(self, now: float) -> Window:
        """Return the window of all requests."""
        if self._total is None:
            self._total = Window(now)
        return self._total

    def flow(self, flow: Flow, now: float) -> GatewayFlow:
        """Return a flow's figures."""
        return flow_of(self._flow(flow, now), now)

    def routes(self, routes: Iterable[Route], now: float) -> tuple[GatewayRoute, ...]:
        """Return the figures of each route."""
        return tuple(
            GatewayRoute(
                prefix=route.prefix,
                service=route.service,
                path=route.path,
                requests=window.total,
                errors=window.total_errors,
                requests_last_minute=minute.count,
                errors_last_minute=minute.errors,
                p50_ms=minute.p50_ms,
                p95_ms=minute.p95_ms,
                p99_ms=minute.p99_ms,
            )
            for route in routes
            for window in [self._route(route.prefix, now)]
            for minute in [window.summary(now)]
        )

    def own(self, now: float) -> tuple[GatewayOwn, ...]:
        """Return the figures of the service's own requests, by flow and service."""
        return tuple(
            GatewayOwn(
                flow=flow.value,
                service=service,
                requests=window.total,
                errors=window.total_errors,
                requests_last_minute=minute.count,
                errors_last_minute=minute.errors,
                p50_ms=minute.p50_ms,
                p95_ms=minute.p95_ms,
                p99_ms=minute.p99_ms,
            )
            for (flow, service), window in sorted(self._own.items())
            for minute in [window.summary(now)]
        )

    def _count(
        self,
        own: Window,
        route: str,
        flow: Flow,
        service: str,
        status: int,
        seconds: float | None,
        now: float,
        trace_id: str,
    ) -> None:
        is_error = status >= _FIRST_ERROR
        step = None if seconds is None else step_of(seconds)
        for window in (own, self._total or self.total(now), self._flows.get(flow) or self._flow(flow, now)):
            window.count_in(now, step, is_error=is_error)
        self._metrics.gateway_request(service, route, flow, status, seconds, trace_id)

    def _route(self, prefix: str, now: float) -> Window:
        window = self._routes.get(prefix)
        if window is None:
            window = self._routes[prefix] = Window(now)
        return window

    def _flow(self, flow: Flow, now: float) -> Window:
        window = self._flows.get(flow)
        if window is None:
            window = self._flows[flow] = Window(now)
        return window
