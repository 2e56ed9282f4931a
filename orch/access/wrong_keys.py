"""Slows down guessing of session keys: five wrong ones a minute are free, then the wait grows. Pure.

The same wrong secret counts once however often it is presented: a hundred guests of one office who open the
same old link are not guessing.
"""

from collections import OrderedDict
from typing import Final

from msgspec import Struct

from orch.backoff import exponential

#: Wrong secrets of one address within :data:`WINDOW` seconds that cost nothing.
FREE: Final = 5
WINDOW: Final = 60.0

#: Seconds to wait after the first one that is not free; doubled with each further one.
FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 60.0

#: Addresses remembered; beyond, those that guessed longest ago are forgotten.
ADDRESSES: Final = 10_000

#: Different wrong secrets remembered of one address, so that they do not count again.
REMEMBERED: Final = 64


class _Guesser(Struct):
    """``seen``: times of wrong keys by digest; ``strikes``: those beyond the free ones; ``last``: newest."""

    seen: OrderedDict[bytes, float]
    free_at: float = 0.0
    strikes: int = 0
    last: float = 0.0


class WrongKeys:
    """Counts wrong keys by address. ``now``: monotonic seconds.

    The mutable state is, for at most :data:`ADDRESSES` addresses, the wrong keys and the end of the wait.
    """

    def __init__(self) -> None:
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()

    def __repr__(self) -> str:
        return f"<WrongKeys of {len(self._guessers)} addresses>"

    def wait(self, address: str, now: float) -> float:
        """Return for how many seconds keys of this address are not checked; 0: they are."""
        guesser = self._guessers.get(address)
        return 0.0 if guesser is None else max(0.0, guesser.free_at - now)

    def wrong(self, address: str, digest: bytes, now: float) -> bool:
        """Count a wrong key, identified by its ``digest``. False: it was counted before."""
        guesser = self._guessers.pop(address, None)
        if guesser is None or now - guesser.last > WINDOW + LONGEST_WAIT:
            guesser = _Guesser(OrderedDict())
        self._guessers[address] = guesser
        if len(self._guessers) > ADDRESSES:
            self._guessers.popitem(last=False)
        if digest in guesser.seen:
            guesser.seen.move_to_end(digest)
            return False
        guesser.seen[digest] = now
        if len(guesser.seen) > REMEMBERED:
            guesser.seen.popitem(last=False)
        guesser.last = now
        recent = sum(now - at < WINDOW for at in guesser.seen.values())
        if guesser.strikes or recent > FREE:
            guesser.free_at = now + exponential(FIRST_WAIT, guesser.strikes, longest=LONGEST_WAIT)
            guesser.strikes = min(guesser.strikes + 1, 16)
        return True
