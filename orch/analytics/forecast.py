"""Forecasts of a series with intervals. Pure.

The problem: load has a course over the day and the week, grows, and shifts when a customer comes or a route
moves; noise grows with the load. One method for all is wrong for most. So several forecast
(:mod:`orch.analytics.forecasters`), each in figures as they are and in logarithms, and are tested on the
past: from each of up to :data:`ORIGINS` moments of the last days, :data:`EVERY` hours apart, they forecast
what is known by now. What forecast best counts most: weights fall with the error to the power
:data:`SHARPNESS`.

Intervals are the errors of that very combination in the same tests, by how far ahead they were made, not
those that a model believes in, and a little wider where tests overlap. Where the logarithm was the better
scale, errors are relative.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct

from orch.analytics.forecasters import DAY, FORECASTERS, Grid
from orch.analytics.ring import Floats
from orch.analytics.series import Points

HOUR: Final = 3_600.0
ORIGINS: Final = 20
EVERY: Final = 11
"""Hours between origins; no part of a day, so that all hours of the day are begun at."""
SHARPNESS: Final = 6.0
LEAST: Final = 48
"""Steps of history that a test needs, and steps that must be known."""
COVERED: Final = 0.9
OVERLAP: Final = 0.15
"""Part by which intervals are wider that are as long as all tests together, which are then like one test."""


class Scale(NamedTuple):
    """Figures as they are (``offset`` None), or the logarithm of a figure and an offset."""

    offset: float | None

    def of(self, values: Floats) -> Floats:
        """Return scaled figures."""
        if self.offset is None:
            return values
        return np.log(np.maximum(values, 0.0) + self.offset)

    def back(self, values: Floats) -> Floats:
        """Return figures."""
        if self.offset is None:
            return values
        return np.asarray(np.exp(np.minimum(values, 80.0)) - self.offset)


class Forecast(Struct, frozen=True, kw_only=True):
    """A forecast: the first value is of ``start`` (seconds since the epoch), the others ``step`` apart.

    ``low``, ``high``: 90 % of the values should lie between them. ``methods``: the weight of each method.
    ``error``: the mean absolute error in tests on the past, ``scale`` that of "as a day before", both in the
    figure's unit. ``tests``: how many forecasts were tested.
    """

    start: float
    step: float
    values: list[float]
    low: list[float]
    high: list[float]
    methods: dict[str, float]
    error: float
    scale: float
    tests: int


def forecast(points: Points, steps: int) -> Forecast | None:
    """Return the next ``steps`` values of a series, or None if too little is known of it.

    The steps of ``points`` should be an hour, or 5 minutes for the next hours.
    """
    values = _trimmed(points.values)
    known = int(np.isfinite(values).sum())
    if len(values) < 2 * LEAST or known < LEAST or known < len(values) / 4:
        return None
    grid = Grid(step=points.step, begins=points.end - len(values) * points.step)
    filled = _filled(values, grid)
    origins = _origins(len(filled), steps, points.step)
    if not origins:
        return None
    is_positive = bool(np.nanmin(values) >= 0)
    scales = [Scale(None)]
    typical = float(np.median(filled[filled > 0])) if (filled > 0).any() else 0.0
    if is_positive and typical > 0:
        scales.append(Scale(0.1 * typical))
    tested = _test(filled, values, grid, origins, steps, scales)
    return _combined(filled, points, grid, steps, tested)


class _Tested(NamedTuple):
    """Forecasts of the past. ``made``: methods by origins by steps; ``true``: origins by steps, with gaps."""

    methods: Sequence[tuple[str, Callable[..., Floats], Scale]]
    made: Floats
    true: Floats
    yesterday: Floats


def _test(
    filled: Floats, values: Floats, grid: Grid, origins: Sequence[int], steps: int, scales: Sequence[Scale]
) -> _Tested:
    methods = [(name, make, scale) for scale in scales for name, make in FORECASTERS]
    true = np.full((len(origins), steps), np.nan)
    yesterday = true.copy()
    made = np.full((len(methods), len(origins), steps), np.nan)
    scaled = {scale: scale.of(filled) for scale in scales}
    season = grid.per_day
    for row, origin in enumerate(origins):
        until = min(len(values), origin + steps)
        true[row, : until - origin] = values[origin:until]
        before = filled[origin - season : origin] if origin >= season else filled[origin - 1 : origin]
        yesterday[row] = np.resize(before, steps)
        for place, (_, make, scale) in enumerate(methods):
            made[place, row] = scale.back(make(scaled[scale][:origin], grid, steps))
    return _Tested(methods, made, true, yesterday)


def _combined(filled: Floats, points: Points, grid: Grid, steps: int, tested: _Tested) -> Forecast:
    errors = np.nanmean(np.abs(tested.made - tested.true), axis=(1, 2))
    best = float(np.min(errors))
    weights = np.ones(len(errors)) if best == 0 else (best / errors) ** SHARPNESS
    weights = np.where(errors <= best, 1.0, weights)
    weights[weights < 0.05] = 0.0  # noqa: PLR2004 - what counts so little is left out
    weights /= weights.sum()
    scale = tested.methods[int(np.argmin(errors))][2]
    made = np.tensordot(weights, tested.made, axes=1)
    is_bounded = bool(np.min(filled) >= 0)
    wider = 1 + OVERLAP * min(1.0, steps * grid.step / (ORIGINS * EVERY * HOUR))
    low, high = (wider * each for each in _quantiles(scale.of(tested.true) - scale.of(made)))
    now = np.zeros(steps)
    for weight, (_, make, of_method) in zip(weights, tested.methods, strict=True):
        if weight > 0:
            now += weight * of_method.back(make(of_method.of(filled), grid, steps))
    bounds = [scale.back(scale.of(now) + side) for side in (low, high)]
    if is_bounded:
        now, bounds = np.maximum(now, 0.0), [np.maximum(bound, 0.0) for bound in bounds]
    methods: dict[str, float] = {}
    for weight, (name, _, _) in zip(weights, tested.methods, strict=True):
        methods[name] = round(methods.get(name, 0.0) + float(weight), 3)
    return Forecast(
        start=points.end,
        step=points.step,
        values=now.tolist(),
        low=np.minimum(bounds[0], now).tolist(),
        high=np.maximum(bounds[1], now).tolist(),
        methods={name: weight for name, weight in methods.items() if weight > 0},
        error=float(np.nanmean(np.abs(made - tested.true))),
        scale=float(np.nanmean(np.abs(tested.yesterday - tested.true))),
        tests=int(np.isfinite(tested.true).any(axis=1).sum()),
    )


def _quantiles(errors: Floats) -> tuple[Floats, Floats]:
    """Return the lower and upper error for each step ahead, from errors of origins by steps.

    Errors of steps about as far ahead count together; intervals never become narrower with the distance.
    """
    steps = errors.shape[1]
    low, high = np.empty(steps), np.empty(steps)
    tail = (1 - COVERED) / 2
    edges = np.unique(np.minimum(steps, np.ceil(steps * np.array([0.0, 0.12, 0.34, 0.67, 1.0])).astype(int)))
    reached = (0.0, 0.0)
    for begin, end in pairwise(edges.tolist()):
        near = errors[:, max(0, begin - 2) : end + 2]
        known = near[np.isfinite(near)]
        if len(known):
            reached = (
                min(reached[0], float(np.quantile(known, tail))),
                max(reached[1], float(np.quantile(known, 1 - tail))),
            )
        low[begin:end], high[begin:end] = reached
    return low, high


def _origins(length: int, steps: int, step: float) -> list[int]:
    """Return where tests begin: from the newest on, whose steps are known, as long as there is a history."""
    every = max(1, round(EVERY * HOUR / step)) if step * length > 3 * DAY else max(1, steps // 3)
    least = max(LEAST, length // 4)
    newest = length - min(steps, ceil(length / 4))
    return list(range(newest, least - 1, -every))[:ORIGINS]


def _trimmed(values: Floats) -> Floats:
    """Return values from the first to the last that is known."""
    known = np.flatnonzero(np.isfinite(values))
    return values[known[0] :] if len(known) else values[:0]


def _filled(values: Floats, grid: Grid) -> Floats:
    """Return values with gaps filled: with those of a day before where they are known, else in a line."""
    filled = values.copy()
    for place in np.flatnonzero(~np.isfinite(filled)):
        if place >= grid.per_day:
            filled[place] = filled[place - grid.per_day]
    known = np.flatnonzero(np.isfinite(filled))
    return np.interp(np.arange(len(filled)), known, filled[known])
