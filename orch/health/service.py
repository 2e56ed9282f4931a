"""The health branch: checks every instance of every back end, says how it is, and starts again what died.

Nothing here decides: :mod:`orch.health.verdict` says how things are, :mod:`orch.health.recovery` when an
attempt is due. The checks go on whether or not requests arrive: an alert on traffic is silent when there is
none.
"""

import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Final, Never

import httpx2
import structlog
import trio
from msgspec import UNSET

from orch.cluster.lease import Leases
from orch.health.history import Check, check_state, next_check
from orch.health.probes import open_client, probe
from orch.health.recovery import RecoveryPolicy
from orch.health.restarting import KeptProcess, RestartCommand
from orch.health.statistics import ServicesStatistics, ServiceStatistics
from orch.health.verdict import (
    SEVERITY,
    Member,
    Observation,
    Seen,
    State,
    Verdict,
    judge,
    judge_service,
    with_refusal,
)
from orch.health.watched import WatchedInstance, WatchedService
from orch.health.words import change_in_words, severity_of
from orch.masking import mask_url
from orch.problems import ProblemError
from orch.processes import ProcessSpec
from orch.settings import Instance, Settings
from orch.settings.source import SettingsSource
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog, Severity
from orch.telemetry.metric_names import Reading
from orch.telemetry.metrics import Metrics
from orch.telemetry.pulse import Pulse
from orch.telemetry.shortages import ShortageLog
from orch.telemetry.topics import Topics

log = structlog.get_logger("health")

SETTINGS_LOOK: Final = 1.0
"""Seconds within which a change of the settings is acted on; looking costs one comparison."""

SOONEST: Final = 0.25
"""Seconds between two checks of one instance at least, whoever asks for them."""

Elsewhere = Callable[[str, str], Awaitable[bool]]
"""Has the worker whose turn it is start a service again, for a reason; returns whether there is one."""

_ANSWERED: Final = frozenset({Seen.GOOD, Seen.SLOW, Seen.IMPAIRED, Seen.STARTING})
_WELL: Final = frozenset({State.HEALTHY, State.DEGRADED})


