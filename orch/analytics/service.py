"""Samples what the service does each second, and answers questions about it."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, Never

import msgspec
import numpy as np
import trio
from msgspec import Struct

from orch.alerts.statistics import AlertShown
from orch.analytics.anomalies.changes import Change
from orch.analytics.archive import Archive, Offload
from orch.analytics.budgets import OBJECTIVES, Budget, budget
from orch.analytics.figures import SOURCES
from orch.analytics.insights.graph import Graph
from orch.analytics.insights.happenings import Happening
from orch.analytics.measured import gateway_figures, speech_figures
from orch.analytics.observer import Observer
from orch.analytics.outlook import Outlook
from orch.analytics.queries import (
    AnomaliesQuestion,
    FiguresListed,
    ForecastQuestion,
    InsightsQuestion,
    ListedFigure,
    SeriesAnswer,
    SeriesQuestion,
    answer_in_parts,
)
from orch.analytics.sampling import AnyReading, Measured, Rates, Sampler
from orch.analytics.series import Points, Series
from orch.analytics.steady_clock import SteadyClock
from orch.gateway.statistics import GatewayStatistics
from orch.settings.analytics import Wording
from orch.speech.statistics import SpeechStatistics
from orch.stores.protocols import DocumentStore
from orch.telemetry.boundaries import Boundary
from orch.telemetry.names import analytics as names
from orch.telemetry.names.metric import Distribution, Reading

EVERY: Final = 1.0
"""Seconds between two samples."""
BUDGETS_EVERY: Final = 10.0
"""Seconds for which computed error budgets are shown again."""


class AnalyticsLive(Struct, frozen=True, kw_only=True):
    """The topic ``analytics``: the newest value of each series, by key, and when it was measured.

    ``revision``: increases when anomalies or insights change.
    """

    now: float
    worker: str
    revision: int
    values: dict[str, float]


class AnalyticsService:
    """The series of this process.

    ``sources``: what Prometheus reads. ``owner``: see :class:`Archive`. The mutable state: the series, the
    clock they are measured by, the limits and values of the last sample, and computed budgets.
    """

    def __init__(
        self,
        *,
        sources: Callable[[], Iterable[Callable[[], Iterable[AnyReading]]]],
        gateway: Callable[[], GatewayStatistics],
        speech: Callable[[], SpeechStatistics],
        store: DocumentStore,
        owner: str,
        worker: str,
        graph: Callable[[], Graph],
        happened: Callable[[], Sequence[Happening]],
        alerts: Callable[[], Iterable[AlertShown]] = tuple,
        wording: Callable[[], Wording],
        wall: Callable[[], float],
        perf_counter: Callable[[], float] = time.perf_counter,
        offload: Offload | None = None,
    ) -> None:
        self._sources = sources
        self._gateway = gateway
        self._speech = speech
        self._worker = worker
        self._wall = wall
        self._perf_counter = perf_counter
        self._since = wall()
        self._clock: SteadyClock | None = None
        self.series = Series()
        in_thread: Offload = offload or trio.to_thread.run_sync
        self._search: Offload = offload or partial(trio.to_thread.run_sync, limiter=trio.CapacityLimiter(1))
        self.archive = Archive(self.series, store, owner=owner, now=self.now, offload=in_thread)
        self.outlook = Outlook(
            lambda: self.series,
            lambda: self.limits,
            worker=worker,
            now=lambda: self._sampled_at,
            offload=offload,
        )
        self.observer = Observer(
            lambda: self.series,
            store,
            owner=owner,
            worker=worker,
            now=lambda: self._sampled_at,
            graph=graph,
            happened=happened,
            alerts=alerts,
            wording=wording,
            offload=in_thread,
        )
        self._sampler = Sampler(SOURCES)
        self._rates = Rates()
        self.limits: dict[str, float] = {}
        self._values: dict[str, float] = {}
        self._sampled_at = wall()
        self._seconds = 0.0
        self._budgets: tuple[float, tuple[Budget, ...]] | None = None
        self.on_sample: Callable[[], None] = lambda: None
        self.boundary = Boundary("analytics")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Sample each second until cancelled."""
        async with trio.open_nursery() as nursery:
            self.sample()
            await nursery.start(self.archive.run)
            await nursery.start(self.outlook.run)
            await nursery.start(self.observer.run)
            nursery.start_soon(self._sample_each_second)
            task_status.started()

    async def _sample_each_second(self) -> Never:
        due = trio.current_time() + EVERY
        while True:
            await trio.sleep_until(due)
            self.sample()
            with self.boundary.item(step="feed"):
                await self.observer.feed()
            # What was missed while the loop was blocked is a gap.
            due = max(due + EVERY, trio.current_time() + EVERY / 2)

    def now(self) -> float:
        """Return the time of the series, in seconds since the epoch."""
        wall, monotonic = self._wall(), trio.current_time()
        if self._clock is None:
            self._clock = SteadyClock(wall=wall, monotonic=monotonic)
        return self._clock.read(wall=wall, monotonic=monotonic)

    def sample(self) -> None:
        """Measure every figure once."""
        began = self._perf_counter()
        with self.boundary.item():
            now = self.now()
            measured = list(self._measure(trio.current_time()))
            self.series.add(now, ((each.figure, each.value) for each in measured))
            self.limits = {
                each.figure.key: each.limit
                for each in measured
                if each.limit is not None and each.figure.key in self.series
            }
            self._values = {
                each.figure.key: float(f"{each.value:.7g}")
                for each in measured
                if each.value is not None and each.figure.key in self.series
            }
            self._sampled_at = now
        self._seconds = self._perf_counter() - began
        self.on_sample()

    def _measure(self, now: float) -> Iterator[Measured]:
        readings: list[AnyReading] = []
        for source in self._sources():
            with self.boundary.item(step="readings"):
                readings.extend(source())
        yield from self._sampler.measure(readings, now)
        yield from gateway_figures(self._gateway(), self._rates, now)
        yield from speech_figures(self._speech())

    # --- what pages and the API read --------------------------------------------------------------------

    def live(self) -> AnalyticsLive:
        """Return the state of the topic ``analytics``."""
        return AnalyticsLive(
            now=self._sampled_at, worker=self._worker, revision=self.observer.revision, values=self._values
        )

    def figures(self) -> FiguresListed:
        """Return what is measured."""
        return FiguresListed(
            now=self._sampled_at,
            worker=self._worker,
            since=self._since,
            is_restored=self.archive.is_restored,
            refused=self.series.refused,
            figures=tuple(
                ListedFigure(key=key, figure=figure, latest=self._values.get(key), limit=self.limits.get(key))
                for key, figure in self.series.figures.items()
            ),
            budgets=self.budgets(),
            filling=self.outlook.filling,
        )

    async def read(self, question: SeriesQuestion) -> SeriesAnswer:
        """Return series. Other tasks have their turn between them, and while levels are looked at."""
        parts = answer_in_parts(
            self.series,
            question,
            self.limits,
            now=self._sampled_at,
            worker=self._worker,
            models=self.observer.models,
        )
        changes: tuple[Change, ...] | None = None
        while True:
            await trio.lowlevel.checkpoint()
            try:
                search = parts.send(changes)
            except StopIteration as end:
                found: SeriesAnswer = end.value
                return found
            changes = None if search is None else await self._search(search)

    def reply(self, question: bytes) -> bytes:
        """Reply to another worker's question about figures (null), anomalies or insights."""
        asked = msgspec.json.decode(question, type=AnomaliesQuestion | InsightsQuestion | None)
        if asked is None:
            return msgspec.json.encode(self.figures())
        if isinstance(asked, InsightsQuestion):
            return msgspec.json.encode(self.observer.insights())
        return msgspec.json.encode(self.observer.listed(seconds=asked.seconds, key=asked.key))

    async def reply_with_series(self, question: bytes) -> bytes:
        """Reply to another worker's question for series."""
        return msgspec.json.encode(await self.read(msgspec.json.decode(question, type=SeriesQuestion)))

    async def reply_with_forecast(self, question: bytes) -> bytes:
        """Reply to another worker's question for a forecast. ProblemError as of the outlook."""
        asked = msgspec.json.decode(question, type=ForecastQuestion)
        return msgspec.json.encode(await self.outlook.answer(asked))

    def budgets(self) -> tuple[Budget, ...]:
        """Return the error budgets, computed again each :data:`BUDGETS_EVERY` seconds."""
        now = self._sampled_at
        if self._budgets is None or not 0 <= now - self._budgets[0] < BUDGETS_EVERY:
            found = tuple(budget(objective, self._since_moment, now) for objective in OBJECTIVES)
            self._budgets = (now, found)
        return self._budgets[1]

    def _since_moment(self, key: str, start: float) -> Points:
        if key in self.series:
            return self.series.read(key, start, self._sampled_at)
        return Points(start=0.0, step=1.0, values=np.empty(0), highs=np.empty(0))

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""
        yield Reading(names.ANALYTICS_SERIES, len(self.series))
        yield Reading(names.ANALYTICS_SERIES_REFUSED, self.series.refused)
        yield Reading(names.ANALYTICS_BYTES, self.series.nbytes)
        yield Reading(names.ANALYTICS_SAMPLE_SECONDS, self._seconds)
        yield from self.boundary.readings()
        yield from self.archive.boundary.readings()
        yield from self.outlook.boundary.readings()
        yield from self.observer.boundary.readings()
        yield Reading(names.ANOMALIES, self.observer.found)
        yield Reading(names.INSIGHTS, self.observer.concluded)
