"""Levels and gains on a grid of one millisecond. Pure.

A gain that follows a level need not be computed for each sample: a voice's level does not change in a
millisecond. So the level is measured once a *step* of :data:`STEP` seconds, counted from the first sample;
gains are computed and smoothed a step at a time, and interpolated linearly between steps.

    a[n]^2 = x[n]^2 + (sum over k of QUADRATURE[k] (x[n - 2k - 1] - x[n + 2k + 1]))^2
    level[k] = max a of the steps k - HOLD to k, in dB
    smooth[k] = c smooth[k-1] + (1 - c) wanted[k],   c = exp(-STEP / time constant)

The second term of a is the signal a quarter of a period later (a Hilbert transformer of few taps, whose gain
is 1 within 0.25 % from 0.1 to 0.4 of the sample rate), so a is the magnitude of the analytic signal. The
highest sample alone would not do: of a tone near a quarter of the sample rate it varies by 3 dB, as often as
samples and periods drift past one another, and the gain with it: a modulation that was not in the sound,
aliases. For low tones, whose samples are dense, the gain of the transformer falls, and a is the sample.

A step is also shorter than a period of a voice, so its peak depends on where it begins; hence the highest of
the last ones. Levels are :data:`HALF` samples late, the reach of the transformer; a step's gain is known when
the step is complete, so samples are a step late.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from orch.audio.stages.stage import Signal
from orch.audio.stages.stft import windows

STEP: Final = 0.001
"""Seconds."""
HOLD: Final = 9
"""Steps for which a peak still counts."""
QUADRATURE: Final = (0.615898, 0.156331, 0.051743, 0.012585)
"""The Chebyshev optimum from 0.1 to 0.4 of the sample rate; tap 2k + 1 to either side, the others are 0."""
HALF: Final = 2 * len(QUADRATURE) - 1
"""Samples on each side of one that its level needs."""
_BOUND: Final = 1 + (2 * sum(QUADRATURE)) ** 2
"""By how much the square of a magnitude can exceed that of the highest sample."""
_NO_POWERS: Final = np.zeros(HOLD)
ARRIVED: Final = 1e-7
"""A smoothed value that is so near to what is wanted is equal to it."""
SILENCE_DB: Final = -120.0
"""The lowest level."""
_SILENCE: Final = 10 ** (SILENCE_DB / 10)


def step_size(sample_rate: int) -> int:
    """Return the samples of a step."""
    return max(1, round(STEP * sample_rate))


def decibels(power: float) -> float:
    """Return the level of the square of a magnitude in dB, at least :data:`SILENCE_DB`."""
    return 10 * math.log10(max(_SILENCE, power))


@dataclass(frozen=True, slots=True)
class Detected:
    """What the levels remember: the last ``2 HALF`` samples, and the last :data:`HOLD` steps' powers."""

    samples: Signal = field(default_factory=lambda: np.zeros(2 * HALF))
    powers: Signal = field(default_factory=lambda: _NO_POWERS)


def detected(sound: Signal, size: int, before: Detected) -> tuple[list[float], Detected]:
    """Return the square of the held magnitude of each step of ``size`` samples, and what follows.

    ``sound``: whole steps, flat.
    """
    count = len(sound) // size
    padded = np.concatenate((before.samples, sound))
    # As a product of matrices, a third of the time of a convolution.
    width = size + 2 * HALF
    turned = np.dot(windows(padded, count, width, size), _transformer(size)).reshape(-1)
    turned *= turned
    middle = padded[HALF:-HALF]
    turned += middle * middle
    powers = np.concatenate((before.powers, np.maximum.reduceat(turned, _starts(count, size))))
    last = np.maximum.reduce(windows(powers, HOLD + 1, count, 1), axis=0)
    return last.tolist(), Detected(padded[-2 * HALF :], powers[count:])


def faint(sound: Signal, before: Detected, most: float) -> Detected | None:
    """Return what follows where all levels are certainly below a power, without measuring them; else None.

    The powers that it remembers are 0: whatever they are, they are below.
    """
    if before.powers is not _NO_POWERS and before.powers.max() > most:
        return None
    padded = np.concatenate((before.samples, sound))
    highest = np.abs(padded).max()
    return Detected(padded[-2 * HALF :], _NO_POWERS) if highest * highest * _BOUND <= most else None


