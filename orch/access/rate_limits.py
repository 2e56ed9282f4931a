"""Rate limits of one client. Pure.

Rates are token buckets in the form of the generic cell rate algorithm (GCRA, ITU-T I.371): instead of a level
and a time, one number is stored, the time at which the bucket will be full again. A connection that has sent
nothing stores nothing.
"""

from enum import Enum, auto
from typing import Final

#: A bucket holds as much as is allowed in this many seconds: a client that was quiet may send it at once.
BURST_SECONDS: Final = 2.0

#: A bucket of bytes is never smaller: two frames of the maximum size always fit.
BURST_BYTES: Final = 2 * 2**20

#: Seconds. Sums of fractions are not exact.
_ROUNDING: Final = 1e-6


class RateVerdict(Enum):
    """The decision about a message."""

    ALLOWED = auto()
    LIMITED = auto()
    """Over the rate: the client gets an error, and is allowed again after a short pause."""
    DISCONNECT = auto()
    """The client got errors and has not slowed down: it is disconnected."""


class Rate:
    """A token bucket's limits: ``per_second`` on average, ``burst`` at once.

    It has no state; the caller stores one number for each bucket, the result of :meth:`after`.
    """

    __slots__ = ("_cost", "_slack")

    def __init__(self, per_second: float, *, burst: float) -> None:
        self._cost = 1 / per_second
        self._slack = burst / per_second + _ROUNDING

    def __repr__(self) -> str:
        return f"<Rate {1 / self._cost:g} a second, {self._slack / self._cost:.6g} at once>"

    def after(self, full_at: float, now: float, amount: float) -> tuple[float, RateVerdict]:
        """Take ``amount``; return the time at which the bucket is full again, and the verdict.

        ``full_at``: the time that the previous call returned; 0 at first. ``now``: monotonic seconds. What is
        refused counts too, but one bucket's worth at most, so that a client that waits
        :data:`BURST_SECONDS` is allowed again.
        """
        level = max(full_at - now, 0.0)
        taken = level + amount * self._cost
        if taken <= self._slack:
            return now + taken, RateVerdict.ALLOWED
        if level <= self._slack:
            return now + min(taken, self._slack * 1.5), RateVerdict.LIMITED
        if taken <= self._slack * 2:
            return now + taken, RateVerdict.LIMITED
        return now + taken, RateVerdict.DISCONNECT
