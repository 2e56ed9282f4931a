"""Limits retries to a share of the requests, so that they do not multiply the load of what fails. Pure.

Every layer that repeats multiplies the load of what is failing already. So retries of the last
:data:`SECONDS` seconds may be 20 % of the requests of that time (Envoy's share), and three in any case, for
services that get few requests.

What moves from an instance that was lost to one that works multiplies nothing: it is counted, and is not
refused (:meth:`RetryBudget.moved`). So of ten transcriptions whose instance is killed, none is given up.
"""

from dataclasses import dataclass
from typing import Final

from orch.telemetry.sliding_window import SlidingWindow

SECONDS: Final = 10
SHARE: Final = 0.2
LEAST: Final = 3


@dataclass(slots=True)
class _Second:
    requests: int = 0
    retries: int = 0


class RetryBudget:
    """The retries of one service's flow. The mutable state is two counts for each second.

    ``refused``: how many requests were not repeated because nothing was left.
    """

    __slots__ = ("_seconds", "refused")

    def __init__(self) -> None:
        self._seconds = SlidingWindow(_Second, parts=SECONDS, seconds=1.0)
        self.refused = 0

    def asked(self, now: float) -> None:
        """Count a request."""
        self._seconds.part(now).requests += 1

    def take(self, now: float) -> bool:
        """Return whether a request may be repeated now; if so, it counts as repeated."""
        if self.left(now) < 1:
            self.refused += 1
            return False
        self._seconds.part(now).retries += 1
        return True

    def moved(self, now: float) -> None:
        """Count a request that moves to an instance that works."""
        self._seconds.part(now).retries += 1

    def left(self, now: float) -> int:
        """Return how many requests may be repeated now."""
        requests = retries = 0
        for second in self._seconds.recent(now):
            requests += second.requests
            retries += second.retries
        return max(0, max(LEAST, int(requests * SHARE)) - retries)
