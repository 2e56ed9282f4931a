"""A clock for ages that never jumps. Pure.

The wall clock may be set: by hand, by a time server, after a suspension. If ages were differences of wall
times, a clock set forward would end every session and drop its history at once, and a clock set back would
prolong them. So ages use this clock, which starts at the wall time, advances with the monotonic clock, and
approaches the wall time gradually when that has moved: never by a jump, and never backwards.
"""

from collections.abc import Callable
from typing import Final

#: Maximum deviation of the clock's speed while it approaches the wall time: nothing expires more than a tenth
#: too early or too late. (``adjtime`` corrects a system's clock in the same way.)
SLEW: Final = 0.1


class SlewedClock:
    """Seconds since the epoch, without jumps.

    The mutable state is its time, and when (monotonic seconds) it was last read.
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
