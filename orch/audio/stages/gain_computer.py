"""The gain of a compressor, step by step, for the compressor and the de-esser of *voiceEnhance*. Pure."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from orch.audio.stages.envelope import HOLD, compression, decibels, held, smoothed
from orch.audio.stages.stage import Signal

_PER_DB: Final = np.log(10) / 20


@dataclass(frozen=True, slots=True)
class GainState:
    """``gain``: of the last step, dB. ``peaks``: of the last :data:`HOLD` steps."""

    gain: float = 0.0
    peaks: Signal = field(default_factory=lambda: np.zeros(HOLD))

    @property
    def factor(self) -> float:
        """The gain as a factor."""
        return float(10 ** (self.gain / 20))


@dataclass(frozen=True, slots=True)
class GainComputer:
    """A curve with a soft knee (dB) over held peaks, smoothed.

    ``falling``, ``rising``: c of each direction.
    """

    threshold: float
    ratio: float
    knee: float
    falling: float
    rising: float

    def factors(self, peaks: Signal, state: GainState) -> tuple[Signal | None, GainState]:
        """Return the gain of each step as a factor, from its peak, and the state; None where all are 1."""
        highest, last = held(peaks, state.peaks)
        if state.gain == 0 and highest.max() <= 10 ** ((self.threshold - self.knee / 2) / 20):
            return None, GainState(0.0, last)
        wanted = compression(decibels(highest), threshold=self.threshold, ratio=self.ratio, knee=self.knee)
        gains = smoothed(wanted, state.gain, falling=self.falling, rising=self.rising)
        return np.exp(gains * _PER_DB), GainState(float(gains[-1]), last)
