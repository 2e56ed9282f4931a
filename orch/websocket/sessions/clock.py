"""A wall clock for ages. Pure.

Clocks are set: by hand, by a time server after a start without a network, by a machine that wakes up. Where
ages are differences of wall times, a clock that is set forward ends every session at once and drops its
history, and one that is set back lets them live on for as long again. So ages are reckoned on a clock of
their own, which begins at the wall's time, goes as the monotonic one does, and approaches the wall's time
where that has moved away: never by a leap, and never backwards.
"""

from collections.abc import Callable
from typing import Final

#: What the clock may go faster or slower than time passes while it approaches the wall's: nothing expires
#: more than a tenth too early or too late. (``adjtime`` corrects a system's clock in the same way.)
SLEW: Final = 0.1


class SlewedClock:
    """Seconds since the epoch, as far as that can be had without a leap.

    The mutable state is the time it shows and when (monotonic seconds) it was last asked.
    """

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._shown: float | None = None
        self._asked_at = 0.0

    def __repr__(self) -> str:
        return f"<SlewedClock at {self._shown}>"

    def __call__(self) -> float:
        """Return the time."""
        now, wall = self._monotonic(), self._wall()
        if self._shown is None:
            self._shown = wall
        else:
            passed = now - self._asked_at
            due = self._shown + passed
            most = passed * SLEW
            self._shown = wall if abs(wall - due) <= most else due + (most if wall > due else -most)
        self._asked_at = now
        return self._shown
