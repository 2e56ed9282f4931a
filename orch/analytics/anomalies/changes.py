"""Change points: when the level of a series became another one. Pure.

Binary segmentation: the best place to cut a series in two is where the means of both sides explain most of
it; each part is cut again. A cut counts if what it explains is more than chance would: more than
:data:`PENALTY` times the logarithm of the number of samples, in the *long-run* variance, since correlated
noise makes levels of its own that a test for independent samples takes for changes. Single wild samples are
clipped; the usual course, if there is one, is subtracted first, so that a morning is no change. The long-run
variance is the highest of those at several lengths of blocks: memory wanders for days, connections for hours.
"""

from typing import Final

import numpy as np
from msgspec import Struct

from orch.analytics.anomalies.robust import Array, median, spread
from orch.analytics.anomalies.usual import Usual

PENALTY: Final = 5.0
SHORTEST: Final = 6
"""Samples that a level has at least."""

MOST: Final = 20
"""Change points of a series at most: those that explain most."""

BLOCKS: Final = (12, 36)
"""Samples of a block, whose mean has the correlation of its samples in it; blocks of :data:`PARTS` parts of
the series too, if those are longer."""

PARTS: Final = 16
"""Blocks at least: those around changes have to be few among them."""

WILD: Final = 3.0
"""Standard deviations of the noise from its neighbours at which a sample is cut off."""

LEAST: Final = 1.0
"""How many standard deviations of its noise apart two levels are at least."""

AROUND: Final = 72
"""Samples on each side of a cut at most through which a line is put."""
MOST_OF_IT: Final = 0.5
"""Share of a change that happens at the cut, between the ends of both lines: growth is no change."""


class Change(Struct, frozen=True, kw_only=True):
    """The level became another. ``at``: of the first sample at it (seconds since the epoch).

    ``before``, ``after``: the median figures of the parts on both sides, where a usual course is known both
    for the time after the change; ``shift``: their distance in standard deviations of the noise.
    """

    at: float
    before: float
    after: float
    shift: float


def changes(
    values: Array, *, begins: float, step: float, usual: Usual | None = None, floor: float = 0.0
) -> tuple[Change, ...]:
    """Return the change points of a series (NaN: a gap), in the order of time.

    ``floor``: a difference of levels that means nothing.
    """
    there = np.flatnonzero(np.isfinite(values))
    if there.size < 2 * SHORTEST:
        return ()
    figures = values[there]
    flat, course, noise = figures, np.zeros(there.size), np.ones(there.size)
    if usual is not None:
        course, noise = usual.at(begins + there * step)
        flat = (usual.power.of(figures) - course) / noise
    noise_of = spread(np.diff(flat)) / np.sqrt(2)
    if not noise_of > 0:
        noise_of = max(spread(flat), 1e-9 * max(float(np.abs(flat).max()), 1.0))
    flat = _clipped(flat / noise_of)
    cuts = _cuts(flat, PENALTY * np.log(len(flat)) * _long_run_variance(flat))
    bounds = [0, *sorted(cuts), len(flat)]
    found = []
    for place in range(1, len(bounds) - 1):
        low, cut, high = bounds[place - 1], bounds[place], bounds[place + 1]
        shift = median(flat[cut:high]) - median(flat[low:cut])
        sudden = _end(flat[cut:high][AROUND::-1]) - _end(flat[low:cut][-AROUND:])
        if sudden * np.sign(shift) < MOST_OF_IT * abs(shift):
            continue
        before, after = median(figures[low:cut]), median(figures[cut:high])
        if usual is not None:
            former = course[cut:high] + noise[cut:high] * noise_of * median(flat[low:cut])
            before = median(usual.power.back(former))
        if abs(shift) >= LEAST and abs(after - before) > floor:
            found.append(
                Change(at=begins + float(there[cut]) * step, before=before, after=after, shift=float(shift))
            )
    return tuple(found)


def _end(values: Array) -> float:
    """Return where the line through values ends (a median of slopes, after Theil and Sen)."""
    half = len(values) // 2
    slope = median(values[-half:] - values[:half]) / (len(values) - half)
    return median(values - slope * np.arange(1 - len(values), 1))


def _clipped(values: Array) -> Array:
    """Return values none of which is far from the median of the five around it."""
    padded = np.concatenate([np.full(2, values[0]), values, np.full(2, values[-1])])
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    return np.asarray(np.clip(values, middle - WILD, middle + WILD))


def _cuts(values: Array, penalty: float) -> list[int]:
    """Return the places of the cuts, the most important ones first."""
    waiting = [found] if (found := _best_cut(values, 0, len(values))) else []
    cuts: list[int] = []
    while waiting and len(cuts) < MOST:
        gain, cut, low, high = waiting.pop(max(range(len(waiting)), key=lambda each: waiting[each][0]))
        if gain < penalty:
            break
        cuts.append(cut)
        waiting += [each for each in (_best_cut(values, low, cut), _best_cut(values, cut, high)) if each]
    return cuts


def _best_cut(values: Array, low: int, high: int) -> tuple[float, int, int, int] | None:
    """Return what the best cut of a part explains, its place, and the part."""
    part = values[low:high]
    size = len(part)
    if size < 2 * SHORTEST:
        return None
    sums = np.cumsum(part)
    counts = np.arange(1, size + 1)
    places = slice(SHORTEST - 1, size - SHORTEST)
    left = sums[places] / counts[places]
    right = (sums[-1] - sums[places]) / (size - counts[places])
    gains = (left - right) ** 2 * counts[places] * (size - counts[places]) / size
    best = int(np.argmax(gains))
    cut = best + SHORTEST
    return float(gains[best]), low + cut, low, high


def _long_run_variance(values: Array) -> float:
    """Return the variance of a mean of many samples, times their number.

    From the differences of means of neighbouring blocks, of which only those around a change have it in them.
    """
    longest = max(len(values) // PARTS, 1)
    sizes = {min(size, longest) for size in BLOCKS} | {longest}
    found = 0.5
    for size in sizes:
        means = values[: len(values) // size * size].reshape(-1, size).mean(axis=1)
        found = max(found, size * spread(np.diff(means)) ** 2 / 2)
    return found
