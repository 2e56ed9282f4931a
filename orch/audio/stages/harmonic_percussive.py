"""Separates what lasts from what strikes, in spectra. Pure.

After D. Fitzgerald, "Harmonic/percussive separation using median filtering" (DAFx 2010): along time a tone is
a line and a stroke a point, along frequency the other way round. So

    H[k, b] = median over frames of |X|,  P[k, b] = median over bins of |X|
    mask = H^2 / (H^2 + P^2)              of what lasts; 1 - mask of what strikes

The median over time looks at the last :data:`FRAMES` frames only, so that nothing waits for later ones: the
beginning of a tone counts as a stroke for half of them.
"""

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from orch.audio.stages.stage import Signal

FRAMES: Final = 9
SPREAD: Final = 500.0
"""Hz over which the median of strokes is taken."""
FAINTEST: Final = 1e-12


def width(sample_rate: int, size: int) -> int:
    """Return an odd number of bins."""
    return 2 * max(2, round(SPREAD * size / sample_rate / 2)) + 1


def masks(magnitudes: Signal, before: Signal, bins: int) -> Signal:
    """Return how much of each bin lasts, 0 to 1, shape (frames, bins).

    ``before``: the magnitudes of the last ``FRAMES - 1`` frames; ``bins``: of :func:`width`.
    """
    history = np.concatenate((before, magnitudes))
    lasting = np.median(sliding_window_view(history, FRAMES, axis=0), axis=2)
    padded = np.pad(magnitudes, ((0, 0), (bins // 2, bins // 2)), mode="edge")
    windows = sliding_window_view(padded, bins, axis=1)
    striking = np.partition(windows, bins // 2, axis=2)[:, :, bins // 2]
    squared = lasting**2
    mask: Signal = squared / (squared + striking**2 + FAINTEST)
    return mask
