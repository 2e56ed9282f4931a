"""Finds instances, and gives the settings with them to the other parts."""

import random
from collections.abc import Callable, Iterator
from typing import Final

import structlog
import trio

from orch.gateway.discovery.known import Known
from orch.gateway.discovery.merging import merged
from orch.gateway.discovery.records import looked_up, of_addresses, of_services
from orch.gateway.discovery.registrations import Registrations
from orch.gateway.discovery.registry import Registry
from orch.gateway.discovery.resolver import SECONDS, LookUpError, Resolver
from orch.gateway.statistics import GatewayDiscovery
from orch.masking import mask_url
from orch.problems import ProblemError
from orch.settings import Instance, Service, Settings
from orch.settings.source import SettingsSource
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.telemetry.names import gateway as names
from orch.telemetry.names.access import AUTH_FAILURES
from orch.telemetry.names.metric import Reading

LOOK: Final = 0.5
"""Seconds between two looks at what is due, and at the settings."""

READ_SECONDS: Final = 1.0
"""Seconds between two readings of what is registered, which are how long other workers take to notice."""

log = structlog.get_logger("discovery")


class Discovery:
    """The settings with the instances that were found: a :class:`~orch.settings.source.SettingsSource`.

    Usable before and without :meth:`run`, which looks up; until a first answer, ``url`` counts. Look-ups of
    different services do not wait for each other.

    The mutable state is what is known of each service, and the merged settings made of it, which are another
    object after each change.
    """

    def __init__(
        self,
        settings: SettingsSource,
        *,
        resolver: Resolver,
        events: EventLog,
        registry: Registry | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._resolver = resolver
        self._events = events
        self._jitter = jitter
        self._registry = registry
        self.registrations: Final = Registrations()
        self._shown: dict[str, str] = {}
        self._must_read = trio.Event()
        if registry is not None:
            registry.on_change = self._must_read_now
            registry.on_left = self._has_left
        self._dns: dict[str, Known] = {}
        self._asking: set[str] = set()
        self._merged_from: Settings | None = None
        self._current = settings.current
        self.boundary = Boundary("discovery")

    @property
    def current(self) -> Settings:
        """The settings now, with what was found."""
        settings = self._settings.current
        if settings is not self._merged_from:
            self._merge(settings)
        return self._current

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look up whatever is due, until cancelled. What was found stays after that."""
        self._asking.clear()
        async with trio.open_nursery() as nursery:
            if self._registry is not None:
                nursery.start_soon(self._read_registry, self._registry)
            task_status.started()
            while True:
                with self.boundary.item(step="settings"):
                    self._start_due(nursery)
                await trio.sleep(LOOK)

    def _has_left(self, service: str, instance: str) -> None:
        self.registrations.forget(service, instance)
        self._merge(self._settings.current)

    def _must_read_now(self) -> None:
        self._must_read.set()

    async def _read_registry(self, registry: Registry) -> None:
        while True:
            if registry.is_used:
                with self.boundary.item(step="registry"):
                    await self._read_once(registry)
            with trio.move_on_after(READ_SECONDS):
                await self._must_read.wait()
            self._must_read = trio.Event()

    async def _read_once(self, registry: Registry) -> None:
        registrations = self.registrations
        try:
            found = await registry.read()
        except ProblemError as error:
            registrations.failed(error.detail)
            if registrations.failures == 1:
                log.warning("registrations cannot be read", reason=error.detail)
                text = f"Registered instances cannot be read ({error.detail}): the last ones are used."
                self._events.record("warn", "registry", text)
            return
        if registrations.failures:
            self._events.record("ok", "registry", "Registered instances can be read again.")
        if registrations.read(trio.current_time(), found):
            self._merge(self._settings.current)
            services = sorted({each.service for each in registrations.known})
            now_there = {
                name: ", ".join(one.url for one in registrations.instances(name, 256)) for name in services
            }
            for name in sorted({*self._shown, *now_there}):
                if (text := now_there.get(name, "none")) != self._shown.get(name):
                    self._events.record("info", name, f"Registered instances: {text}.")
            self._shown = now_there

    def statistics(self) -> tuple[GatewayDiscovery, ...]:
        """Return the figures of every service whose instances are looked up."""
        now = trio.current_time()
        services = self.current.services
        by_dns = [known.statistics(name, now) for name, known in self._dns.items() if name in services]
        wall = 0.0 if self._registry is None else self._registry.time
        registered = [
            self.registrations.statistics(
                name, now, most=service.discovery.max_instances, every=READ_SECONDS, wall=wall
            )
            for name, service in services.items()
            if service.discovery.registry != "off"
        ]
        return (*by_dns, *registered)

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield from self.boundary.readings()
        if self._registry is not None:
            yield Reading(AUTH_FAILURES, self._registry.wrong_tokens, ("registry_token",))
        for each in self.statistics():
            labels = (each.service, each.source)
            yield Reading(names.DISCOVERY_FAILURES, each.failures, labels)
            yield Reading(names.DISCOVERED, len(each.instances), labels)
            if each.age is not None:
                yield Reading(names.DISCOVERY_AGE, each.age, labels)

    def _merge(self, settings: Settings) -> None:
        self._follow(settings)
        found = {name: known.instances for name, known in self._dns.items() if known.instances is not None}
        registered = {
            name: self.registrations.instances(name, service.discovery.max_instances)
            for name, service in settings.services.items()
            if service.discovery.registry != "off"
        }
        self._current = merged(settings, found, registered)
        self._merged_from = settings

    def _follow(self, settings: Settings) -> None:
        """Keep what is known of the services that still look up the same name."""
        before, self._dns = self._dns, {}
        for name, service in settings.services.items():
            if service.discovery.dns == "off":
                continue
            wanted = looked_up(service)
            known = before.get(name)
            was = self._merged_from.services.get(name) if self._merged_from is not None else None
            if known is None or was is None or _place(was) != _place(service):
                known = Known(wanted)
            self._dns[name] = known

    def _start_due(self, nursery: trio.Nursery) -> None:
        now = trio.current_time()
        settings = self._settings.current
        _ = self.current
        for name, known in self._dns.items():
            if known.is_due(now) and name not in self._asking:
                self._asking.add(name)
                nursery.start_soon(self._look_up, name, settings.services[name], known)

    async def _look_up(self, name: str, service: Service, known: Known) -> None:
        """Ask once. ``known`` may have been replaced meanwhile; then the answer is nobody's."""
        try:
            with self.boundary.item(service=name):
                try:
                    found, ttl = await self._ask(service, known.name)
                except LookUpError as error:
                    self._failed(name, known, str(error))
                except Exception:
                    self._failed(name, known, "the look-up failed; the log has the reason")
                    raise
                else:
                    self._answered(name, service, known, found, ttl)
        finally:
            self._asking.discard(name)

    async def _ask(self, service: Service, name: str) -> tuple[tuple[Instance, ...], float]:
        found: tuple[Instance, ...] = ()
        with trio.move_on_after(SECONDS + 1) as limit:
            if service.discovery.dns == "addresses":
                addresses, ttl = await self._resolver.addresses(name)
                found = of_addresses(service, addresses)
            else:
                records, ttl = await self._resolver.services(name)
                found = of_services(service, records)
        if limit.cancelled_caught:
            raise LookUpError("no answer in time")
        if not found:
            raise LookUpError("the name has no usable records")
        return found, ttl

    def _answered(
        self, name: str, service: Service, known: Known, found: tuple[Instance, ...], ttl: float
    ) -> None:
        had_failed = known.failures > 0
        has_changed = known.answered(trio.current_time(), found, ttl, most=service.discovery.max_instances)
        if self._dns.get(name) is not known:
            return
        if has_changed:
            self._merge(self._settings.current)
            urls = [mask_url(each.url) for each in known.instances or ()]
            log.info("instances found", service=name, name=known.name, instances=urls)
            self._events.record("info", name, f"DNS lists for {known.name}: {', '.join(urls)}.")
        if had_failed:
            self._events.record("ok", name, f"DNS answers again for {known.name}.")

    def _failed(self, name: str, known: Known, problem: str) -> None:
        known.failed(trio.current_time(), problem, self._jitter())
        if known.failures > 1 or self._dns.get(name) is not known:
            return
        log.warning("look-up failed", service=name, name=known.name, reason=problem)
        used = "the last answer is used" if known.instances is not None else "the url of the settings is used"
        self._events.record("warn", name, f"DNS fails for {known.name} ({problem}): {used}.")


def _place(service: Service) -> tuple[object, ...]:
    """Return the settings on which an answer depends."""
    return service.discovery, service.url, service.weight, service.dialect
