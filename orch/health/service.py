"""The health branch: checks every instance of every back end, publishes its state, and restarts it.

Nothing here decides: :mod:`orch.health.verdict` decides on states, :mod:`orch.health.recovery` when an
attempt is due, and each :class:`~orch.health.restarter.Restarter` whether this worker makes it. Checks
go on whether or not requests arrive: an alert on traffic is silent when there is none.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Never

import httpx2
import structlog
import trio
from msgspec import UNSET

from orch.cluster.lease import Leases
from orch.health.checker import SUSPENDED, Checker
from orch.health.commands import Commands
from orch.health.feed import HealthFeed
from orch.health.health_events import RecoveryStep, ServiceChanged, Stage
from orch.health.observer import Observer
from orch.health.probes import open_client
from orch.health.readings import readings_of
from orch.health.real_prober import RealProber
from orch.health.real_requests import MakeRealRequest
from orch.health.recovery import RecoveryPolicy
from orch.health.restarter import RunChild
from orch.health.restarters import Restarters
from orch.health.statistics import ServicesStatistics
from orch.health.tasks import start
from orch.health.upkeep import Upkeep
from orch.health.verdict import (
    SEVERITY,
    Member,
    Presence,
    State,
    judge_service,
    with_refusal,
)
from orch.health.watched import WatchedInstance, WatchedService, WorkOf
from orch.masking import mask_url
from orch.problems import ProblemError
from orch.processes import Children, run_child
from orch.settings import Instance, Settings
from orch.settings.source import SettingsSource
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog, Severity
from orch.telemetry.metrics import Metrics
from orch.telemetry.names.health import RECOVERY_STEPS
from orch.telemetry.names.metric import Reading
from orch.telemetry.pulse import Pulse
from orch.telemetry.shortages import ShortageLog
from orch.telemetry.topics import Topics
from orch.telemetry.work import IDLE, Work

log = structlog.get_logger("health")

SETTINGS_LOOK: Final = 1.0
"""Seconds within which a change of the settings takes effect; checking costs one comparison."""

RestartOnOtherWorker = Callable[[str, str, bool, str], Awaitable[bool]]
"""Asks the worker that is responsible to restart a service, or the instance with a label, for a reason;
returns whether there is one."""

StopOnOtherWorkers = Callable[[str, str], Awaitable[bool]]
"""Asks the other workers to stop the recovery of a service; returns whether one did."""


class HealthService:
    """The state of every back end. The mutable state is the table of services."""

    def __init__(
        self,
        *,
        settings: SettingsSource,
        events: EventLog,
        topics: Topics,
        metrics: Metrics,
        wall: Callable[[], float],
        processes: Children | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        policy: RecoveryPolicy | None = None,
        leases: Leases | None = None,
        shortages: ShortageLog | None = None,
        pulse: Pulse | None = None,
        jitter: Callable[[], float] = random.random,
        run_child: RunChild = run_child,
    ) -> None:
        self._settings = settings
        self._events = events
        self._topics = topics
        self._metrics = metrics
        self._wall = wall
        self._processes = dict(processes or {})
        self._transport = transport
        self._leases = leases or Leases()
        self.lease_boundary = self._leases.boundary
        self._shortages = shortages or ShortageLog(events=events, clock=trio.current_time, wall=wall)
        self._pulse = pulse or Pulse(events=events, wall=wall)
        self._services: dict[str, WatchedService] = {}
        self._applied: Settings | None = None
        self._changed = trio.Event()
        self._is_running = False
        self.feed = HealthFeed()
        self._steps: Counter[tuple[str, str]] = Counter()
        self.boundary = Boundary("health checks")
        self.restart_on_other_worker: RestartOnOtherWorker | None = None
        self.stop_on_other_workers: StopOnOtherWorkers | None = None
        self.work_of: WorkOf = lambda _service, _url: IDLE
        self.on_engine_change: Callable[[str], None] = lambda _service: None
        self.make_real_request: MakeRealRequest = lambda _name, _service: None
        self.reset_connections: Callable[[str, str | None], str] = lambda _service, _url: ""
        observer = Observer(
            settings=settings,
            metrics=metrics,
            feed=self.feed,
            wall=wall,
            record=self._record,
            review=self._review,
            publish=self._publish,
            on_engine_change=self._engine_changed,
        )
        self._observe = observer.observe
        self._upkeep = Upkeep(
            metrics=metrics, feed=self.feed, wall=wall, record=self._record, review=self._review
        )
        self._commands = Commands(
            self._services,
            is_running=lambda: self._is_running,
            record=self._record,
            publish=self._publish,
        )
        self._restarters = Restarters(
            settings=settings,
            metrics=metrics,
            shortages=self._shortages,
            leases=self._leases,
            processes=self._processes,
            policy=policy,
            run_child=run_child,
            observe=self._observe,
            record=self._record,
            step=self._step,
            publish=self._publish,
            work_of=self._work,
            reset=self._reset_connections,
        )
        self._checker = Checker(
            settings=settings,
            metrics=metrics,
            pulse=self._pulse,
            shortages=self._shortages,
            jitter=jitter,
            boundary=self.boundary,
            observe=self._observe,
            work_of=self._work,
            real=RealProber(
                settings=settings,
                make=lambda: self.make_real_request,
                work_of=self._work,
                jitter=jitter,
                boundary=self.boundary,
            ),
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Watch the back ends until cancelled; by then, children that it started have ended."""
        self._applied = None
        self._pulse.on_gap = self._on_suspended
        try:
            async with open_client(self._transport) as client, trio.open_nursery() as nursery:
                self._is_running = True
                self._reconcile(nursery, client)
                task_status.started()
                while True:
                    await trio.sleep(SETTINGS_LOOK)
                    with self.boundary.item(step="settings"):
                        self._shortages.review()
                        self._reconcile(nursery, client)
                        for name, service in self._services.items():
                            self._upkeep.review(service, self._settings.current.services[name].maintenance)
        finally:
            self._is_running = False
            for service in self._services.values():
                service.stopped(at=self._wall())
                self._review(service)

    def is_usable(self, service: str, url: str) -> bool:
        """Return whether requests should be sent to this instance; an unknown one is assumed to work.

        A busy one, or one that is about to be restarted, gets requests if no other instance of the service
        does: they take their turn there.
        """
        known = self._services.get(service)
        return known is None or known.gets_requests(url)

    def presence(self, service: str, url: str) -> Presence:
        """Return what checks know about an instance: whether it responds, is silent, or is gone."""
        known = self._services.get(service)
        instance = known.instances.get(url) if known is not None else None
        return "unknown" if instance is None else instance.verdict.presence

    def label(self, service: str, url: str) -> str:
        """Return what an instance is called: its child process's name, or its masked URL."""
        known = self._services.get(service)
        instance = known.instances.get(url) if known is not None else None
        return mask_url(url) if instance is None else instance.label

    def note_failure(self, service: str, url: str, reason: str) -> None:
        """Check an instance now because a request to it failed; the check decides, not the request."""
        known = self._services.get(service)
        instance = known.instances.get(url) if known is not None else None
        if instance is not None and instance.verdict.state is not State.UNHEALTHY:
            log.debug("request failed", service=service, instance=mask_url(url), reason=reason)
            instance.nudge()

    def note_refusal(self, service: str, refusal: str | None) -> None:
        """Note that a back end refuses every request, with its reason; None: it does so no longer.

        Until then it is degraded, whatever its checks show.
        """
        known = self._services.get(service)
        if known is None or known.refusal == refusal:
            return
        known.refusal = refusal
        self._review(known)
        if known.maintenance is not None:
            return
        if refusal is None:
            self._record(known, "ok", "Accepts requests again.")
        else:
            self._record(known, "bad", f"{refusal[0].upper()}{refusal[1:]}.")
        self._publish()

    async def restart(
        self, service: str, *, reason: str, is_forced: bool = False, instance: str = ""
    ) -> None:
        """Restart a back end, without waiting for it. ``reason`` is a sentence ("An operator asked for it.").

        ``instance``: the name or URL of one instance; "": all of them. Of several workers the one that is
        responsible does so. Requests in progress are waited for, up to the limit of the settings, unless
        ``is_forced``.

        ProblemError: unknown_service, unknown_instance, not_restartable, service_unavailable (while this
        branch does not run, or no worker is responsible).
        """
        await trio.lowlevel.checkpoint()
        for target in [instance] if instance else self._commands.restartable(service):
            await self._restart(service, target, reason, is_forced=is_forced)

    async def _restart(self, service: str, instance: str, reason: str, *, is_forced: bool) -> None:
        if self.restart_here(service, reason=reason, is_forced=is_forced, instance=instance):
            return
        restart = self.restart_on_other_worker
        if restart is None or not await restart(service, reason, is_forced, instance):
            raise ProblemError(
                "service_unavailable",
                f"No worker is responsible for restarting {service} right now. Try again soon.",
                service=service,
            )

    async def stop_recovery(self, service: str, *, reason: str) -> None:
        """Stop the recovery of a back end, which is left as it is until it is up or is restarted.

        ProblemError: unknown_service, no_recovery (there is none to stop, on no worker).
        """
        await trio.lowlevel.checkpoint()
        is_stopped = self.stop_recovery_here(service, reason=reason)
        stop = self.stop_on_other_workers
        if stop is not None:
            is_stopped = await stop(service, reason) or is_stopped
        if not is_stopped:
            raise ProblemError("no_recovery", f"There is no recovery of {service} to stop.", service=service)

    def restart_here(self, service: str, *, reason: str, is_forced: bool = False, instance: str = "") -> bool:
        """Restart a back end if this worker is responsible. ProblemError: as restart.

        ``instance`` "": what shares the restarter of the service.
        """
        return self._commands.restart(service, reason=reason, is_forced=is_forced, instance=instance)

    def stop_recovery_here(self, service: str, *, reason: str) -> bool:
        """Stop the recovery of a back end in this worker; return whether there was one.

        ProblemError: unknown_service.
        """
        return self._commands.stop_recovery(service, reason=reason)

    async def wait_for(self, service: str, state: State) -> None:
        """Return when the service is in ``state``. It may have left it again by the time the caller runs."""
        while (known := self._services.get(service)) is None or known.state is not state:
            await self._changed.wait()

    def summary(self) -> dict[str, str]:
        """Return each service's state."""
        return {name: str(service.state) for name, service in self._services.items()}

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads; checks and recoveries are counted where they happen."""
        yield from self.boundary.readings()
        yield from self.lease_boundary.readings()
        yield from readings_of(self._services.values())
        for service in self._services:
            for stage in Stage:
                yield Reading(RECOVERY_STEPS, self._steps[service, stage], (service, stage))

    def statistics(self) -> ServicesStatistics:
        """Return the state of all back ends."""
        services = tuple(
            service.statistics(is_running=self._is_running, steps=self.feed.steps(service.name))
            for service in self._services.values()
        )
        worst = max((service.state for service in services), key=SEVERITY.__getitem__, default=State.UNKNOWN)
        return ServicesStatistics(state=worst, services=services, shortages=self._shortages.lines())

    def _reconcile(self, nursery: trio.Nursery, client: httpx2.AsyncClient) -> None:
        """Watch exactly the services of the settings."""
        settings = self._settings.current
        if settings is self._applied:
            return
        before, self._applied = self._applied, settings
        for name in [name for name in self._services if name not in settings.services]:
            self._forget(self._services.pop(name))
        for name, configured in settings.services.items():
            service = self._services.get(name)
            if service is None:
                service = WatchedService(name, self._restarters.make, at=self._wall())
                self._services[name] = service
            if before is not None and before.services.get(name) != configured:
                service.refusal = None  # it was about the former key, address or path
            self._reconcile_instances(service, configured.all_instances())
            self._restarters.apply(service, configured)
            self._upkeep.review(service, configured.maintenance)
            start(service, self._checker, nursery, client)
            self._review(service)
            for instance in service.instances.values():
                instance.nudge()
        self._publish()

    def _reconcile_instances(self, service: WatchedService, wanted: tuple[Instance, ...]) -> None:
        left = dict(service.instances)
        service.instances = {}
        for instance in wanted:
            known = left.pop(instance.url, None) or WatchedInstance(service, instance.url, at=self._wall())
            known.weight = instance.weight
            service.instances[instance.url] = known
        for removed in left.values():
            removed.end()
        self._restarters.make_all(service)

    def _forget(self, service: WatchedService) -> None:
        self._set_state(service, State.UNKNOWN, "no longer in the settings")
        self.feed.forget(service.name)
        service.scope.cancel()
        for instance in service.instances.values():
            instance.end()

    def _engine_changed(self, service: str) -> None:
        self.on_engine_change(service)

    def _reset_connections(self, service: str, url: str | None) -> str:
        return self.reset_connections(service, url)

    def _work(self, service: str, url: str) -> Work:
        return self.work_of(service, url)

    def _on_suspended(self, _seconds: float) -> None:
        """Extend the time of starting instances: this process could not see their first response."""
        for service in self._services.values():
            for instance in service.instances.values():
                if instance.verdict.start_by is not None:
                    self._observe(instance, SUSPENDED)

    def _review(self, service: WatchedService) -> None:
        """Update the service's state from its instances'."""
        if service.maintenance is not None:
            self._set_state(service, State.UNKNOWN, service.maintenance.words)
            return
        members = [Member(instance.label, instance.verdict) for instance in service.instances.values()]
        self._set_state(service, *with_refusal(*judge_service(members), service.refusal))

    def _set_state(self, service: WatchedService, state: State, reason: str) -> None:
        before, service.reason = service.state, reason
        if state is before:
            return
        service.state, service.since = state, self._wall()
        self.feed.publish(
            ServiceChanged(at=service.since, service=service.name, before=before, after=state, reason=reason)
        )

    def _step(
        self, service: WatchedService, instance: WatchedInstance | None, stage: Stage, attempt: int, text: str
    ) -> None:
        """Publish a step of the recovery of a service, or of one of its instances."""
        step = RecoveryStep(
            at=self._wall(),
            service=service.name,
            stage=stage,
            attempt=attempt,
            text=text if instance is None else instance.about(text),
            instance=UNSET if instance is None or len(service.instances) == 1 else instance.label,
        )
        self.feed.publish(step)
        self._steps[service.name, stage] += 1
        log.info("recovery step", service=service.name, stage=str(stage), attempt=attempt, text=step.text)

    def _record(self, service: WatchedService, severity: Severity, text: str) -> None:
        self._events.record(severity, service.name, text)
        log.info("event", service=service.name, severity=severity, text=text)
        self._topics.touch("services")

    def _publish(self) -> None:
        self._topics.touch("services")
        self._changed.set()
        self._changed = trio.Event()
