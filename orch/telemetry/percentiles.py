"""Latencies as counts in logarithmic steps: bounded whatever the load, a quantile at most 2.5 % off. Pure."""

import math
from collections import Counter
from typing import Final

_STEP: Final = math.log(1.05)
_SHORTEST: Final = 0.00005
_STEPS: Final = 320  # up to 5 minutes


def step_of(seconds: float) -> int:
    """Return the step in which a latency is counted."""
    if seconds <= _SHORTEST:
        return 0
    return min(_STEPS - 1, 1 + int(math.log(seconds / _SHORTEST) / _STEP))


def quantile_ms(latencies: Counter[int], share: float) -> float | None:
    """Return the middle (geometric) of the step in which the quantile lies, in milliseconds.

    ``latencies``: how many there are in each step; None if there are none.
    """
    count = latencies.total()
    if not count:
        return None
    left = math.ceil(count * share)
    for step in sorted(latencies):
        left -= latencies[step]
        if left <= 0:
            return round(_SHORTEST * math.exp(_STEP * max(0.0, step - 0.5)) * 1000, 3)
    raise AssertionError("the counts of the steps do not add up")
