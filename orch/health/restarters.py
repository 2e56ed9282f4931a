"""Makes the restarter of each service: of a child process, or with a hook of the settings."""

from collections.abc import Callable, Mapping
from functools import partial

import structlog
import trio

from orch.cluster.lease import Leases
from orch.health.health_events import Stage
from orch.health.hooks.configured import configured_hook, escalation_hook
from orch.health.hooks.hook import Hook, HookCall
from orch.health.kept_process import KeptProcess
from orch.health.recovery import RecoveryPolicy
from orch.health.recovery_policies import policy_of
from orch.health.restart_hook import HookRestarter
from orch.health.restarter import Restarter, RunChild
from orch.health.verdict import Observation
from orch.health.watched import WatchedInstance, WatchedService, WorkOf
from orch.processes import ProcessSpec
from orch.settings import Service
from orch.settings.source import SettingsSource
from orch.telemetry.events import Severity
from orch.telemetry.metrics import Metrics
from orch.telemetry.shortages import ShortageLog
from orch.telemetry.work import Work

log = structlog.get_logger("health")


class Restarters:
    """Makes restarters. ``policy``: of all services, instead of that of their settings.

    ``observe``, ``record``, ``step`` and ``publish`` are called with what happens; ``reset`` resets the
    connections and breakers of a service.
    """

    def __init__(
        self,
        *,
        settings: SettingsSource,
        metrics: Metrics,
        shortages: ShortageLog,
        leases: Leases,
        processes: Mapping[str, ProcessSpec],
        policy: RecoveryPolicy | None,
        run_child: RunChild,
        observe: Callable[[WatchedInstance, Observation], None],
        record: Callable[[WatchedService, Severity, str], None],
        step: Callable[[WatchedService, Stage, int, str], None],
        publish: Callable[[], None],
        work_of: WorkOf,
        reset: Callable[[str], str],
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._shortages = shortages
        self._leases = leases
        self._processes = processes
        self._policy = policy
        self._run_child = run_child
        self._observe = observe
        self._record = record
        self._step = step
        self._publish = publish
        self._work_of = work_of
        self._reset = reset

    def make(self, service: WatchedService) -> Restarter:
        """Return a service's restarter: a child is its first instance, a hook stands for all of them."""
        spec = self._processes.get(service.name)
        made = self._hooked(service) if spec is None else self._kept(service, spec)
        made.on_restart = partial(self._metrics.recovery, service.name)
        made.on_shortage = self._shortages.note
        made.on_step = partial(self._step, service)
        made.on_reset = partial(self._reset, service.name)
        made.on_escalation = partial(self._escalate, service)
        made.work = partial(self._work, service, made)
        made.reason = lambda: service.reason
        return made

    def apply(self, service: WatchedService, configured: Service) -> None:
        """Use the policy of changed settings from now on."""
        service.restarter.policy = self._policy or policy_of(configured)

    def _kept(self, service: WatchedService, spec: ProcessSpec) -> Restarter:
        def observe_first(observation: Observation) -> None:
            self._observe(next(iter(service.instances.values())), observation)

        def up() -> None:
            next(iter(service.instances.values())).nudge()
            self._publish()

        made = KeptProcess(
            service.name,
            spec,
            policy=self._policy or RecoveryPolicy(),
            observe=observe_first,
            record=partial(self._record, service),
            run_child=self._run_child,
        )
        made.on_up = up
        return made

    def _hooked(self, service: WatchedService) -> Restarter:
        def observe_all(observation: Observation) -> None:
            for instance in service.instances.values():
                self._observe(instance, observation)

        def check_all() -> None:
            for instance in service.instances.values():
                instance.nudge()
            self._publish()

        return HookRestarter(
            service.name,
            partial(self._hook, service.name),
            policy=self._policy or RecoveryPolicy(),
            observe=observe_all,
            record=partial(self._record, service),
            lease=self._leases.lease(f"recovery of {service.name}"),
            on_turn=check_all,
        )

    def _hook(self, name: str) -> Hook | None:
        configured = self._settings.current.services.get(name)
        return None if configured is None else configured_hook(configured, self._run_child)

    def _work(self, service: WatchedService, restarter: Restarter) -> Work:
        """Return the requests that a restart would end: of the child, or of all instances."""
        instances = list(service.instances.values())[: 1 if restarter.is_child else None]
        works = [self._work_of(service.name, instance.url) for instance in instances]
        return Work(
            sum(work.in_flight for work in works),
            max((work.oldest for work in works), default=0.0),
            makes_progress=any(work.makes_progress for work in works),
        )

    async def _escalate(self, service: WatchedService, text: str) -> None:
        """Call the escalation hook, if there is one; its failure is an event."""
        configured = self._settings.current.services.get(service.name)
        hook = None if configured is None else escalation_hook(configured)
        if hook is None:
            await trio.lowlevel.checkpoint()
            return
        call = HookCall(
            service=service.name,
            attempt=0,
            reason=f"{text} {service.reason}",
            fence=0,
            work=self._work(service, service.restarter),
            on_line=lambda _stream, _text: None,
            on_begun=lambda: None,
        )
        fault = "did not respond in time"
        with trio.move_on_after(service.restarter.policy.command_limit):
            outcome = await hook(call)
            fault = outcome.fault
        if fault:
            self._record(service, "bad", f"{hook.subject} {fault}.")
