"""Makes what restarts the back ends: a restarter for each service, and for instances that have their own."""

from collections.abc import Callable, Sequence
from functools import partial

import structlog
import trio

from orch.cluster.lease import Leases
from orch.health.health_events import Stage
from orch.health.hooks.configured import configured_hook, escalation_hook, own_hook
from orch.health.hooks.hook import Hook, HookCall
from orch.health.kept_process import KeptProcess
from orch.health.recovery import RecoveryPolicy
from orch.health.recovery_policies import policy_of
from orch.health.restart_hook import HookRestarter
from orch.health.restarter import Restarter, RunChild
from orch.health.verdict import Observation
from orch.health.watched import WatchedInstance, WatchedService, WorkOf
from orch.processes import Children, ProcessSpec
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
    connections and breakers of a service, or of one of its instances. ``processes``: the children that this
    service keeps running.
    """

    def __init__(
        self,
        *,
        settings: SettingsSource,
        metrics: Metrics,
        shortages: ShortageLog,
        leases: Leases,
        processes: Children,
        policy: RecoveryPolicy | None,
        run_child: RunChild,
        observe: Callable[[WatchedInstance, Observation], None],
        record: Callable[[WatchedService, Severity, str], None],
        step: Callable[[WatchedService, WatchedInstance | None, Stage, int, str], None],
        publish: Callable[[], None],
        work_of: WorkOf,
        reset: Callable[[str, str | None], str],
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
        """Return the restarter of the instances that have none of their own: the hook stands for them."""

        def observe_all(observation: Observation) -> None:
            for instance in service.shared:
                self._observe(instance, observation)

        def check_all() -> None:
            for instance in service.shared:
                instance.nudge()
            self._publish()

        made = HookRestarter(
            service.name,
            partial(self._hook, service.name),
            policy=self._policy or RecoveryPolicy(),
            observe=observe_all,
            record=partial(self._record, service),
            lease=self._leases.lease(f"recovery of {service.name}"),
            on_turn=check_all,
        )
        made.on_step = partial(self._step, service, None)
        made.on_reset = lambda: " ".join(
            dict.fromkeys(self._reset(service.name, each) for each in _urls(service))
        )
        made.work = lambda: self._work(service.shared)
        made.reason = lambda: service.reason
        return self._connected(service, made)

    def make_own(self, instance: WatchedInstance) -> None:
        """Give an instance what restarts it alone: it is a child process, or has a command of its own.

        It keeps what it has. A command that is in the settings no longer is given up.
        """
        service = instance.service
        spec = self._processes.get(service.name, {}).get(instance.url)
        has_command = self._own_command(service.name, instance.url) is not None
        if instance.restarter is not None:
            if not instance.restarter.is_child and not has_command:
                instance.restarter_scope.cancel()
                instance.restarter, instance.is_restarter_run = None, False
            return
        if spec is None and not has_command:
            return
        made = self._hooked(instance) if spec is None else self._kept(instance, spec)
        made.on_step = partial(self._step, service, instance)
        made.on_reset = partial(self._reset, service.name, instance.url)
        made.work = lambda: self._work([instance])
        made.reason = lambda: "; ".join(instance.verdict.reasons)
        instance.restarter = self._connected(service, made)
        if service.maintenance is not None:
            made.suspend()

    def make_all(self, service: WatchedService) -> None:
        """Give the instances their own restarters, and let that of the service rest if it has none left."""
        for instance in service.instances.values():
            self.make_own(instance)
        shared = service.restarter
        if not service.shared and not shared.is_suspended:
            shared.suspend()
        elif service.shared and shared.is_suspended and service.maintenance is None:
            shared.resume()

    def apply(self, service: WatchedService, configured: Service) -> None:
        """Use the policy of changed settings from now on."""
        policy = self._policy or policy_of(configured)
        service.restarter.policy = policy
        for instance in service.instances.values():
            if instance.restarter is not None:
                instance.restarter.policy = policy

    def _connected(self, service: WatchedService, made: Restarter) -> Restarter:
        made.on_restart = partial(self._metrics.recovery, service.name)
        made.on_shortage = self._shortages.note
        made.on_escalation = partial(self._escalate, service, made)
        return made

    def _kept(self, instance: WatchedInstance, spec: ProcessSpec) -> Restarter:
        def up() -> None:
            instance.nudge()
            self._publish()

        instance.name = "" if spec.name == instance.service.name else spec.name
        made = KeptProcess(
            spec.name or instance.service.name,
            spec,
            policy=self._policy or RecoveryPolicy(),
            observe=partial(self._observe, instance),
            record=partial(self._record_of, instance),
            run_child=self._run_child,
        )
        made.on_up = up
        return made

    def _hooked(self, instance: WatchedInstance) -> Restarter:
        def check() -> None:
            instance.nudge()
            self._publish()

        name = instance.service.name
        return HookRestarter(
            name,
            partial(self._own_command, name, instance.url),
            policy=self._policy or RecoveryPolicy(),
            observe=partial(self._observe, instance),
            record=partial(self._record_of, instance),
            lease=self._leases.lease(f"recovery of {name} at {instance.shown}"),
            on_turn=check,
        )

    def _record_of(self, instance: WatchedInstance, severity: Severity, text: str) -> None:
        self._record(instance.service, severity, instance.about(text))

    def _hook(self, name: str) -> Hook | None:
        configured = self._settings.current.services.get(name)
        return None if configured is None else configured_hook(configured, self._run_child)

    def _own_command(self, name: str, url: str) -> Hook | None:
        configured = self._settings.current.services.get(name)
        return None if configured is None else own_hook(configured, url, self._run_child)

    def _work(self, instances: Sequence[WatchedInstance]) -> Work:
        """Return the requests that a restart of these instances would end."""
        works = [self._work_of(instance.service.name, instance.url) for instance in instances]
        return Work(
            sum(work.in_flight for work in works),
            max((work.oldest for work in works), default=0.0),
            makes_progress=any(work.makes_progress for work in works),
        )

    async def _escalate(self, service: WatchedService, restarter: Restarter, text: str) -> None:
        """Call the escalation hook, if there is one; its failure is an event."""
        configured = self._settings.current.services.get(service.name)
        hook = None if configured is None else escalation_hook(configured)
        if hook is None:
            await trio.lowlevel.checkpoint()
            return
        call = HookCall(
            service=service.name,
            attempt=0,
            reason=f"{text} {restarter.reason()}",
            fence=0,
            work=restarter.work(),
            on_line=lambda _stream, _text: None,
            on_begun=lambda: None,
        )
        fault = "did not respond in time"
        with trio.move_on_after(restarter.policy.command_limit):
            outcome = await hook(call)
            fault = outcome.fault
        if fault:
            self._record(service, "bad", f"{hook.subject} {fault}.")


def _urls(service: WatchedService) -> list[str | None]:
    """Return the instances whose connections a restart resets; None stands for all of the service."""
    if len(service.shared) == len(service.instances):
        return [None]
    return [instance.url for instance in service.shared]
