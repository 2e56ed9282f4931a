"""What the health branch holds of each back end and of each instance of it."""

import trio

from orch.health.history import History
from orch.health.restarting import KeptProcess, RestartCommand
from orch.health.statistics import InstanceStatistics
from orch.health.verdict import State, Verdict
from orch.masking import mask_url


class WatchedInstance:
    """One process that serves a service.

    The mutable state is its verdict, the checks kept, and whether one is wanted. ``at``: epoch seconds.
    """

    def __init__(self, service: "WatchedService", url: str, *, at: float) -> None:
        self.service = service
        self.url = url
        self.shown = mask_url(url)
        self.weight = 1
        self.verdict = Verdict(since=at)
        self.history = History()
        self.engine: str | None = None
        self.changed_at = trio.current_time()
        self.generation = 0  # a check that began before a start or an end says nothing about after it
        self.scope = trio.CancelScope()
        self.is_watched = False
        self._nudge = trio.Event()

    def nudge(self) -> None:
        """Have it checked soon."""
        self._nudge.set()
        self._nudge = trio.Event()

    async def nudged(self) -> None:
        """Wait until someone wants it checked."""
        await self._nudge.wait()

    def statistics(self) -> InstanceStatistics:
        """Return how it is now."""
        kept, history, verdict = self.service.kept(self), self.history, self.verdict
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
            restarts=kept.restarts if kept is not None else 0,
            pid=kept.pid if kept is not None else None,
            engine=self.engine,
        )


class WatchedService:
    """A back end: its instances and what starts it again."""

    def __init__(self, name: str, *, at: float) -> None:
        self.name = name
        self.state = State.UNKNOWN
        self.reason = ""
        self.refusal: str | None = None  # what it says while it refuses request after request
        self.since = at
        self.instances: dict[str, WatchedInstance] = {}
        self.restarter: KeptProcess | RestartCommand | None = None
        self.scope = trio.CancelScope()
        self.is_run = False

    def stopped(self, *, at: float) -> None:
        """Note that nobody watches any more, and that a child of ours has ended with the watching."""
        self.is_run = False
        for instance in self.instances.values():
            instance.is_watched = False
            if self.kept(instance) is not None:
                instance.verdict = Verdict(
                    since=at, reasons=("stopped with the health branch",), starting=True
                )

    def kept(self, instance: WatchedInstance) -> KeptProcess | None:
        """Return the child that is this instance, if it is one of ours (the first of its service)."""
        is_first = next(iter(self.instances.values()), None) is instance
        return self.restarter if is_first and isinstance(self.restarter, KeptProcess) else None
