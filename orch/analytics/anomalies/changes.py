"""Change points: when the level of a series became another one. Pure.

Binary segmentation: the best place to cut a series in two is where the means of both sides explain most of
it; each part is cut again. A cut counts if what it explains is more than chance would: more than
:data:`PENALTY` times the logarithm of the number of samples, in the *long-run* variance, since correlated
noise makes levels of its own that a test for independent samples takes for changes. Single wild samples are
clipped; the usual course, if there is one, is subtracted first, so that a morning is no change. A level may
have become another by a difference (a leak) or by a factor (a customer came, and their nights are quiet too):
both are tried, and the one counts whose levels leave less unexplained. The long-run
variance is the highest of those at several lengths of blocks: memory wanders for days, connections for hours.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

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


MATTERS: Final = 0.05
"""Share of a level by which it differs from the former one at least: less is nothing to an operator."""

SIMPLER: Final = 0.9
"""What levels with growth leave at most, in what levels alone leave, to be believed instead."""

WELL: Final = 1.2
"""What levels leave at most, in the variance of the noise, for nothing else to be looked for."""

EXTREME: Final = 10.0
"""How many times more or less noise than the middle sample a sample is taken to have at most."""


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

    ``floor``: a difference of levels that means nothing, as does one of less than :data:`MATTERS` of them.
    """
    there = np.flatnonzero(np.isfinite(values))
    if there.size < 2 * SHORTEST:
        return ()
    figures = values[there]
    seen = []
    for scale in _scales(figures, usual, begins + there * step, step):
        seen.append(_seen(figures, scale, floor))
        if seen[-1].changes and seen[-1].unexplained > WELL:
            seen.append(_seen_without_growth(figures, scale, there, floor))
    return tuple(
        Change(at=begins + float(there[cut]) * step, before=before, after=after, shift=shift)
        for cut, before, after, shift in min(seen, key=lambda each: each.unexplained).changes
    )


class _Scale(NamedTuple):
    """Figures on a scale on which they have one level as long as nothing changes.

    ``weights``: how much each says, as the inverse of its variance; ``per_level``, ``ordinary``: a level is
    the figure ``level * per_level + ordinary``.
    """

    flat: Array
    weights: Array
    per_level: Array
    ordinary: Array


class _Seen(NamedTuple):
    """What levels explain.

    ``unexplained``: the variance that they leave, in that of the noise; ``bounds``: their first places, and
    the end; ``changes`` between them: place, before, after, distance.
    """

    unexplained: float
    bounds: list[int]
    changes: list[tuple[int, float, float, float]]


def _scales(figures: Array, usual: Usual | None, times: Array, step: float) -> Iterator[_Scale]:
    """Yield the scales: of differences from what is usual, and of factors of it.

    Figures are means over ``step`` seconds from ``times`` on, and so is what is usual: at the bottom of a
    night the mean is far above the middle.
    """
    ones, zeros = np.ones(figures.size), np.zeros(figures.size)
    if usual is None:
        yield _Scale(figures, ones, ones, zeros)
        return
    course, noise = usual.at(usual.clock.within(times, step))
    back = usual.power.back
    ordinary = back(course).mean(axis=1)
    width = (back(course + noise) - back(course - noise)).mean(axis=1) / 2
    width = np.maximum(width, max(median(width), 1e-9 * max(float(np.abs(ordinary).max()), 1.0)) / EXTREME)
    yield _Scale(figures - ordinary, _weights(width), ones, ordinary)
    highest = float(ordinary.max())
    if figures.min() >= 0 and highest > 0:
        ordinary = np.maximum(ordinary, highest / 1_000)
        yield _Scale(figures / ordinary, _weights(width / ordinary), ordinary, zeros)


def _weights(noise: Array) -> Array:
    """Return the weights of samples with such standard deviations; none is far from the middle one."""
    return np.asarray(np.clip(median(noise) / noise, 1 / EXTREME, EXTREME) ** 2)


def _seen(figures: Array, scale: _Scale, floor: float) -> _Seen:
    """Return what levels explain on a scale."""
    weights, roots = scale.weights, np.sqrt(scale.weights)
    noise_of = spread(np.diff(scale.flat) * np.minimum(roots[1:], roots[:-1])) / np.sqrt(2)
    if not noise_of > 0:
        noise_of = max(spread(scale.flat), 1e-9 * max(float(np.abs(scale.flat).max()), 1.0))
    flat = _clipped(scale.flat / noise_of, roots)
    cuts = _cuts(flat, weights, PENALTY * np.log(len(flat)) * _long_run_variance(flat, weights))
    bounds, levels = _merged(flat, weights, [0, *sorted(cuts), len(flat)])
    left = flat - np.repeat(levels, np.diff(bounds))
    for cut in bounds[1:-1]:
        left[cut - 1 : cut + 1] = 0.0  # one of them may be of both levels
    found = []
    for place in range(1, len(bounds) - 1):
        low, cut, high = bounds[place - 1], bounds[place], bounds[place + 1]
        former, shift = levels[place - 1], levels[place] - levels[place - 1]
        since, until = slice(cut + 1, min(cut + AROUND, high)), slice(max(cut - AROUND, low), cut - 1)
        sudden = _end(flat[since][::-1], weights[since][::-1]) - _end(flat[until], weights[until])
        if sudden * np.sign(shift) < MOST_OF_IT * abs(shift):
            continue
        where = slice(cut, high)
        before, expected = (
            median(level * noise_of * scale.per_level[where] + scale.ordinary[where])
            for level in (former, levels[place])
        )
        after = median(figures[where])
        if abs(expected - before) > max(floor, MATTERS * max(abs(before), abs(after))):
            found.append((cut, before, after, float(shift)))
    return _Seen(float(np.mean(weights * np.square(left))), bounds, found)


