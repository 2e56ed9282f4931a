"""The instances of each service, as in the settings, and each flow's share of them."""

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from orch.gateway.balancer import Balancer, RoundRobin, create_balancer
from orch.gateway.breaker import BreakerPolicy, Permit, State
from orch.gateway.controls.commands import Layers
from orch.gateway.draining import Draining
from orch.gateway.ejection import Presence, is_last_resort
from orch.gateway.flows import Flow
from orch.gateway.headers import Header
from orch.gateway.instance import Instance
from orch.gateway.lane import Lane, OnChange
from orch.gateway.outliers import Outliers, Watch
from orch.gateway.resting import awake
from orch.gateway.retry_budget import RetryBudget
from orch.gateway.shedding.gate import Ask, Gate, Ticket
from orch.gateway.shedding.rules import places_of, rules_of
from orch.gateway.slow_start import SlowStart
from orch.gateway.statistics import GatewayBackend
from orch.gateway.transport import Address, Connect
from orch.gateway.upstream import Upstream
from orch.settings import Service, Settings, Share
from orch.settings.service_structs import Balancing

IsUsable = Callable[[str, str], bool]
Look = Callable[[str, str], Presence]


class Chosen(NamedTuple):
    """An instance for one request: its lane, the breaker's permit, and its place (None: it needs none)."""

    lane: Lane
    permit: Permit
    ticket: Ticket | None

    def give_back(self, now: float) -> None:
        """Give back permit and place, unused."""
        self.lane.abandoned(self.permit)
        if self.ticket is not None:
            self.ticket.end(now)


class Full:
    """No instance has a place for the request now."""


FULL: Final = Full()


