"""The gateway: forwards requests of clients, and sends the service's own, to the back ends.

Routes come from the settings alone: a health service that knows nothing, or has failed, changes which
instance is used, never whether a path has a route.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

import trio

from orch.capacity import Capacity
from orch.gateway.api_adapter import ApiAdapter
from orch.gateway.backends import Backends
from orch.gateway.breaker_events import BreakerEvents
from orch.gateway.client_heads import ClientHeads
from orch.gateway.client_request import Receive, Scope, Send, encoded_path
from orch.gateway.controls.commands import Command, Effect, Layers, Standings
from orch.gateway.controls.operations import Operations
from orch.gateway.current_routes import CurrentRoutes
from orch.gateway.dispatch import Dispatcher
from orch.gateway.explanation import Explanation, explain, without_a_route
from orch.gateway.fetcher import MAX_RESPONSE, FetchedResponse, Fetcher
from orch.gateway.figures import Figures
from orch.gateway.flows import Flow
from orch.gateway.headers import Header
from orch.gateway.health_view import Health
from orch.gateway.hedging.route_hedges import Hedges
from orch.gateway.hops import Hops
from orch.gateway.instance import Instance
from orch.gateway.lane import Lane
from orch.gateway.outlier_events import OutlierEvents
from orch.gateway.places import Places
from orch.gateway.proxy import REFUSED_METHODS, Proxy
from orch.gateway.rate_limits.limiter import RateLimiter, SharedBuckets
from orch.gateway.readings import readings_of
from orch.gateway.recorder import Metrics, Recorder
from orch.gateway.rotation_events import RotationEvents
from orch.gateway.routes import Match, UnroutableError
from orch.gateway.shedding.priorities import Priority
from orch.gateway.sockets.handshake import METHOD
from orch.gateway.sockets.open_sockets import OpenSockets
from orch.gateway.sockets.proxy import SocketProxy
from orch.gateway.spool import Spool
from orch.gateway.statistics import GatewayDiscovery, GatewayStatistics, GatewayUsage
from orch.gateway.sweep import sweep
from orch.gateway.transport import Connect, Connector
from orch.gateway.warming import Warming
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name, new_request_id
from orch.readiness import create_readiness
from orch.settings import Settings
from orch.settings.source import SettingsSource
from orch.shortages import Shortage
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.telemetry.names.metric import Reading
from orch.telemetry.pulse import Pulse
from orch.telemetry.shortages import ShortageLog
from orch.telemetry.topics import Topics
from orch.telemetry.traces import OFF, Tracer
from orch.telemetry.work import IDLE, Work

TOPIC: Final = "gateway"
SWEEP_SECONDS: Final = 1.0


class GatewayService:
    """Forwards requests to back ends, with balancing, retries and circuit breakers.

    Usable before and without :meth:`run`, which lets connections be reused.

    Settings are read at each use: changes take effect then, and instances that stay keep their state.
    """

    def __init__(
        self,
        *,
        settings: SettingsSource,
        health: Health,
        events: EventLog,
        topics: Topics,
        metrics: Metrics,
        connect: Connect | None = None,
        shortages: ShortageLog | None = None,
        spool: Spool | None = None,
        shared_buckets: SharedBuckets | None = None,
        pulse: Pulse | None = None,
        make_id: Callable[[], str] = new_request_id,
        discovered: Callable[[], tuple[GatewayDiscovery, ...]] = lambda: (),
        capacity: Callable[[], Capacity] | None = None,
        tracer: Tracer = OFF,
    ) -> None:
        self._discovered = discovered
        self._settings = settings
        self._health = health
        self._shortages = shortages or ShortageLog(
            events=events, clock=trio.current_time, wall=trio.current_time
        )
        self._make_id = make_id
        self._routes = CurrentRoutes(settings)
        self._recorder = Recorder(metrics)
        self._connector = Connector()
        self._breaker_events = BreakerEvents(events=events, topics=topics, topic=TOPIC, metrics=metrics)
        self._backends = Backends(
            connect=connect or self._connector,
            on_change=self._breaker_events.changed,
            look=health.presence,
            watch=OutlierEvents(events=events, topics=topics, topic=TOPIC),
        )
        self._dispatcher = Dispatcher(
            self._backends,
            is_usable=health.is_usable,
            on_failure=self._attempt_failed,
            on_retry=self._recorder.retried,
            on_shortage=self._short,
            was_suspended=(pulse or Pulse(events=events, wall=trio.current_time)).was_stopped_since,
        )
        self._spool = spool or Spool(disk_limit=settings.current.orchestration.gateway.spool_bytes)
        places = Places()
        self._rates = RateLimiter(events=events, shared=shared_buckets)
        self._hedges = Hedges()
        self._hops = Hops(f"orch-{new_name()}")
        heads = ClientHeads(settings, self._routes, self._hops, make_id)
        self._proxy = Proxy(
            self._dispatcher,
            settings=settings,
            routes=self._routes,
            recorder=self._recorder,
            spool=self._spool,
            places=places,
            rates=self._rates,
            hedges=self._hedges,
            on_shortage=self._short,
            heads=heads,
            events=events,
            topics=topics,
            topic=TOPIC,
            tracer=tracer,
        )
        self._sockets = OpenSockets(settings, self._attempt_failed, capacity)
        self.visits: Final = self._sockets.visits
        self._socket_proxy = SocketProxy(
            self._dispatcher,
            settings=settings,
            routes=self._routes,
            recorder=self._recorder,
            rates=self._rates,
            sockets=self._sockets,
            on_shortage=self._short,
            heads=heads,
            tracer=tracer,
        )
        self._fetcher = Fetcher(
            self._dispatcher,
            settings=settings,
            recorder=self._recorder,
            places=places,
            routes=self._routes,
            rates=self._rates,
            make_id=make_id,
            tracer=tracer,
        )
        self._applied: Settings | None = None
        self._read: GatewayStatistics | None = None
        self._operations = Operations(
            self._backends, events=events, touch=lambda: topics.touch(TOPIC), is_usable=self._is_usable
        )
        self._figures = Figures(
            backends=self._backends,
            recorder=self._recorder,
            routes=self._routes,
            places=places,
            spool=self._spool,
            rates=self._rates,
            fallbacks=self._proxy.fallbacks,
            hedges=self._hedges,
            sockets=self._sockets.statistics,
            is_usable=self._is_usable,
        )
        self.boundary = Boundary("gateway sweep")
        self._rotation = RotationEvents(events=events, is_usable=health.is_usable, label=health.label)
        self._warming = Warming(
            self._backends, settings=settings, is_usable=health.is_usable, boundary=self.boundary
        )

    def use_adapter(self, adapter: ApiAdapter) -> None:
        """Let a part serve the clients' requests whose API the back end does not speak.

        It is not an argument of the constructor: it sends its own requests through this gateway.
        """
        self._fetcher.adapter = adapter
        self._proxy.adapter = adapter

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep idle connections for reuse, until cancelled.

        Connections that were idle for too long are closed, and open breakers become half-open when their time
        has come. Cancelled, it closes the idle connections; busy ones are closed as their requests end.
        """
        self._apply_settings()
        self._backends.reuse_connections(reuse=True)
        try:
            async with trio.open_nursery() as nursery:
                self._connector.readiness = readiness = create_readiness()
                if readiness is not None:
                    nursery.start_soon(readiness.run)
                nursery.start_soon(self._proxy.patience.run)
                nursery.start_soon(self._warming.run)
                nursery.start_soon(self._dispatcher.witnesses.run)
                task_status.started()
                await self._sweep()
        finally:
            self._connector.readiness = None
            self._backends.reuse_connections(reuse=False)

    async def _sweep(self) -> None:
        while True:
            await trio.sleep(SWEEP_SECONDS)
            with self.boundary.item(step="settings"):
                self._apply_settings()
            sweep(self._backends, self.boundary, self._health.is_usable, self._rotation, trio.current_time())

    def handles(self, path: str, raw_path: bytes | None = None) -> bool:
        """Return whether a path (ASGI's ``path``, decoded, and ``raw_path``, as it was sent) has a route."""
        return self._routes.handles(path, raw_path)

    def is_public(self, scope: Scope) -> bool:
        """Return whether the settings open a client's request, or handshake, to everyone."""
        return self._routes.is_public(scope.get("method", METHOD), encoded_path(scope))

    def is_public_inside(self, service: str, method: str, path: str) -> bool:
        """Return whether the settings open a request to a service at its own path to everyone."""
        return self._routes.is_public_inside(service, method, path)

    def determine_route(self, path: str) -> Match | None:
        """Return where a percent-encoded path leads, None if it has no route. Raises UnroutableError."""
        return self._routes.match(path)

    def explain(self, path: str, method: str, *, without: Collection[str] = ()) -> Explanation:
        """Return what would become of a client's request, without sending it.

        ``path``: percent-encoded; ``without``: instances, by the URL that is shown, taken as absent.
        """
        self._apply_settings()
        try:
            match = self._routes.match(path)
        except UnroutableError as error:
            return without_a_route(method, path, f"This path cannot be forwarded: {error}.")
        if match is None:
            return without_a_route(method, path)
        if method in REFUSED_METHODS:
            return without_a_route(method, path, f"The gateway does not forward {method}.")
        return explain(
            method,
            path,
            match,
            self._backends.get(match.service),
            now=trio.current_time(),
            is_usable=self._health.is_usable,
            without=without,
            discovery=[each for each in self._discovered() if each.service == match.service],
            limits=self._rates.policies(self._settings.current.orchestration.gateway).of(match.prefix),
            hedge=self._hedges.get(match.prefix),
            sockets=self._sockets.explained() if method == METHOD else None,
        )

    async def proxy(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a client's ASGI ``http`` request by forwarding it to the back end of its path."""
        self._apply_settings()
        with self._recorder.one_in_flight():
            await self._proxy(scope, receive, send)

    async def connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a client's ASGI ``websocket`` by connecting it with the back end of its path."""
        self._apply_settings()
        await self._socket_proxy(scope, receive, send)

    async def drain(self) -> None:
        """Close clients' WebSockets to back ends with 1001, and return when all have ended."""
        await self._sockets.drain()

    async def fetch(
        self,
        service: str,
        method: str,
        path: str,
        *,
        headers: Iterable[Header] = (),
        body: bytes = b"",
        max_response: int = MAX_RESPONSE,
        flow: Flow = Flow.CAPTIONS,
        caller: str = "",
        priority: Priority | None = None,
    ) -> FetchedResponse:
        """Send a request to a back end, and return the whole response.

        ``path`` is the back end's own, percent-encoded, with query. One with dot or empty segments is
        refused: parts of it may come from a client. ``flow`` and ``caller``: whose share of the connections
        is used, and on whose behalf. Without them it is the service's own request, for captions.
        ``priority``: its class; None: live for captions, interactive for clients' requests, control for those
        that only read. A ``traceparent`` among ``headers`` is the span that the tries are parts of; each of
        them sends its own in its place.

        Raises :class:`ProblemError`: unknown_service, invalid_request, service_unavailable, overloaded,
        own_shortage, bad_gateway (also for a body over ``max_response`` bytes), gateway_timeout (after
        ``gateway.timeout`` seconds). A response of any status is returned.
        """
        self._instances(service)  # an unknown name must not become a metric's label
        return await self._fetcher.fetch(
            service,
            method,
            path,
            headers=headers,
            body=body,
            max_response=max_response,
            flow=flow,
            caller=caller,
            priority=priority,
        )

    def concurrency(self, service: str, *, wanted: int) -> int | None:
        """Return how many requests a service's instances do at a time; None if that is not limited.

        ``wanted``: how many the caller would send. Raises ProblemError unknown_service.
        """
        self._instances(service)
        backend = self._backends.get(service)
        return None if backend is None else backend.gate.concurrency(wanted)

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads; the counters of requests are counted where requests end."""
        self._read = None
        yield from self.boundary.readings()
        yield from self._dispatcher.witnesses.boundary.readings()
        yield from self._proxy.boundary.readings()
        yield from self._socket_proxy.boundary.readings()
        self._read = self.statistics()
        yield from readings_of(self._read)
        yield from self._rates.readings(self._settings.current.orchestration.gateway)

    def usage(self) -> GatewayUsage:
        """Return what is taken of the limits of clients' requests and of their bodies on disk."""
        return self._figures.usage(self._settings.current.orchestration.gateway)

    def statistics_as_read(self) -> GatewayStatistics:
        """Return the figures that the last :meth:`readings` were made of, once; else those of now.

        For who has read these a moment ago: to add all up again costs a millisecond.
        """
        read, self._read = self._read, None
        return self.statistics() if read is None else read

    def statistics(self) -> GatewayStatistics:
        """Return the figures now."""
        self._apply_settings()
        return self._figures.statistics(
            self._settings.current.orchestration.gateway, self._discovered(), trio.current_time()
        )

    @property
    def layers(self) -> Layers:
        """What operators have set, as far as it lasts."""
        return self._operations.layers

    def check(self, command: Command) -> None:
        """Raise ProblemError if there is no such subject: unknown_service, invalid_request."""
        self._apply_settings()
        self._operations.check(command)

    def carry_out(self, command: Command, *, is_own: bool = False, by: str = "") -> Effect:
        """Carry out an operator's command on this worker.

        ``is_own``: what lasts of it is this worker's alone. Requests in flight go on. Raises ProblemError:
        unknown_service, invalid_request.
        """
        self._apply_settings()
        return self._operations.carry_out(command, is_own=is_own, by=by)

    def adopt(self, standings: Standings) -> None:
        """Apply what lasts on all workers."""
        self._operations.adopt(standings)

    def reset(self, service: str, url: str | None = None) -> str:
        """Close the idle connections to a service and end the cooldown of its breakers; say what was done.

        Requests in progress go on. A breaker that was open admits a trial now. ``url``: only of this
        instance.
        """
        return self._operations.reset(service, url)

    def record_failure(self, service: str) -> None:
        """Count a failure that was noticed outside of the gateway against every instance of a service.

        Raises ProblemError unknown_service.
        """
        for instance in self._instances(service):
            for lane in instance.lanes.values():
                lane.report_failure(trio.current_time())

    def work_of(self, service: str, url: str) -> Work:
        """Return what an instance has to do for requests that went through this gateway."""
        backend = self._backends.get(service)
        instance = None if backend is None else backend.instances.get(url)
        if instance is None:
            return IDLE
        return instance.work(trio.current_time())

    def is_open(self, service: str, flow: Flow = Flow.CAPTIONS) -> bool:
        """Return whether no instance's breaker would admit a request of the flow.

        Raises ProblemError unknown_service.
        """
        now = trio.current_time()
        return not any(instance.lanes[flow].is_admitting(now) for instance in self._instances(service))

    def _instances(self, service: str) -> Iterable[Instance]:
        self._apply_settings()
        backend = self._backends.get(service)
        if backend is None:
            raise ProblemError("unknown_service", f"No service is called {service}.", service=service)
        return backend.instances.values()

    def _apply_settings(self) -> None:
        settings = self._settings.current
        if settings is not self._applied:
            self._backends.apply(settings, trio.current_time())
            self._backends.stand(self._operations.layers)
            self._applied = settings
            for lane in self._backends.lanes():
                self._breaker_events.measure(lane)
            prefixes = {route.prefix for route in self._routes.table.routes}
            self._recorder.retain(prefixes, settings.services)
            self._proxy.fallbacks.apply(settings.orchestration.gateway)
            self._hedges.retain({each.prefix for each in self._routes.table.routes if each.hedging.extra})

    def _is_usable(self, instance: Instance) -> bool:
        return self._health.is_usable(instance.service, instance.url)

    def _attempt_failed(self, lane: Lane) -> None:
        self._health.note_failure(lane.service, lane.url, lane.last_failure)

    def _short(self, shortage: Shortage, service: str) -> None:
        self._shortages.note(shortage, f"A request to the {service} failed.")
