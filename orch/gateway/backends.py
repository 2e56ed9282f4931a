"""The instances of each service, as in the settings, and each flow's share of them."""

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from math import inf
from typing import Final, NamedTuple

from orch.gateway.balancer import Balancer, Candidate, RoundRobin, create_balancer
from orch.gateway.breaker import Breaker, BreakerPolicy, Permit, State
from orch.gateway.first_byte import FirstByte
from orch.gateway.flows import Flow
from orch.gateway.headers import Header
from orch.gateway.retry_budget import RetryBudget
from orch.gateway.shedding.gate import Ask, Gate, Ticket
from orch.gateway.shedding.instance_places import InstancePlaces
from orch.gateway.shedding.rules import places_of, rules_of
from orch.gateway.slow_start import SlowStart
from orch.gateway.statistics import GatewayInstance, GatewayLane
from orch.gateway.transport import Address, Connect
from orch.gateway.upstream import Upstream
from orch.gateway.window import Window, p95_of
from orch.gateway.work import WorkInProgress
from orch.masking import mask_url
from orch.settings import Service, Settings, Share

IsUsable = Callable[[str, str], bool]
OnChange = Callable[["Lane"], None]

_BADNESS: Final = {"closed": 0, "half_open": 1, "open": 2}


class Lane:
    """One flow's share of one instance: its connections, its queue, its breaker and its figures.

    The breaker is used through this class, so that each change of its state is announced once.
    """

    def __init__(
        self,
        service: str,
        url: str,
        flow: Flow,
        upstream: Upstream,
        policy: BreakerPolicy,
        now: float,
        on_change: OnChange,
    ) -> None:
        self.service: Final = service
        self.url: Final = url
        self.shown: Final = mask_url(url)
        self.flow: Final = flow
        self.upstream: Final = upstream
        self.breaker: Final = Breaker(policy)
        self.window: Final = Window(now)
        self.in_flight = 0
        self.work: Final = WorkInProgress()
        self.first_byte = FirstByte()
        """The instance's, in all of its lanes."""
        self.last_failure = ""
        self.rests_until = 0.0
        """Until when it has asked for no requests, on Trio's clock."""
        self._announced = State.CLOSED
        self._on_change = on_change

    def __repr__(self) -> str:
        return f"<Lane {self.shown} of {self.service}, {self.flow}: {self.breaker!r} {self.upstream!r}>"

    def admit(self, now: float, caller: str) -> Permit | None:
        """Return the breaker's permit for one request, or None."""
        permit = self.breaker.admit(now, caller)
        self.notify()
        return permit

    def notify(self) -> None:
        """Call ``on_change`` if the breaker's state has changed since the last call."""
        if self.breaker.state is not self._announced:
            self._announced = self.breaker.state
            self._on_change(self)

    def statistics(self, now: float) -> GatewayLane:
        """Return the figures."""
        is_admitting = self.breaker.is_admitting(now)
        self.notify()
        minute = self.window.summary(now)
        pool = self.upstream.statistics()
        return GatewayLane(
            flow=self.flow.value,
            breaker=self.breaker.state.value,
            breaker_retry_in=self.breaker.retry_in(now),
            consecutive_failures=self.breaker.consecutive_failures,
            in_flight=self.in_flight,
            connections=self.upstream.limit,
            busy=pool.busy,
            waiting=pool.waiting,
            waiting_limit=self.upstream.waiting_limit,
            requests=self.window.total,
            errors=self.window.total_errors,
            requests_last_minute=minute.count,
            errors_last_minute=minute.errors,
            p95_ms=minute.p95_ms,
            is_admitting=is_admitting,
        )


class Chosen(NamedTuple):
    """An instance for one request: its lane, the breaker's permit, and its place (None: it needs none)."""

    lane: Lane
    permit: Permit
    ticket: Ticket | None

    def give_back(self, now: float) -> None:
        """Give back permit and place, unused."""
        self.lane.breaker.abandoned(self.permit)
        if self.ticket is not None:
            self.ticket.end(now)


