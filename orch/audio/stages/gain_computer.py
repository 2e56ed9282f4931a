"""The gain of a compressor, a de-esser or an expander, step by step. Pure."""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from orch.audio.stages.envelope import Compression, Detected, Expansion, approached, decibels, detected, faint
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

    curve: Compression | Expansion
    falling: float
    rising: float
    size: int

    def factors(self, sound: Signal, state: GainState) -> tuple[Signal | None, GainState]:
        """Return gains as factors, the one before the first step first, and the state.

        ``sound``: whole steps, from which the level is taken. None instead of gains where all are 1.
        """
        value = state.gain
        if value == 0 and self.curve.highest_still > 0:
            after = faint(sound, state.detected, self.curve.highest_still)
            if after is not None:
                return None, GainState(0.0, after)
        powers, after = detected(sound, self.size, state.detected)
        if value == 0 and self.curve.is_still(min(powers), max(powers)):
            return None, GainState(0.0, after)
        gains = [value]
        last, target = -1.0, 0.0
        for power in powers:
            # A level is held, so most steps have that of the one before.
            if power != last:
                last, target = power, self.curve(decibels(power))
            if value != target:
                value = approached(target, value, self.falling if target < value else self.rising)
            gains.append(value)
        return np.exp(np.array(gains) * _PER_DB), GainState(value, after)
