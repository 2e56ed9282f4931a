"""Slows down guessing of control tokens. Pure.

Five wrong tokens in a minute cause no wait, since people mistype them; each further one doubles the wait of
its address. The number of addresses is bounded, and so is the total of wrong tokens in a minute, so that
using many addresses does not speed guessing up.
"""

from collections import OrderedDict
from typing import Final

from msgspec import Struct

from orch.backoff import exponential

FREE_TRIES: Final = 5
"""Wrong tokens of one address in :data:`WINDOW` that cause no wait."""
WINDOW: Final = 60.0
"""Seconds."""
FIRST_WAIT: Final = 5.0
LONGEST_WAIT: Final = 900.0
"""Seconds: the first wait, doubled each time, and the limit."""
FORGOTTEN_AFTER: Final = 1800.0
"""Seconds without a wrong token after which an address is treated as new."""
ADDRESSES: Final = 4096
TOTAL: Final = 200
"""Wrong tokens of all addresses in :data:`WINDOW`. Beyond, until the window ends, tokens are only checked for
addresses that sent the right one before."""
KNOWN: Final = 1024
"""Addresses stored that sent the right token, the latest ones."""


class _Tries(Struct):
    began: float
    last: float
    count: int = 0
    until: float = 0.0


class WrongTokens:
    """Counts wrong tokens by address.

    Overflow rule: beyond :data:`ADDRESSES`, the address whose last wrong token is oldest is dropped.
    """

    def __init__(self) -> None:
        self._tries: OrderedDict[str, _Tries] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._window_began = float("-inf")
        self._in_window = 0
        self.wrong = 0

    def wait(self, address: str, now: float) -> float:
        """Return for how many seconds tokens from this address are not checked; 0 if they are."""
        tries = self._tries.get(address)
        left = 0.0 if tries is None else tries.until - now
        if left <= 0 and self._in_window >= TOTAL and address not in self._known:
            left = self._window_began + WINDOW - now
        return max(0.0, left)

    def wrong_token(self, address: str, now: float) -> float:
        """Count a wrong token; return how long its address must wait."""
        self.wrong += 1
        if now - self._window_began >= WINDOW:
            self._window_began, self._in_window = now, 0
        self._in_window += 1
        tries = self._tries.pop(address, None)
        if (
            tries is None
            or now - tries.last >= FORGOTTEN_AFTER
            or (tries.count < FREE_TRIES and now - tries.began >= WINDOW)
        ):
            tries = _Tries(began=now, last=now)
        tries.count += 1
        tries.last = now
        if tries.count >= FREE_TRIES:
            tries.until = now + exponential(FIRST_WAIT, tries.count - FREE_TRIES, longest=LONGEST_WAIT)
        self._tries[address] = tries
        while len(self._tries) > ADDRESSES:
            self._tries.popitem(last=False)
        return self.wait(address, now)

    def right_token(self, address: str) -> None:
        """Record that an address sent the right token: its wrong tries are forgotten."""
        self._tries.pop(address, None)
        self._known[address] = None
        self._known.move_to_end(address)
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)
