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
P, with s = (c - VOICED) / (CLEAR - VOICED), at most 1: a voice is taken to be 15 dB above the noise.

Frames without any signal (a muted microphone) change nothing. Powers are unscaled squared magnitudes.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from orch.audio.stages.stage import Signal

PRIOR: Final = 10**1.8
"""ξ₁: the ratio of speech to noise that speech is assumed to have where it is."""
MEMORY: Final = 0.6
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
SHARE: Final = 0.5
"""Of the frequencies; where fewer are overtaken, it may be a voice that is held."""
FIRST: Final = 0.1
"""Seconds: the mean of so much signal is the first estimate."""
LEARNING: Final = 0.3
"""Seconds."""
VOICED: Final = 0.4
CLEAR: Final = 0.7
NOTHING: Final = 1e-10
"""Power that is no sound: less than the rounding to 16 bits has."""

_SLOPE: Final = PRIOR / (1 + PRIOR)


@dataclass(frozen=True, slots=True)
class NoiseState:
    """What is known of the noise, one value a bin; ``frames``: how many had a signal so far.

    ``noise``: N. ``presence``: mean of p. ``smooth``: the power whose minimum is searched; ``lowest``: its
    minimum in this window and the one before; ``coming``: in this window only.
    """

    noise: Signal
    presence: Signal
    smooth: Signal
    lowest: Signal
    coming: Signal
    frames: int = 0


@dataclass(frozen=True)
class NoiseTracker:
    """Follows the noise through frames of ``bins`` powers that are ``hop`` seconds apart."""

    bins: int
    hop: float
    memory: float = field(init=False)
    presence_memory: float = field(init=False)
    minimum_memory: float = field(init=False)
    window: int = field(init=False)
    first: int = field(init=False)
    learning: int = field(init=False)

    def __post_init__(self) -> None:
        for name, value in (
            ("memory", math.exp(-self.hop / MEMORY)),
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
        return NoiseState(nothing, np.zeros(self.bins), nothing, nothing, nothing)

    def followed(self, power: Signal, state: NoiseState, voice: float = 0.0) -> NoiseState:
        """Return the state after a frame; ``power`` is at least :data:`NOTHING`.

        ``voice``: the confidence of voice activity, where it is known.
        """
        frames = state.frames
        if frames < self.learning and voice > VOICED:
            power = power * 10 ** (-1.5 * min((voice - VOICED) / (CLEAR - VOICED), 1.0))
        if frames == 0:
            return NoiseState(power, state.presence, power, power, power, 1)
        smooth = self.minimum_memory * state.smooth + (1 - self.minimum_memory) * power
        if frames % self.window == 0:
            lowest, coming = np.minimum(state.coming, smooth), smooth
        else:
            lowest, coming = np.minimum(state.lowest, smooth), np.minimum(state.coming, smooth)
        if frames < self.first:
            noise = state.noise + (power - state.noise) / (frames + 1)
            return NoiseState(noise, state.presence, smooth, lowest, coming, frames + 1)
        present = 1 / (1 + (1 + PRIOR) * np.exp(-_SLOPE * np.minimum(power / state.noise, 500.0)))
        presence = self.presence_memory * state.presence + (1 - self.presence_memory) * present
        present = np.where(presence > CERTAIN, np.minimum(present, CERTAIN), present)
        # With few frames, each counts as much as each before it.
        memory = min(self.memory, 1 - 1 / (frames + 1))
        noise = state.noise + (1 - memory) * (1 - present) * (power - state.noise)
        overtaken = lowest > OVERTAKEN * noise
        if np.count_nonzero(overtaken) > SHARE * self.bins:
            noise = np.where(overtaken, lowest, noise)
        return NoiseState(noise, presence, smooth, lowest, coming, frames + 1)