def _merged(flat: Array, weights: Array, bounds: list[int]) -> tuple[list[int], list[float]]:
    """Return the bounds of parts whose levels differ, and these levels.

    A sample at a bound may have both levels in it, and so much weight that it is a level of its own with the
    few beside it: neither part has it.
    """
    while True:
        parts = [slice(low + (low > 0), high - (high < len(flat))) for low, high in pairwise(bounds)]
        levels = [_middle(flat[part], weights[part]) for part in parts]
        shifts = np.abs(np.diff(levels))
        if not shifts.size or shifts.min() >= LEAST:
            return bounds, levels
        weakest = int(shifts.argmin()) + 1
        bounds = [*bounds[:weakest], *bounds[weakest + 1 :]]


def _seen_without_growth(figures: Array, scale: _Scale, at: Array, floor: float) -> _Seen:
    """Return what levels with one growth in all of them explain. ``at``: the places of the figures in time.

    The growth is the middle one between the means of blocks, few of which have a change between them; then,
    more exactly, the one within the levels that are found.
    """
    size = max(len(at) // PARTS, 1)
    ends = np.arange(0, len(at) - size + 1, size)
    weights = np.add.reduceat(scale.weights, ends)
    means = np.add.reduceat(scale.flat * scale.weights, ends) / weights
    places = np.add.reduceat(at * scale.weights, ends) / weights
    slope = _middle(np.diff(means) / np.diff(places), np.minimum(weights[1:], weights[:-1]))
    steady = _steady(scale, at, slope)
    steady = _steady(steady, at, _slope_within(steady, at, _seen(figures, steady, floor).bounds))
    found = _seen(figures, steady, floor)
    return found._replace(unexplained=found.unexplained / SIMPLER)


def _steady(scale: _Scale, at: Array, slope: float) -> _Scale:
    """Return a scale without that growth, which becomes part of what is ordinary."""
    growth = slope * (at - at[0])
    return scale._replace(flat=scale.flat - growth, ordinary=scale.ordinary + scale.per_level * growth)


def _slope_within(scale: _Scale, at: Array, bounds: list[int]) -> float:
    """Return the growth within levels: their own differences are left out."""
    above, below = 0.0, 0.0
    for low, high in pairwise(bounds):
        weights, places = scale.weights[low:high], at[low:high] - np.average(at[low:high])
        above += float(np.sum(weights * places * (scale.flat[low:high] - np.average(scale.flat[low:high]))))
        below += float(np.sum(weights * np.square(places)))
    return above / below


def _middle(values: Array, weights: Array) -> float:
    """Return the weighted median."""
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(sums, sums[-1] / 2)]])


def _end(values: Array, weights: Array) -> float:
    """Return where the line through values ends (a median of slopes, after Theil and Sen)."""
    half = len(values) // 2
    slopes = (values[-half:] - values[:half]) / (len(values) - half)
    slope = _middle(slopes, np.minimum(weights[-half:], weights[:half]))
    return _middle(values - slope * np.arange(1 - len(values), 1), weights)


def _clipped(values: Array, roots: Array) -> Array:
    """Return values none of which is far from the median of the five around it, the ends reflected."""
    padded = np.pad(values, 2, mode="reflect")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    return np.asarray(np.clip(values, middle - WILD / roots, middle + WILD / roots))


def _cuts(values: Array, weights: Array, penalty: float) -> list[int]:
    """Return the places of the cuts, the most important ones first."""
    waiting = [found] if (found := _best_cut(values, weights, 0, len(values))) else []
    cuts: list[int] = []
    while waiting and len(cuts) < MOST:
        gain, cut, low, high = waiting.pop(max(range(len(waiting)), key=lambda each: waiting[each][0]))
        if gain < penalty:
            break
        cuts.append(cut)
        parts = _best_cut(values, weights, low, cut), _best_cut(values, weights, cut, high)
        waiting += [each for each in parts if each]
    return cuts


def _best_cut(values: Array, weights: Array, low: int, high: int) -> tuple[float, int, int, int] | None:
    """Return what the best cut of a part explains, its place, and the part."""
    size = high - low
    if size < 2 * SHORTEST:
        return None
    weight = np.cumsum(weights[low:high])
    sums = np.cumsum(values[low:high] * weights[low:high])
    places = slice(SHORTEST - 1, size - SHORTEST)
    lefts, rights = weight[places], weight[-1] - weight[places]
    gains = (sums[places] / lefts - (sums[-1] - sums[places]) / rights) ** 2 * lefts * rights / weight[-1]
    best = int(np.argmax(gains))
    cut = best + SHORTEST
    return float(gains[best]), low + cut, low, high


def _long_run_variance(values: Array, weights: Array) -> float:
    """Return the variance of a mean of many samples, times their number.

    From the differences of means of neighbouring blocks, of which only those around a change have it in them.
    """
    longest = max(len(values) // PARTS, 1)
    sizes = {min(size, longest) for size in BLOCKS} | {longest}
    found = 0.5
    for size in sizes:
        used = len(values) // size * size
        weight = weights[:used].reshape(-1, size).sum(axis=1)
        means = (values[:used] * weights[:used]).reshape(-1, size).sum(axis=1) / weight
        each = np.diff(means) * np.sqrt(np.minimum(weight[1:], weight[:-1]))
        found = max(found, spread(each) ** 2 / 2)
    return found
