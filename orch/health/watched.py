"""The state of each back end and of each of its instances."""

from collections.abc import Callable
from math import inf

import trio
from msgspec import UNSET
from msgspec.structs import replace

from orch.health.flapping import Flapping
from orch.health.health_events import RecoveryStep
from orch.health.history import History
from orch.health.maintenance import Maintenance
from orch.health.restarter import Restarter
from orch.health.starts import Start, statistics_of
from orch.health.statistics import (
    InstanceStatistics,
    MaintenanceStatistics,
    RecoveryStatistics,
    ServiceStatistics,
)
from orch.health.verdict import WELL, Member, State, Verdict, judge_service
from orch.masking import mask_url
from orch.problems import ProblemError
from orch.telemetry.work import Work

WorkOf = Callable[[str, str], Work]
"""Returns what an instance (service, URL) has to do."""


class WatchedInstance:
    """One process that serves a service.

    The mutable state is its verdict, its latest checks, and whether one is requested. ``at``: epoch seconds.
    ``restarter``: what restarts this instance alone, if there is something: it is a child process of ours, or
    has a command of its own. ``name``: of the child, "" if the URL says enough.
    """

    def __init__(self, service: "WatchedService", url: str, *, at: float) -> None:
        self.service = service
        self.url = url
        self.shown = mask_url(url)
        self.weight = 1
        self.verdict = Verdict(since=at)
        self.start = Start()
        self.history = History()
        self.engine: str | None = None
        self.notice = ""
        self.noticed_at = -inf
        self.logged_notice, self.notice_logged_at = "", -inf
        self.changed_at = trio.current_time()
        self.flapping = Flapping()
        self.real_fault = ""  # why the last real request failed
        self.asked_at: float | None = None  # when the real request that is in progress was sent
        self.certificate_until: float | None = None
        self.reminded_at: float | None = None  # the mark at which operators were reminded of it
        self.generation = (
            0  # a check that began before a start or an end shows nothing about the time after it
        )
        self.scope = trio.CancelScope()
        self.is_watched = False
        self.name = ""
        self.restarter: Restarter | None = None
        self.restarter_scope = trio.CancelScope()
        self.is_restarter_run = False
        self._nudge = trio.Event()

    @property
    def label(self) -> str:
        """What the instance is called among those of its service."""
        return self.name or self.shown

    @property
    def child(self) -> Restarter | None:
        """What keeps it running, if it is a child process of ours."""
        return self.restarter if self.restarter is not None and self.restarter.is_child else None

    def about(self, text: str) -> str:
        """Return a sentence about it, with its name if the service has others."""
        return text if len(self.service.instances) == 1 else f"{self.label}: {text}"

    def end(self) -> None:
        """End its checks, and its restarter with the child that it keeps running."""
        self.scope.cancel()
        self.restarter_scope.cancel()

    def nudge(self) -> None:
        """Request a check soon."""
        self._nudge.set()
        self._nudge = trio.Event()

    async def nudged(self) -> None:
        """Wait until a check is requested."""
        await self._nudge.wait()

    def statistics(self) -> InstanceStatistics:
        """Return how it is now."""
        own, history, verdict = self.restarter, self.history, self.verdict
        limit = self.service.restarter_of(self).policy.verify_limit
        return InstanceStatistics(
            url=self.shown,
            state=verdict.state,
            reasons=verdict.reasons,
            since=verdict.since,
            weight=self.weight,
            usable=verdict.is_usable,
            latency_ms=history.latency_ms,
            p95_ms=history.p95_ms,
            answered=history.answered,
            checks=history.checks,
            restarts=own.restarts if own is not None else 0,
            pid=own.pid if own is not None else None,
            engine=self.engine,
            name=self.name or UNSET,
            restartable=self.service.restarter_of(self).is_restartable,
            is_alone=own is not None or UNSET,
            recovery=UNSET if own is None else own.statistics(is_well=verdict.state in WELL) or UNSET,
            notice=self.notice or UNSET,
            is_flapping=self.flapping.is_on or UNSET,
            certificate_until=UNSET if self.certificate_until is None else self.certificate_until,
            start=statistics_of(self.start, limit) or UNSET,
        )


