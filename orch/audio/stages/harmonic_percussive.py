"""Separates what lasts from what strikes, in spectra. Pure.

After D. Fitzgerald, "Harmonic/percussive separation using median filtering" (DAFx 2010): along time a tone is
a line and a stroke a point, along frequency the other way round. So

    H[k, b] = median over frames of |X|,  P[k, b] = median over bins of |X|
    mask = H^2 / (H^2 + P^2)              of what lasts; 1 - mask of what strikes

The median over time looks at the last :data:`FRAMES` frames only, so that nothing waits for later ones: the
beginning of a tone counts as a stroke for half of them.
"""

from functools import reduce
from typing import Final

import numpy as np
from scipy.ndimage import median_filter

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
    lasting = _median_of_nine([history[begin : begin + len(magnitudes)] for begin in range(FRAMES)])
    striking = np.stack([median_filter(row, size=bins, mode="nearest") for row in magnitudes])
    squared = lasting**2
    mask: Signal = squared / (squared + striking**2 + FAINTEST)
    return mask


def _median_of_nine(rows: list[Signal]) -> Signal:
    """Return the median of nine arrays, value by value.

    It is that of the highest low, the middle middle and the lowest high of three triples (J. Smith, 1996):
    a fifth of the time of a sort.
    """
    triples = [rows[0:3], rows[3:6], rows[6:9]]
    low = reduce(np.maximum, [reduce(np.minimum, triple) for triple in triples])
    high = reduce(np.minimum, [reduce(np.maximum, triple) for triple in triples])
    return _median_of_three(low, _median_of_three(*[_median_of_three(*triple) for triple in triples]), high)


def _median_of_three(a: Signal, b: Signal, c: Signal) -> Signal:
    middle: Signal = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
    return middle
