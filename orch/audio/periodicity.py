"""Whether sound repeats with a period, as a voice does. Pure."""

from math import ceil

import numpy as np
import numpy.typing as npt

from orch.audio.speech_thresholds import DIP, PERIODIC


def is_periodic(block: npt.NDArray[np.float64], sample_rate: int, *, lowest: float, highest: float) -> bool:
    """Return whether ``block`` repeats with a frequency between ``lowest`` and ``highest`` Hz.

    r(t) = sum x[n] x[n+t] / sqrt(sum x[n]^2 sum x[n+t]^2), over the samples both sums have. Periodic: r
    is at least ``PERIODIC`` at a peak inside the range, and was ``DIP`` lower at some shorter lag.
    """
    shortest, longest = int(sample_rate / highest), ceil(sample_rate / lowest)
    if len(block) < longest + shortest:
        return False
    x = block - block.mean()
    size = 1 << (2 * len(x) - 1).bit_length()
    spectrum = np.fft.rfft(x, size)
    products = np.fft.irfft(spectrum * np.conj(spectrum), size)[: longest + 2]
    energy = np.concatenate(([0.0], np.cumsum(x**2)))
    lags = np.arange(len(products))
    head = energy[len(x) - lags]
    rest = energy[-1] - energy[lags]
    r = products / np.sqrt(np.maximum(head * rest, 1e-9))
    inside = r[shortest : longest + 1]
    peaks = (
        (inside >= r[shortest - 1 : longest])
        & (inside >= r[shortest + 1 : longest + 2])
        & (inside >= PERIODIC)
    )
    dips = np.minimum.accumulate(r)[shortest : longest + 1]
    return bool(np.any(peaks & (inside - dips >= DIP)))
