"""The places of one instance: how many requests it is sent at a time. Pure.

A speech engine does one thing at a time, or a few. What it is sent beyond that waits inside it, first come,
first served, where nobody can let a sentence overtake a recording of an hour.

One place in four, and at least one where there are two, is for live requests alone while there are any: a
sentence waits for no upload that has just begun.
"""

from math import inf
from typing import Literal

from orch.gateway.shedding.found_limit import FoundLimit
from orch.gateway.shedding.priorities import Priority

Source = Literal["declared", "found", "unlimited"]


def reserved(limit: float) -> float:
    """Return how many of ``limit`` places are for live requests alone."""
    return 0 if limit < 2 else -(-limit // 4)  # noqa: PLR2004 - a single place cannot be reserved


class InstancePlaces:
    """The places of one instance.

    The mutable state is how many are taken, by live requests and by others, and what :class:`FoundLimit` has
    found.
    """

    __slots__ = ("_declared", "found", "taken", "taken_below")

    def __init__(self) -> None:
        self._declared = inf
        self.found: FoundLimit | None = None
        self.taken = 0
        self.taken_below = 0
        """Those taken by other than live requests."""

    def __repr__(self) -> str:
        return f"<InstancePlaces {self.taken}/{self.limit:g}, {self.source}>"

    @property
    def limit(self) -> float:
        """How many places there are; infinite if they are not limited."""
        return self._declared if self.found is None else self.found.limit

    @property
    def source(self) -> Source:
        """Where the limit comes from."""
        if self.found is not None:
            return "found"
        return "unlimited" if self._declared == inf else "declared"

    def declare(self, limit: float) -> None:
        """Have ``limit`` places (infinite: not limited). Those beyond it are freed as they end."""
        self._declared, self.found = limit, None

    def find(self) -> None:
        """Find the limit; what was found so far is kept."""
        self.found = self.found or FoundLimit()

    def has_room(self, priority: Priority, *, reserves: bool) -> bool:
        """Return whether a request of a class gets a place. ``reserves``: some are for live ones alone."""
        limit = self.limit
        if self.taken >= limit:
            return False
        is_live = priority is Priority.LIVE or not reserves
        return is_live or self.taken_below < limit - reserved(limit)

    def take(self, priority: Priority, now: float) -> None:
        """Take a place."""
        self._change(1, priority, now)

    def free(self, priority: Priority, now: float) -> None:
        """Free a place."""
        self._change(-1, priority, now)

    def refresh(self, now: float) -> None:
        """Note that the limit may have changed."""
        if self.found is not None:
            self.found.occupied(self.taken, now)

    def _change(self, by: int, priority: Priority, now: float) -> None:
        self.taken += by
        if priority is not Priority.LIVE:
            self.taken_below += by
        self.refresh(now)
