"""Measures of how far the latest samples are from what is usual. Pure.

A sample's *deviation* is its distance from the usual course, in standard deviations of its hour's noise. No
single measure of deviations sees every fault: one wild sample is lost in the mean of a day, and a slow leak
in each sample. So there are several, each over a number of samples, and each is held to a limit of its own
(`limits.py`), which is as high as the series itself needs.
"""

from enum import StrEnum
from math import log, nan
from typing import Final, NamedTuple

import numpy as np

from orch.analytics.anomalies.robust import Array


class Sort(StrEnum):
    """What a measure compares."""

    LEVEL = "level"  # the mean of the last samples with the usual course
    STEP = "step"  # the mean of the last samples with those just before them
    NOISE = "noise"  # the differences of neighbouring samples with the usual ones
    STUCK = "stuck"  # how surprising it is that the figure does not move at all, in nats
    SILENT = "silent"  # for how many samples there is no figure


class Measure(NamedTuple):
    """A measure over ``width`` samples; ``least``: the lowest limit that it may have."""

    sort: Sort
    width: int
    least: float

    @property
    def is_two_sided(self) -> bool:
        """Whether it can be too low as well as too high."""
        return self.sort in {Sort.LEVEL, Sort.STEP}


MEASURES: Final = (
    Measure(Sort.LEVEL, 1, 5.0),
    Measure(Sort.LEVEL, 3, 4.0),
    Measure(Sort.LEVEL, 12, 3.0),
    Measure(Sort.LEVEL, 72, 2.0),
    Measure(Sort.LEVEL, 288, 1.5),
    Measure(Sort.STEP, 1, 5.0),
    Measure(Sort.STEP, 3, 4.0),
    Measure(Sort.STEP, 12, 3.0),
    Measure(Sort.NOISE, 12, 0.8),
    Measure(Sort.STUCK, 1, 18.0),
    Measure(Sort.SILENT, 1, 6.0),
)

BEFORE: Final = 24
"""Samples before those of a step that these are compared with."""

CLIP: Final = 10.0
"""Deviation above which a sample counts as this in a mean: a wild one is not a shift."""

QUIET: Final = 0.05
"""Added to the noise of samples before its logarithm is taken: less noise than this is none."""

LONGEST: Final = max(measure.width for measure in MEASURES) + BEFORE
"""Samples that all measures of the latest one need."""


def moving_means(values: Array, width: int) -> Array:
    """Return the mean of the last ``width`` samples at each one, NaN where fewer than half are there."""
    there = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(there, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(there)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    total, count = sums[ends] - sums[starts], counts[ends] - counts[starts]
    return np.where(2 * count >= width, total / np.maximum(count, 1), np.nan)


def measured(deviations: Array, surprises: Array, silences: Array) -> Array:
    """Return a row for each of :data:`MEASURES`, with its value at each sample."""
    clipped = np.clip(deviations, -CLIP, CLIP)
    before = moving_means(clipped, BEFORE)
    rows = []
    for sort, width, _ in MEASURES:
        source = deviations if width == 1 else clipped
        if sort is Sort.LEVEL:
            rows.append(moving_means(source, width))
        elif sort is Sort.STEP:
            rows.append(moving_means(source, width) - _later(before, width))
        elif sort is Sort.NOISE:
            differences = np.abs(np.diff(clipped, prepend=np.nan))
            rows.append(np.log(moving_means(differences, width) + QUIET))
        else:
            rows.append(surprises if sort is Sort.STUCK else silences)
    return np.vstack(rows)


def _later(values: Array, by: int) -> Array:
    return np.concatenate([np.full(min(by, len(values)), np.nan), values[:-by]])


def measured_last(deviations: Array, surprise: float, silence: float) -> list[float]:
    """Return the value of each of :data:`MEASURES` at the last sample, as :func:`measured` does at all."""
    clipped = np.clip(deviations, -CLIP, CLIP)
    total, latest = _Sums(clipped), float(deviations[-1])
    found = []
    for sort, width, _ in MEASURES:
        if sort is Sort.LEVEL:
            found.append(latest if width == 1 else total.mean(0, width))
        elif sort is Sort.STEP:
            found.append((latest if width == 1 else total.mean(0, width)) - total.mean(width, BEFORE))
        elif sort is Sort.NOISE:
            mean = _Sums(np.abs(np.diff(clipped[-width - 1 :]))).mean(0, width)
            found.append(log(mean + QUIET) if mean == mean else nan)  # noqa: PLR0124 - not NaN
        else:
            found.append(surprise if sort is Sort.STUCK else silence)
    return found


class _Sums:
    """Sums of runs of samples, by one pass over all of them."""

    def __init__(self, values: Array) -> None:
        there = np.isfinite(values)
        self._sums = np.cumsum(np.where(there, values, 0.0))
        self._counts = np.cumsum(there)

    def mean(self, back: int, width: int) -> float:
        """Return the mean of ``width`` samples, ``back`` before the last; NaN if half are missing."""
        end = len(self._sums) - 1 - back
        if end < 0:
            return nan
        start = end - width
        total, count = float(self._sums[end]), int(self._counts[end])
        if start >= 0:
            total, count = total - float(self._sums[start]), count - int(self._counts[start])
        return total / count if 2 * count >= width else nan


def repeats(values: Array, chances: Array, still: float = 0.0) -> Array:
    """Return how surprising it is, at each sample, that the figure has not moved for so long (nats).

    ``chances``: the usual chance, at each sample, that it equals the one before it, ``still`` at
    most apart. A gap changes nothing.
    """
    out, surprise, last = np.zeros(len(values)), 0.0, nan
    each = -np.log(chances)
    for place, (value, more) in enumerate(zip(values.tolist(), each.tolist(), strict=True)):
        if value == value:  # noqa: PLR0124 - not NaN
            surprise = surprise + more if abs(value - last) <= still else 0.0
            last = value
        out[place] = surprise
    return out


def silences(values: Array) -> Array:
    """Return for how many samples there has been no figure, at each sample."""
    places = np.arange(1, len(values) + 1)
    last = np.maximum.accumulate(np.where(np.isfinite(values), places, 0))
    return (places - last).astype(np.float64)


def chances_of_repeats(values: Array, levels: Array, still: float = 0.0) -> tuple[Array, Array]:
    """Return bounds of ``levels``, and the chance of a repetition between them.

    ``levels``: the usual figure at each sample. A figure of 0 repeats itself at night, not by day.
    """
    there = np.isfinite(values[1:]) & np.isfinite(values[:-1])
    same, where = (np.abs(values[1:] - values[:-1]) <= still)[there], levels[1:][there]
    bounds = np.unique(np.quantile(where, (0.25, 0.5, 0.75))) if where.size else np.zeros(0)
    part = np.searchsorted(bounds, where)
    counts = np.bincount(part, minlength=len(bounds) + 1)
    equal = np.bincount(part, weights=same, minlength=len(bounds) + 1)
    return bounds, (equal + 1.0) / (counts + 2.0)
