"""The usual time to the first byte of an instance's responses. Pure.

A peak-sensitive moving average, as in Finagle and Linkerd: a slower response counts at once, a faster one
with a weight that grows with the time since the last. So an instance that becomes slow is avoided from its
first slow response on. What is known fades: an instance that is avoided is tried again some time later.

A failure counts as the time limit of the request, or as ten times the average, whichever is less. If it
counted with its own time, an instance that answers 500 within a millisecond would attract all requests
(AWS Builders' Library, "Implementing health checks").
"""

import math
from typing import Final

DECAY: Final = 10.0
"""Seconds in which what was measured before loses all but 1/e of its weight."""
FAILURE_FACTOR: Final = 10.0
SHORTEST: Final = 0.001
"""Seconds that an average counts as at least when a failure multiplies it."""


class FirstByte:
    """The average of one instance. Times are seconds; ``now`` is a monotonic clock's."""

    __slots__ = ("_at", "_average")

    def __init__(self) -> None:
        self._average: float | None = None
        self._at = 0.0

    def average(self, now: float) -> float | None:
        """Return the usual seconds to the first byte; None before the first response."""
        if self._average is None:
            return None
        return self._average * math.exp((self._at - now) / DECAY)

    @property
    def last(self) -> float | None:
        """The average when it was last measured, which does not fade: for people, not for balancers."""
        return self._average

    def answered(self, now: float, seconds: float) -> None:
        """Note a response whose first byte came after ``seconds``."""
        before = self._average
        if before is None or seconds >= before:
            self._average = seconds
        else:
            weight = math.exp((self._at - now) / DECAY)
            self._average = before * weight + seconds * (1 - weight)
        self._at = now

    def overtaken(self, now: float, seconds: float) -> None:
        """Note a request without a response after ``seconds``, which another instance has answered.

        It would have taken longer: a slow instance must not look as fast as the responses that it is left
        with. It says nothing if the usual time is longer.
        """
        if self._average is None or seconds >= self._average:
            self.answered(now, seconds)

    def failed(self, now: float, limit: float) -> None:
        """Note a failure of a request that had ``limit`` seconds."""
        before = self.average(now)
        self.answered(now, limit if before is None else min(limit, max(before, SHORTEST) * FAILURE_FACTOR))
