"""Questions about the series, and their answers. Pure."""

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from math import ceil
from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct

from orch.analytics.anomalies.anomaly import Anomaly
from orch.analytics.anomalies.band import Band, Models, band
from orch.analytics.anomalies.changes import Change, changes
from orch.analytics.budgets import Budget
from orch.analytics.exhaustion import Exhaustion
from orch.analytics.forecast import Forecast
from orch.analytics.insights.insight import Insight
from orch.analytics.ring import Floats
from orch.analytics.series import Figure, Points, Series

KEYS: Final = 12
"""Series of one question at most."""
LONGEST_KEY: Final = 400
LONGEST: Final = 30 * 86_400
POINTS: Final = 4_000
_EXACT_POWER: Final = 22
"""The largest power of ten that a float is exactly."""
LOOKED_AT: Final = 1_000
"""Values at most in which changes of the level are looked for."""
EXACT: Final = 7
"""Significant digits of a value."""
OF_BANDS: Final = 4
"""Significant digits of what is usual, which is an estimate."""
STEPS: Final = (1, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)
"""Seconds between points, of which the finest is chosen that has not more points than wanted."""
_NOTHING: Final = Band(np.empty(0), np.empty(0), np.empty(0))


class SeriesQuestion(Struct, frozen=True, kw_only=True, tag="series"):
    """Series by their ``keys`` over ``seconds`` until ``until`` (seconds since the epoch; None: now).

    ``points``: at most so many of each, up to one more. ``compare``: seconds by which an earlier time is
    shown beside it, in steps where it is stored more coarsely; 0: none. ``highs``: the highest values too.
    ``usual``: what is usual too, and where the level became another.
    """

    keys: tuple[Annotated[str, Meta(max_length=LONGEST_KEY)], ...]
    seconds: Annotated[float, Meta(ge=60, le=LONGEST)] = 3_600.0
    until: Annotated[float, Meta(ge=0, le=1e11)] | None = None
    points: Annotated[int, Meta(ge=20, le=POINTS)] = 600
    compare: Annotated[float, Meta(ge=0, le=LONGEST)] = 0.0
    highs: bool = False
    usual: bool = False


class AnomaliesQuestion(Struct, frozen=True, kw_only=True, tag="anomalies"):
    """Anomalies of the last ``seconds``, of the series ``key`` or (empty) of all."""

    seconds: Annotated[float, Meta(ge=60, le=LONGEST)] = 86_400.0
    key: Annotated[str, Meta(max_length=LONGEST_KEY)] = ""


class InsightsQuestion(Struct, frozen=True, kw_only=True, tag="insights"):
    """The insights."""


class ShownSeries(Struct, frozen=True, kw_only=True):
    """A series: a value for each of ``at`` of its answer, null for a gap.

    ``highs``: the highest value in each step, empty unless asked for. ``compared``: the values ``compare``
    seconds earlier, empty without. ``usual``: the usual figure for the hour and the day, as it is known now;
    between ``usual_low`` and ``usual_high`` nine of ten values are; ``changes``: where the level became
    another; all four are empty unless asked for, and while too little was measured. ``latest``: the newest
    value, null if there is none; ``limit``: its limit now, if it has one.
    """

    figure: Figure
    key: str
    values: list[float | None]
    highs: list[float | None] = []
    compared: list[float | None] = []
    usual: list[float | None] = []
    usual_low: list[float | None] = []
    usual_high: list[float | None] = []
    changes: tuple[Change, ...] = ()
    latest: float | None = None
    limit: float | None = None


class SeriesAnswer(Struct, frozen=True, kw_only=True):
    """Series at the same moments: ``at`` in seconds since the epoch, ``step`` seconds apart.

    ``unknown``: keys of the question of which there is no series.
    """

    now: float
    worker: str
    step: float
    compare: float
    at: list[float]
    series: tuple[ShownSeries, ...]
    unknown: tuple[str, ...] = ()


class ForecastQuestion(Struct, frozen=True, kw_only=True):
    """A series by its ``key``, for so many ``hours``."""

    key: Annotated[str, Meta(min_length=1, max_length=LONGEST_KEY)]
    hours: Annotated[int, Meta(ge=1, le=168)] = 24


