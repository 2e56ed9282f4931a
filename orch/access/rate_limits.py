"""Rate limits of one client, and connection limits of one address. Pure.

Rates are token buckets in the form used by cell networks (GCRA, ITU-T I.371): instead of a level and a time,
one number, the time at which the bucket will be full again. It costs a connection nothing before its first
message.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from orch.access.addresses import group, is_address, is_loopback
from orch.capacity import websockets_per_address

#: A bucket holds the allowance of this many seconds: a client that was quiet may send that much at once.
BURST_SECONDS: Final = 2.0

#: The minimum size of a bucket of bytes: the largest frame always fits twice.
BURST_BYTES: Final = 2 * 2**20

#: Seconds: sums of parts of a second are not exact.
_ROUNDING: Final = 1e-6


class Verdict(Enum):
    """The decision about a message."""

    FINE = auto()
    REFUSED = auto()
    """Over the limit: the client gets an error, and may continue after a pause."""
    HOPELESS = auto()
    """The client continued after the error: it is disconnected."""


class Rate:
    """A token bucket's limits: ``per_second`` on average, ``burst`` at once.

    It is stateless; the state is one number for each bucket, returned by :meth:`after`.
    """

    __slots__ = ("_cost", "_slack")

    def __init__(self, per_second: float, *, burst: float) -> None:
        self._cost = 1 / per_second
        self._slack = burst / per_second + _ROUNDING

    def __repr__(self) -> str:
        return f"<Rate {1 / self._cost:g} a second, {self._slack / self._cost:.6g} at once>"

    def after(self, full_at: float, now: float, amount: float) -> tuple[float, Verdict]:
        """Take ``amount``; return the time at which the bucket is full again, and the verdict.

        ``full_at``: the last returned value; 0 at first. ``now``: monotonic seconds. Refused messages count
        too, but at most one bucket's worth, so that a client that waits :data:`BURST_SECONDS` is accepted
        again.
        """
        level = max(full_at - now, 0.0)
        taken = level + amount * self._cost
        if taken <= self._slack:
            return now + taken, Verdict.FINE
        if level <= self._slack:
            return now + min(taken, self._slack * 1.5), Verdict.REFUSED
        if taken <= self._slack * 2:
            return now + taken, Verdict.REFUSED
        return now + taken, Verdict.HOPELESS


def address_limit(setting: int, connections: int, address: str) -> int:
    """Return an address's limit out of ``connections``. ``setting`` 0: a share.

    This machine's own address is every client of a proxy or tunnel on it that does not name them: without a
    setting it may have all.
    """
    if not setting and (is_loopback(address) or not is_address(address)):
        return connections
    return websockets_per_address(setting, connections)


class Addresses:
    """Counts connections by address; bounded by the number of connections."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Addresses {len(self._counts)}>"

    @property
    def counts(self) -> Mapping[str, int]:
        """Connections by address."""
        return self._counts

    def count(self, host: str) -> int:
        """Return the number of connections of the address group of ``host``."""
        return self._counts.get(group(host), 0)

    def add(self, host: str) -> None:
        """Count a connection."""
        address = group(host)
        self._counts[address] = self._counts.get(address, 0) + 1

    def remove(self, host: str) -> None:
        """Stop counting a connection."""
        address = group(host)
        left = self._counts[address] - 1
        if left:
            self._counts[address] = left
        else:
            del self._counts[address]
