"""Slows down guessing of session keys and join codes. Pure.

A few wrong ones a minute are free, then the wait of their address grows.

The same wrong key counts once however often it is sent: a hundred guests in one office whose session has
ended all send the same old key, which is not guessing.
"""

from collections import OrderedDict
from typing import Final

from msgspec import Struct

from orch.backoff import exponential

#: Wrong keys of one address within :data:`WINDOW` seconds that cause no wait.
FREE_TRIES: Final = 5
WINDOW: Final = 60.0

#: Seconds to wait after the first one that is not free; doubled by each further one.
FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 60.0

#: Addresses stored; beyond, the one whose last wrong key is oldest is dropped.
ADDRESSES: Final = 10_000

#: Different wrong keys stored for one address, so that they do not count again.
STORED_KEYS: Final = 64


class _AddressState(Struct):
    """Wrong keys of one address.

    ``seen``: their times by digest; ``strikes``: how many were not free; ``last``: the time of the newest.
    """

    seen: OrderedDict[bytes, float]
    free_at: float = 0.0
    strikes: int = 0
    last: float = 0.0


class WrongKeys:
    """Counts wrong keys by address. ``now``: monotonic seconds; ``free_tries``: as :data:`FREE_TRIES`.

    The mutable state is the wrong keys and the end of the wait of :data:`ADDRESSES` addresses at most.
    """

    def __init__(self, free_tries: int = FREE_TRIES) -> None:
        self._free_tries = free_tries
        self._states: OrderedDict[str, _AddressState] = OrderedDict()

    def __repr__(self) -> str:
        return f"<WrongKeys of {len(self._states)} addresses>"

    def wait(self, address: str, now: float) -> float:
        """Return for how many seconds keys from this address are not checked; 0 if they are."""
        state = self._states.get(address)
        return 0.0 if state is None else max(0.0, state.free_at - now)

    def wrong(self, address: str, digest: bytes, now: float) -> bool:
        """Count a wrong key, identified by its ``digest``; return False if it was counted before."""
        state = self._states.pop(address, None)
        if state is None or now - state.last > WINDOW + LONGEST_WAIT:
            state = _AddressState(OrderedDict())
        self._states[address] = state
        if len(self._states) > ADDRESSES:
            self._states.popitem(last=False)
        if digest in state.seen:
            state.seen.move_to_end(digest)
            return False
        state.seen[digest] = now
        if len(state.seen) > STORED_KEYS:
            state.seen.popitem(last=False)
        state.last = now
        recent = sum(now - at < WINDOW for at in state.seen.values())
        if state.strikes or recent > self._free_tries:
            state.free_at = now + exponential(FIRST_WAIT, state.strikes, longest=LONGEST_WAIT)
            state.strikes = min(state.strikes + 1, 16)
        return True