class ForecastAnswer(Struct, frozen=True, kw_only=True):
    """A forecast, or null with the ``reason``; and when the limit is reached, null if nothing says so."""

    now: float
    worker: str
    key: str
    figure: Figure
    limit: float | None
    forecast: Forecast | None
    reason: str
    exhaustion: Exhaustion | None


class Filling(Struct, frozen=True, kw_only=True):
    """A figure that reaches its limit."""

    key: str
    figure: Figure
    exhaustion: Exhaustion


class ListedAnomaly(Struct, frozen=True, kw_only=True):
    """An anomaly, the figure that it is of, and why it is one, in words."""

    identity: str
    anomaly: Anomaly
    figure: Figure
    reason: str


class ListedChange(Struct, frozen=True, kw_only=True):
    """The level of a series became another, for good or until the next change, with a sentence on it."""

    key: str
    figure: Figure
    change: Change
    reason: str


class AnomaliesListed(Struct, frozen=True, kw_only=True):
    """Anomalies, the newest first. ``followed``: series with a model of their course over days.

    ``young``: those with too short a history, of which only sudden changes are noticed. ``changes``: of
    levels, in the last 7 days at most, the newest first; found within about an hour.
    """

    now: float
    worker: str
    followed: int
    young: int
    anomalies: tuple[ListedAnomaly, ...]
    changes: tuple[ListedChange, ...] = ()


class InsightsListed(Struct, frozen=True, kw_only=True):
    """What is worth an operator's look, of the last 7 days: open ones and bad ones first."""

    now: float
    worker: str
    insights: tuple[Insight, ...]


class OpenInsights(Struct, frozen=True, kw_only=True):
    """The topic ``insights``: the first of what lasts, the worst first. ``total``: how many last."""

    now: float
    worker: str
    insights: tuple[Insight, ...]
    total: int


class ListedFigure(Struct, frozen=True, kw_only=True):
    """What is measured: its figure, its newest value, and its limit, if it has one."""

    key: str
    figure: Figure
    latest: float | None
    limit: float | None


class FiguresListed(Struct, frozen=True, kw_only=True):
    """All figures of a worker, and the error budgets. ``refused``: series that found no room.

    ``is_restored``: what earlier runs measured is there too. ``since``: when this process began to measure.
    ``filling``: the figures that reach their limit, the first one first.
    """

    now: float
    worker: str
    since: float
    is_restored: bool
    refused: int
    figures: tuple[ListedFigure, ...]
    budgets: tuple[Budget, ...]
    filling: tuple[Filling, ...] = ()


def chosen_step(seconds: float, points: int) -> float:
    """Return the finest step with at most ``points`` in ``seconds``."""
    return float(next((step for step in STEPS if ceil(seconds / step) <= points), STEPS[-1]))


Search = Callable[[], tuple[Change, ...]]
"""Looks for changes of a level."""