class WatchedService:
    """A back end: its instances, and the restarter that ``make_restarter`` returns for it.

    That one stands for all instances without a restarter of their own.
    """

    def __init__(
        self, name: str, make_restarter: "Callable[[WatchedService], Restarter]", *, at: float
    ) -> None:
        self.name = name
        self.state = State.UNKNOWN
        self.reason = ""
        self.maintenance: Maintenance | None = None
        self.refusal: str | None = None  # its reason, while it refuses every request
        self.since = at
        self.instances: dict[str, WatchedInstance] = {}
        self.scope = trio.CancelScope()
        self.is_run = False
        self.restarter = make_restarter(self)

    def statistics(self, *, is_running: bool, steps: tuple[RecoveryStep, ...]) -> ServiceStatistics:
        """Return how it is now.

        ``is_running``: whether the branch of health runs; ``steps``: the latest of its recoveries.
        """
        return ServiceStatistics(
            name=self.name,
            state=self.state,
            reason=self.reason,
            refusal=UNSET if self.refusal is None else self.refusal,
            since=self.since,
            restartable=any(each.is_restartable for _, each in self.restarters()),
            recovery=self.recovery() if is_running else None,
            maintenance=(
                UNSET
                if self.maintenance is None
                else MaintenanceStatistics(title=self.maintenance.title, until=self.maintenance.until)
            ),
            steps=steps,
            instances=tuple(instance.statistics() for instance in self.instances.values()),
        )

    def stopped(self, *, at: float) -> None:
        """Note that checks have stopped, and that children of ours have ended with them."""
        self.is_run = False
        for instance in self.instances.values():
            instance.is_watched = instance.is_restarter_run = False
            if instance.child is not None:
                instance.verdict = Verdict(
                    since=at, reasons=("stopped with the health branch",), starting=True
                )
                instance.start = Start()

    def named(self, text: str) -> WatchedInstance:
        """Return the instance with this name or URL. ProblemError: unknown_instance."""
        for instance in self.instances.values():
            if text in {instance.name, instance.shown}:
                return instance
        names = ", ".join(each.label for each in self.instances.values())
        raise ProblemError(
            "unknown_instance", f"{self.name} has no such instance. It has: {names}.", service=self.name
        )

    def recovery(self) -> RecoveryStatistics | None:
        """Return what is being done about it: all of it in words, and the numbers of what is furthest on."""
        found: list[RecoveryStatistics] = []
        for instance, restarter in self.restarters():
            state = self.state if instance is None else instance.verdict.state
            described = restarter.statistics(is_well=state in WELL)
            if described is not None:
                text = described.text if instance is None else instance.about(described.text)
                found.append(replace(described, text=text))
        if not found:
            return None
        return replace(max(found, key=lambda each: each.attempt), text=" ".join(each.text for each in found))

    @property
    def shared(self) -> list[WatchedInstance]:
        """The instances without a restarter of their own."""
        return [instance for instance in self.instances.values() if instance.restarter is None]

    def restarters(self) -> list[tuple[WatchedInstance | None, Restarter]]:
        """Return every restarter with its instance, then that of the others, if there are others."""
        own: list[tuple[WatchedInstance | None, Restarter]] = [
            (instance, instance.restarter)
            for instance in self.instances.values()
            if instance.restarter is not None
        ]
        return own if own and not self.shared else [*own, (None, self.restarter)]

    def restarter_of(self, instance: WatchedInstance) -> Restarter:
        """Return what restarts an instance."""
        return self.restarter if instance.restarter is None else instance.restarter

    def is_draining(self, instance: WatchedInstance) -> bool:
        """Return whether an instance is about to be restarted, once its requests are done."""
        return self.restarter_of(instance).is_waiting

    def gets_requests(self, url: str) -> bool:
        """Return whether requests should be sent to an instance; an unknown one is assumed to work.

        A busy one, or one that is about to be restarted, gets requests if no other one does.
        """
        instance = self.instances.get(url)
        if instance is None:
            return True
        is_draining = self.is_draining(instance)
        if instance.verdict.is_usable and not is_draining:
            return True
        is_open = instance.verdict.state is State.BUSY or (is_draining and instance.verdict.is_usable)
        return is_open and not any(
            other.verdict.is_usable and not self.is_draining(other) for other in self.instances.values()
        )

    def update_restarter(self, instance: WatchedInstance) -> None:
        """Pass on the state that decides on restarts: of the instance, or of all that share a restarter."""
        if instance.restarter is not None:
            instance.restarter.update(instance.verdict.state)
        else:
            members = [Member(each.shown, each.verdict) for each in self.shared]
            self.restarter.update(judge_service(members)[0])
