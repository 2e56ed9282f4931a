"""Levels and gains on a grid of one millisecond. Pure.

A gain that follows a level need not be computed for each sample: a voice's level does not change in a
millisecond. So the level is measured once a *step* of :data:`STEP` seconds, counted from the first sample;
gains are computed and smoothed a step at a time, and interpolated linearly between steps.

    level[k] = max |x| of the steps k - HOLD to k, in dB
    smooth[k] = c smooth[k-1] + (1 - c) wanted[k],   c = exp(-STEP / time constant)

A step is shorter than a period of a voice, and has few samples, so its own peak depends on where it begins:
without holding the highest of the last ones the gain would follow that, which is a modulation that was not in
the sound, and aliases.

A step's gain is known when the step is complete, so samples are a step late.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from orch.audio.stages.stage import Signal

STEP: Final = 0.001
"""Seconds."""
HOLD: Final = 9
"""Steps for which a peak still counts."""
ARRIVED: Final = 1e-7
"""A smoothed value that is so near to what is wanted is equal to it."""
SILENCE_DB: Final = -120.0
"""The lowest level."""
_SILENCE: Final = 10 ** (SILENCE_DB / 20)


def step_size(sample_rate: int) -> int:
    """Return the samples of a step."""
    return max(1, round(STEP * sample_rate))


def decibels(level: Signal) -> Signal:
    """Return levels in dB, at least :data:`SILENCE_DB`."""
    decibel: Signal = 20 * np.log10(np.maximum(level, _SILENCE))
    return decibel


def held(peaks: Signal, before: Signal) -> tuple[Signal, Signal]:
    """Return the highest peak of each step and the :data:`HOLD` before it, and the last :data:`HOLD` peaks.

    ``before``: the peaks of as many steps before the first.
    """
    last = np.concatenate((before, peaks))
    two = np.maximum(last[1:], last[:-1])
    four = np.maximum(two[2:], two[:-2])
    eight = np.maximum(four[4:], four[:-4])
    return np.maximum(eight[HOLD - 7 :], eight[: 7 - HOLD]), last[len(peaks) :]


def coefficient(seconds: float) -> float:
    """Return c of a smoothing with a time constant, a step at a time."""
    return math.exp(-STEP / seconds) if seconds > 0 else 0.0


def smoothed(wanted: Signal, before: float, *, falling: float, rising: float) -> Signal:
    """Return ``wanted`` smoothed from ``before`` on; ``falling``, ``rising``: the c of each direction."""
    out = []
    value = before
    for target in wanted.tolist():
        c = falling if target < value else rising
        away = c * (value - target)
        value = target + away if away * away > ARRIVED * ARRIVED else target
        out.append(value)
    return np.array(out)


def compression(level: Signal, *, threshold: float, ratio: float, knee: float) -> Signal:
    """Return the gain in dB (0 or less) of a compressor with a soft knee for levels in dB.

    After Giannoulis, Massberg and Reiss, "Digital Dynamic Range Compressor Design" (JAES 60, 2012), eq. 4:
    the identity below the knee, 1/ratio above it, a parabola of width ``knee`` between.
    """
    over = level - threshold
    above = np.maximum(over - knee / 2, 0)
    if knee > 0:
        inside = np.minimum(np.maximum(over + knee / 2, 0), knee)
        above += inside * inside / (2 * knee)
    gain: Signal = (1 / ratio - 1) * above
    return gain


def expansion(level: Signal, *, threshold: float, ratio: float, range_db: float) -> Signal:
    """Return the gain in dB (0 or less) of a downward expander: the output falls ``ratio`` dB for each dB.

    gain = (ratio - 1) (level - threshold) below the threshold, at least ``-range_db``; 0 above it.
    """
    gain: Signal = np.clip((ratio - 1) * (level - threshold), -range_db, 0.0)
    return gain


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
        """Return the steps that the block completes, shape (steps, size), and what follows."""
        both = np.concatenate((self.rest, block)) if len(self.rest) else block
        count = len(both) // self.size
        used = count * self.size
        return both[:used].reshape(count, self.size), Steps(self.size, both[used:])


def ramps(gains: Signal, before: float, size: int) -> Signal:
    """Return a gain for each sample of the steps: from the gain before to a step's own, linearly.

    ``gains``: one for each step (factors). Shape (steps, size).
    """
    starts = np.concatenate(([before], gains[:-1])) if len(gains) else gains
    slopes: Signal = starts[:, None] + (gains - starts)[:, None] * _shares(size)
    return slopes


@lru_cache(maxsize=16)
def _shares(size: int) -> Signal:
    return np.arange(1, size + 1) / size
