"""Looks for anomalies in all series as they are measured, and concludes what an operator should know.

Series are followed at one value in 10 s, where only sudden changes are seen, within half a minute; and with
more than a day of history at one in 5 minutes too, where it is known what is usual for the hour and the day.
Models are learnt one at a time, in a thread. Anomalies of 30 days are stored, so that a restart neither
forgets them nor reports them again.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Never

import httpx2
import msgspec
import numpy as np
import structlog
import trio
from msgspec.structs import replace

from orch.alerts.statistics import AlertShown
from orch.analytics.anomalies.anomaly import Anomaly
from orch.analytics.anomalies.band import Models, is_usual_then
from orch.analytics.anomalies.changes import Change
from orch.analytics.anomalies.groups import group
from orch.analytics.anomalies.model import Model, learn_model
from orch.analytics.anomalies.reasons import reason, reason_of_change
from orch.analytics.insights.alert_evidence import seen_alerts
from orch.analytics.insights.conclusions import conclude, shown
from orch.analytics.insights.graph import Graph
from orch.analytics.insights.happenings import Happening
from orch.analytics.insights.insight import Insight
from orch.analytics.insights.writer import Writer
from orch.analytics.levels import Levels
from orch.analytics.queries import (
    AnomaliesListed,
    InsightsListed,
    ListedAnomaly,
    ListedChange,
    OpenInsights,
    level_changes,
)
from orch.analytics.ring import Floats
from orch.analytics.series import Figure, Points, Series
from orch.analytics.watch import Watch, joined
from orch.problems import ProblemError
from orch.settings.analytics import Wording
from orch.stores.protocols import DocumentStore
from orch.stores.records import Document
from orch.telemetry.boundaries import Boundary

SLOW: Final = 300.0
FAST: Final = 10.0
HISTORY: Final = {SLOW: 30 * 86_400.0, FAST: 86_400.0}
LEVELS_OF: Final = 7 * 86_400.0
"""Seconds in which changes of levels are looked for."""
RECENT: Final = 320
"""Samples that a new detector begins with."""
AHEAD: Final = 6
"""Slots by which the clock has to go back for what was found under later times to be forgotten."""
JUDGED: Final = 2_000
"""Anomalies of which it is remembered whether each day has them."""
AT_ONCE: Final = 20
"""Series that are fed before requests are served again."""
CONCLUDE_EVERY: Final = 10.0
SOON: Final = 0.5
"""Seconds between two conclusions at least, and from an event to its insight at most."""
INSIGHTS_SINCE: Final = 7 * 86_400.0
OPEN: Final = 5
"""Insights in the topic; the API has all of them."""
FLUSH_EVERY: Final = 60.0
STORED_FOR: Final = 31 * 86_400.0
WITHIN: Final = 5.0

Offload = Callable[..., Awaitable[Any]]
_anomalies: Final = msgspec.msgpack.Decoder(list[Anomaly])
_log = structlog.get_logger("analytics")


class Observer:
    """The mutable state: a watch for each step, the newest slot that was fed, and the last insights.

    ``series``, ``now``, ``graph``, ``happened``, ``alerts`` and ``wording`` return the current state at each
    use. ``offload`` runs a function in a thread; ``client`` makes the client for a server that puts insights
    into words.
    """

    def __init__(
        self,
        series: Callable[[], Series],
        store: DocumentStore,
        *,
        owner: str,
        worker: str,
        now: Callable[[], float],
        graph: Callable[[], Graph],
        happened: Callable[[], Sequence[Happening]],
        alerts: Callable[[], Iterable[AlertShown]] = tuple,
        wording: Callable[[], Wording],
        client: Callable[[], AbstractAsyncContextManager[httpx2.AsyncClient]] = httpx2.AsyncClient,
        offload: Offload = trio.to_thread.run_sync,
    ) -> None:
        self._series = series
        self._store = store
        self._kind = f"anomalies-{owner}"
        self._worker = worker
        self._now = now
        self._graph = graph
        self._happened = happened
        self._alerts = alerts
        self._wording = wording
        self._client = client
        self._offload = offload
        self._watches = {step: Watch(step=step) for step in (SLOW, FAST)}
        self._levels = Levels()
        self._usual_then: dict[tuple[str, float], bool] = {}
        self._fed: dict[float, int] = {}
        self._revision = 0
        self._stored_revision = 0
        self._is_restored = False
        self._is_changed = False
        self._insights: tuple[Insight, ...] = ()
        self._reported: set[str] = set()
        self.found = 0
        self.concluded = 0
        self._is_woken = trio.Event()
        self.on_change: Callable[[], None] = lambda: None
        self.boundary = Boundary("analytics observer")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Observe until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._learn_in_turn)
            nursery.start_soon(self._conclude_each)
            nursery.start_soon(self._write_each)
            nursery.start_soon(self._keep)
            task_status.started()

    # --- watching -------------------------------------------------------------------------------------------

    async def feed(self) -> None:
        """Feed every slot that is over by now; called after each sample."""
        now = self._now()
        for step, watch in self._watches.items():
            slot = int(now // step) - 1
            before = self._fed.get(step)
            self._fed[step] = slot
            if before is not None and slot < before - AHEAD:
                await self._begin_again(watch, now)
            if before is None or slot <= before:
                continue
            for place, key in enumerate(tuple(watch.models())):
                if place % AT_ONCE == AT_ONCE - 1:
                    await trio.lowlevel.checkpoint()
                with self.boundary.item(series=key):
                    self._feed_one(watch, key, max(before + 1, slot - RECENT), slot)

    async def _begin_again(self, watch: Watch, now: float) -> None:
        watch.begin_again(now)
        self._is_changed = True
        for place, key in enumerate(tuple(watch.models())):
            if place % AT_ONCE == AT_ONCE - 1:
                await trio.lowlevel.checkpoint()
            with self.boundary.item(series=key):
                watch.warmed_up(key, self._recent(watch, key))

    def _recent(self, watch: Watch, key: str) -> list[tuple[float, float]]:
        """Return the latest samples of a series, which a detector begins with."""
        recent = self._complete(key, self._now() - RECENT * watch.step, watch.step)
        return list(zip(recent.at.tolist(), recent.values.tolist(), strict=True))

    def _feed_one(self, watch: Watch, key: str, first: int, last: int) -> None:
        if key not in self._series():
            return
        for at, value in self._slots(key, first, last, watch.step):
            found = watch.feed(key, at, value)
            if found is not None:
                self.found += found.is_open
                self._is_changed = True

    def _slots(self, key: str, first: int, last: int, step: float) -> Iterator[tuple[float, float]]:
        points = self._series().read(key, first * step, (last + 1) * step - 1, step=step)
        if points.step < step:
            points = points.rolled_up(step)
        values = dict(zip((points.at // step).astype(int).tolist(), points.values.tolist(), strict=True))
        for slot in range(first, last + 1):
            yield slot * step, values.get(slot, float("nan"))

    async def _learn_in_turn(self) -> Never:
        while True:
            await trio.sleep(1)
            with self.boundary.item(step="learn"):
                await self.learn_one()
            with self.boundary.item(step="levels"):
                await self.look_one()

    async def learn_one(self) -> bool:
        """Learn the model of the series whose turn it is; False: none is due."""
        now, series = self._now(), self._series()
        slow, fast = self._watches[SLOW], self._watches[FAST]
        for watch in (slow, fast):
            key = watch.next_to_learn(series.figures.keys(), now)
            if key is not None:
                await self._learn(watch, key, now)
                return True
        return False

    async def _learn(self, watch: Watch, key: str, now: float) -> None:
        points = self._complete(key, now - HISTORY[watch.step], watch.step)
        floor = self._series().figures[key].floor
        since = watch.level_since(key)
        faulty = watch.faulty(key, points.start, len(points))
        first = _first_known(points.values)

        def learn() -> Model | None:
            return learn_model(
                points.values[first:],
                begins=points.start + first * points.step,
                step=points.step,
                floor=floor,
                faulty=faulty[first:],
                level_since=since,
            )

        model = await self._offload(learn)
        if key in self._series():
            # Read again: time has passed in the thread.
            watch.learnt(key, model, self._now(), self._recent(watch, key))

    async def look_one(self) -> bool:
        """Look at the series whose turn it is for changes of its level; False: none is due."""
        now, slow = self._now(), self._watches[SLOW]
        key = self._levels.next_to_look(slow.models().keys() & self._series().figures.keys(), now)
        if key is None:
            return False
        points, known = self._complete(key, now - LEVELS_OF, SLOW), self.models(key)
        figure = self._series().figures[key]

        def look() -> tuple[Change, ...]:
            return level_changes(points.values, known, figure, begins=points.start, step=points.step)

        self._is_changed |= self._levels.looked(key, await self._offload(look), now)
        return True

    def models(self, key: str) -> Models:
        """Return what is known of a series."""
        return Models(*(self._watches[step].model(key) for step in (SLOW, FAST)))

    def _complete(self, key: str, start: float, step: float) -> Points:
        """Return the slots that are over, from ``start`` on."""
        end = self._now() // step * step - 1
        points = self._series().read(key, start, end, step=step)
        return points.rolled_up(step) if points.step < step else points

    # --- concluding -----------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Conclude within :data:`SOON`: something has happened."""
        self._is_woken.set()

    async def _conclude_each(self) -> Never:
        while True:
            self._is_woken = trio.Event()
            with self.boundary.item(step="conclude"):
                self.conclude()
            await trio.sleep(SOON)
            with trio.move_on_after(CONCLUDE_EVERY - SOON):
                await self._is_woken.wait()

    async def _write_each(self) -> Never:
        while not self._wording().url:  # noqa: ASYNC110 - settings say nothing when they change
            await trio.sleep(CONCLUDE_EVERY)
        # Only now, and in a thread: a client reads the system's certificates.
        async with await self._offload(self._client) as client:
            writer = Writer(settings=self._wording, client=client)
            while True:
                with self.boundary.item(step="words"):
                    if await writer.write(self._insights):
                        self._insights = writer.with_words(self._insights)
                        self._announce()
                await trio.sleep(CONCLUDE_EVERY)

    def conclude(self) -> None:
        """Conclude again from what is known now."""
        figures, graph = self._series().figures, self._graph()
        found = [each for each in self.anomalies(self._now() - INSIGHTS_SINCE) if each.key in figures]

        def are_related(one: Anomaly, other: Anomaly) -> bool:
            return graph.are_related(graph.node_of(figures[one.key]), graph.node_of(figures[other.key]))

        alerts = seen_alerts(self._alerts(), graph)
        groups = group(found, are_related)
        insights = shown(conclude(groups, self._happened(), graph, figures, alerts))
        words = {(each.identity, each.title): each.words for each in self._insights}
        insights = tuple(replace(each, words=words.get((each.identity, each.title), "")) for each in insights)
        identities = {each.identity for each in insights}
        self.concluded += len(identities - self._reported)
        self._reported = identities
        if insights != self._insights or self._is_changed:
            self._insights, self._is_changed = insights, False
            self._announce()

    def _announce(self) -> None:
        self._revision += 1
        self.on_change()

    # --- what outlives the process --------------------------------------------------------------------------

    async def _keep(self) -> Never:
        try:
            while True:
                with self.boundary.item(step="store"):
                    await self._restore_or_flush()
                await trio.sleep(FLUSH_EVERY if self._is_restored else 5)
        finally:
            with trio.move_on_after(WITHIN, shield=True), self.boundary.item(step="last"):
                if self._is_restored:
                    await self._restore_or_flush()

    async def _restore_or_flush(self) -> None:
        try:
            with trio.fail_after(WITHIN):
                if not self._is_restored:
                    await self._restore()
                elif self._stored_revision != self._revision:
                    await self._flush()
        except (ProblemError, trio.TooSlowError) as error:
            # The store itself shows and logs that it is away.
            _log.debug("anomalies wait for the store", reason=str(error))

    async def _restore(self) -> None:
        for document in await self._store.documents(self._kind, now=self._now()):
            step = next((step for step in self._watches if f"{step:g}" == document.name), None)
            try:
                found = _anomalies.decode(document.body)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                _log.warning("stored anomalies not readable", name=document.name, reason=str(error))
                continue
            if step is not None:
                self._watches[step].restore(found)
        self._is_restored = self._is_changed = True

    async def _flush(self) -> None:
        revision, now = self._revision, self._now()
        stored = {each.name: each.revision for each in await self._store.documents(self._kind, now=now)}
        for step, watch in self._watches.items():
            name = f"{step:g}"
            body = msgspec.msgpack.encode(watch.anomalies())
            document = Document(self._kind, name, stored.get(name, 0) + 1, now + STORED_FOR, body)
            await self._store.store_document(document, now=now)
        self._stored_revision = revision

    # --- what pages and the API read ------------------------------------------------------------------------

    @property
    def revision(self) -> int:
        """Increases with each change of anomalies or insights."""
        return self._revision

    def anomalies(self, since: float) -> tuple[Anomaly, ...]:
        """Return the anomalies that lasted until ``since`` or later, in the order of their beginning."""
        slow, fast = (self._watches[step].anomalies(since) for step in (SLOW, FAST))
        return joined(slow, [each for each in fast if not self._is_usual_then(each)], slack=SLOW)

    def _is_usual_then(self, anomaly: Anomaly) -> bool:
        """Return whether each day has this; computed once for each state of an anomaly."""
        state = (anomaly.identity, anomaly.until)
        if state not in self._usual_then:
            if len(self._usual_then) > JUDGED:
                self._usual_then.clear()
            self._usual_then[state] = is_usual_then(anomaly, self._watches[SLOW].model(anomaly.key))
        return self._usual_then[state]

    def listed(self, *, seconds: float, key: str) -> AnomaliesListed:
        """Return the anomalies of the last seconds, of one series or (key "") of all, the newest first."""
        now, figures = self._now(), self._series().figures
        found = [
            each
            for each in reversed(self.anomalies(now - seconds))
            if each.key in figures and key in ("", each.key)
        ]
        return AnomaliesListed(
            now=now,
            worker=self._worker,
            followed=len(self._watches[SLOW].models()),
            young=len(self._watches[FAST].models().keys() - self._watches[SLOW].models().keys()),
            anomalies=tuple(_listed(each, figures[each.key]) for each in found),
            changes=tuple(
                ListedChange(
                    key=of,
                    figure=figures[of],
                    change=change,
                    reason=reason_of_change(change, figures[of]),
                )
                for of, change in self._levels.since(now - seconds)
                if of in figures and key in ("", of)
            ),
        )

    def open_insights(self) -> OpenInsights:
        """Return the first of those that last, for the page that shows what is wrong."""
        found = [each for each in self._insights if each.is_open]
        return OpenInsights(
            now=self._now(), worker=self._worker, insights=tuple(found[:OPEN]), total=len(found)
        )

    def insights(self) -> InsightsListed:
        """Return what is worth an operator's look: open ones and bad ones first."""
        return InsightsListed(now=self._now(), worker=self._worker, insights=self._insights)


def _listed(anomaly: Anomaly, figure: Figure) -> ListedAnomaly:
    return ListedAnomaly(
        identity=anomaly.identity, anomaly=anomaly, figure=figure, reason=reason(anomaly, figure)
    )


def _first_known(values: Floats) -> int:
    """Return the place of the first value that is known; the length if none is."""
    known = np.flatnonzero(np.isfinite(values))
    return int(known[0]) if len(known) else len(values)
