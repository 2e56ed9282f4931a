"""Collects the gateway's statistics from its parts."""

from collections.abc import Callable

from orch.gateway.backends import Backends
from orch.gateway.current_routes import CurrentRoutes
from orch.gateway.fallbacks.runner import Fallbacks
from orch.gateway.flows import Flow
from orch.gateway.hedging.route_hedges import Hedges
from orch.gateway.instance import Instance
from orch.gateway.places import Places
from orch.gateway.rate_limits.limiter import RateLimiter
from orch.gateway.recorder import Recorder
from orch.gateway.spool import Spool
from orch.gateway.statistics import GatewayDiscovery, GatewaySockets, GatewayStatistics, GatewayUsage
from orch.settings import Gateway


class Figures:
    """The figures of all parts of one gateway; it has no state of its own."""

    def __init__(
        self,
        *,
        backends: Backends,
        recorder: Recorder,
        routes: CurrentRoutes,
        places: Places,
        spool: Spool,
        rates: RateLimiter,
        fallbacks: Fallbacks,
        hedges: Hedges,
        sockets: Callable[[], GatewaySockets],
        is_usable: Callable[[Instance], bool],
    ) -> None:
        self._backends = backends
        self._recorder = recorder
        self._routes = routes
        self._places = places
        self._spool = spool
        self._rates = rates
        self._fallbacks = fallbacks
        self._hedges = hedges
        self._sockets = sockets
        self._is_usable = is_usable

    def usage(self, gateway: Gateway) -> GatewayUsage:
        """Return what is taken of the limits in ``gateway``, the settings; without adding anything up."""
        return GatewayUsage(
            places=self._places.taken,
            places_limit=gateway.max_requests,
            spooled_bytes=self._spool.on_disk,
            spool_limit=gateway.spool_bytes,
        )

    def statistics(
        self, gateway: Gateway, discovery: tuple[GatewayDiscovery, ...], now: float
    ) -> GatewayStatistics:
        """Return the figures now. ``gateway``: the settings; ``discovery``: the state of each discovery."""
        recorder = self._recorder
        usage = self.usage(gateway)
        total, of_flow = recorder.minutes(now)
        figures = total.summary()
        return GatewayStatistics(
            requests=total.total,
            errors=total.total_errors,
            retries=recorder.retries,
            requests_last_minute=figures.count,
            errors_last_minute=figures.errors,
            unasked_last_minute=figures.count - figures.timed,
            in_flight=recorder.in_flight,
            requests_per_second=figures.rate,
            error_rate=figures.error_rate,
            p50_ms=figures.p50_ms,
            p95_ms=figures.p95_ms,
            p99_ms=figures.p99_ms,
            places=usage.places,
            places_limit=usage.places_limit,
            spooled_bytes=usage.spooled_bytes,
            spool_limit=usage.spool_limit,
            clients=of_flow[Flow.REQUESTS].flow(),
            captions=of_flow[Flow.CAPTIONS].flow(),
            routes=recorder.routes(self._routes.table.routes, now),
            own=recorder.own(now),
            instances=tuple(
                instance.statistics(
                    now,
                    of_service=attempts,
                    is_healthy=self._is_usable(instance),
                    is_last_resort=instance in last_resorts,
                    slow_start=backend.slow_start,
                )
                for backend in self._backends
                for attempts in [sum(one.attempts(now) for one in backend.instances.values())]
                for last_resorts in [{each for flow in Flow for each in backend.last_resorts(now, flow)}]
                for instance in backend.instances.values()
            ),
            rate_limits=self._rates.statistics(gateway),
            rate_buckets=self._rates.buckets,
            rates_unchecked=self._rates.unchecked,
            fallbacks=self._fallbacks.statistics(gateway, now),
            fallback_cache=self._fallbacks.cache_statistics(),
            hedging=tuple(self._hedges.statistics(now)),
            queues=tuple(
                queue
                for backend in self._backends
                if backend.gate.is_limited
                for queue in backend.gate.statistics(now)
            ),
            services=tuple(backend.statistics(now) for backend in self._backends),
            draining=self._backends.draining.statistics(now),
            discovery=discovery,
            sockets=self._sockets(),
        )