class Full:
    """No instance has a place for the request now."""


FULL: Final = Full()


class Instance:
    """One process that serves a service, with a lane for each flow."""

    def __init__(
        self, service: str, url: str, lanes: Mapping[Flow, Lane], now: float, *, is_new: bool
    ) -> None:
        self.service: Final = service
        self.url: Final = url
        self.shown: Final = mask_url(url)
        self.weight = 1
        self.lanes: Final = lanes
        self.first_byte: Final = FirstByte()
        self.slow_start: Final = SlowStart(now, is_new=is_new)
        self.places: Final = InstancePlaces()
        for lane in lanes.values():
            lane.first_byte = self.first_byte

    def __repr__(self) -> str:
        return f"<Instance {self.shown} of {self.service}: {list(self.lanes.values())!r}>"

    def candidate(self, now: float, slow_start: float) -> Candidate:
        """Return it as the balancer sees it."""
        return Candidate(
            self.url,
            self.weight * self.slow_start.share(now, slow_start),
            sum(lane.in_flight for lane in self.lanes.values()),
            self.first_byte.average(now),
        )

    def attempts(self, now: float) -> int:
        """Return how many attempts of both flows ended in the last minute."""
        return sum(lane.window.summary(now).count for lane in self.lanes.values())

    def statistics(
        self, now: float, *, of_service: int, is_healthy: bool, slow_start: float
    ) -> GatewayInstance:
        """Return the figures; ``of_service``: last minute's attempts of all the service's instances."""
        candidate = self.candidate(now, slow_start)
        lanes = tuple(lane.statistics(now) for lane in self.lanes.values())
        worst = max(lanes, key=lambda lane: _BADNESS[lane.breaker])
        return GatewayInstance(
            service=self.service,
            url=self.shown,
            weight=self.weight,
            weight_now=candidate.weight,
            first_byte_ms=None if candidate.first_byte is None else candidate.first_byte * 1000,
            breaker=worst.breaker,
            breaker_retry_in=worst.breaker_retry_in,
            consecutive_failures=max(lane.consecutive_failures for lane in lanes),
            in_flight=sum(lane.in_flight for lane in lanes),
            requests=sum(lane.requests for lane in lanes),
            errors=sum(lane.errors for lane in lanes),
            requests_last_minute=sum(lane.requests_last_minute for lane in lanes),
            errors_last_minute=sum(lane.errors_last_minute for lane in lanes),
            share=self.attempts(now) / of_service if of_service else None,
            p95_ms=p95_of([lane.window for lane in self.lanes.values()], now),
            usable=is_healthy and any(lane.is_admitting for lane in lanes),
            places_taken=self.places.taken,
            places_limit=None if self.places.limit == inf else int(self.places.limit),
            places_from=self.places.source,
            lanes=lanes,
        )


