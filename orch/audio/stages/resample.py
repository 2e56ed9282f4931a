"""Converts to another sample rate, and to 16 bits. Pure.

    y[n] = Σ_k h(n·M/L - k) · x[k],   M/L = input rate / output rate

in lowest terms: band-limited interpolation with a Kaiser-windowed sinc (``windowed_sinc.py``; Smith & Gossett
1984; Crochiere & Rabiner, Multirate Digital Signal Processing, 1983). h is tabled for the L phases that n·M/L
has; for rates without a small common ratio, for :data:`MOST_PHASES`, between which it is interpolated
linearly, with an error below -110 dB.

``filterOrder`` is the number of taps at the lower of the two rates. Everything from half of that rate on is
down by the attenuation of ``quality``; the pass band ends (A - 7.95) / (14.36 · order) of that rate below it:
with 128 taps 0.05 at 100 dB, so a speech recogniser's 16 kHz pass up to 7.2 kHz. Without ``antiAlias`` the
interpolation is linear, and what the output rate cannot hold folds down.

**Counts.** Output n stands for the instant n / output rate, so there is no delay, only ``latency`` samples of
input that must arrive before it is known. N samples of input give ceil(N·L/M) after ``flush``. Before the
first and after the last sample the signal counts as silent. Unlike that of other stages, the latency depends
on the parameters; only the dither changes in ``adopted``.

**Word length.** With ``dithering`` the output is rounded to 16 bits with the chosen dither (``dither.py``);
without it stays as it is computed.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, gcd
from typing import Final

import numpy as np
import numpy.typing as npt

from orch.audio.dither import rounded
from orch.audio.parameters import Resampling
from orch.audio.stages.stage import Activity, Block, Signal
from orch.audio.windowed_sinc import kaiser_beta, phase_table, transition

ATTENUATION: Final = {"high": 100.0, "medium": 80.0, "low": 60.0}
"""dB, by quality."""
MOST_PHASES: Final = 1024
_CHUNK: Final = 2048
"""Outputs computed at a time, so that the gathered windows stay small."""


@dataclass(frozen=True, slots=True)
class ResampleState:
    """``history``: the input from sample number ``first`` on, that later output needs.

    ``received``: samples of input; ``produced``: samples of output.
    """

    history: Block
    first: int
    received: int = 0
    produced: int = 0


@lru_cache(maxsize=16)
def _table(up: int, down: int, order: int, attenuation: float) -> npt.NDArray[np.float64]:
    """Return the phases of the filter, and one more behind the last: the next sample's first."""
    stretch = max(1.0, down / up)
    half = ceil(order * stretch / 2)
    cutoff = (1 - transition(attenuation, order)) / stretch
    phases = min(up, MOST_PHASES)
    rows = phase_table(phases, half, cutoff, kaiser_beta(attenuation))
    after = np.concatenate(([0.0], rows[0, :-1]))
    table = np.concatenate((rows, after[None, :]))
    table.flags.writeable = False
    return table


def _sums(windows: npt.NDArray[np.float32], taps: npt.NDArray[np.float64]) -> Signal:
    sums: Signal = np.einsum("ij,ij->i", windows, taps)
    return sums


@dataclass(frozen=True)
class ResampleStage:
    """Converts ``sample_rate`` Hz (any whole number) to the target rate."""

    parameters: Resampling
    sample_rate: int
    up: int = field(init=False, repr=False, compare=False)
    down: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        divisor = gcd(self.sample_rate, self.parameters.target_rate)
        object.__setattr__(self, "up", self.parameters.target_rate // divisor)
        object.__setattr__(self, "down", self.sample_rate // divisor)

    @property
    def _half(self) -> int:
        """Samples of input on each side of an output."""
        if self.up == self.down:
            return 0
        if not self.parameters.anti_alias:
            return 1
        return ceil(self.parameters.filter_order * max(1.0, self.down / self.up) / 2)

    @property
    def latency(self) -> int:
        """Samples of input after an output's instant that must arrive before it is known."""
        return self._half

    def initial(self) -> ResampleState:
        """Return the state before the first sample."""
        return ResampleState(np.zeros(max(0, self._half - 1), np.float32), min(0, 1 - self._half))

    def process(
        self, block: Block, state: ResampleState, activity: Activity | None = None
    ) -> tuple[Block, ResampleState]:
        """Return the output that no later input changes, and the state after it."""
        del activity
        received = state.received + len(block)
        if self.up == self.down:
            out = self._finished(block.astype(np.float64), state.produced)
            return out, ResampleState(state.history, state.first, received, received)
        history = np.concatenate((state.history, block))
        # Output n needs the input up to floor(n M / L) + half.
        certain = -((self._half - received) * self.up // self.down)
        return self._until(max(certain, state.produced), history, state, received)

    def flush(self, state: ResampleState) -> tuple[Block, ResampleState]:
        """Return the rest: the signal is silent from here on."""
        if self.up == self.down:
            return np.zeros(0, np.float32), state
        history = np.concatenate((state.history, np.zeros(2 * self._half, np.float32)))
        return self._until(-(-state.received * self.up // self.down), history, state, state.received)

    def adopted(self, state: ResampleState) -> ResampleState:
        """Return the state, which continues; rates and filter must be the same."""
        return state

    def reduction(self, state: ResampleState) -> float:  # noqa: ARG002 (other stages have one)
        """Return 0: no gain changes here."""
        return 0.0

    def _until(
        self, until: int, history: Block, state: ResampleState, received: int
    ) -> tuple[Block, ResampleState]:
        parts = [
            self._computed(start, min(until, start + _CHUNK), history, state.first)
            for start in range(state.produced, until, _CHUNK)
        ]
        out = np.concatenate(parts) if parts else np.zeros(0)
        needed = until * self.down // self.up - self._half + 1
        used = min(max(0, needed - state.first), len(history))
        after = ResampleState(history[used:].copy(), state.first + used, received, until)
        return self._finished(out, state.produced), after

    def _computed(self, start: int, until: int, history: Block, first: int) -> Signal:
        whole, phase = np.divmod(np.arange(start, until, dtype=np.int64) * self.down, self.up)
        at = whole - self._half + 1 - first
        if not self.parameters.anti_alias:
            share = phase / self.up
            straight: Signal = history[at] * (1 - share) + history[at + 1] * share
            return straight
        windows = np.lib.stride_tricks.sliding_window_view(history, 2 * self._half)[at]
        table = _table(self.up, self.down, self.parameters.filter_order, ATTENUATION[self.parameters.quality])
        if self.up <= MOST_PHASES:
            return _sums(windows, table[phase])
        row, share = np.divmod(phase * (MOST_PHASES / self.up), 1)
        below = row.astype(np.int64)
        left = _sums(windows, table[below])
        between: Signal = left + share * (_sums(windows, table[below + 1]) - left)
        return between

    def _finished(self, samples: Signal, first: int) -> Block:
        if self.parameters.dithering:
            samples = rounded(samples, self.parameters.dither_type, first)
        return samples.astype(np.float32)
