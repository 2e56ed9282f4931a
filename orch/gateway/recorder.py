"""Counts requests: by flow, by route and by service, in the last minute and since the start."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from orch.gateway.flows import Flow
from orch.gateway.routes import Match
from orch.gateway.statistics import GatewayOwn, GatewayRoute
from orch.gateway.window import Minute, Window
from orch.settings import Route

SETTLED_EVERY: Final = 1.0
MOST_WAITING: Final = 1_000
"""Requests that wait to be counted, at most."""
_FIRST_ERROR: Final = 500
_ROUTED: Final = Flow.REQUESTS.value


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
    """Counts every request once, for its route or, without one, its flow and service.

    What all of a flow and all together come to is added up when it is read, which is far more seldom.

    ``now`` is Trio's clock. ``seconds`` is the time the back end took, None if it got no request. The mutable
    state is one window for each of these, those of routes and services that are gone for as long as they have
    the last minute in them, what came before, what waits to be counted, those in flight, and the retries.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.in_flight = 0
        self.retries = 0
        self._metrics = metrics
        self._waiting: list[tuple[Match, int, float | None, float]] = []
        self._due = 0.0
        self._started: float | None = None
        self._routes: dict[str, Window] = {}
        self._own: dict[tuple[Flow, str], Window] = {}
        self._gone: list[tuple[Flow, Window]] = []
        self._former: dict[Flow, tuple[int, int]] = {}

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
        window.add(now, seconds, is_error=status >= _FIRST_ERROR)
        self._metrics.gateway_request(match.service, match.prefix, _ROUTED, status, seconds, trace_id)

    def routed_soon(self, match: Match, status: int, seconds: float | None, now: float) -> None:
        """Count a client's request that has ended, with others: within a second, or when all are read.

        In a row they find code and counts in the processor's caches; between two requests, each has to fetch
        them again, which costs more than the counting.
        """
        waiting = self._waiting
        waiting.append((match, status, seconds, now))
        if now >= self._due or len(waiting) >= MOST_WAITING:
            self.settle()
            self._due = now + SETTLED_EVERY

    def settle(self) -> None:
        """Count what waits for it."""
        waiting, self._waiting = self._waiting, []
        for ended in waiting:
            self.routed(*ended)

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
            window = self._own[flow, service] = self._window(now)
        window.add(now, seconds, is_error=status >= _FIRST_ERROR)
        self._metrics.gateway_request(service, flow.value, flow.value, status, seconds, trace_id)

    def retried(self, service: str) -> None:
        """Count a repeated attempt."""
        self.retries += 1
        self._metrics.gateway_retry(service)

    def retain(self, prefixes: Collection[str], services: Collection[str]) -> None:
        """Forget the routes and services that are no longer in the settings."""
        self.settle()
        for prefix in self._routes.keys() - set(prefixes):
            self._gone.append((Flow.REQUESTS, self._routes.pop(prefix)))
        for key in [key for key in self._own if key[1] not in services]:
            self._gone.append((key[0], self._own.pop(key)))

    def minutes(self, now: float) -> tuple[Minute, dict[Flow, Minute]]:
        """Return the figures of all requests, and of those of each flow."""
        self.settle()
        started = self._started = now if self._started is None else self._started
        self._forget_what_is_over(now)
        windows = [(Flow.REQUESTS, window) for window in self._routes.values()]
        windows += [(flow, window) for (flow, _), window in self._own.items()]
        windows += self._gone
        of_flow = {flow: Minute(now, started) for flow in Flow}
        for flow, window in windows:
            of_flow[flow].add(window)
        for flow, (total, errors) in self._former.items():
            of_flow[flow].add_former(total, errors)
        together = Minute(now, started)
        for minute in of_flow.values():
            together.merge(minute)
        return together, of_flow

    def _forget_what_is_over(self, now: float) -> None:
        """Keep only the totals of what is gone and has nothing of the last minute in it."""
        for gone in [each for each in self._gone if not each[1].count(now)]:
            self._gone.remove(gone)
            flow, window = gone
            total, errors = self._former.get(flow, (0, 0))
            self._former[flow] = total + window.total, errors + window.total_errors

    def routes(self, routes: Iterable[Route], now: float) -> tuple[GatewayRoute, ...]:
        """Return the figures of each route."""
        self.settle()
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

    def _route(self, prefix: str, now: float) -> Window:
        window = self._routes.get(prefix)
        if window is None:
            window = self._routes[prefix] = self._window(now)
        return window

    def _window(self, now: float) -> Window:
        """Return a new window; the first one begins all counting."""
        if self._started is None:
            self._started = now
        return Window(now)
