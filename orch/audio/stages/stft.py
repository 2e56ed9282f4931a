"""Short-time Fourier transform of a stream, and back. Pure.

Frame k covers the samples [(k + 1)·hop - frame, (k + 1)·hop), counted from the first sample of the signal,
with zeros before it::

    X[k, b] = Σ_n  w[n] · x[(k + 1)·hop - frame + n] · exp(-2πi·b·n / size)         n = 0 … frame - 1
    y[m]    = Σ_k  v[m - (k + 1)·hop + frame] · IFFT(X[k])[m - (k + 1)·hop + frame]
    v[n]    = w[n] / Σ_j w[n + j·hop]²

Analysis window ``w``: the square root of a periodic Hann window. Synthesis window ``v``: the dual of ``w``
for this hop, so that unchanged spectra return the signal itself (weighted overlap-add: Crochiere 1980;
Griffin & Lim 1984). Spectra are unscaled: a sine of amplitude A has |X| = A/2 · Σ w at its bin.

The frames lie on a grid that is counted from the first sample, so the sizes of blocks never change the
output. The output is ``frame`` samples late.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from orch.audio.stages.stage import Block, Signal

Spectra = npt.NDArray[np.complex128]
"""Shape ``(frames, bins)``, one row a frame."""

FRAME_SECONDS: Final = 0.032
"""About two periods of the deepest voice, and as long as speech stays much the same."""


def windows(values: Signal, count: int, size: int, step: int) -> Signal:
    """Return ``count`` overlapping parts of contiguous ``values`` as rows, without a copy: read only.

    NumPy's ``sliding_window_view`` does the same with more checks, which cost more than the transform.
    """
    strides = (step * values.itemsize, values.itemsize)
    return np.ndarray((count, size), values.dtype, values, strides=strides)


@dataclass(frozen=True, slots=True)
class StftState:
    """What is between the input and the output.

    ``pending``: the input that later frames cover, too. ``overlap``: sums that later frames add to.
    ``ready``: output that is complete but not yet returned.
    """

    pending: Signal
    overlap: Signal
    ready: Signal


@dataclass(frozen=True)
class Stft:
    """Frames of ``frame`` samples, one every ``hop``, which divides it; zero-padded to ``size`` samples.

    ``size`` 0: the next power of two, which the browser's transform needs.
    """

    frame: int
    hop: int
    size: int = 0
    window: Signal = field(init=False, repr=False, compare=False)
    synthesis_window: Signal = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.hop < 1 or self.frame % self.hop or self.frame < 2 * self.hop:
            raise ValueError(f"A frame is two hops or more, not {self.frame} and {self.hop} samples.")
        size = self.size or 1 << (self.frame - 1).bit_length()
        if size < self.frame:
            raise ValueError(f"A frame of {self.frame} samples does not fit into {size}.")
        window = np.sin(np.pi * np.arange(self.frame) / self.frame)
        overlapped = np.tile((window**2).reshape(-1, self.hop).sum(axis=0), self.frame // self.hop)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "window", window)
        object.__setattr__(self, "synthesis_window", window / overlapped)

    @classmethod
    def of_rate(cls, sample_rate: int, overlap: int = 2, seconds: float = FRAME_SECONDS) -> "Stft":
        """Return frames of about ``seconds``, each sample in ``overlap`` of them, at ``sample_rate`` Hz."""
        hop = max(1, round(sample_rate * seconds / overlap))
        return cls(frame=hop * overlap, hop=hop)

    @property
    def latency(self) -> int:
        """Samples by which the output is late."""
        return self.frame

    @property
    def bins(self) -> int:
        """Frequencies, from 0 to half the sample rate."""
        return self.size // 2 + 1

    def frequencies(self, sample_rate: int) -> Signal:
        """Return the frequency of each bin in Hz."""
        return np.arange(self.bins, dtype=np.float64) * (sample_rate / self.size)

    def initial(self) -> StftState:
        """Return the state before the first sample."""
        return StftState(
            pending=np.zeros(self.frame - self.hop),
            overlap=np.zeros(self.frame - self.hop),
            ready=np.zeros(self.hop),
        )

    def analyse(self, block: Block | Signal, state: StftState) -> tuple[Spectra, StftState]:
        """Return the spectra of the frames that end within ``block``, possibly none; and the state."""
        pending: Signal = np.concatenate((state.pending, block), dtype=np.float64)
        count = (len(pending) - self.frame) // self.hop + 1
        if count <= 0:
            return np.empty((0, self.bins), np.complex128), StftState(pending, state.overlap, state.ready)
        frames = windows(pending, count, self.frame, self.hop)
        spectra = np.fft.rfft(frames * self.window, self.size, axis=1)
        return spectra, StftState(pending[count * self.hop :], state.overlap, state.ready)

    def synthesise(self, spectra: Spectra, samples: int, state: StftState) -> tuple[Block, StftState]:
        """Add frames to the output, and return its next ``samples`` samples; and the state.

        ``spectra``: those of the last ``analyse``, changed or not; ``samples``: the length of its block.
        """
        if not len(spectra):
            return self._next(state.overlap, 0, samples, state)
        count = len(spectra)
        frames = np.fft.irfft(spectra, self.size, axis=1)[:, : self.frame] * self.synthesis_window
        sums = self._sums(count, state)
        for start in range(0, self.frame, self.hop):
            part = frames[:, start : start + self.hop]
            sums[start : start + count * self.hop] += part.ravel()
        return self._next(sums, count, samples, state)

    def skip(self, count: int, samples: int, state: StftState) -> tuple[Block, StftState]:
        """Do as ``synthesise`` with ``count`` frames of nothing, without transforming them."""
        return self._next(self._sums(count, state), count, samples, state)

    def _sums(self, count: int, state: StftState) -> Signal:
        sums = np.zeros(self.frame - self.hop + count * self.hop)
        sums[: len(state.overlap)] = state.overlap
        return sums

    def _next(self, sums: Signal, count: int, samples: int, state: StftState) -> tuple[Block, StftState]:
        done = count * self.hop
        ready = np.concatenate((state.ready, sums[:done]))
        return ready[:samples].astype(np.float32), StftState(state.pending, sums[done:], ready[samples:])
