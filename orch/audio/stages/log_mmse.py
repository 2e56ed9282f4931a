"""The gain of each frequency that estimates the voice in noise. Pure.

With the ratio R = P/N of a frame's power to that of the noise, and the a-priori ratio of speech to noise,
estimated by decision (Ephraim & Malah, IEEE TASSP 32(6), 1984)::

    ξ = s · A²/N + (1 - s) · max(R - 1, 0)      A: amplitude estimated in the frame before; s: smoothing

the amplitude whose logarithm has the least mean square error (Ephraim & Malah, "Speech enhancement using a
minimum mean-square error log-spectral amplitude estimator", IEEE TASSP 33(2), 1985) has the gain::

    G = ξ/(1+ξ) · exp(½ E₁(v))      v = R · ξ/(1+ξ)      E₁: exponential integral

or, by spectral subtraction (Berouti et al. 1979)::

    G² = max(1 - overSubtraction / R, spectralFloor / R)

Where only noise is left, single frequencies that stand out by chance would sound like music. The presence of
speech p at each frequency (Cohen & Berdugo, "Speech enhancement for non-stationary noise environments",
Signal Processing 81, 2001) leads the gain towards its floor there: G^p · floor^(1-p).
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.special import exp1

from orch.audio.stages.stage import Signal

LEAST_PRIOR: Final = 0.01
"""ξ is at least -20 dB."""
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
LEAST_PRESENCE: Final = 0.001

STEP: Final = 1 / 64
_ENTRIES: Final = 6 * 64 + 1
_ROOTS: Final = np.arange(1, _ENTRIES) * STEP
#: √v · exp(½ E₁(v)) over √v in steps of STEP; at 0 its limit. Above 6 it is √v, as in the last step.
GAINS: Final = np.concatenate(([np.exp(-np.euler_gamma / 2)], _ROOTS * np.exp(exp1(_ROOTS**2) / 2)))
_SLOPES: Final = np.diff(GAINS)


def log_mmse(prior: Signal, ratio: Signal) -> tuple[Signal, Signal]:
    """Return the gains, at most 1, and v, for ξ and R."""
    share = prior / (1 + prior)
    v = share * ratio
    roots = np.sqrt(v)
    at = roots * (1 / STEP)
    entries = np.minimum(at, _ENTRIES - 2).astype(np.intp)
    products = GAINS[entries] + (at - entries) * _SLOPES[entries]
    return np.minimum(share * products / np.maximum(roots, 1e-6), 1.0), v


def subtraction(ratio: Signal, over: float, floor: float) -> Signal:
    """Return the gains of spectral subtraction for R."""
    gains: Signal = np.sqrt(np.minimum(np.maximum(1 - over / ratio, floor / ratio), 1.0))
    return gains


def between(value: Signal, bounds: tuple[float, float]) -> Signal:
    """Return 0 at the lower bound, 1 at the upper one, and in proportion between them."""
    low, high = bounds
    return np.minimum(np.maximum((value - low) / (high - low), 0.0), 1.0)


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
        return self.memory * state + (1 - self.memory) * prior

    def frame(self, smooth: Signal) -> float:
        """Return the presence of speech in the frame, from ξ smoothed over time."""
        mean = 10 * np.log10(float(np.add.reduce(smooth[self.band])) / (self.band.stop - self.band.start))
        low, high = GLOBAL
        return min(max((float(mean) - low) / (high - low), 0.0), 1.0)

    def local(self, smooth: Signal, frame: float, prior: Signal, v: Signal) -> Signal:
        """Return the presence at each frequency."""
        side = len(self.kernel) // 2
        padded = np.concatenate((smooth[side:0:-1], smooth, smooth[-2 : -side - 2 : -1]))
        near = between(10 * np.log10(np.convolve(padded, self.kernel, "valid")), LOCAL)
        pause, speech = MOST_ABSENCE
        most = pause + (speech - pause) * frame
        absence = np.minimum(1 - np.maximum(near * frame, LEAST_PRESENCE), most)
        odds = absence / (1 - absence) * (1 + prior)
        presence: Signal = 1 / (1 + odds * np.exp(-np.minimum(v, 200.0)))
        return presence