class HealthService:
    """Knows how every back end is. The mutable state is the table of services."""

    def __init__(
        self,
        *,
        settings: SettingsSource,
        events: EventLog,
        topics: Topics,
        metrics: Metrics,
        wall: Callable[[], float],
        processes: Mapping[str, ProcessSpec] | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        policy: RecoveryPolicy | None = None,
        leases: Leases | None = None,
        shortages: ShortageLog | None = None,
        pulse: Pulse | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._events = events
        self._topics = topics
        self._metrics = metrics
        self._wall = wall
        self._processes = dict(processes or {})
        self._transport = transport
        self._policy = policy or RecoveryPolicy()
        self._leases = leases or Leases()
        self.lease_boundary = self._leases.boundary
        self._shortages = shortages or ShortageLog(events=events, clock=trio.current_time, wall=wall)
        self._pulse = pulse or Pulse(events=events, wall=wall)
        self._jitter = jitter
        self._services: dict[str, WatchedService] = {}
        self._applied: Settings | None = None
        self._changed = trio.Event()
        self._is_running = False
        self.boundary = Boundary("health checks")
        self.elsewhere: Elsewhere | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Watch the back ends until cancelled; children that were started have ended by then."""
        self._applied = None
        self._pulse.on_gap = self._stood_still
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
        finally:
            self._is_running = False
            for service in self._services.values():
                service.stopped(at=self._wall())
                self._review(service)

    def is_usable(self, service: str, url: str) -> bool:
        """Whether requests should be sent to this instance; one that is not known is trusted."""
        known = self._services.get(service)
        instance = known.instances.get(url) if known is not None else None
        return instance is None or instance.verdict.is_usable

    def note_failure(self, service: str, url: str, reason: str) -> None:
        """Have an instance checked now because a request to it failed; the check decides, not the request."""
        known = self._services.get(service)
        instance = known.instances.get(url) if known is not None else None
        if instance is not None and instance.verdict.state is not State.UNHEALTHY:
            log.debug("request failed", service=service, instance=mask_url(url), reason=reason)
            instance.nudge()

    def note_refusal(self, service: str, refusal: str | None) -> None:
        """Hear that a back end refuses what is asked of it, in its words; None: it does so no more.

        It is degraded then, whatever its checks show, until something asked of it succeeds again.
        """
        known = self._services.get(service)
        if known is None or known.refusal == refusal:
            return
        known.refusal = refusal
        self._review(known)
        if refusal is None:
            self._say(known, "ok", "Accepts requests again.")
        else:
            self._say(known, "bad", f"{refusal[0].upper()}{refusal[1:]}.")
        self._tell()

    async def restart(self, service: str, *, reason: str) -> None:
        """Begin to start a back end again. ``reason`` is a sentence ("An operator asked for it.").

        Of several workers the one whose turn it is does so, whichever is asked.

        ProblemError: unknown_service, not_restartable, service_unavailable (while this branch does not run,
        or while it is no worker's turn).
        """
        await trio.lowlevel.checkpoint()
        if self.restart_here(service, reason=reason):
            return
        if self.elsewhere is None or not await self.elsewhere(service, reason):
            raise ProblemError(
                "service_unavailable",
                f"No worker is responsible for restarting {service} right now. Try again soon.",
                service=service,
            )

    def restart_here(self, service: str, *, reason: str) -> bool:
        """Begin to start a back end again if that is for this worker to do. ProblemError: as restart."""
        known = self._services.get(service)
        if known is None:
            raise ProblemError("unknown_service", f"No service is called {service}.", service=service)
        if known.restarter is None or not self._is_restartable(known):
            raise ProblemError(
                "not_restartable",
                f"{service} cannot be restarted from here: it is not a child process and has no "
                "restart_command.",
                service=service,
            )
        if not self._is_running:
            raise ProblemError("service_unavailable", "Health checks are not running.", service=service)
        if isinstance(known.restarter, RestartCommand) and not known.restarter.is_ours:
            return False
        self._say(known, "info", f"Is being restarted. {reason}")
        known.restarter.restart()
        return True

    async def wait_for(self, service: str, state: State) -> None:
        """Return once the service is in ``state``; it may have left it again by the time that is acted on."""
        while (known := self._services.get(service)) is None or known.state is not state:
            await self._changed.wait()

    def summary(self) -> dict[str, str]:
        """Return each service's state."""
        return {name: str(service.state) for name, service in self._services.items()}

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads; checks and recoveries are counted where they happen."""
        yield from self.boundary.readings()
        yield from self.lease_boundary.readings()

    def statistics(self) -> ServicesStatistics:
        """Return how everything is now."""
        services = tuple(self._service_statistics(service) for service in self._services.values())
        worst = max((service.state for service in services), key=SEVERITY.__getitem__, default=State.UNKNOWN)
        return ServicesStatistics(state=worst, services=services, shortages=self._shortages.lines())

    def _service_statistics(self, service: WatchedService) -> ServiceStatistics:
        restarter = service.restarter
        recovery = (
            restarter.statistics(is_well=service.state in _WELL)
            if restarter is not None and self._is_running
            else None
        )
        return ServiceStatistics(
            name=service.name,
            state=service.state,
            reason=service.reason,
            refusal=UNSET if service.refusal is None else service.refusal,
            since=service.since,
            restartable=self._is_restartable(service),
            recovery=recovery,
            instances=tuple(instance.statistics() for instance in service.instances.values()),
        )

    def _is_restartable(self, service: WatchedService) -> bool:
        return isinstance(service.restarter, KeptProcess) or bool(self._command(service.name))

    def _command(self, name: str) -> tuple[str, ...]:
        configured = self._settings.current.services.get(name)
        return configured.restart_command if configured is not None else ()

    def _reconcile(self, nursery: trio.Nursery, client: httpx2.AsyncClient) -> None:
        """Watch what the settings name, and nothing else."""
        settings = self._settings.current
        if settings is self._applied:
            return
        before, self._applied = self._applied, settings
        for name in [name for name in self._services if name not in settings.services]:
            self._forget(self._services.pop(name))
        for name, configured in settings.services.items():
            service = self._services.setdefault(name, WatchedService(name, at=self._wall()))
            if before is not None and before.services.get(name) != configured:
                service.refusal = None  # it was of the key, the address or the path that it had
            self._reconcile_instances(service, configured.all_instances())
            for instance in service.instances.values():
                if not instance.is_watched:
                    instance.is_watched = True
                    instance.scope = trio.CancelScope()
                    nursery.start_soon(self._watch, instance, client, name=f"checks {instance.shown}")
            if service.restarter is None:
                service.restarter = self._restarter(service)
            if not service.is_run:
                service.is_run = True
                service.scope = trio.CancelScope()
                nursery.start_soon(_within, service.scope, service.restarter.run, name=f"recovery {name}")
            self._review(service)
            for instance in service.instances.values():
                instance.nudge()
        self._tell()

    def _reconcile_instances(self, service: WatchedService, wanted: tuple[Instance, ...]) -> None:
        kept = dict(service.instances)
        service.instances = {}
        for instance in wanted:
            known = kept.pop(instance.url, None) or WatchedInstance(service, instance.url, at=self._wall())
            known.weight = instance.weight
            service.instances[instance.url] = known
        for gone in kept.values():
            gone.scope.cancel()

    def _forget(self, service: WatchedService) -> None:
        service.scope.cancel()
        for instance in service.instances.values():
            instance.scope.cancel()

    def _restarter(self, service: WatchedService) -> KeptProcess | RestartCommand:
        """Return what starts the service again: a child is its first instance, a command stands for all."""
        say = partial(self._say, service)
        spec = self._processes.get(service.name)
        made: KeptProcess | RestartCommand
        if spec is not None:

            def observe_first(observation: Observation) -> None:
                self._observe(next(iter(service.instances.values())), observation)

            def up() -> None:
                next(iter(service.instances.values())).nudge()
                self._tell()

            made = KeptProcess(service.name, spec, policy=self._policy, observe=observe_first, say=say)
            made.on_up = up
        else:

            def observe_all(observation: Observation) -> None:
                for instance in service.instances.values():
                    self._observe(instance, observation)

            def look() -> None:
                for instance in service.instances.values():
                    instance.nudge()
                self._tell()

            made = RestartCommand(
                service.name,
                partial(self._command, service.name),
                policy=self._policy,
                observe=observe_all,
                say=say,
                lease=self._leases.lease(f"recovery of {service.name}"),
                taken=look,
            )
        made.on_restart = partial(self._metrics.recovery, service.name)
        made.on_shortage = self._shortages.note
        return made

    async def _watch(self, instance: WatchedInstance, client: httpx2.AsyncClient) -> None:
        """Check one instance again and again, until it is forgotten."""
        self._metrics.service_state(instance.service.name, instance.shown, str(instance.verdict.state))
        with instance.scope:
            while True:
                kept = instance.service.kept(instance)
                if kept is not None and not kept.is_up:
                    await instance.nudged()  # nothing to ask: how it ended is known better than by a check
                    continue
                with self.boundary.item(service=instance.service.name, instance=instance.shown):
                    await self._check(instance, client)
                monitoring = self._settings.current.orchestration.monitoring
                pause = next_check(
                    instance.verdict,
                    interval=monitoring.health_check_interval,
                    in_state_for=trio.current_time() - instance.changed_at,
                    jitter=self._jitter(),
                )
                soonest = trio.current_time() + min(SOONEST, pause)
                with trio.move_on_after(pause):
                    await instance.nudged()
                await trio.sleep_until(soonest)

    async def _check(self, instance: WatchedInstance, client: httpx2.AsyncClient) -> None:
        name = instance.service.name
        settings = self._settings.current
        configured = settings.services.get(name)
        if configured is None:
            await trio.lowlevel.checkpoint()
            return  # the settings have just dropped it; this task is about to be cancelled
        monitoring = settings.orchestration.monitoring
        began, generation = trio.current_time(), instance.generation
        observation = await probe(
            client,
            name,
            configured,
            instance.url,
            patience=monitoring.health_check_timeout,
            limit=monitoring.alert_thresholds.response_time / 1000,
        )
        took = trio.current_time() - began
        if self._pulse.was_stopped_since(began) and observation.seen is not Seen.GOOD:
            observation = Observation(Seen.UNSEEN, ("not checked: the orchestration service was suspended",))
        if observation.seen is Seen.UNSEEN:
            if observation.shortage is not None:
                self._shortages.note(observation.shortage, f"{instance.shown} cannot be checked.")
            self._observe(instance, observation)
            return
        self._metrics.health_check(name, instance.shown, observation.seen in _ANSWERED, took)
        if generation == instance.generation:
            self._observe(instance, observation)

    def _observe(self, instance: WatchedInstance, observation: Observation) -> None:
        """Take in what was seen, and act on what it means."""
        service, before, at = instance.service, instance.verdict, self._wall()
        verdict = judge(before, observation, now=trio.current_time(), at=at)
        instance.verdict = verdict
        if observation.seen is Seen.UNSEEN:
            self._review(service)
            self._tell()
            return
        if observation.engine is not None:
            instance.engine = observation.engine
        latency = observation.elapsed * 1000 if observation.elapsed is not None else None
        interval = self._settings.current.orchestration.monitoring.health_check_interval
        check = Check(at=at, state=check_state(observation.seen, verdict), latency_ms=latency)
        instance.history.add(check, interval=interval)
        if observation.seen in {Seen.BEGUN, Seen.EXITED}:
            instance.generation += 1
            instance.nudge()
        if verdict.state is not before.state:
            instance.changed_at = trio.current_time()
            self._announce(instance, before)
        self._review(service)
        self._prompt_recovery(instance)
        self._tell()

    def _stood_still(self, _seconds: float) -> None:
        """Give what is being started time anew: this process was not there to see its first answer."""
        unseen = Observation(Seen.UNSEEN, ("not checked: the orchestration service was suspended",))
        for service in self._services.values():
            for instance in service.instances.values():
                if instance.verdict.start_by is not None:
                    self._observe(instance, unseen)

    def _announce(self, instance: WatchedInstance, before: Verdict) -> None:
        service, verdict = instance.service, instance.verdict
        self._metrics.service_state(service.name, instance.shown, str(verdict.state))
        is_alone = len(service.instances) == 1
        text = change_in_words(before, verdict, instance.history.latency_ms)
        sentence = text[0].upper() + text[1:] if is_alone else f"{instance.shown} {text}"
        self._say(service, severity_of(verdict.state), sentence)

    def _review(self, service: WatchedService) -> None:
        """Form the service's verdict anew from its instances'."""
        members = [Member(instance.shown, instance.verdict) for instance in service.instances.values()]
        state, service.reason = with_refusal(*judge_service(members), service.refusal)
        if state is not service.state:
            service.state, service.since = state, self._wall()

    def _prompt_recovery(self, instance: WatchedInstance) -> None:
        """Tell what starts the service again how things are."""
        service, restarter = instance.service, instance.service.restarter
        if isinstance(restarter, KeptProcess):
            state = instance.verdict.state if service.kept(instance) is restarter else None
        else:
            state = service.state
        if restarter is None or state is None:
            return
        if state in _WELL:
            restarter.recovered()
        elif state is State.UNHEALTHY:
            restarter.trouble()

    def _say(self, service: WatchedService, severity: Severity, text: str) -> None:
        self._events.record(severity, service.name, text)
        log.info("event", service=service.name, severity=severity, text=text)
        self._topics.touch("services")

    def _tell(self) -> None:
        self._topics.touch("services")
        self._changed.set()
        self._changed = trio.Event()


async def _within(scope: trio.CancelScope, run: Callable[[], Awaitable[Never]]) -> None:
    with scope:
        await run()
