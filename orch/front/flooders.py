"""Addresses whose WebSocket was just closed for a flood: their next handshakes are delayed. Pure.

A client that is closed for a flood and reconnects at once costs a handshake each time, and may send a whole
burst again. A delay of a second, for ten seconds, harms no other client behind the same address.
"""

from collections import OrderedDict
from typing import Final

DELAY: Final = 1.0
"""Seconds by which a handshake of such an address is delayed."""

REMEMBERED_FOR: Final = 10.0
"""Seconds after its last flood in which an address is delayed."""

ADDRESSES: Final = 4_096
"""Addresses stored at most; beyond, the one with the oldest flood is dropped."""


class Flooders:
    """The addresses that have flooded. The mutable state is the time of the last flood of each."""

    def __init__(self, delay: float = DELAY) -> None:
        self._delay = delay
        self._at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._at)

    def note(self, address: str, now: float) -> None:
        """Store that an address has flooded."""
        self._at[address] = now
        self._at.move_to_end(address)
        if len(self._at) > ADDRESSES:
            self._at.popitem(last=False)

    def delay(self, address: str, now: float) -> float:
        """Return the seconds by which to delay a handshake of an address; 0 for most."""
        at = self._at.get(address)
        if at is None:
            return 0.0
        if now - at >= REMEMBERED_FOR:
            del self._at[address]
            return 0.0
        return self._delay
