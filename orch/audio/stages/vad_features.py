"""What voice activity detection measures of each frame of 40 ms, every 10 ms. Pure.

With P[k] the power of line k of a windowed frame (white noise of variance v has v), and the powers

    B[b]   the mean of P over the lines of a band (:data:`EDGES`)
    p      the power of the whole frame: the square of its RMS

each followed by a floor: the lowest value, smoothed, of the last 2 to 2.5 s (minimum statistics: R. Martin,
1994), the features of a frame are these (lg: log10; all are free of the level, except the last):

- lg B/floor in each band; their mean; lg of the mean of B/floor; their change since the frame before
- harmonicity of the frame without its floor: P - 2 floor, at least 0, line by line, so that hum and the tones
  of a fan are not taken for a voice (:mod:`orch.audio.fundamental`), times the share of what was left;
  the same where the fundamental was nearly the same in the frame before
- the spectrum's shape: five groups of bands against their mean
- lg peak/level, with peaks that fall 4 dB/s and 1 dB/s; lg level/floor; lg peak/floor; the ratio of these
  two; the level against its mean of the last seconds
- lg RMS/energy threshold

Of nine of them also the exponential means over 50 ms, 200 ms and 1 s, and the standard deviation over 330 ms:
speech changes, noise does not.
"""

from collections.abc import Iterable
from itertools import pairwise
from math import ceil, exp, log2, log10
from typing import Final, NamedTuple

import numpy as np

from orch.audio.fundamental import Tables, of_power, powers
from orch.audio.speech_thresholds import FULL_SCALE, STILL_ROOM, STILL_SHARE
from orch.audio.stages.stage import Signal

EDGES: Final = (80, 160, 250, 350, 470, 620, 800, 1020, 1300, 1650, 2100, 2650, 3350, 3950, 5500, 7600)
"""Hz."""
BANDS: Final = len(EDGES) - 1
SPAN: Final = 4
"""Hops of a frame."""
PART: Final = 50
"""Hops of each of the parts of the floor's memory."""
PARTS: Final = 5
GROUPS: Final = ((1, 4), (4, 7), (7, 10), (10, 13), (13, 15))
"""Bands whose mean is the shape of the spectrum."""
SLOW: Final = 9
"""Features that are also averaged over time: the last ones of a frame's own."""
FIRST_SLOW: Final = BANDS + len(GROUPS) + 3
INSTANT: Final = FIRST_SLOW + SLOW
COUNT: Final = INSTANT + 4 * SLOW
"""Features of a frame."""
#: Columns of the features of a frame, after those of the bands and of the groups.
MEAN_CHANGE, SHARE, SPAN_OF_LEVELS = range(BANDS + len(GROUPS), FIRST_SLOW)
HARMONIC, STEADY, MEAN, LOUDEST, UNDER_PEAK, FLUX, UNDER_SUMMIT, ABOVE, OVER_THRESHOLD = range(
    FIRST_SLOW, INSTANT
)

_NOTHING: Final = 1e-10  # power of 16 bits' rounding
_LOWEST: Final = 50.0  # Hz: of the parameters' range
_FEWEST: Final = 3  # lines of a band
_WHITENING: Final = 2.0  # times the floor: about the mean of noise whose minimum it is
_SMOOTH_BANDS: Final = 0.7
_SMOOTH_LINES: Final = 0.85
_STEADY: Final = 0.06  # octaves
#: The share of the past in the means: three means, then mean and mean square for the deviation.
_PAST: Final = np.repeat([0.8, 0.95, 0.99, 0.97, 0.97], SLOW)
_NEW: Final = 1 - _PAST
_NO_MEANS: Final = np.zeros(len(_PAST))
#: The means over the bands: of all but the lowest, and of all.
_MEAN: Final = np.array([0.0, *[1 / (BANDS - 1)] * (BANDS - 1)])
_MEAN_OF_ALL: Final = np.full(BANDS, 1 / BANDS)


def _shape() -> Signal:
    """Return what makes the shape of lg powers: shape ``(BANDS, len(GROUPS))``."""
    weights = np.zeros((BANDS, len(GROUPS)))
    weights[1:13] = -1 / 12
    for column, (low, high) in enumerate(GROUPS):
        weights[low:high, column] += 1 / (high - low)
    return weights


_SHAPE: Final = _shape()


