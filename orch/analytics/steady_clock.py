"""A clock for series: it follows the wall clock, and does not jump with it at once. Pure.

The wall clock of a machine may jump by hours and back (a wrong server of time, a virtual machine). Samples
under such a time would cut or move the series. So time passes as the monotonic clock does, and the wall clock
is followed once it has disagreed by more than :data:`TOLERANCE` for :data:`PATIENCE` seconds. Smaller
differences are made up for by 1 % of the time that passes.
"""

from typing import Final

TOLERANCE: Final = 2.0
PATIENCE: Final = 300.0
SLEW: Final = 0.01


class SteadyClock:
    """The mutable state: the time, the monotonic clock then, and since when the wall clock disagrees."""

    def __init__(self, *, wall: float, monotonic: float) -> None:
        self._at = wall
        self._monotonic = monotonic
        self._disagrees_since: float | None = None

    def read(self, *, wall: float, monotonic: float) -> float:
        """Return the time, in seconds since the epoch."""
        passed = max(0.0, monotonic - self._monotonic)
        self._at, self._monotonic = self._at + passed, max(self._monotonic, monotonic)
        difference = wall - self._at
        if abs(difference) <= TOLERANCE:
            self._disagrees_since = None
            self._at += max(-SLEW * passed, min(SLEW * passed, difference))
        elif self._disagrees_since is None:
            self._disagrees_since = monotonic
        elif monotonic - self._disagrees_since >= PATIENCE:
            self._at, self._disagrees_since = wall, None
        return self._at
