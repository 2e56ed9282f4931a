"""Resamples from a microphone's rate to the back ends' rate. Pure.

y[n] = sum over k of h(n M / L - k) x[k], with M / L = source rate / target rate: band-limited interpolation
with a Kaiser-windowed sinc h, whose pass band ends below half of the *lower* of the two rates, so that
nothing above it folds down. h is tabled for the L phases that n M / L can have, so each output costs one
dot product. Output n stands for the instant n / target rate exactly: the filter has no delay, it only has
to wait for its later half (about 1 ms).

At both ends the input is taken as continued by zeros. Input of N samples gives ceil(N L / M) in all.
"""

from math import gcd
from typing import Final

import numpy as np
import numpy.typing as npt

from orch.audio.windowed_sinc import phase_table
from orch.problems import ProblemError

BACK_END_RATE: Final = 16_000
SUPPORTED_RATES: Final = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

_LOBES: Final = 20  # zero crossings each side: the transition band is then about 10 % of the pass band
_KAISER_BETA: Final = 8.0  # stop band about 80 dB down, below the noise of 16-bit speech
_PASS: Final = 0.94  # the cut-off (-6 dB) as a share of the lower Nyquist frequency
_BLOCK: Final = 4096  # outputs computed at a time, so that the gathered windows stay small


def check_rate(sample_rate: int) -> None:
    """Raise ``unsupported_sample_rate`` for a rate that is not one of :data:`SUPPORTED_RATES`."""
    if sample_rate not in SUPPORTED_RATES:
        rates = ", ".join(str(rate) for rate in SUPPORTED_RATES)
        raise ProblemError(
            "unsupported_sample_rate",
            f"A sample rate of {sample_rate} Hz is not supported. Use one of {rates} Hz.",
        )


class Resampler:
    """Turns 16-bit mono PCM of ``source`` Hz into that of ``target`` Hz, block by block.

    Block by block equals the whole, bit for bit. Memory: one filter length of input.
    """

    def __init__(self, *, source: int, target: int = BACK_END_RATE) -> None:
        divisor = gcd(source, target)
        self._up = target // divisor
        self._down = source // divisor
        self._half = int(np.ceil(_LOBES * max(1.0, source / target)))
        cutoff = min(1.0, target / source) * _PASS
        table = phase_table(self._up, self._half, cutoff, _KAISER_BETA)
        self._table: npt.NDArray[np.float32] = table.astype(np.float32)
        # The input from sample number `_first` on (those before are used up); zeros stand before the first.
        self._kept: npt.NDArray[np.float32] = np.zeros(self._half, dtype=np.float32)
        self._first = -self._half
        self._taken = 0
        self._given = 0

    def feed(self, pcm: bytes) -> bytes:
        """Return the samples that can be computed now."""
        if self._up == self._down:
            return pcm
        block = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
        self._taken += len(block)
        self._kept = np.concatenate((self._kept, block))
        # Output n needs the input up to floor(n M / L) + half.
        ready = ((self._taken - self._half) * self._up - 1) // self._down + 1
        return self._compute(max(ready, self._given))

    def flush(self) -> bytes:
        """Return the rest; the input ends here."""
        if self._up == self._down:
            return b""
        self._kept = np.concatenate((self._kept, np.zeros(self._half + 1, dtype=np.float32)))
        return self._compute(-(-self._taken * self._up // self._down))

    def _compute(self, until: int) -> bytes:
        parts = []
        window = np.arange(2 * self._half, dtype=np.int64)
        while self._given < until:
            outputs = np.arange(self._given, min(until, self._given + _BLOCK), dtype=np.int64)
            whole, phase = np.divmod(outputs * self._down, self._up)
            at = (whole - self._half + 1 - self._first)[:, None] + window
            values = np.einsum("ij,ij->i", self._kept[at], self._table[phase])
            parts.append(np.clip(np.rint(values), -32768, 32767).astype("<i2").tobytes())
            self._given += len(outputs)
        used = self._given * self._down // self._up - self._half + 1 - self._first
        if used > 0:
            self._kept = self._kept[used:].copy()
            self._first += used
        return b"".join(parts)
