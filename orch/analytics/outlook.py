"""Forecasts of series, and the limits that will be reached: computed in threads, and stored for a while."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Never

import trio

from orch.analytics.exhaustion import SPANS, Exhaustion, exhaustion
from orch.analytics.figures import SOURCES
from orch.analytics.forecast import Forecast, forecast
from orch.analytics.queries import Filling, ForecastAnswer, ForecastQuestion
from orch.analytics.series import Figure, Points, Series
from orch.problems import ProblemError
from orch.telemetry.boundaries import Boundary

LIMITS_EVERY: Final = 60.0
"""Seconds between two looks at all limits."""
STORED_FOR: Final = 300.0
"""Seconds for which a forecast is shown again."""
STORED: Final = 64
AT_A_TIME: Final = 1
"""Computations at a time: others wait. Each takes a core for about a tenth of a second."""
WAITING: Final = 32
"""Requests that wait for a place at most; others are refused."""
WITHIN: Final = 10.0
"""Seconds that a requested forecast may take, with the wait for a place."""
FINE_HOURS: Final = 6
"""Hours up to which forecasts are in steps of 5 minutes; hourly ones go further."""
DAY: Final = 86_400.0
HISTORY_FINE: Final = 3 * DAY
HISTORY: Final = 30 * DAY
FALLING: Final = frozenset(source.figure.name for source in SOURCES if source.falls)

_LATER: Final = {"Retry-After": "10"}

Offload = Callable[..., Awaitable[Any]]


class Outlook:
    """The mutable state: the last forecasts, and the limits that the last look found to be reached.

    ``offload`` runs a function in a thread. Overflow: of more than :data:`STORED` forecasts the oldest is
    dropped; of more than :data:`WAITING` requests at a time the latest is refused.

    Error handling: a computation that is late goes on in its thread, where nobody waits for it, and has its
    place until it ends: a busy machine is not given more to do.
    """

    def __init__(
        self,
        series: Callable[[], Series],
        limits: Callable[[], Mapping[str, float]],
        *,
        worker: str,
        now: Callable[[], float],
        offload: Offload | None = None,
    ) -> None:
        self._series = series
        self._limits = limits
        self._worker = worker
        self._now = now
        self._places = trio.CapacityLimiter(AT_A_TIME)
        self._offload: Offload = offload or partial(
            trio.to_thread.run_sync, abandon_on_cancel=True, limiter=trio.CapacityLimiter(AT_A_TIME)
        )
        self._made: dict[tuple[str, int], tuple[float, Forecast | None]] = {}
        self.filling: tuple[Filling, ...] = ()
        self.boundary = Boundary("analytics limits")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Look at all limits each minute until cancelled."""
        task_status.started()
        while True:
            with self.boundary.item():
                await self.look()
            await trio.sleep(LIMITS_EVERY)

    async def look(self) -> None:
        """Look at all limits."""
        found = []
        for key, limit in tuple(self._limits().items()):
            figure = self._series().figures.get(key)
            if figure is None or not self._may_fill(figure, key, limit):
                continue
            async with self._places:
                reached = await self._exhaustion(figure, limit, None)
                if reached is not None and reached.within < DAY:
                    # Perhaps only the morning of a day like others.
                    made = await self._forecast(key, 24)
                    reached = reached if made is None else await self._exhaustion(figure, limit, made)
            if reached is not None:
                found.append(Filling(key=key, figure=figure, exhaustion=reached))
        self.filling = tuple(sorted(found, key=lambda each: each.exhaustion.within))

    def _may_fill(self, figure: Figure, key: str, limit: float) -> bool:
        """Return whether it is worth a look: what has never used a twentieth of its limit fills up later."""
        if figure.name in FALLING:
            return True
        latest = self._series().latest(key)
        return latest is not None and latest >= 0.05 * limit > 0

    async def answer(self, question: ForecastQuestion) -> ForecastAnswer:
        """Return a forecast. ProblemError: not_found, overloaded, forecast_late."""
        if self._places.statistics().tasks_waiting >= WAITING:
            raise ProblemError(
                "overloaded", f"{WAITING} forecasts are waiting. Try again soon.", headers=_LATER
            )
        try:
            with trio.fail_after(WITHIN):
                return await self._answer(question)
        except trio.TooSlowError as error:
            raise ProblemError(
                "forecast_late",
                f"The forecast was not computed within {WITHIN:g} s: the machine is busy. Try again soon.",
                headers=_LATER,
            ) from error

    async def _answer(self, question: ForecastQuestion) -> ForecastAnswer:
        series, key = self._series(), question.key
        figure = series.figures.get(key)
        if figure is None:
            raise ProblemError(
                "not_found", "There is no such series. GET /api/analytics/figures lists all.", path="$.key"
            )
        limit = self._limits().get(key)
        async with self._places:
            made = await self._forecast(key, question.hours)
            reached = None if limit is None else await self._exhaustion(figure, limit, made)
        return ForecastAnswer(
            now=self._now(),
            worker=self._worker,
            key=key,
            figure=figure,
            limit=limit,
            forecast=made,
            reason=""
            if made
            else "Too little was measured so far: a forecast needs about a day, best weeks.",
            exhaustion=reached,
        )

    async def _forecast(self, key: str, hours: int) -> Forecast | None:
        """Return a forecast, computed or stored. For one task at a time."""
        step = 300.0 if hours <= FINE_HOURS else 3_600.0
        history = HISTORY_FINE if hours <= FINE_HOURS else HISTORY
        now = self._now()
        stored = self._made.pop((key, hours), None)
        if stored is not None and 0 <= now - stored[0] < STORED_FOR:
            self._made[key, hours] = stored
            return stored[1]
        points = self._history(key, now - history, now, step)
        made: Forecast | None = await self._offload(forecast, points, round(hours * 3_600 / step))
        while len(self._made) >= STORED:
            del self._made[next(iter(self._made))]
        self._made[key, hours] = (now, made)
        return made

    def _history(self, key: str, start: float, end: float, step: float) -> Points:
        """Return complete steps up to now: the one that lasts yet would count as lower or higher."""
        points = self._series().read(key, start, end - end % 300 - 1, step=300.0)
        if points.step < 300:  # noqa: PLR2004 - a process that has just started
            points = points.rolled_up(300.0)
        rolled = points if step == points.step else points.rolled_up(step)
        whole = int((end - rolled.start) // step)
        return Points(
            start=rolled.start, step=rolled.step, values=rolled.values[:whole], highs=rolled.highs[:whole]
        )

    async def _exhaustion(self, figure: Figure, limit: float, made: Forecast | None) -> Exhaustion | None:
        """Return when a limit is reached. For one task at a time."""
        now = self._now()
        spans = [
            (span, self._series().read(figure.key, now - span.seconds, now, step=span.seconds / 90))
            for span in SPANS
        ]
        is_falling = figure.name in FALLING

        def compute() -> Exhaustion | None:
            return exhaustion(spans, limit, made, falls=is_falling)

        found: Exhaustion | None = await self._offload(compute)
        return found
