"""Lowers strokes of keys, clicks and knocks to what is around them. Pure.

Frames of 16 ms, one every 4 ms. A stroke stands out at every frequency at once, and is over before speech
could be. With P the power at a frequency, and M its lower quantile over :data:`AROUND` frames before and as
many after,

    r = L - M(L)      L: mean over the band of 10 · log10(P)

is large. The mean of logarithms is large only where all of the band stands out, unlike where a vowel begins.
The gain is (M/P)^(w/2), where w grows from 0 to 1 with r, and at least ``floor``. It is a median filter
across time, as in the separation of percussive sounds (D. Fitzgerald, "Harmonic/percussive separation using
median filtering", DAFx 2010), used only where there is a stroke.

What is removed is computed and subtracted, so without strokes the output is the input itself, late.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from orch.audio.stages.stage import Block, Signal
from orch.audio.stages.stft import Spectra, Stft, StftState, windows

HOP_SECONDS: Final = 0.004
AROUND: Final = 8
"""Frames before and after: 32 ms each."""
QUANTILE: Final = 6
"""Of the 17 values, so many are smaller."""
BAND: Final = (1500.0, 7000.0)
"""Hz, where strokes are loudest over what else is there."""
CERTAINTY: Final = (12.0, 15.0)
"""dB: r where w is 0 and 1."""
NOTHING: Final = 1e-8
"""Power of a bin that is no sound; frames of it count as unknown."""


@dataclass(frozen=True, slots=True)
class StrokeState:
    """``spectra`` and ``levels`` (dB over the band): those of the last two :data:`AROUND` frames.

    ``stft``: the analysis, and the synthesis of what is removed. ``delayed``: input that is not returned yet.
    """

    stft: StftState
    spectra: Spectra
    levels: Signal
    delayed: Block


@dataclass(frozen=True)
class StrokeFilter:
    """Lowers strokes by at most ``floor``, the least gain."""

    sample_rate: int
    floor: float
    stft: Stft = field(init=False)
    band: slice = field(init=False)

    def __post_init__(self) -> None:
        hop = max(1, round(self.sample_rate * HOP_SECONDS))
        stft = Stft(frame=4 * hop, hop=hop)
        first, last = (round(hertz * stft.size / self.sample_rate) for hertz in BAND)
        object.__setattr__(self, "stft", stft)
        object.__setattr__(self, "band", slice(first, min(last, stft.bins - 1)))

    @property
    def latency(self) -> int:
        """Samples by which the output is late."""
        return self.stft.latency + AROUND * self.stft.hop

    def initial(self) -> StrokeState:
        """Return the state before the first sample: nothing is known of what was before."""
        return StrokeState(
            stft=self.stft.initial(),
            spectra=np.zeros((2 * AROUND, self.stft.bins), np.complex128),
            levels=np.full(2 * AROUND, np.inf),
            delayed=np.zeros(self.latency, np.float32),
        )

    def process(self, block: Block, state: StrokeState) -> tuple[Block, StrokeState]:
        """Return the block without strokes, and the state after it."""
        spectra, stft = self.stft.analyse(block, state.stft)
        delayed = np.concatenate((state.delayed, block))
        output, delayed = delayed[: len(block)], delayed[len(block) :]
        count = len(spectra)
        if not count:
            removed, stft = self.stft.skip(0, len(block), stft)
            return output - removed, StrokeState(stft, state.spectra, state.levels, delayed)
        spectra = np.concatenate((state.spectra, spectra))
        levels = np.concatenate((state.levels, self._levels(spectra[2 * AROUND :])))
        around = windows(levels, count, 2 * AROUND + 1, 1)
        usual = np.partition(around, QUANTILE, axis=1)[:, QUANTILE]
        middle = levels[AROUND : AROUND + count]
        # Frames without sound, or with too little around them, are no strokes.
        strokes = np.flatnonzero((middle > usual + CERTAINTY[0]) & (middle < np.inf))
        if len(strokes):
            parts = np.zeros((count, self.stft.bins), np.complex128)
            for index in strokes.tolist():
                parts[index] = self._removed(
                    spectra[index : index + 2 * AROUND + 1],
                    levels[index:],
                    float(middle[index] - usual[index]),
                )
            removed, stft = self.stft.synthesise(parts, len(block), stft)
        else:
            removed, stft = self.stft.skip(count, len(block), stft)
        return output - removed, StrokeState(stft, spectra[count:], levels[count:], delayed)

    def _levels(self, spectra: Spectra) -> Signal:
        """Return the mean of the band's powers in dB; infinite where there is no sound."""
        lines = spectra[:, self.band]
        powers = lines.real**2 + lines.imag**2
        levels: Signal = np.add.reduce(np.log10(powers + NOTHING), axis=1) * (10 / powers.shape[1])
        levels[np.maximum.reduce(powers, axis=1) <= NOTHING] = np.inf
        return levels

    def _removed(self, spectra: Spectra, levels: Signal, excess: float) -> Spectra:
        """Return what is removed from the frame in the middle of ``spectra``."""
        powers = spectra.real**2 + spectra.imag**2 + NOTHING
        powers[np.isinf(levels[: len(powers)])] = np.inf
        usual = np.partition(powers, QUANTILE, axis=0)[QUANTILE]
        weight = min((excess - CERTAINTY[0]) / (CERTAINTY[1] - CERTAINTY[0]), 1.0)
        gains = np.maximum(np.sqrt(np.minimum(usual / powers[AROUND], 1.0)), self.floor) ** weight
        removed: Spectra = (1 - gains) * spectra[AROUND]
        return removed
