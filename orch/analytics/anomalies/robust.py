"""Estimates that a few wrong samples do not move. Pure. NaN is a gap, and is left out everywhere."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Floats; or places of them."""

NORMAL: Final = 1.4826
"""The standard deviation of normal noise, in median absolute deviations."""

EULER: Final = 0.36651292
"""The median of a standard Gumbel distribution: -ln(ln 2)."""

QUARTILES: Final = 1.57252
"""The distance of the quartiles of a standard Gumbel distribution."""

EQUAL: Final = 0.1
"""Part of their median that the quartiles of maxima are apart at least: a few equal ones are not all."""


def median(values: Array) -> float:
    """Return the median, NaN if there is no sample."""
    there = values[np.isfinite(values)]
    return float(np.median(there)) if there.size else float("nan")


def medians(values: Array) -> Array:
    """Return the median of each column of a matrix, NaN for a column without a sample."""
    ordered = np.sort(values, axis=0)  # NaN come last
    counts = np.isfinite(values).sum(axis=0)
    last = len(ordered) - 1
    low, high = np.clip((counts - 1) // 2, 0, last), np.clip(counts // 2, 0, last)
    columns = np.arange(values.shape[1])
    middle = (ordered[low, columns] + ordered[high, columns]) / 2
    return np.where(counts > 0, middle, np.nan)


def spread(values: Array) -> float:
    """Return the standard deviation that normal noise with this median absolute deviation has."""
    there = values[np.isfinite(values)]
    if not there.size:
        return float("nan")
    return NORMAL * float(np.median(np.abs(there - np.median(there))))


def return_level(maxima: Array, blocks: float) -> float:
    """Return the value that the maximum of a block exceeds once in ``blocks`` blocks.

    A Gumbel distribution through the quartiles of ``maxima`` (one of each block): a block in which something
    was wrong moves them little, as long as it is one of few.
    """
    there = maxima[np.isfinite(maxima)]
    if not there.size:
        return float("inf")
    low, middle, high = np.quantile(there, (0.25, 0.5, 0.75))
    scale = max(high - low, EQUAL * abs(middle), 1e-9) / QUARTILES
    return float(middle - EULER * scale + scale * np.log(blocks))
