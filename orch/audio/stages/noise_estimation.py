"""The power of the noise at each frequency, followed through speech. Pure.

The presence of speech at each frequency decides how much of a frame is noise (Gerkmann & Hendriks, "Unbiased
MMSE-based noise power estimation with low complexity and low tracking delay", IEEE TASLP 20(4), 2012)::

    p = 1 / (1 + (1 + ξ₁) · exp(-P/N · ξ₁ / (1 + ξ₁)))          ξ₁ = 18 dB, equal priors
    N ← m · N + (1 - m) · (p · N + (1 - p) · P)

where P is the power of the frame and N that of the noise. Noise that grows by far looks like speech that
never ends. There minimum statistics help (R. Martin, "Noise power spectral density estimation based on
optimal smoothing and minimum statistics", IEEE TSAP 9(5), 2001; the two windows are those of Cohen's MCRA,
2003): speech has gaps, so where the smallest smoothed power of the last one to two :data:`WINDOW` is
:data:`OVERTAKEN` times N, at more than the :data:`SHARE` of the frequencies, it replaces N.

A stream may begin with a voice, which the first estimate must not be. Where the confidence c of voice
activity is over :data:`VOICED` in the first :data:`LEARNING`, the power P · 10^(-1.5 · s) takes the place of
P, with s = (c - VOICED) / (CLEAR - VOICED), at most 1: a voice is taken to be 15 dB above the noise. If it
was noise after all, N is far too low. So at the end of the first :data:`WINDOW`, in which also a voice has
gaps, N is :data:`MINIMUM_BIAS` times the mean minimum of its neighbours where that is more.

How steady the noise is follows from the same frames, weighted as they are for N::

    spread = mean over the band of  ln(mean of P) - (mean of ln P)

where the mean of P is within 20 dB of the highest one in the band. It is 0 for a tone,
Euler's constant, 0.58, for steady noise (P is exponentially distributed then), and above 1 for voices and
strokes, whose power varies more than that. What is unsteady is followed more slowly.

Frames without any signal (a muted microphone) change nothing. Powers are unscaled squared magnitudes.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from orch.audio.stages.log_mmse import between
from orch.audio.stages.stage import Signal

PRIOR: Final = 10**1.8
"""ξ₁: the ratio of speech to noise that speech is assumed to have where it is."""
MEMORY: Final = 0.7
"""Seconds: time constant of N in noise alone."""
PRESENCE_MEMORY: Final = 0.23
"""Seconds: time constant of the presence whose mean must not stay at 1."""
CERTAIN: Final = 0.99
MINIMUM_MEMORY: Final = 0.1
"""Seconds: time constant of the power whose minimum is searched."""
WINDOW: Final = 1.2
"""Seconds."""
OVERTAKEN: Final = 4.0
"""How many times the noise the minimum is where the noise has grown."""
MINIMUM_BIAS: Final = 2.0
"""How many times its minimum in a window the power of steady noise is."""
NEIGHBOURS: Final = 6
"""Bins to each side over which minima are averaged."""
SHARE: Final = 0.5
"""Of the frequencies; where fewer are overtaken, it may be a voice that is held."""
FIRST: Final = 0.1
"""Seconds: the mean of so much signal is the first estimate."""
LEARNING: Final = 0.288
"""Seconds: twelve frames."""
VOICED: Final = 0.4
CLEAR: Final = 0.7
NOTHING: Final = 1e-10
"""Power that is no sound: less than the rounding to 16 bits has."""

SPREAD_BAND: Final = (80.0, 1000.0)
"""Hz, where voices and hum are loudest."""
SPREAD_MEMORY: Final = 1.5
"""Seconds: time constant of the means for the spread."""
FAINT: Final = 0.01
UNSTEADY: Final = (0.75, 1.05)
"""Spread from which noise is unsteady, and where it is as unsteady as voices."""
UNSTEADY_MEMORY: Final = 4.0
"""Seconds: time constant of N in noise that is as unsteady as voices."""

_SLOPE: Final = PRIOR / (1 + PRIOR)


@dataclass(frozen=True, slots=True)
class NoiseState:
    """What is known of the noise, one value a bin; ``frames``: how many had a signal so far.

    ``noise``: N. ``presence``: mean of p. ``smooth``: the power whose minimum is searched; ``lowest``: its
    minimum in this window and the one before; ``coming``: in this window only. ``mean`` and ``logarithm``: of
    the power in the band of the spread. ``is_lowered``: it began with what was taken for a voice.
    """

    noise: Signal
    presence: Signal
    smooth: Signal
    lowest: Signal
    coming: Signal
    mean: Signal
    logarithm: Signal
    spread: float = float(np.euler_gamma)
    frames: int = 0
    is_lowered: bool = False

    @property
    def unsteadiness(self) -> float:
        """0 where the noise is steady, 1 where it varies as much as voices do."""
        return between(self.spread, UNSTEADY)


@dataclass(frozen=True)
class NoiseTracker:
    """Follows the noise through frames ``hop`` seconds apart, of ``bins`` powers ``resolution`` Hz apart."""

    bins: int
    resolution: float
    hop: float
    band: slice = field(init=False, repr=False, compare=False)
    spread_memory: float = field(init=False)
    presence_memory: float = field(init=False)
    minimum_memory: float = field(init=False)
    window: int = field(init=False)
    first: int = field(init=False)
    learning: int = field(init=False)

    def __post_init__(self) -> None:
        first, last = (round(hertz / self.resolution) for hertz in SPREAD_BAND)
        for name, value in (
            ("band", slice(first, min(last, self.bins))),
            ("spread_memory", math.exp(-self.hop / SPREAD_MEMORY)),
            ("presence_memory", math.exp(-self.hop / PRESENCE_MEMORY)),
            ("minimum_memory", math.exp(-self.hop / MINIMUM_MEMORY)),
            ("window", max(1, round(WINDOW / self.hop))),
            ("first", max(1, round(FIRST / self.hop))),
            ("learning", max(1, round(LEARNING / self.hop))),
        ):
            object.__setattr__(self, name, value)

    def initial(self) -> NoiseState:
        """Return the state before the first frame."""
        nothing = np.full(self.bins, NOTHING)
        none = np.zeros(self.band.stop - self.band.start)
        return NoiseState(nothing, np.zeros(self.bins), nothing, nothing, nothing, none, none)

    def followed(self, power: Signal, state: NoiseState, voice: float = 0.0) -> NoiseState:
        """Return the state after a frame; ``power`` is at least :data:`NOTHING`.

        ``voice``: the confidence of voice activity, where it is known.
        """
        frames = state.frames
        whole, is_lowered = power, state.is_lowered
        if frames < self.learning and voice > VOICED:
            power = power * 10 ** (-1.5 * between(voice, (VOICED, CLEAR)))
            is_lowered = True
        low = power[self.band]
        if frames == 0:
            return NoiseState(
                power,
                state.presence,
                whole,
                whole,
                whole,
                low,
                np.log(low),
                frames=1,
                is_lowered=is_lowered,
            )
        smooth = state.smooth - whole
        smooth *= self.minimum_memory
        smooth += whole
        if frames % self.window == 0:
            lowest, coming = np.minimum(state.coming, smooth), smooth
        else:
            lowest, coming = np.minimum(state.lowest, smooth), np.minimum(state.coming, smooth)
        if frames < self.first:
            part = 1 / (frames + 1)
            noise = state.noise + (power - state.noise) * part
            mean = state.mean + (low - state.mean) * part
            logarithm = state.logarithm + (np.log(low) - state.logarithm) * part
            # The first frames are partly of the silence before the stream.
            return NoiseState(
                noise,
                state.presence,
                whole,
                whole,
                whole,
                mean,
                logarithm,
                frames=frames + 1,
                is_lowered=is_lowered,
            )
        present = power / state.noise
        present *= -_SLOPE
        np.exp(present, out=present)
        present *= 1 + PRIOR
        present += 1
        np.reciprocal(present, out=present)
        weight = 1 - present[self.band]
        presence = state.presence - present
        presence *= self.presence_memory
        presence += present
        np.minimum(present, CERTAIN, out=present, where=presence > CERTAIN)
        absent = np.subtract(1, present, out=present)
        # With few frames, each counts as much as each before it.
        most = 1 - 1 / (frames + 1)
        weight *= 1 - min(self.spread_memory, most)
        mean = state.mean + weight * (low - state.mean)
        logarithm = state.logarithm + weight * (np.log(low) - state.logarithm)
        loud = mean > FAINT * np.maximum.reduce(mean)
        spread = float(np.dot(np.log(mean) - logarithm, loud)) / np.count_nonzero(loud)
        absent *= 1 - min(self._memory(between(spread, UNSTEADY)), most)
        noise = power - state.noise
        noise *= absent
        noise += state.noise
        replaced = self._overtaken(noise, lowest, frames, is_lowered=is_lowered)
        if replaced is not None:
            noise = replaced
            # Another noise, of which nothing else is known: as if it were steady.
            mean = noise[self.band]
            logarithm = np.log(mean) - np.euler_gamma
        return NoiseState(
            noise, presence, smooth, lowest, coming, mean, logarithm, spread, frames + 1, is_lowered
        )

    def _overtaken(self, noise: Signal, lowest: Signal, frames: int, *, is_lowered: bool) -> Signal | None:
        """Return the noise where its minimum has overtaken it; None: it has not."""
        if frames < self.window:
            return None
        if is_lowered and frames == self.window:
            return np.maximum(noise, MINIMUM_BIAS * _averaged(lowest))
        overtaken = lowest > OVERTAKEN * noise
        if np.count_nonzero(overtaken) <= SHARE * self.bins:
            return None
        return np.where(overtaken, lowest, noise)

    def _memory(self, unsteadiness: float) -> float:
        """Return the weight of the past for noise as unsteady as this."""
        return math.exp(-self.hop / (MEMORY + (UNSTEADY_MEMORY - MEMORY) * unsteadiness))


def _averaged(values: Signal) -> Signal:
    """Return the mean over each value and :data:`NEIGHBOURS` on both sides: one minimum varies much."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    bins = np.arange(len(values))
    first = np.maximum(bins - NEIGHBOURS, 0)
    after = np.minimum(bins + NEIGHBOURS + 1, len(values))
    return np.asarray((sums[after] - sums[first]) / (after - first))
