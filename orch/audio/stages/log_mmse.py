"""The gain of each frequency that estimates the voice in noise. Pure.

With the ratio R = P/N of a frame's power to that of the noise, and the a-priori ratio of speech to noise,
estimated by decision (Ephraim & Malah, IEEE TASSP 32(6), 1984)::

    ξ = s · A²/N + (1 - s) · max(R - 1, 0)      A: amplitude estimated in the frame before; s: smoothing

the amplitude whose logarithm has the least mean square error (Ephraim & Malah, "Speech enhancement using a
minimum mean-square error log-spectral amplitude estimator", IEEE TASSP 33(2), 1985) has the gain::

    G = ξ/(1+ξ) · exp(½ E₁(v))      v = R · ξ/(1+ξ)      E₁: exponential integral

That ξ is a frame late, which blurs where speech begins and ends. So it is used twice (C. Plapous et al.,
"Improved signal-to-noise ratio estimation for speech enhancement", IEEE TASLP 14(6), 2006): the first gain
estimates A and ξ₂ = A²/N of this frame, the second follows from ξ₂.

The exponential integral is approximated, with an error of G of less than 0.02 dB::

    v · exp(E₁(v)) = v + exp(-v · (0.79 + 0.035 · v) - e)      e: Euler's constant

The other choice is spectral subtraction (Berouti et al. 1979)::

    G² = max(1 - overSubtraction / R, spectralFloor / R)

Where only noise is left, single frequencies that stand out by chance would sound like music. The presence of
speech p at each frequency (Cohen & Berdugo, "Speech enhancement for non-stationary noise environments",
Signal Processing 81, 2001) leads the gain towards its floor there: G^p · floor^(1-p).
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from orch.audio.stages.stage import Signal

LEAST_PRIOR: Final = 0.003
"""ξ is at least -25 dB."""
MOST_RATIO: Final = 1000.0
"""R is at most 30 dB: what is more changes no gain."""
PRESENCE_MEMORY: Final = 0.045
"""Seconds: time constant of the smoothed ξ."""
WIDTH: Final = 50.0
"""Hz to either side, over which ξ is smoothed for the presence at a frequency."""
LOCAL: Final = (-10.0, 0.0)
"""dB: below the first, smoothed ξ means no speech at this frequency, above the second, speech."""
GLOBAL: Final = (-12.0, -4.0)
"""dB: the same for the mean of the voice band."""
VOICE_BAND: Final = (125.0, 2000.0)
"""Hz."""
MOST_ABSENCE: Final = (0.95, 0.35)
"""Where the frame has no speech, and where it has: there, quiet speech counts more than the last noise."""
_LIMIT: Final = float(np.exp(-np.euler_gamma))
_DECIBELS: Final = 10 / float(np.log(10))


def estimated(prior: Signal, ratio: Signal) -> tuple[Signal, Signal]:
    """Return G² · R, at most R, and v, for ξ and R."""
    share = prior / (prior + 1)
    v = share * ratio
    square = v * -0.035
    square -= 0.79
    square *= v
    np.exp(square, out=square)
    square *= _LIMIT
    square += v
    square *= share
    return np.minimum(square, ratio, out=square), v


def subtraction(ratio: Signal, over: float, floor: float) -> Signal:
    """Return the squared gains of spectral subtraction for R."""
    inverse = 1 / ratio
    gains: Signal = np.minimum(np.maximum(1 - over * inverse, floor * inverse), 1.0)
    return gains


def between(value: float, bounds: tuple[float, float]) -> float:
    """Return 0 at the first bound, 1 at the second one, and in proportion between them."""
    first, second = bounds
    return min(max((value - first) / (second - first), 0.0), 1.0)


@dataclass(frozen=True)
class Presence:
    """Estimates the presence of speech from ξ; bins are ``resolution`` Hz apart, frames ``hop`` seconds."""

    bins: int
    resolution: float
    hop: float
    memory: float = field(init=False)
    kernel: Signal = field(init=False, repr=False, compare=False)
    band: slice = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        side = max(1, round(WIDTH / self.resolution))
        kernel = np.hanning(2 * side + 3)[1:-1]
        object.__setattr__(self, "memory", float(np.exp(-self.hop / PRESENCE_MEMORY)))
        object.__setattr__(self, "kernel", kernel / kernel.sum())
        first, last = (round(hertz / self.resolution) for hertz in VOICE_BAND)
        object.__setattr__(self, "band", slice(first, min(last, self.bins - 1)))

    def smoothed(self, prior: Signal, state: Signal) -> Signal:
        """Return ξ smoothed over time."""
        smooth = state - prior
        smooth *= self.memory
        smooth += prior
        return smooth

    def frame(self, smooth: Signal) -> float:
        """Return the presence of speech in the frame, from ξ smoothed over time."""
        mean = float(np.add.reduce(smooth[self.band])) / (self.band.stop - self.band.start)
        return between(10 * math.log10(mean), GLOBAL)

    def absence(self, smooth: Signal, frame: float, prior: Signal, v: Signal) -> Signal:
        """Return the absence of speech at each frequency, 1 - p."""
        pause, speech = MOST_ABSENCE
        least = 1 - pause - (speech - pause) * frame
        absent = np.exp(-v)
        absent *= prior + 1
        if frame <= least:
            absent *= (1 - least) / least
        else:
            present = self._near(smooth)
            present *= frame
            np.maximum(present, least, out=present)
            absent *= (1 - present) / present
        absent /= absent + 1
        return absent

    def _near(self, smooth: Signal) -> Signal:
        """Return the presence before the frame is seen, from ξ smoothed over the frequencies around."""
        side = len(self.kernel) // 2
        padded = np.concatenate((smooth[side:0:-1], smooth, smooth[-2 : -side - 2 : -1]))
        near: Signal = np.log(np.convolve(padded, self.kernel, "valid"))
        low, high = LOCAL
        near *= _DECIBELS / (high - low)
        near -= low / (high - low)
        return np.minimum(np.maximum(near, 0.0, out=near), 1.0, out=near)