class Backend:
    """A service: its instances, in the settings' order, and one balancer for each flow."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.instances: dict[str, Instance] = {}
        self.budgets: Final = {flow: RetryBudget() for flow in Flow}
        self.gate: Final = Gate(name)
        self._sticky_header = b""
        self.slow_start = 0.0
        self._kind = "round_robin"
        self._balancers: dict[Flow, Balancer] = {flow: RoundRobin() for flow in Flow}

    def balance(self, service: Service, draw: Callable[[], float]) -> None:
        """Choose as the settings say from now on; a balancer of the same kind keeps what it remembers."""
        self._sticky_header = service.sticky_header.lower().encode()
        self.slow_start = service.slow_start
        if service.balancer != self._kind:
            self._kind = service.balancer
            self._balancers = {flow: create_balancer(service.balancer, draw) for flow in Flow}

    @property
    def kind(self) -> str:
        """How an instance is chosen: the setting ``balancer``."""
        return self._kind

    def balancer(self, flow: Flow) -> Balancer:
        """Return what chooses for a flow."""
        return self._balancers[flow]

    def key(self, headers: Iterable[Header], caller: str) -> str:
        """Return what keeps a request at one instance: a header's value, or who sent it."""
        if self._kind != "sticky":
            return ""
        if self._sticky_header:
            for name, value in headers:
                if name == self._sticky_header:
                    return value.decode("latin-1")
        return caller

    def choose(
        self,
        now: float,
        flow: Flow,
        caller: str,
        is_usable: IsUsable,
        *,
        tried: Collection[str],
        key: str = "",
        ask: Ask | None = None,
        is_turn: bool = False,
    ) -> Chosen | Full | None:
        """Return an instance that is healthy, whose breaker admits a request, and that has a place for it.

        Instances that were not tried yet are preferred. None: there is none; then no request is sent, so that
        a failed service costs its clients no time. FULL: there are some, without a place. ``ask``: what the
        request is to the gate; None: it needs no place. ``is_turn``: it need not wait for others.
        """
        usable = []
        for instance in self.instances.values():
            is_alive = is_usable(self.name, instance.url)
            breaker = instance.lanes[flow].breaker
            instance.slow_start.see(now, is_usable=is_alive and breaker.state is not State.OPEN)
            if is_alive and breaker.is_admitting(now, caller):
                usable.append(instance)
        if not usable:
            return None
        gate = self.gate if ask is not None and self.gate.is_limited else None
        if gate is not None and ask is not None:
            if not is_turn and gate.is_behind(ask):
                return FULL
            usable = [each for each in usable if gate.has_room(each.places, ask, now)]
            if not usable:
                return FULL
        chosen = usable[0]
        if len(self.instances) > 1:
            awake = [each for each in usable if each.lanes[flow].rests_until <= now] or usable
            candidates = [each for each in awake if each.url not in tried] or awake
            name = self._balancers[flow].choose(
                [each.candidate(now, self.slow_start) for each in candidates], key
            )
            chosen = self.instances[name]
        lane = chosen.lanes[flow]
        permit = lane.admit(now, caller)
        assert permit is not None, "a breaker that is admitting gives a permit"  # noqa: S101 - an invariant
        if gate is None or ask is None:
            return Chosen(lane, permit, None)
        return Chosen(lane, permit, gate.take(chosen.places, ask, now))

    def has_another(
        self,
        now: float,
        flow: Flow,
        caller: str,
        is_usable: IsUsable,
        *,
        tried: Collection[str],
        ask: Ask | None = None,
    ) -> bool:
        """Return whether an instance that was not tried, and does not rest, would get a request now."""
        return any(
            instance.url not in tried
            and (ask is None or self.gate.has_room(instance.places, ask, now))
            and instance.lanes[flow].rests_until <= now
            and is_usable(self.name, instance.url)
            and instance.lanes[flow].breaker.is_admitting(now, caller)
            for instance in self.instances.values()
        )

    def has_another_that_works(
        self, now: float, flow: Flow, caller: str, is_usable: IsUsable, *, tried: Collection[str]
    ) -> bool:
        """Return whether such an instance is there whose last request did not fail either."""
        return any(
            instance.url not in tried
            and not instance.lanes[flow].breaker.consecutive_failures
            and instance.lanes[flow].rests_until <= now
            and is_usable(self.name, instance.url)
            and instance.lanes[flow].breaker.is_admitting(now, caller)
            for instance in self.instances.values()
        )

    def retry_in(self, now: float, flow: Flow) -> float | None:
        """Return the seconds until the first breaker of a flow admits a trial; None if none is open.

        Zero: one is half-open, and its trials are in progress.
        """
        breakers = [instance.lanes[flow].breaker for instance in self.instances.values()]
        waits = [breaker.retry_in(now) for breaker in breakers]
        if any(breaker.state is State.HALF_OPEN for breaker in breakers):
            waits.append(0.0)
        return min((wait for wait in waits if wait is not None), default=None)

    def retain(self, urls: Collection[str]) -> None:
        """Drop the instances that are not among ``urls``; their requests in flight go on."""
        for url in [url for url in self.instances if url not in urls]:
            gone = self.instances.pop(url)
            for lane in gone.lanes.values():
                lane.upstream.reuses_connections = False
                lane.upstream.close_idle()
        for balancer in self._balancers.values():
            balancer.retain(urls)