def answer_in_parts(
    series: Series,
    question: SeriesQuestion,
    limits: Mapping[str, float],
    *,
    now: float,
    worker: str,
    models: Callable[[str], Models] = lambda _: Models(),
) -> Generator[Search | None, tuple[Change, ...] | None, SeriesAnswer]:
    """Return the series that are asked for, at one step. ``models``: what is known of a series.

    It stops after some milliseconds each, so that others may have their turn. A function that it yields takes
    longer and reads nothing that others change; send what it returns.
    """
    until = now if question.until is None else min(question.until, now)
    there = [key for key in dict.fromkeys(question.keys) if key in series]
    step = chosen_step(question.seconds, question.points)
    start = until - question.seconds
    reads = [series.read(key, start, until, step=step) for key in there]
    step = max([step, *(points.step for points in reads)])
    first, last = int(start // step), int(until // step)
    count = last - first + 1
    shift = round(question.compare / step)
    at = [slot * step for slot in range(first, last + 1)]
    shown = []
    for key, points in zip(there, reads, strict=True):
        values, highs = _aligned(points, step, first, count)
        compared = np.empty(0)
        if question.compare:
            earlier = series.read(key, start - question.compare, until - question.compare, step=step)
            compared = _aligned(earlier, step, first - shift, count)[0]
        figure = series.figures[key]
        usual, changed = _NOTHING, tuple[Change, ...]()
        if question.usual:
            known = models(key)
            usual = band(known, np.array(at), step, is_rate=figure.unit == "/s") or _NOTHING
            yield None
            search = partial(level_changes, values, known, figure, begins=first * step, step=step)
            changed = (yield search) or ()
        shown.append(
            ShownSeries(
                figure=figure,
                key=key,
                values=shortened(values),
                highs=shortened(highs) if question.highs else [],
                compared=shortened(compared),
                usual=shortened(usual.usual, OF_BANDS),
                usual_low=shortened(usual.low, OF_BANDS),
                usual_high=shortened(usual.high, OF_BANDS),
                changes=changed,
                latest=series.latest(key),
                limit=limits.get(key),
            )
        )
        yield None
    return SeriesAnswer(
        now=now,
        worker=worker,
        step=step,
        compare=question.compare,
        at=at,
        series=tuple(shown),
        unknown=tuple(key for key in dict.fromkeys(question.keys) if key not in series),
    )


def level_changes(
    values: Floats, known: Models, figure: Figure, *, begins: float, step: float
) -> tuple[Change, ...]:
    """Return where the level of a series became another. ``values``: ``step`` apart, the first at ``begins``.

    Of many values, means of some are looked at, so that it takes some milliseconds. The first and the last
    one are left out: they are means of a part of their time, in which the usual figure may be quite another.
    """
    many = -(-len(values) // LOOKED_AT)
    points = Points(start=begins, step=step, values=values, highs=values).rolled_up(many * step)
    slow = known.slow
    usual = slow.usual if slow is not None and slow.usual.is_daily else None
    inner = points.values.copy()
    inner[:1] = inner[-1:] = np.nan
    return changes(inner, begins=points.start, step=points.step, usual=usual, floor=figure.floor)


def _aligned(points: Points, step: float, first: int, count: int) -> tuple[Floats, Floats]:
    """Return values and highest values in ``count`` slots of ``step`` seconds from slot ``first`` on.

    Where the points are further apart, each fills all slots that begin in it.
    """
    values, highs = np.full(count, np.nan), np.full(count, np.nan)
    if not len(points):
        return values, highs
    rolled = points.rolled_up(step) if points.step < step else points
    begins = (first + np.arange(count)) * step
    places = np.floor((begins - rolled.start) / rolled.step + 1e-9).astype(np.int64)
    is_inside = (places >= 0) & (places < len(rolled))
    values[is_inside] = rolled.values[places[is_inside]]
    highs[is_inside] = rolled.highs[places[is_inside]]
    return values, highs


def shortened(values: Floats, digits: int = EXACT) -> list[float | None]:
    """Return values with so many significant digits, None for gaps: as they are sent."""
    with np.errstate(divide="ignore", invalid="ignore"):
        exponents = np.floor(np.log10(np.abs(values)))
        places = np.clip(
            np.where(np.isfinite(exponents), digits - 1 - exponents, 0), -_EXACT_POWER, _EXACT_POWER
        )
        # Both factors are exact, so that the quotient is the nearest float to the decimal number.
        up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
        rounded = np.rint(values * up / down) * down / up
    is_gap = np.isnan(rounded)
    found: list[float | None] = rounded.tolist()
    for place in np.flatnonzero(is_gap).tolist():
        found[place] = None
    return found


def csv_of(found: SeriesAnswer) -> str:
    """Return an answer as CSV: a row a moment, a column a series, empty for a gap; times in UTC seconds."""
    columns: list[tuple[str, Sequence[float | None]]] = [("at", found.at)]
    for each in found.series:
        columns.append((each.key, each.values))
        if each.highs:
            columns.append((f"{each.key} highest", each.highs))
        if each.compared:
            columns.append((f"{each.key} {found.compare:g} s earlier", each.compared))
        if each.usual:
            columns.append((f"{each.key} usual", each.usual))
            columns.append((f"{each.key} usual low", each.usual_low))
            columns.append((f"{each.key} usual high", each.usual_high))
    rows = [",".join(_cell(name) for name, _ in columns)]
    rows += [
        ",".join("" if value is None else f"{value:.10g}" for value in row)
        for row in zip(*(values for _, values in columns), strict=True)
    ]
    return "\r\n".join(rows) + "\r\n"


def _cell(text: str) -> str:
    """Return a text as a cell; one that a spreadsheet would run as a formula begins with an apostrophe."""
    safe = f"'{text}" if text[:1] in "=+-@\t\r" else text
    return '"' + safe.replace('"', '""') + '"'
