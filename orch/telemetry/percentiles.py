"""Percentiles by nearest rank: of values, and of latencies counted in logarithmic steps. Pure.

Counts in steps are bounded whatever the load, and a quantile of them is at most 2.5 % off.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Final

_STEP: Final = math.log(1.05)
_SHORTEST: Final = 0.00005
_STEPS: Final = 320  # up to 5 minutes
_BOUNDS: Final = tuple(_SHORTEST * math.exp(_STEP * step) for step in range(_STEPS - 1))
"""The longest latency of each step but the last. A search in them is five times as fast as a logarithm."""


def nearest_rank(count: int, share: float) -> int:
    """Return the rank, from 1, of a percentile of ``count`` sorted values.

    It is the smallest value that a ``share`` of the values do not exceed. ``share`` is rounded to hundredths.
    """
    # In integers: 0.95 of 20 must be 19, not 19.000000000000004, which would round up to 20.
    return max(1, -(-count * round(share * 100) // 100))


def percentile(values: Iterable[float], share: float) -> float | None:
    """Return the smallest of ``values`` that a ``share`` of them do not exceed; None if there are none."""
    ranked = sorted(values)
    return ranked[nearest_rank(len(ranked), share) - 1] if ranked else None


def step_of(seconds: float) -> int:
    """Return the step in which a latency is counted."""
    return bisect_left(_BOUNDS, seconds)


def quantiles_ms(latencies: Counter[int], *shares: float) -> tuple[float | None, ...]:
    """Return quantiles in milliseconds, each the geometric middle of its step.

    ``latencies``: the number of latencies in each step; ``shares``: in ascending order. All are None if there
    are no latencies.
    """
    count = latencies.total()
    if not count:
        return (None,) * len(shares)
    found: list[float | None] = []
    steps = iter(sorted(latencies))
    step = passed = 0
    for share in shares:
        rank = nearest_rank(count, share)
        while passed < rank:
            step = next(steps)
            passed += latencies[step]
        found.append(round(_SHORTEST * math.exp(_STEP * max(0.0, step - 0.5)) * 1000, 3))
    return tuple(found)


def quantile_ms(latencies: Counter[int], share: float) -> float | None:
    """Return one quantile in milliseconds; see :func:`quantiles_ms`."""
    return quantiles_ms(latencies, share)[0]
