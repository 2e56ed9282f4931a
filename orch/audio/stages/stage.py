"""What every stage of the pipeline is. Pure.

A stage is frozen parameters and ``process(block, state, activity) -> (block, state)``. A block is one channel
of float32, full scale 1, of any length, also none; it is never modified. A state is frozen, too: an older one
can be used again, with the same result. Inside, float64 where it matters.

**Latency.** A stage returns as many samples as it was given, ``latency`` samples late: output[n] belongs to
input[n - latency], and before it are zeros. ``flush`` returns the last ``latency`` samples. Only ``silence``
and ``resample`` return other numbers of samples, and say so.

**Blocks.** The sizes of the blocks never change the output: frames, hops and envelopes lie on grids counted
from the first sample.

**Changes.** ``adopted(state)`` of a stage with other parameters accepts the state of the one before it, so
that the pipeline can process both for a moment and fade over. The latency of a stage depends on the sample
rate alone, not on its parameters.
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Block = npt.NDArray[np.float32]
"""One channel: shape ``(samples,)``, full scale 1."""

Signal = npt.NDArray[np.float64]
"""The same inside a stage."""


@dataclass(frozen=True, slots=True)
class Activity:
    """Where speech is, for each sample of a block. The pipeline delays it by the latency of each stage.

    ``confidence``: float32, the probability of speech, 0 to 1. ``speech``: bool, the decision, with the
    shortest speech and the hangover applied.
    """

    confidence: Block
    speech: npt.NDArray[np.bool_]


State = TypeVar("State")


class Stage(Protocol[State]):
    """A stage with its parameters at a sample rate. Frozen."""

    @property
    def latency(self) -> int:
        """Samples by which the output is late, at the input's rate."""

    def initial(self) -> State:
        """Return the state before the first sample."""

    def process(self, block: Block, state: State, activity: Activity | None = None) -> tuple[Block, State]:
        """Return the processed block and the state after it.

        ``activity``: of the same samples; None where the VAD stage is off.
        """

    def flush(self, state: State) -> tuple[Block, State]:
        """Return the samples that are still inside, and the state after them: nothing follows it."""

    def adopted(self, state: State) -> State:
        """Return a state for this stage, continuing the one of a stage with other parameters."""

    def reduction(self, state: State) -> float:
        """Return the present gain change in dB, for the stage's light: negative where it reduces."""
