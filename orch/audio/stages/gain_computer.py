"""The gain of a compressor, a de-esser or an expander, step by step. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from orch.audio.stages.envelope import Detected, decibels, detected, smoothed
from orch.audio.stages.stage import Signal

_PER_DB: Final = math.log(10) / 20


@dataclass(frozen=True, slots=True)
class GainState:
    """``gain``: of the last step, dB. ``detected``: what the levels remember."""

    gain: float = 0.0
    detected: Detected = field(default_factory=Detected)


@dataclass(frozen=True, slots=True)
class GainComputer:
    """A curve (dB to dB) over held levels, smoothed.

    ``falling``, ``rising``: c of each direction. ``size``: samples of a step.
    """

    curve: Callable[[float], float]
    falling: float
    rising: float
    size: int

    def factors(self, sound: Signal, state: GainState) -> tuple[Signal | None, GainState]:
        """Return gains as factors, the one before the first step first, and the state.

        ``sound``: whole steps, from which the level is taken. None instead of gains where all are 1.
        """
        powers, after = detected(sound, self.size, state.detected)
        wanted: list[float] = []
        last, gain = -1.0, 0.0
        for power in powers:
            # A level is held, so most steps have that of the one before.
            if power != last:
                last, gain = power, self.curve(decibels(power))
            wanted.append(gain)
        if state.gain == 0 and not any(wanted):
            return None, GainState(0.0, after)
        gains = smoothed(wanted, state.gain, falling=self.falling, rising=self.rising)
        return np.exp(np.array([state.gain, *gains]) * _PER_DB), GainState(gains[-1], after)
