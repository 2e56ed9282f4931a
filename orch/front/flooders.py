"""Addresses that have just flooded a WebSocket: their next ones begin a moment later. Pure.

Who is closed for a flood and connects anew at once costs a handshake each time, and has all that may be sent
at once again. A second later for ten seconds is nothing to anyone else behind the same address.
"""

from collections import OrderedDict
from typing import Final

WAIT: Final = 1.0
"""Seconds that a handshake of such an address waits."""

REMEMBERED_FOR: Final = 10.0
"""Seconds from its last flood on."""

ADDRESSES: Final = 4_096
"""Beyond, the one whose flood is longest ago is forgotten."""


class Flooders:
    """Remembers them. The mutable state is the time of each one's last flood."""

    def __init__(self) -> None:
        self._at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._at)

    def note(self, address: str, now: float) -> None:
        """Note a flood."""
        self._at[address] = now
        self._at.move_to_end(address)
        if len(self._at) > ADDRESSES:
            self._at.popitem(last=False)

    def wait(self, address: str, now: float) -> float:
        """Return how long a handshake of an address has to wait."""
        at = self._at.get(address)
        if at is None:
            return 0.0
        if now - at >= REMEMBERED_FOR:
            del self._at[address]
            return 0.0
        return WAIT
