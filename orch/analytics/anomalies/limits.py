"""How far each measure of a series goes by itself. Pure.

The naive limit, three standard deviations, is exceeded by normal noise once in 370 samples, which is almost
daily at one in five minutes, and far more often by noise that is skewed, has heavy tails or is correlated, as
all figures of a service. Nothing is assumed of the noise here: the highest value of a measure on each day of
the history gives the distribution of such maxima, and the limit is what they exceed once in
:data:`RETURN_DAYS`. A day with a fault is one of many, and moves a limit little; what happens on every tenth
day is no fault, so that a limit is above that, too.
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from orch.analytics.anomalies.measures import MEASURES, chances_of_repeats, measured, repeats, silences
from orch.analytics.anomalies.robust import Array, median, return_level
from orch.analytics.anomalies.usual import DAY, Usual

RETURN_DAYS: Final = 3_000.0
"""Days in which one limit is exceeded once without a fault. A series has 19, which are not independent; what
remains is measured (benchmarks/RESULTS-analytics.md)."""

BLOCKS: Final = 24
"""Blocks of the history at least, each of which gives a maximum: days, or less where there are fewer days."""

RECURRENT: Final = 0.1
"""Share of the blocks whose maxima a limit need not be above."""

MARGIN: Final = 1.15
"""How far a limit is above what recurs."""

CENTRAL: Final = (0.05, 0.95)
"""Quantiles of the deviations between which most samples are, as pages draw them."""

LEVEL_DAYS: Final = 7
"""Days over which the level of a series is followed."""


class Limits(Struct, frozen=True, kw_only=True):
    """What a series may reach: ``above`` and ``below`` for each measure.

    ``level``: the deviation that is usual now. ``central``: the deviations from that between which nine of
    ten samples were. ``bounds``, ``chances``: see :func:`chances_of_repeats`.
    """

    above: tuple[float, ...]
    below: tuple[float, ...]
    level: float
    central: tuple[float, float]
    bounds: Array
    chances: Array

    def chance(self, level: float) -> float:
        """Return the chance that a sample repeats the last one, where ``level`` is usual (transformed)."""
        return float(self.chances[int(np.searchsorted(self.bounds, level))])


def find_limits(
    values: Array,
    usual: Usual,
    *,
    begins: float,
    faulty: NDArray[np.bool_] | None = None,
    level_since: float | None = None,
    still: float = 0.0,
) -> Limits:
    """Return the limits of a series from its history (NaN: a gap).

    ``faulty``: samples that were part of an anomaly. ``level_since``: what was before has another level.
    ``still``: a difference of the figure that is none.
    """
    times = begins + np.arange(len(values)) * usual.clock.step
    course, noise = usual.at(times)
    sound = values if faulty is None else np.where(faulty, np.nan, values)
    deviations = (usual.power.of(sound) - course) / noise
    levels, latest = following_levels(deviations, times, since=level_since)
    bounds, chances = chances_of_repeats(sound, course, still)
    surprises = repeats(sound, chances[np.searchsorted(bounds, course)], still)
    there = (deviations - levels)[np.isfinite(deviations)]
    low, high = np.quantile(there, CENTRAL) if there.size else (0.0, 0.0)
    rows = measured(deviations - levels, surprises, silences(values))
    size = max(min(usual.clock.slots, len(values) // BLOCKS), 1)
    blocks = rows[:, : rows.shape[1] // size * size].reshape(len(rows), -1, size)
    returns = RETURN_DAYS * DAY / (size * usual.clock.step)
    return Limits(
        above=_limits(_maxima(blocks), returns, is_below=False),
        below=_limits(_maxima(-blocks), returns, is_below=True),
        level=latest,
        central=(min(float(low), 0.0), max(float(high), 0.0)),
        bounds=bounds,
        chances=chances,
    )


def _maxima(blocks: Array) -> Array:
    return np.asarray(np.where(np.isfinite(blocks), blocks, -np.inf).max(axis=2, initial=-np.inf))


def _limits(maxima: Array, returns: float, *, is_below: bool) -> tuple[float, ...]:
    found = []
    for measure, row in zip(MEASURES, maxima, strict=True):
        if is_below and not measure.is_two_sided:
            found.append(np.inf)
            continue
        there = np.sort(row[np.isfinite(row)])
        recurrent = there[-1 - int(len(there) * RECURRENT)] if there.size else np.inf
        found.append(float(max(return_level(there, returns), MARGIN * recurrent, measure.least)))
    return tuple(found)


def following_levels(deviations: Array, times: Array, *, since: float | None = None) -> tuple[Array, float]:
    """Return the level at each sample, the median of the medians of the days before; and the level to come.

    The first day, and the first one after ``since``, have their own.
    """
    if not len(deviations):
        return deviations, 0.0
    days = np.floor(times / DAY).astype(np.int64)
    days -= days[0]
    count = int(days[-1]) + 1
    ends = np.searchsorted(days, np.arange(count), side="right")
    begins = np.concatenate([[0], ends[:-1]])
    first = 0
    if since is not None and times[0] < since <= times[-1]:
        place = int(np.searchsorted(times, since))
        first = int(days[place])
        begins[first] = place
    own = np.array([median(deviations[begin:end]) for begin, end in zip(begins, ends, strict=True)])
    levels = np.zeros(count)
    for day in range(count):
        low = max(day - LEVEL_DAYS, first if day >= first else 0)
        found = median(own[low:day] if low < day else own[day : day + 1])
        levels[day] = found if np.isfinite(found) else levels[day - 1] if day else 0.0
    latest = median(own[max(count - LEVEL_DAYS, first) :])
    return levels[days], latest if np.isfinite(latest) else float(levels[-1])
