"""Rounds to 16 bits, with dither. Pure.

    y[n] = step · floor(x[n] / step + d[n] + 1/2),   step = 2^-15

Rounding alone makes an error that depends on the signal, which is heard as distortion of quiet sounds. Noise
of one step makes the error's mean independent of the signal (rectangular), a triangular one also its power
(Lipshitz, Wannamaker, Vanderkooy, "Quantization and Dither", JAES 40, 1992). The error's power is step² / 12
times 1 without dither, 2 with a rectangular, 3 with a triangular one.

The noise is a hash of the number of the sample, so the sizes of blocks never change it, and the browser makes
the same: the 32-bit mixer ``lowbias32`` (C. Wellons, "Hash function prospector", 2018) of a Weyl sequence.
"""

from functools import lru_cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from orch.audio.stages.stage import Signal

STEP: Final = 2.0**-15
Shape = Literal["triangular", "rectangular", "none"]


def _hashes(first: int, count: int) -> Signal:
    """Return numbers from 0 to 2^32 (not that itself), one for each counter."""
    x = _counters(count) + np.uint32(first & 0xFFFF_FFFF)
    x *= np.uint32(0x9E3779B9)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x.astype(np.float64)


@lru_cache(maxsize=4)
def _counters(count: int) -> npt.NDArray[np.uint32]:
    return np.arange(count, dtype=np.uint32)


def noise(shape: Shape, first: int, count: int) -> Signal:
    """Return the dither of ``count`` samples from number ``first`` on, in steps."""
    if shape == "none":
        return np.zeros(count)
    hashes = _hashes(2 * first, 2 * count)
    if shape == "rectangular":
        return hashes[::2] * 2.0**-32 - 0.5
    difference: Signal = hashes[::2] - hashes[1::2]
    difference *= 2.0**-32
    return difference


def rounded(samples: Signal, shape: Shape, first: int) -> Signal:
    """Return samples rounded to 16 bits; ``first``: the number of the first one."""
    steps = samples * (1 / STEP)
    steps += noise(shape, first, len(samples))
    steps += 0.5
    np.floor(steps, out=steps)
    np.minimum(steps, 32_767, out=steps)
    np.maximum(steps, -32_768, out=steps)
    steps *= STEP
    return steps
