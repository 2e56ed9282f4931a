"""A downward expander: makes what is below a threshold quieter. Pure.

    gain = max(-RANGE, (ratio - 1) (level - threshold))      dB, below the threshold; 0 above

The level is held on steps of a millisecond (``envelope.py``); the gain rises with the attack, when a voice
begins, and falls with the release. At most :data:`RANGE` dB: digital silence between words sounds like a
broken connection.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from orch.audio.parameters import ExpanderGate
from orch.audio.stages.envelope import Expansion, Steps, coefficient, ramped, step_size
from orch.audio.stages.gain_computer import GainComputer, GainState
from orch.audio.stages.stage import Signal

RANGE: Final = 40.0
"""dB."""


@dataclass(frozen=True, slots=True)
class ExpanderState:
    """``computed``: the last gain, and its levels. ``ready``: output that is not returned yet."""

    steps: Steps
    computed: GainState
    ready: Signal

    @property
    def gain(self) -> float:
        """The gain of the last step in dB."""
        return self.computed.gain


@dataclass(frozen=True)
class Expander:
    """The expander at a sample rate (Hz). Off, it is a delay of a step."""

    parameters: ExpanderGate
    sample_rate: int
    latency: int = field(init=False, repr=False, compare=False)
    """Samples by which the output is late."""
    _computer: GainComputer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        unit, size = self.parameters, step_size(self.sample_rate)
        curve = Expansion(unit.threshold, unit.ratio, RANGE)
        computer = GainComputer(
            curve, falling=coefficient(unit.release), rising=coefficient(unit.attack), size=size
        )
        object.__setattr__(self, "latency", size)
        object.__setattr__(self, "_computer", computer)

    def initial(self) -> ExpanderState:
        """Return the state before the first sample."""
        return ExpanderState(Steps.at(self.sample_rate), GainState(), np.zeros(self.latency))

    def process(self, block: Signal, state: ExpanderState) -> tuple[Signal, ExpanderState]:
        """Return the processed block and the state after it."""
        count = len(block)
        sound, cutter = state.steps.cut(block)
        if not len(sound):
            return state.ready[:count], ExpanderState(cutter, state.computed, state.ready[count:])
        computed = GainState()
        if self.parameters.enabled:
            gains, computed = self._computer.factors(sound, state.computed)
            if gains is not None:
                sound = ramped(sound, gains, self.latency)
        ready = np.concatenate((state.ready, sound))
        return ready[:count], ExpanderState(cutter, computed, ready[count:])
