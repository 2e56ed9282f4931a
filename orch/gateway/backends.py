"""The instances of each service as the settings say, and what is known of each."""

from collections.abc import Callable, Collection, Iterator
from typing import Final

from orch.gateway.balancer import Balancer
from orch.gateway.breaker import Breaker, BreakerPolicy, Permit, State
from orch.gateway.figures import GatewayInstance, Window
from orch.gateway.transport import Connect
from orch.gateway.upstream import Upstream
from orch.masking import mask_url
from orch.settings import Service, Settings

IsUsable = Callable[[str, str], bool]
OnChange = Callable[["Instance"], None]


class Instance:
    """One process that serves a service. Its breaker changes through here, so each change is told once."""

    def __init__(
        self,
        service: str,
        url: str,
        upstream: Upstream,
        policy: BreakerPolicy,
        now: float,
        on_change: OnChange,
    ) -> None:
        self.service: Final = service
        self.url: Final = url
        self.shown: Final = mask_url(url)
        self.weight = 1
        self.upstream: Final = upstream
        self.breaker: Final = Breaker(policy)
        self.window: Final = Window(now)
        self.in_flight = 0
        self.last_failure = ""
        self._told = State.CLOSED
        self._on_change = on_change

    def __repr__(self) -> str:
        return f"<Instance {self.shown} of {self.service}: {self.breaker!r} {self.upstream!r}>"

    def admit(self, now: float) -> Permit | None:
        """Ask the breaker for leave to send one request."""
        permit = self.breaker.admit(now)
        self.tell()
        return permit

    def tell(self) -> None:
        """Tell of the breaker's state if it is not the one told last."""
        if self.breaker.state is not self._told:
            self._told = self.breaker.state
            self._on_change(self)

    def statistics(self, now: float, *, of_service: int, is_healthy: bool) -> GatewayInstance:
        """Return the figures; ``of_service``: last minute's attempts of all the service's instances."""
        is_admitting = self.breaker.is_admitting(now)
        self.tell()
        figures = self.window.summary(now)
        return GatewayInstance(
            service=self.service,
            url=self.shown,
            weight=self.weight,
            breaker=self.breaker.state.value,
            breaker_retry_in=self.breaker.retry_in(now),
            consecutive_failures=self.breaker.consecutive_failures,
            in_flight=self.in_flight,
            requests=self.window.total,
            errors=self.window.total_errors,
            share=figures.count / of_service if of_service else 0.0,
            p95_ms=figures.p95_ms,
            usable=is_healthy and is_admitting,
        )


class Backend:
    """A service: its instances in the settings' order, and whose turn it is."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.instances: dict[str, Instance] = {}
        self._balancer = Balancer()

    def choose(
        self, now: float, is_usable: IsUsable, *, tried: Collection[str]
    ) -> tuple[Instance, Permit] | None:
        """Choose an instance that is healthy and whose breaker admits, one not yet tried where there is one.

        None: there is none. Nothing is asked then, so a dead service costs its clients no time.
        """
        usable = {
            instance.url: instance.weight
            for instance in self.instances.values()
            if is_usable(self.name, instance.url) and instance.breaker.is_admitting(now)
        }
        candidates = {url: weight for url, weight in usable.items() if url not in tried} or usable
        if not candidates:
            return None
        instance = self.instances[self._balancer.choose(candidates)]
        permit = instance.admit(now)
        assert permit is not None, "a breaker that is admitting gives a permit"  # noqa: S101 - an invariant
        return instance, permit

    def retry_in(self, now: float) -> float | None:
        """Return the seconds until the first open breaker lets a trial through, None if none is open."""
        waits = [instance.breaker.retry_in(now) for instance in self.instances.values()]
        return min((wait for wait in waits if wait is not None), default=None)

    def retain(self, urls: Collection[str]) -> None:
        """Let go of the instances that are not among ``urls``; requests on their way end as they would."""
        for url in [url for url in self.instances if url not in urls]:
            gone = self.instances.pop(url)
            gone.upstream.keeps_connections = False
            gone.upstream.close_idle()
        self._balancer.retain(urls)


class Backends:
    """All services. :meth:`follow` brings them in line with new settings; what stays keeps its state."""

    def __init__(self, *, connect: Connect, on_change: OnChange) -> None:
        self._connect = connect
        self._on_change = on_change
        self._services: dict[str, Backend] = {}
        self._keeps_connections = False

    def __iter__(self) -> Iterator[Backend]:
        return iter(self._services.values())

    def get(self, name: str) -> Backend | None:
        """Return a service."""
        return self._services.get(name)

    def instances(self) -> Iterator[Instance]:
        """Go through every instance of every service."""
        for backend in self._services.values():
            yield from backend.instances.values()

    def follow(self, settings: Settings, now: float) -> None:
        """Take over services, instances, weights and breaker policy."""
        gateway = settings.orchestration.gateway
        policy = BreakerPolicy(gateway.circuit_breaker_threshold, gateway.circuit_breaker_cooldown)
        for name in [name for name in self._services if name not in settings.services]:
            self._services.pop(name).retain(())
        for name, service in settings.services.items():
            backend = self._services.setdefault(name, Backend(name))
            self._follow_service(backend, service, policy, now)

    def keep_connections(self, *, keep: bool) -> None:
        """Keep connections open after use, or close those that are idle and keep no more."""
        self._keeps_connections = keep
        for instance in self.instances():
            instance.upstream.keeps_connections = keep
            if not keep:
                instance.upstream.close_idle()

    def _follow_service(self, backend: Backend, service: Service, policy: BreakerPolicy, now: float) -> None:
        wanted = service.all_instances()
        backend.retain({entry.url for entry in wanted})
        ordered: dict[str, Instance] = {}
        for entry in wanted:
            instance = ordered.get(entry.url) or backend.instances.get(entry.url)
            if instance is None:
                upstream = Upstream(entry.url, connect=self._connect)
                upstream.keeps_connections = self._keeps_connections
                instance = Instance(backend.name, entry.url, upstream, policy, now, self._on_change)
            instance.weight = entry.weight
            instance.breaker.policy = policy
            ordered[entry.url] = instance
        backend.instances = ordered
