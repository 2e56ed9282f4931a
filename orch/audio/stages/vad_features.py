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

from dataclasses import dataclass, field
from itertools import pairwise
from math import exp, log2, log10
from typing import Final

import numpy as np
import numpy.typing as npt

from orch.audio.fundamental import TOP, Tables, of_power, powers
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
#: The share of the past in the means, each a row: three means, and mean and mean square for the deviation.
_PAST: Final = np.array([[0.8], [0.95], [0.99], [0.97], [0.97]])


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

    ``hop``: samples. ``bands``: the weight of each line in each band, shape ``(lines, BANDS)``.
    """

    def __init__(self, sample_rate: int, lowest: float, highest: float) -> None:
        self.hop = round(sample_rate / 100)
        frame = SPAN * self.hop
        self.tables = Tables(sample_rate, lowest=lowest, highest=highest, frame=frame, size_for=_LOWEST)
        spacing = sample_rate / self.tables.size
        lines = np.arange(self.tables.size // 2 + 1) * spacing
        self.scale = 1 / float(np.sum(self.tables.window**2))
        self.lines = min(int(TOP / spacing) + 1, self.tables.lines)
        self.bands = np.zeros((len(lines), BANDS))
        for band, (low, high) in enumerate(pairwise(EDGES)):
            inside = (lines >= low) & (lines < high)
            # Above half the sample rate there is nothing: the highest band that has lines stands for it.
            count = int(inside.sum())
            self.bands[:, band] = inside / count if count >= _FEWEST else self.bands[:, band - 1]
        self.past = np.concatenate((np.full(BANDS + 1, _SMOOTH_BANDS), np.full(self.lines, _SMOOTH_LINES)))
        self.weights = self.tables.weights[: self.lines]


def _nothing() -> Signal:
    return np.zeros(0)


@dataclass(frozen=True, slots=True)
class FeatureState:
    """What the features remember: smoothed powers, their minima, levels and means."""

    frames: int = 0
    smooth: Signal = field(default_factory=_nothing)
    lowest: Signal = field(default_factory=_nothing)  # of the present part
    older: tuple[Signal, ...] = ()  # of the parts before it
    oldest: Signal = field(default_factory=_nothing)  # their minimum
    ratios: Signal = field(default_factory=_nothing)  # lg B/floor of the frame before
    pitch: float = 0.0  # lg2 Hz
    step: float = 0.0  # octaves, of the frame before
    peak: float = -9.0  # lg power, falling 4 dB/s
    summit: float = -9.0  # lg power, falling 1 dB/s
    power: float = 0.0  # smoothed
    mean: float = 0.0  # lg power
    rms: float = 0.0  # power of the whole frame, smoothed
    means: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((len(_PAST), SLOW)))


def features(
    frames: Signal, bank: Bank, state: FeatureState, energy_threshold: float
) -> tuple[Signal, Signal, FeatureState]:
    """Return the features and the level over the energy threshold of each frame, and the state after them.

    ``frames``: shape ``(count, SPAN * hop)``, at least one. The features have shape ``(count, COUNT)``; the
    levels are lg RMS/threshold, where the threshold is lowered in a still room as the segmenter's is.
    """
    tables = bank.tables
    power = powers(frames, tables)
    power *= bank.scale
    whole = np.add.reduce(power, axis=1) * (2 / tables.size)
    lines = power[:, : bank.lines]
    values = np.empty((len(frames), BANDS + 1 + bank.lines))
    np.matmul(power, bank.bands, out=values[:, :BANDS])
    values[:, BANDS] = whole
    values[:, BANDS + 1 :] = lines
    values += _NOTHING
    floors, smooth, lowest, older, oldest = _followed(values, bank, state)
    bands = values[:, :BANDS]

    noise = np.minimum(_WHITENING * floors[:, BANDS + 1 :], lines)
    rest = lines - noise
    found = of_power(rest, tables)
    left, taken = rest @ bank.weights, noise @ bank.weights
    harmonicity = found.harmonicity * left / (left + 0.2 * taken + 1e-9)

    ratios = bands / floors[:, :BANDS]
    out = np.empty((len(frames), COUNT))
    np.log10(np.add.reduce(ratios[:, 1:], axis=1) / (BANDS - 1), out=out[:, LOUDEST])
    np.log10(ratios, out=ratios)
    np.maximum(np.minimum(ratios, 3.5), -0.5, out=ratios)
    before = np.empty_like(ratios)
    before[0] = state.ratios if state.frames else ratios[0]
    before[1:] = ratios[:-1]
    out[:, :BANDS] = ratios
    out[:, MEAN] = np.add.reduce(ratios[:, 1:], axis=1) / (BANDS - 1)
    out[:, BANDS:MEAN_CHANGE] = np.maximum(np.minimum(np.log10(bands) @ _SHAPE, 3.0), -3.0)
    out[:, FLUX] = np.add.reduce(np.abs(ratios - before), axis=1) / BANDS
    level = _Level(state, energy_threshold)
    level.walk(
        out,
        harmonicity.tolist(),
        found.frequency.tolist(),
        (np.add.reduce(bands[:, 1:], axis=1) / (BANDS - 1)).tolist(),
        (np.add.reduce(floors[:, 1:BANDS], axis=1) / (BANDS - 1)).tolist(),
        whole.tolist(),
        floors[:, BANDS].tolist(),
    )
    after = FeatureState(
        state.frames + len(frames),
        smooth,
        lowest,
        older,
        oldest,
        ratios[-1],
        level.pitch,
        level.step,
        level.peak,
        level.summit,
        level.power,
        level.mean,
        level.rms,
        _averaged(out, state.means),
    )
    return out, out[:, OVER_THRESHOLD].copy(), after


def _followed(
    values: Signal, bank: Bank, state: FeatureState
) -> tuple[Signal, Signal, Signal, tuple[Signal, ...], Signal]:
    """Return the floor of each value in each frame, and the state of the floors."""
    smooth, lowest, older, oldest = state.smooth, state.lowest, state.older, state.oldest
    if not state.frames:
        smooth, lowest = values[0], np.full(values.shape[1], np.inf)
        oldest = lowest
    past, new = bank.past, (1 - bank.past) * values
    floors = np.empty_like(values)
    for index in range(len(values)):
        smooth = past * smooth + new[index]
        lowest = np.minimum(lowest, smooth)
        np.minimum(lowest, oldest, out=floors[index])
        if not (state.frames + index + 1) % PART:
            older = (*older, lowest)[-(PARTS - 1) :]
            oldest = np.minimum.reduce(older)
            lowest = smooth
    return floors, smooth, lowest, older, oldest


def _averaged(out: Signal, means: Signal) -> Signal:
    """Write the means over time into ``out``; return them."""
    slow = out[:, FIRST_SLOW:INSTANT]
    new = np.empty((len(out), len(_PAST), SLOW))
    new[:] = slow[:, None]
    new[:, -1] *= slow
    new *= 1 - _PAST
    for index in range(len(out)):
        means = _PAST * means + new[index]
        out[index, INSTANT : INSTANT + 3 * SLOW] = means[:3].ravel()
        np.maximum(means[4] - means[3] ** 2, 0.0, out=out[index, INSTANT + 3 * SLOW :])
    np.sqrt(out[:, INSTANT + 3 * SLOW :], out=out[:, INSTANT + 3 * SLOW :])
    return means


class _Level:
    """The features that follow from frame to frame, one number each: plain arithmetic is fastest."""

    def __init__(self, state: FeatureState, energy_threshold: float) -> None:
        self.frames = state.frames
        self.pitch, self.step = state.pitch, state.step
        self.peak, self.summit = state.peak, state.summit
        self.power, self.mean, self.rms = state.power, state.mean, state.rms
        self.threshold = energy_threshold

    def walk(
        self,
        out: Signal,
        harmonicity: list[float],
        frequency: list[float],
        power: list[float],
        floor: list[float],
        whole: list[float],
        whole_floor: list[float],
    ) -> None:
        """Write the features of each frame into its row of ``out``."""
        for index in range(len(out)):
            pitch = log2(max(frequency[index], 50.0))
            step = abs(pitch - self.pitch) if self.frames + index else 0.0
            steady = exp(-min(step, self.step) / _STEADY) * harmonicity[index]
            self.pitch, self.step = pitch, step
            lg = log10(power[index])
            self.peak = max(lg, self.peak - 0.004)
            self.power = 0.7 * self.power + 0.3 * power[index]
            level = log10(self.power)
            self.summit = max(level, self.summit - 0.001)
            if not self.frames + index:
                self.mean = max(lg, -9.0)
            self.mean = 0.997 * self.mean + 0.003 * max(lg, -9.0)
            lowest = log10(floor[index])
            span = _clipped(self.summit - lowest, 0.0, 5.0)
            above = _clipped(level - lowest, 0.0, 5.0)
            self.rms = 0.5 * self.rms + 0.5 * whole[index]
            row = out[index]
            row[MEAN_CHANGE] = _clipped(level - self.mean, -3.0, 3.0)
            row[SHARE] = above / (span + 0.3)
            row[SPAN_OF_LEVELS] = span
            row[HARMONIC] = harmonicity[index]
            row[STEADY] = steady
            row[UNDER_PEAK] = _clipped(self.peak - lg, 0.0, 4.0)
            row[UNDER_SUMMIT] = _clipped(self.summit - level, 0.0, 5.0)
            row[ABOVE] = above
            row[OVER_THRESHOLD] = self._over_threshold(whole_floor[index])

    def _over_threshold(self, floor: float) -> float:
        threshold = min(self.threshold, max(floor**0.5 * STILL_ROOM, self.threshold * STILL_SHARE))
        lg = 0.5 * log10(self.rms + _NOTHING) - log10(max(threshold, 1 / FULL_SCALE))
        return _clipped(lg, -1.5, 1.5)


def _clipped(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
