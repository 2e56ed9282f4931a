"""The state of each back end and of each of its instances."""

from collections.abc import Callable
from math import inf

import trio
from msgspec import UNSET

from orch.health.flapping import Flapping
from orch.health.history import History
from orch.health.maintenance import Maintenance
from orch.health.restarter import Restarter
from orch.health.statistics import InstanceStatistics
from orch.health.verdict import State, Verdict
from orch.masking import mask_url
from orch.telemetry.work import Work

WorkOf = Callable[[str, str], Work]
"""Returns what an instance (service, URL) has to do."""


class WatchedInstance:
    """One process that serves a service.

    The mutable state is its verdict, its latest checks, and whether one is requested. ``at``: epoch seconds.
    """

    def __init__(self, service: "WatchedService", url: str, *, at: float) -> None:
        self.service = service
        self.url = url
        self.shown = mask_url(url)
        self.weight = 1
        self.verdict = Verdict(since=at)
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
        self._nudge = trio.Event()

    def nudge(self) -> None:
        """Request a check soon."""
        self._nudge.set()
        self._nudge = trio.Event()

    async def nudged(self) -> None:
        """Wait until a check is requested."""
        await self._nudge.wait()

    def statistics(self) -> InstanceStatistics:
        """Return how it is now."""
        child, history, verdict = self.service.child(self), self.history, self.verdict
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
            restarts=child.restarts if child is not None else 0,
            pid=child.pid if child is not None else None,
            engine=self.engine,
            notice=self.notice or UNSET,
            is_flapping=self.flapping.is_on or UNSET,
            certificate_until=UNSET if self.certificate_until is None else self.certificate_until,
        )


class WatchedService:
    """A back end: its instances, and the restarter that ``make_restarter`` returns for it."""

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

    def stopped(self, *, at: float) -> None:
        """Note that checks have stopped, and that a child of ours has ended with them."""
        self.is_run = False
        for instance in self.instances.values():
            instance.is_watched = False
            if self.child(instance) is not None:
                instance.verdict = Verdict(
                    since=at, reasons=("stopped with the health branch",), starting=True
                )

    def is_first(self, instance: WatchedInstance) -> bool:
        """Return whether an instance is the first one of the service."""
        return next(iter(self.instances.values()), None) is instance

    def child(self, instance: WatchedInstance) -> Restarter | None:
        """Return what keeps an instance running, if it is a child of ours; only the first can be."""
        return self.restarter if self.restarter.is_child and self.is_first(instance) else None

    def is_draining(self, instance: WatchedInstance) -> bool:
        """Return whether an instance is about to be restarted, once its requests are done."""
        if not self.restarter.is_waiting:
            return False
        return not self.restarter.is_child or self.is_first(instance)

    def update_restarter(self, instance: WatchedInstance) -> None:
        """Pass on the state that decides on restarts: of the child, or else of the whole service."""
        if not self.restarter.is_child:
            self.restarter.update(self.state)
        elif self.is_first(instance):
            self.restarter.update(instance.verdict.state)
