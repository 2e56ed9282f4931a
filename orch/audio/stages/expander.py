"""A downward expander: makes what is below a threshold quieter. Pure.

    gain = max(-RANGE, (ratio - 1) (level - threshold))      dB, below the threshold; 0 above

The level is that of a step of a millisecond (``envelope.py``); the gain rises with the attack, when a voice
begins, and falls with the release. At most :data:`RANGE` dB: digital silence between words sounds like a
broken connection.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from orch.audio.parameters import ExpanderGate
from orch.audio.stages.envelope import (
    Steps,
    coefficient,
    decibels,
    expansion,
    ramps,
    smoothed,
    step_size,
)
from orch.audio.stages.stage import Signal

RANGE: Final = 40.0
"""dB."""


@dataclass(frozen=True, slots=True)
class ExpanderState:
    """``gain``: of the last step, in dB. ``ready``: output that is complete and not returned yet."""

    steps: Steps
    gain: float
    ready: Signal


@dataclass(frozen=True)
class Expander:
    """The expander at a sample rate (Hz). Off, it is a delay of a step."""

    parameters: ExpanderGate
    sample_rate: int

    @property
    def latency(self) -> int:
        """Samples by which the output is late."""
        return step_size(self.sample_rate)

    def initial(self) -> ExpanderState:
        """Return the state before the first sample."""
        return ExpanderState(Steps.at(self.sample_rate), 0.0, np.zeros(self.latency))

    def process(self, block: Signal, state: ExpanderState) -> tuple[Signal, ExpanderState]:
        """Return the processed block and the state after it."""
        count = len(block)
        steps, cutter = state.steps.cut(block)
        if not len(steps):
            return state.ready[:count], replace(state, steps=cutter, ready=state.ready[count:])
        gain = 0.0
        if self.parameters.enabled:
            unit = self.parameters
            wanted = expansion(
                decibels(np.abs(steps).max(axis=1)),
                threshold=unit.threshold,
                ratio=unit.ratio,
                range_db=RANGE,
            )
            if state.gain or wanted.any():
                gains = smoothed(
                    wanted, state.gain, falling=coefficient(unit.release), rising=coefficient(unit.attack)
                )
                gain = float(gains[-1])
                steps = steps * ramps(10 ** (gains / 20), 10 ** (state.gain / 20), steps.shape[1])
                # It nears 0 for ever; what is below rounding is none.
                gain = gain if gain < -1e-9 else 0.0  # noqa: PLR2004
        ready = np.concatenate((state.ready, steps.ravel()))
        return ready[:count], ExpanderState(cutter, gain, ready[count:])
