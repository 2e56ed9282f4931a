"""The time of a request and its fallbacks together. Pure.

The problem: a service that does not respond uses up the route's total; if another service then had a total
of its own, the client would wait for the sum. So there is one total for all of them. What a service leaves
of it, the next one has. Of a time-out nothing would be left; so each other service that is tried after a
time-out has a share of the total reserved, and those before it have that much less.

    total 20 s, one other service with share 0.25:    |--- 15 s ---------------|- 5 s -|
    the first one fails after 2 s:                    |- 2 s -|------- 18 s -----------|

The wait for a place at an instance is limited by the request's class instead, and uses up nothing.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from orch.settings import Fallback


class Share(NamedTuple):
    """What is reserved: ``part`` of the total, and at most ``seconds``."""

    part: float
    seconds: float

    def of(self, total: float) -> float:
        """Return the seconds of a finite total."""
        return min(self.part * total, self.seconds)


def share_of(rule: Fallback) -> Share:
    """Return what is reserved for another service."""
    return Share(rule.share, rule.timeout or math.inf)


class Allowance:
    """The seconds that are left for a request and its fallbacks.

    ``shares``: of the services that are tried after a time-out, in their order. The mutable state is the
    total, what is left of it, and how much of that is not for the service that has its turn.
    """

    __slots__ = ("_kept", "_left", "_shares", "_total")

    def __init__(self, shares: Iterable[Share]) -> None:
        self._shares = list(shares)
        self._total: float | None = None
        self._left = math.inf
        self._kept = 0.0

    @property
    def is_begun(self) -> bool:
        """Whether the total is known."""
        return self._total is not None

    @property
    def left(self) -> float:
        """The seconds that the service which has its turn has at most."""
        return max(0.0, self._left - self._kept)

    def of(self, own: float) -> float:
        """Return the seconds of the service that has its turn, which would have ``own`` by itself.

        Those of the first one are the total.
        """
        if self._total is None:
            self._total = self._left = own
            self._keep()
        return min(own, self.left)

    def next(self, share: Share) -> None:
        """Give the turn to the next service. What was reserved for it is its own now."""
        if share in self._shares:
            self._shares.remove(share)
        self._keep()

    def end(self, left: float) -> None:
        """Note that the service has ended with so many of its seconds left (``math.inf``: all of them)."""
        self._left = min(self._left, max(0.0, left) + self._kept)

    def _keep(self) -> None:
        total = self._total
        finite = total is not None and math.isfinite(total)
        self._kept = sum(share.of(total) for share in self._shares) if finite and total is not None else 0.0
