"""Token buckets in memory, a bounded number of them. Pure.

Each bucket holds as many requests as its limit allows in a window, and is filled evenly. As in GCRA (ITU-T
I.371) one number is stored for it, the time at which it will be full; so a new limit keeps the levels.
"""

from collections.abc import Sequence
from math import ceil, floor
from typing import Final, NamedTuple

from orch.gateway.rate_limits.policies import Taking
from orch.settings import RateLimit

MOST: Final = 20_000
"""Buckets at most, of all limits together: some 3 MB."""
SHARED: Final = "*"
"""The bucket of all that come when there are too many."""
SWEEP: Final = 1.0
"""Seconds between two searches for buckets that are full."""
_ROUNDING: Final = 1e-6


class Level(NamedTuple):
    """A bucket after a request: ``left`` requests, full in ``reset`` seconds; ``wait``: until it has one.

    ``wait`` is 0 if this limit let the request through.
    """

    limit: RateLimit
    left: int
    reset: int
    wait: float


def level_of(limit: RateLimit, seconds: float, *, wait: float = 0.0) -> Level:
    """Return the level of a bucket that is full in ``seconds``."""
    cost = limit.window / limit.requests
    left = floor((limit.window - seconds) / cost + _ROUNDING)
    return Level(limit, max(0, min(limit.requests, left)), max(0, ceil(seconds - _ROUNDING)), wait)


def levels(takings: Sequence[Taking], seconds: Sequence[float]) -> tuple[tuple[Level, ...], list[float]]:
    """Return the levels after a request, and the seconds in which each bucket is full then.

    ``seconds``: in which it is full now; more than a window if that was longer before, which then counts as
    empty. If one of the buckets has none left, nothing is taken from any.
    """
    is_refused = False
    found: list[tuple[RateLimit, float, float, float]] = []
    for (limit, _), now in zip(takings, seconds, strict=True):
        window = limit.window
        level = min(now, window)
        cost = window / limit.requests
        wait = max(0.0, level + cost - window - _ROUNDING)
        is_refused = is_refused or wait > 0
        found.append((limit, level, cost, wait))
    after = [level if is_refused else level + cost for _, level, cost, _ in found]
    return (
        tuple(
            level_of(limit, level, wait=wait) for (limit, _, _, wait), level in zip(found, after, strict=True)
        ),
        after,
    )


class Buckets:
    """The buckets of this process. The mutable state is one number for each that is not full.

    Overflow rule: if there are too many, those that are full are forgotten; if none is, all clients without a
    bucket share one for each limit. So a client with many addresses takes neither memory nor rate from those
    that have a bucket.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._full_at: dict[tuple[str, str], float] = {}
        self._swept_at = float("-inf")

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, takings: Sequence[Taking], now: float) -> tuple[Level, ...]:
        """Take a token of each bucket, or of none; ``now``: monotonic seconds."""
        names = [self._name(taking, now) for taking in takings]
        found, after = levels(takings, [max(0.0, self._full_at.get(name, 0.0) - now) for name in names])
        for name, seconds in zip(names, after, strict=True):
            self._full_at[name] = now + seconds
        return found

    def reserve(self, takings: Sequence[Taking], now: float) -> list[str]:
        """Return the names of buckets that are stored elsewhere; they count here for a window."""
        names = [self._name(taking, now) for taking in takings]
        for name, taking in zip(names, takings, strict=True):
            self._full_at[name] = now + taking.limit.window
        return [f"{limit}:{bucket}" for limit, bucket in names]

    def _name(self, taking: Taking, now: float) -> tuple[str, str]:
        name = (taking.limit.name, taking.bucket)
        if name in self._full_at or len(self._full_at) < self._most:
            return name
        if now - self._swept_at >= SWEEP:
            self._swept_at = now
            self._full_at = {each: at for each, at in self._full_at.items() if at > now}
            if len(self._full_at) < self._most:
                return name
        return (taking.limit.name, SHARED)