class Backends:
    """All services. :meth:`apply` adapts them to new settings; what stays keeps its state."""

    def __init__(
        self, *, connect: Connect, on_change: OnChange, draw: Callable[[], float] = random.random
    ) -> None:
        self._connect = connect
        self._draw = draw
        self._on_change = on_change
        self._services: dict[str, Backend] = {}
        self._reuses_connections = False

    def __iter__(self) -> Iterator[Backend]:
        return iter(self._services.values())

    def get(self, name: str) -> Backend | None:
        """Return a service."""
        return self._services.get(name)

    def instances(self) -> Iterator[Instance]:
        """Yield every instance of every service."""
        for backend in self._services.values():
            yield from backend.instances.values()

    def lanes(self) -> Iterator[Lane]:
        """Yield every lane of every instance."""
        for instance in self.instances():
            yield from instance.lanes.values()

    def apply(self, settings: Settings, now: float) -> None:
        """Apply services, instances, weights and the breaker policy of the settings."""
        gateway = settings.orchestration.gateway
        policy = BreakerPolicy(gateway.circuit_breaker_threshold, gateway.circuit_breaker_cooldown)
        shares = {Flow.CAPTIONS: gateway.captions, Flow.REQUESTS: gateway.requests}
        for name in [name for name in self._services if name not in settings.services]:
            gone = self._services.pop(name)
            gone.retain(())
            gone.gate.apply((), rules_of(gateway), now)
        for name, service in settings.services.items():
            backend = self._services.setdefault(name, Backend(name))
            self._apply_service(backend, service, policy, shares, settings, now)

    def reuse_connections(self, *, reuse: bool) -> None:
        """Reuse connections after a request, or close those that are idle and reuse none."""
        self._reuses_connections = reuse
        for lane in self.lanes():
            lane.upstream.reuses_connections = reuse
            if not reuse:
                lane.upstream.close_idle()

    def _apply_service(
        self,
        backend: Backend,
        service: Service,
        policy: BreakerPolicy,
        shares: Mapping[Flow, Share],
        settings: Settings,
        now: float,
    ) -> None:
        backend.balance(service, self._draw)
        workers = settings.orchestration.frontend.workers
        wanted = service.all_instances()
        are_first = not backend.instances
        backend.retain({entry.url for entry in wanted})
        ordered: dict[str, Instance] = {}
        for entry in wanted:
            instance = ordered.get(entry.url) or backend.instances.get(entry.url)
            if instance is None:
                instance = Instance(
                    backend.name,
                    entry.url,
                    {flow: self._lane(backend.name, entry.url, flow, policy, now) for flow in Flow},
                    now,
                    is_new=not are_first,
                )
            address = Address.of(entry.url, ca_file=service.ca_file)
            instance.weight = entry.weight
            places_of(instance.places, backend.name, service, entry, workers=workers)
            for flow, lane in instance.lanes.items():
                lane.upstream.set_address(address)
                lane.breaker.policy = policy
                lane.upstream.resize(limit=shares[flow].connections, waiting=shares[flow].waiting)
            ordered[entry.url] = instance
        backend.instances = ordered
        backend.gate.apply(
            (each.places for each in ordered.values()), rules_of(settings.orchestration.gateway), now
        )

    def _lane(self, service: str, url: str, flow: Flow, policy: BreakerPolicy, now: float) -> Lane:
        upstream = Upstream(url, connect=self._connect)
        upstream.reuses_connections = self._reuses_connections
        return Lane(service, url, flow, upstream, policy, now, self._on_change)
