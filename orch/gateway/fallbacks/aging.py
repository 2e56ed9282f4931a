"""The clock by which stored responses age. Pure.

The monotonic clock stands still while the machine is suspended (Linux's ``CLOCK_MONOTONIC``): a laptop that
slept for a night would call yesterday's response fresh. The wall clock goes on, but can be set. So time
passes as on the monotonic clock, and where the wall clock has gone much further, as on that one. If somebody
sets it forward, responses are too old too early, never the other way round.
"""

from collections.abc import Callable
from typing import Final

JUMP: Final = 5.0
"""Seconds between the two clocks that count; less is the wall clock being corrected."""


class AgingClock:
    """Monotonic seconds, suspensions included. The mutable state is the last reading of both clocks."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock = clock
        self._wall = wall
        self._last: tuple[float, float] | None = None
        self._added = 0.0

    def __call__(self) -> float:
        """Return the time now."""
        now, wall = self._clock(), self._wall()
        if self._last is not None:
            ahead = (wall - self._last[1]) - (now - self._last[0])
            if ahead > JUMP:
                self._added += ahead
        self._last = (now, wall)
        return now + self._added