def coefficient(seconds: float) -> float:
    """Return c of a smoothing with a time constant, a step at a time."""
    return math.exp(-STEP / seconds) if seconds > 0 else 0.0


def approached(target: float, value: float, c: float) -> float:
    """Return the next value of a smoothing."""
    away = c * (value - target)
    return target + away if away > ARRIVED or away < -ARRIVED else target


def smoothed(wanted: list[float], before: float, *, falling: float, rising: float) -> list[float]:
    """Return ``wanted`` smoothed from ``before`` on; ``falling``, ``rising``: the c of each direction."""
    out = []
    value = before
    for target in wanted:
        value = approached(target, value, falling if target < value else rising)
        out.append(value)
    return out


@dataclass(frozen=True, slots=True)
class Compression:
    """The gain in dB (0 or less) of a compressor with a soft knee for levels in dB.

    After Giannoulis, Massberg and Reiss, "Digital Dynamic Range Compressor Design" (JAES 60, 2012), eq. 4:
    the identity below the knee, 1/ratio above it, a parabola of width ``knee`` between.
    """

    threshold: float
    ratio: float
    knee: float

    def __call__(self, level: float) -> float:
        """Return the gain for a level."""
        over = level - self.threshold + self.knee / 2
        if over <= 0:
            return 0.0
        above = over * over / (2 * self.knee) if over < self.knee else over - self.knee / 2
        return (1 / self.ratio - 1) * above

    @property
    def highest_still(self) -> float:
        """The highest power (square of a magnitude) that has no gain, whatever is below it."""
        return 10 ** ((self.threshold - self.knee / 2) / 10)

    def is_still(self, lowest: float, highest: float) -> bool:  # noqa: ARG002 - of the other curve
        """Return whether there is no gain between two powers."""
        return highest <= self.highest_still


@dataclass(frozen=True, slots=True)
class Expansion:
    """The gain in dB (0 or less) of a downward expander: the output falls ``ratio`` dB for each dB.

    gain = (ratio - 1) (level - threshold) below the threshold, at least ``-range_db``; 0 above it.
    """

    threshold: float
    ratio: float
    range_db: float

    def __call__(self, level: float) -> float:
        """Return the gain for a level."""
        return min(0.0, max(-self.range_db, (self.ratio - 1) * (level - self.threshold)))

    @property
    def highest_still(self) -> float:
        """0: what is quiet has a gain."""
        return 0.0

    def is_still(self, lowest: float, highest: float) -> bool:  # noqa: ARG002 - of the other curve
        """Return whether there is no gain between two powers (squares of magnitudes)."""
        return lowest >= 10 ** (self.threshold / 10)


@dataclass(frozen=True, slots=True)
class Steps:
    """Cuts a stream into steps. ``size``: samples of a step; ``rest``: samples of the unfinished one."""

    size: int
    rest: Signal

    @classmethod
    def at(cls, sample_rate: int) -> "Steps":
        """Return the beginning of a stream."""
        return cls(step_size(sample_rate), np.zeros(0))

    def cut(self, block: Signal) -> tuple[Signal, "Steps"]:
        """Return the samples of the steps that the block completes, and what follows."""
        both = np.concatenate((self.rest, block)) if len(self.rest) else block
        used = len(both) // self.size * self.size
        return both[:used], Steps(self.size, both[used:])


def ramped(sound: Signal, gains: Signal, size: int) -> Signal:
    """Return whole steps with gains (factors) that move linearly from each to the next within a step.

    ``gains``: the one before the first step, and one for each step.
    """
    slopes = (gains[1:] - gains[:-1])[:, None] * _shares(size)
    slopes += gains[:-1, None]
    slopes *= sound.reshape(slopes.shape)
    return slopes.reshape(-1)


@lru_cache(maxsize=16)
def _shares(size: int) -> Signal:
    return np.arange(1, size + 1) / size


@lru_cache(maxsize=16)
def _transformer(size: int) -> Signal:
    """Return what each sample around a step, a row, adds to its samples a quarter of a period later."""
    rows = np.zeros((size + 2 * HALF, size))
    for index, tap in enumerate(QUADRATURE):
        column = np.arange(size)
        rows[column + HALF + 2 * index + 1, column] = tap
        rows[column + HALF - 2 * index - 1, column] = -tap
    return rows


@lru_cache(maxsize=64)
def _starts(count: int, size: int) -> npt.NDArray[np.intp]:
    return np.arange(0, count * size, size)
