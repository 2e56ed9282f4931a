"""Levels and gains on a grid of one millisecond. Pure.

A gain that follows a level need not be computed for each sample: a voice's level does not change in a
millisecond. So the level is measured once a *step* of :data:`STEP` seconds, counted from the first sample;
gains are computed and smoothed a step at a time, and interpolated linearly between steps.

    level[k] = max |x| of step k, in dB
    smooth[k] = c smooth[k-1] + (1 - c) wanted[k],   c = exp(-STEP / time constant)

A step's gain is known when the step is complete, so samples are a step late.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from orch.audio.stages.stage import Signal

STEP: Final = 0.001
"""Seconds."""
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


def coefficient(seconds: float) -> float:
    """Return c of a smoothing with a time constant, a step at a time."""
    return math.exp(-STEP / seconds) if seconds > 0 else 0.0


def smoothed(wanted: Signal, before: float, *, falling: float, rising: float) -> Signal:
    """Return ``wanted`` smoothed from ``before`` on; ``falling``, ``rising``: the c of each direction."""
    out = []
    value = before
    for target in wanted.tolist():
        c = falling if target < value else rising
        value = target + c * (value - target)
        out.append(value)
    return np.array(out)


def compression(level: Signal, *, threshold: float, ratio: float, knee: float) -> Signal:
    """Return the gain in dB (0 or less) of a compressor with a soft knee for levels in dB.

    After Giannoulis, Massberg and Reiss, "Digital Dynamic Range Compressor Design" (JAES 60, 2012), eq. 4:
    the identity below the knee, 1/ratio above it, a parabola of width ``knee`` between.
    """
    over = level - threshold
    slope = 1 / ratio - 1
    inside = slope * (over + knee / 2) ** 2 / (2 * knee) if knee > 0 else np.zeros_like(over)
    gain: Signal = np.where(2 * over < -knee, 0.0, np.where(2 * over <= knee, inside, slope * over))
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
    shares = np.arange(1, size + 1) / size
    slopes: Signal = starts[:, None] + (gains - starts)[:, None] * shares
    return slopes
