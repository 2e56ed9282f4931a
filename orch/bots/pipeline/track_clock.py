"""When the samples of a track were recorded, on the session's clock. Pure.

A block of samples arrives some time after its last one was recorded: 20 ms, or 300 while the machine is
busy. Delay only adds, so the smallest difference between arrival and sample count is nearest to the truth.
Over hours a sound card's clock drifts from the machine's; so only the last :data:`WINDOW` seconds count.
"""

from collections import deque
from typing import Final

RATE: Final = 16_000
WINDOW: Final = 60.0
_STEP: Final = 5.0


class TrackClock:
    """The mutable state is the least difference of each of the last steps."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, float]] = deque(maxlen=round(WINDOW / _STEP))
        self._base: float | None = None

    def arrived(self, at: float, position: int) -> None:
        """Note that the samples before ``position`` had arrived ``at``."""
        difference = at - position / RATE
        if self._steps and at - self._steps[-1][0] < _STEP:
            begun, least = self._steps[-1]
            if difference < least:
                self._steps[-1] = (begun, difference)
                self._base = None
        else:
            self._steps.append((at, difference))
            self._base = None

    @property
    def base(self) -> float:
        """When sample 0 was recorded, by what is known now. 0.0 before anything has arrived."""
        if self._base is None:
            self._base = min((least for _, least in self._steps), default=0.0)
        return self._base

    def time_of(self, position: float) -> float:
        """Return when a sample was recorded."""
        return self.base + position / RATE