class Backend:
    """A service: its instances, in the settings' order, and one balancer for each flow."""

    def __init__(self, name: str, look: Look, watch: Watch, now: float) -> None:
        self.name: Final = name
        self.outliers: Final = {flow: Outliers(name, flow, watch, now) for flow in Flow}
        self._look = look
        self.instances: dict[str, Instance] = {}
        self.budgets: Final = {flow: RetryBudget() for flow in Flow}
        self.gate: Final = Gate(name)
        self._sticky_header = b""
        self.slow_start = 0.0
        self.drain = 0.0
        self.warms_up = False
        """Whether instances get a request of ours before others; cold ones are used if all are cold."""
        self._kind: Balancing = "round_robin"
        self._balancers: dict[Flow, Balancer] = {flow: RoundRobin() for flow in Flow}

    def balance(self, service: Service, draw: Callable[[], float]) -> None:
        """Choose as the settings say from now on; a balancer of the same kind keeps what it remembers."""
        self._sticky_header = service.sticky_header.lower().encode()
        self.slow_start = service.slow_start
        self.drain = service.drain
        self.warms_up = bool(service.warm_up.path)
        if service.balancer != self._kind:
            self._kind = service.balancer
            self._balancers = {flow: create_balancer(service.balancer, draw) for flow in Flow}

    @property
    def kind(self) -> str:
        """How an instance is chosen: the setting ``balancer``."""
        return self._kind

    def statistics(self, now: float) -> GatewayBackend:
        """Return the figures of the service as a whole."""
        return GatewayBackend(
            service=self.name,
            balancer=self._kind,
            flows=tuple(
                outliers.statistics(now, self.budgets[flow]) for flow, outliers in self.outliers.items()
            ),
        )

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

        Instances that were not tried yet are preferred. If none is left, those that are only silent or
        ejected are candidates. None: there is none; then no request is sent, so that a failed service costs
        its clients no time. FULL: there are some, without a place. ``ask``: what the request is to the gate;
        None: it needs no place. ``is_turn``: it need not wait for others.
        """
        usable = self._usable(now, flow, caller, is_usable)
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
            candidates = _candidates(usable, tried, flow, caller, now)
            name = self._balancers[flow].choose(
                [each.candidate(now, self.slow_start, flow) for each in candidates], key
            )
            chosen = self.instances[name]
        lane = chosen.lanes[flow]
        permit = lane.admit(now, caller)
        assert permit is not None, "a breaker that is admitting gives a permit"  # noqa: S101 - an invariant
        if gate is None or ask is None:
            return Chosen(lane, permit, None)
        return Chosen(lane, permit, gate.take(chosen.places, ask, now))

    def _usable(self, now: float, flow: Flow, caller: str, is_usable: IsUsable) -> list[Instance]:
        """Return the instances that may get a request; if there is no good one, those that may yet work."""
        outliers = self.outliers[flow]
        if outliers.has_breaker and not outliers.breaker.is_admitting(now, caller):
            return []
        usable = []
        for instance in self.instances.values():
            lane = instance.lanes[flow]
            is_alive = self._see(instance, lane, now, is_usable)
            if is_alive and lane.breaker.is_admitting(now, caller):
                usable.append(instance)
        if self.warms_up:
            usable = [each for each in usable if each.warmth.is_warm] or usable
        return usable or self.last_resorts(now, flow, caller)

    def see(self, now: float, is_usable: IsUsable) -> None:
        """Note which instances can be used, for their slow starts, also while there are no requests."""
        for instance in self.instances.values():
            for lane in instance.lanes.values():
                self._see(instance, lane, now, is_usable)

    def _see(self, instance: Instance, lane: Lane, now: float, is_usable: IsUsable) -> bool:
        is_in = not instance.is_drained and not lane.is_ejected(now)
        is_alive = is_in and is_usable(self.name, instance.url)
        lane.slow_start.see(now, is_usable=is_alive and lane.breaker.state is not State.OPEN)
        return is_alive

    def last_resorts(self, now: float, flow: Flow, caller: str = "") -> list[Instance]:
        """Return the instances that get requests when there is no better one."""
        return [
            instance
            for instance in self.instances.values()
            for lane in [instance.lanes[flow]]
            if not instance.is_drained
            and lane.breaker.is_admitting(now, caller)
            and is_last_resort(
                self._look(self.name, instance.url), lane.record.cause if lane.is_ejected(now) else None
            )
        ]

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
            and not instance.lanes[flow].is_resting(now, caller)
            and not instance.is_drained
            and is_usable(self.name, instance.url)
            and instance.lanes[flow].is_admitting(now, caller)
            for instance in self.instances.values()
        )

    def has_another_that_works(
        self, now: float, flow: Flow, caller: str, is_usable: IsUsable, *, tried: Collection[str]
    ) -> bool:
        """Return whether such an instance is there whose last request did not fail either."""
        return any(
            instance.url not in tried
            and not instance.lanes[flow].breaker.consecutive_failures
            and not instance.lanes[flow].is_resting(now, caller)
            and not instance.is_drained
            and is_usable(self.name, instance.url)
            and instance.lanes[flow].is_admitting(now, caller)
            for instance in self.instances.values()
        )

    def retry_in(self, now: float, flow: Flow) -> float | None:
        """Return the seconds until the service, or an instance, is tried again; None if none failed.

        Zero: a breaker is half-open, and its trials are in progress.
        """
        outliers = self.outliers[flow]
        if outliers.breaker.state is not State.CLOSED:
            return outliers.breaker.retry_in(now) or 0.0
        breakers = [instance.lanes[flow].breaker for instance in self.instances.values()]
        waits = [breaker.retry_in(now) for breaker in breakers]
        if any(breaker.state is State.HALF_OPEN for breaker in breakers):
            waits.append(0.0)
        waits += [outliers.ejector.left(url, now) for url in self.instances]
        return min((wait for wait in waits if wait is not None), default=None)

    def retain(self, urls: Collection[str], *, draining: Draining, now: float) -> None:
        """Drop the instances that are not among ``urls``; their requests go on, within the limit."""
        for url in [url for url in self.instances if url not in urls]:
            draining.add(self.instances.pop(url), now + self.drain)
        for balancer in self._balancers.values():
            balancer.retain(urls)


def _candidates(
    usable: list[Instance], tried: Collection[str], flow: Flow, caller: str, now: float
) -> list[Instance]:
    """Return those to choose from: not tried, and not resting; if all rest, the one that does so shortest."""
    rested = [each for each in usable if not each.lanes[flow].is_resting(now, caller)]
    if rested:
        return [each for each in rested if each.url not in tried] or rested
    fresh = [each for each in usable if each.url not in tried] or usable
    return [
        fresh[index] for index in awake([each.lanes[flow].rests.until(now, caller) for each in fresh], now)
    ]


class Backends:
    """All services. :meth:`apply` adapts them to new settings; what stays keeps its state."""

    def __init__(
        self,
        *,
        connect: Connect,
        on_change: OnChange,
        look: Look,
        watch: Watch,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._connect = connect
        self._draw = draw
        self._on_change = on_change
        self._look = look
        self._watch = watch
        self._services: dict[str, Backend] = {}
        self._reuses_connections = False
        self.draining: Final = Draining()

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
        shares = {Flow.CAPTIONS: gateway.captions, Flow.REQUESTS: gateway.requests}
        for name in [name for name in self._services if name not in settings.services]:
            gone = self._services.pop(name)
            gone.retain((), draining=self.draining, now=now)
            gone.gate.apply((), rules_of(gateway), now)
        for name, service in settings.services.items():
            backend = self._services.get(name)
            if backend is None:
                backend = self._services[name] = Backend(name, self._look, self._watch, now)
            policy = BreakerPolicy(
                service.breaker.threshold or gateway.circuit_breaker_threshold,
                service.breaker.cooldown or gateway.circuit_breaker_cooldown,
                service.breaker.trials,
            )
            self._apply_service(backend, service, policy, shares, settings, now)

    def stand(self, layers: Layers) -> None:
        """Apply what operators have set."""
        for instance in self.instances():
            standing = layers.of(instance.service, instance.shown)
            instance.is_drained = standing.is_drained
            instance.weight = standing.weight or instance.configured_weight

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
        backend.retain({entry.url for entry in wanted}, draining=self.draining, now=now)
        for outliers in backend.outliers.values():
            outliers.apply(service, tuple(dict.fromkeys(entry.url for entry in wanted)))
        ordered: dict[str, Instance] = {}
        for entry in wanted:
            instance = ordered.get(entry.url) or backend.instances.get(entry.url)
            if instance is None:
                instance = Instance(
                    backend.name,
                    entry.url,
                    {
                        flow: self._lane(backend, entry.url, flow, SlowStart(now, is_new=not are_first), now)
                        for flow in Flow
                    },
                )
            address = Address.of(entry.url, ca_file=service.ca_file)
            instance.configured_weight = entry.weight
            places_of(instance.places, backend.name, service, entry, workers=workers)
            for flow, lane in instance.lanes.items():
                lane.upstream.set_address(address)
                lane.breaker.policy = policy
                lane.upstream.resize(limit=shares[flow].connections, waiting=shares[flow].waiting)
            ordered[entry.url] = instance
        backend.instances = ordered
        backend.gate.trusts_clients = not settings.orchestration.gateway.public
        backend.gate.apply(
            (each.places for each in ordered.values()), rules_of(settings.orchestration.gateway), now
        )

    def _lane(self, backend: Backend, url: str, flow: Flow, slow_start: SlowStart, now: float) -> Lane:
        upstream = Upstream(url, connect=self._connect)
        upstream.reuses_connections = self._reuses_connections
        outliers = backend.outliers[flow]
        return Lane(backend.name, url, flow, upstream, outliers, slow_start, now, self._on_change)