class Bank:
    """What depends on sample rate and range of fundamentals alone. Immutable.

    ``hop``: samples. ``starts``: the first line of each group of lines, from one edge of a band to the next.
    ``bands``: from the groups' sums to the bands' means and the frame's power, shape ``(groups, BANDS + 1)``.
    """

    def __init__(self, sample_rate: int, lowest: float, highest: float) -> None:
        self.hop = round(sample_rate / 100)
        frame = SPAN * self.hop
        self.tables = Tables(sample_rate, lowest=lowest, highest=highest, frame=frame, size_for=_LOWEST)
        size = self.tables.size
        self.scale = 1 / float(np.sum(self.tables.window**2))
        self.lines = self.tables.lines
        edges = [ceil(edge * size / sample_rate) for edge in EDGES]
        self.starts = np.unique([0, *(edge for edge in edges if edge <= size // 2)])
        self.bands = np.full((len(self.starts), BANDS + 1), 2 / size)
        for band, (first, end) in enumerate(pairwise(edges)):
            count = min(end, size // 2 + 1) - first
            inside = (self.starts >= first) & (self.starts < end)
            # Above half the sample rate there is nothing: the highest band that has lines stands for it.
            self.bands[:, band] = inside / count if count >= _FEWEST else self.bands[:, band - 1]
        self.bands *= self.scale
        self.past = np.concatenate((np.full(BANDS + 1, _SMOOTH_BANDS), np.full(self.lines, _SMOOTH_LINES)))
        self.new = 1 - self.past


class Levels(NamedTuple):
    """What follows from frame to frame, one number each."""

    pitch: float = 0.0  # lg2 Hz
    step: float = 0.0  # octaves, of the frame before
    peak: float = -9.0  # lg power, falling 4 dB/s
    summit: float = -9.0  # lg power, falling 1 dB/s
    power: float = 0.0  # smoothed
    mean: float = 0.0  # lg power
    rms: float = 0.0  # power of the whole frame, smoothed


class Floors(NamedTuple):
    """Minimum statistics of the bands' powers, the frame's and the lines'."""

    smooth: Signal
    lowest: Signal  # of the present part
    older: tuple[Signal, ...]  # of the parts before it
    oldest: Signal  # their minimum


class FeatureState(NamedTuple):
    """What the features remember: how many frames there were, minima, levels and means."""

    frames: int = 0
    floors: Floors | None = None
    ratios: Signal | None = None  # lg B/floor of the frame before
    levels: Levels = Levels()
    means: Signal = _NO_MEANS


def features(
    frames: Signal, bank: Bank, state: FeatureState, energy_threshold: float
) -> tuple[Signal, list[float], FeatureState]:
    """Return the features and the level over the energy threshold of each frame, and the state after them.

    ``frames``: shape ``(count, SPAN * hop)``, at least one. The features have shape ``(count, COUNT)``; the
    levels are lg RMS/threshold, where the threshold is lowered in a still room as the segmenter's is.
    """
    count = len(frames)
    power = powers(frames, bank.tables)
    values = np.empty((count, BANDS + 1 + bank.lines))
    np.matmul(np.add.reduceat(power, bank.starts, axis=1), bank.bands, out=values[:, : BANDS + 1])
    np.multiply(power[:, : bank.lines], bank.scale, out=values[:, BANDS + 1 :])
    values += _NOTHING
    every, floors = _followed(values, bank, state)
    bands, band_floors = values[:, :BANDS], every[:, :BANDS]

    lines = values[:, BANDS + 1 :]
    rest = every[:, BANDS + 1 :] * -_WHITENING
    rest += lines
    np.maximum(rest, 0.0, out=rest)
    frequency, harmonicity, left = of_power(rest, bank.tables)

    out = np.empty((count, COUNT))
    linear = bands / band_floors
    ratios = np.log10(linear)
    np.minimum(ratios, 3.5, out=ratios)
    np.maximum(ratios, -0.5, out=ratios)
    out[:, :BANDS] = ratios
    shape = np.log10(bands) @ _SHAPE
    np.minimum(shape, 3.0, out=shape)
    np.maximum(shape, -3.0, out=out[:, BANDS:MEAN_CHANGE])
    change = ratios.copy()
    change[1:] -= ratios[:-1]
    change[0] -= ratios[0] if state.ratios is None else state.ratios
    rows, levels = _levels(
        state,
        energy_threshold,
        zip(
            frequency,
            harmonicity,
            left,
            (lines @ bank.tables.weights).tolist(),
            (ratios @ _MEAN).tolist(),
            (linear @ _MEAN).tolist(),
            (np.abs(change, out=change) @ _MEAN_OF_ALL).tolist(),
            (bands @ _MEAN).tolist(),
            (band_floors @ _MEAN).tolist(),
            values[:, BANDS].tolist(),
            every[:, BANDS].tolist(),
            strict=True,
        ),
    )
    out[:, MEAN_CHANGE:INSTANT] = rows
    means = _averaged(out, state.means)
    after = FeatureState(state.frames + count, floors, ratios[-1], levels, means)
    return out, [row[-1] for row in rows], after


def _followed(values: Signal, bank: Bank, state: FeatureState) -> tuple[Signal, Floors]:
    """Return the floor of each value in each frame, and the state of the floors."""
    smooth, lowest, older, oldest = state.floors or _no_floors(values[0])
    floors = np.empty_like(values)
    for index, (new, floor) in enumerate(zip(bank.new * values, floors, strict=True), state.frames + 1):
        smooth = bank.past * smooth
        smooth += new
        lowest = np.minimum(lowest, smooth)
        np.minimum(lowest, oldest, out=floor)
        if not index % PART:
            older = (*older, lowest)[-(PARTS - 1) :]
            oldest = np.minimum.reduce(older)
            lowest = smooth
    return floors, Floors(smooth, lowest, older, oldest)


def _no_floors(values: Signal) -> Floors:
    nothing = np.full(len(values), np.inf)
    return Floors(values, nothing, (), nothing)


def _averaged(out: Signal, means: Signal) -> Signal:
    """Write the means over time into ``out``; return the last of them."""
    slow = out[:, FIRST_SLOW:INSTANT]
    every = np.concatenate((slow, slow, slow, slow, slow * slow), axis=1)
    every *= _NEW
    for row in every:
        np.add(row, _PAST * means, out=row)
        means = row
    out[:, INSTANT : INSTANT + 3 * SLOW] = every[:, : 3 * SLOW]
    mean = every[:, 3 * SLOW : 4 * SLOW]
    variance = every[:, 4 * SLOW :] - mean * mean
    np.maximum(variance, 0.0, out=variance)
    np.sqrt(variance, out=out[:, INSTANT + 3 * SLOW :])
    return means.copy()  # a row of its own: a view would hold all rows


def _levels(
    state: FeatureState, energy_threshold: float, frames: Iterable[tuple[float, ...]]
) -> tuple[list[tuple[float, ...]], Levels]:
    """Return the features from MEAN_CHANGE to INSTANT of each frame, and what follows from the last one.

    They depend on the frame before, one number each: plain arithmetic is fastest. ``frames``: frequency and
    harmonicity without the floor, the power of the lines without it and with it; means over the bands of lg
    ratio, ratio, lg ratio's change, power and floor; the power of the whole frame, and its floor.
    """
    before, step_before, peak, summit, smooth, mean, rms = state.levels
    is_first = state.frames == 0
    rows: list[tuple[float, ...]] = []
    for frequency, periodic, left, voiced, ratio, linear, flux, power, floor, whole, whole_floor in frames:
        harmonicity = periodic * left / (0.8 * left + 0.2 * voiced + 1e-9)
        pitch = log2(max(frequency, 50.0))
        step = 0.0 if is_first else abs(pitch - before)
        steady = exp(-min(step, step_before) / _STEADY) * harmonicity
        before, step_before = pitch, step
        lg = log10(power)
        peak = max(lg, peak - 0.004)
        smooth = 0.7 * smooth + 0.3 * power
        level = log10(smooth)
        summit = max(level, summit - 0.001)
        mean = max(lg, -9.0) if is_first else 0.997 * mean + 0.003 * max(lg, -9.0)
        is_first = False
        lowest = log10(floor)
        span = min(max(summit - lowest, 0.0), 5.0)
        above = min(max(level - lowest, 0.0), 5.0)
        rms = 0.5 * rms + 0.5 * whole
        threshold = min(energy_threshold, max(whole_floor**0.5 * STILL_ROOM, energy_threshold * STILL_SHARE))
        over = 0.5 * log10(rms) - log10(max(threshold, 1 / FULL_SCALE))
        rows.append(
            (
                min(max(level - mean, -3.0), 3.0),
                above / (span + 0.3),
                span,
                harmonicity,
                steady,
                ratio,
                log10(linear),
                min(max(peak - lg, 0.0), 4.0),
                flux,
                min(max(summit - level, 0.0), 5.0),
                above,
                min(max(over, -1.5), 1.5),
            )
        )
    return rows, Levels(before, step_before, peak, summit, smooth, mean, rms)
