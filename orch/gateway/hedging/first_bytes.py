"""The times to the first byte of one route's responses in the last minute. Pure."""

from collections import Counter
from typing import Final

from orch.telemetry.percentiles import quantile_ms, step_of
from orch.telemetry.sliding_window import SlidingWindow

SECONDS: Final = 60
REFRESH: Final = 1.0
"""Seconds for which a percentile is taken as unchanged: adding up a minute costs more than a request."""

_MILLI: Final = 1000.0
_TO_THE_END: Final = 1.05**0.5


class FirstBytes:
    """The times of all instances together. ``now`` is a monotonic clock's, times are seconds.

    A first attempt that was overtaken counts with the time that it had taken until then, which is less than
    it would have taken: without these, the percentile would be one of fast responses, fall with each request
    that is overtaken, and have more and more of them overtaken. Finagle counts them, too.

    The mutable state is the counts of each second by steps of 5 %, and the percentiles computed last.
    """

    __slots__ = ("_computed", "_computed_at", "_seconds")

    def __init__(self) -> None:
        self._seconds: SlidingWindow[Counter[int]] = SlidingWindow(Counter, parts=SECONDS, seconds=1.0)
        self._computed: Counter[int] | None = None
        self._computed_at = 0.0

    def add(self, now: float, seconds: float) -> None:
        """Note a time."""
        self._seconds.part(now)[step_of(max(0.0, seconds))] += 1

    def count(self, now: float) -> int:
        """Return how many there are."""
        return self._together(now).total()

    def percentile(self, now: float, percent: int) -> float | None:
        """Return the seconds that so many of 100 responses do not exceed; None if there are none.

        Up to 5 % more: the end of a step, as half of many equal times would be later than its middle.
        """
        found = quantile_ms(self._together(now), percent / 100)
        return None if found is None else found / _MILLI * _TO_THE_END

    def _together(self, now: float) -> Counter[int]:
        if self._computed is None or now - self._computed_at >= REFRESH:
            self._computed = Counter()
            for second in self._seconds.recent(now):
                self._computed.update(second)
            self._computed_at = now
        return self._computed
