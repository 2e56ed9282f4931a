"""Whose request a back end is given next, where more wait than it is given at once. Pure.

First come, first served lets whoever asks most have most: ten streams that are fed noise without a pause keep
ten requests in the queue, and an honest speaker's final is always the eleventh. So:

1. finals come before revisions and speculations, which the reader can do without;
2. then turns go around: first by address, within it by session, within that by stream. Who has the fewest
   requests under way is next; of those, who was served longest ago;
3. one address has three quarters of the places at most, and so have revisions and speculations together:
   a final of another address waits for nobody's revision.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

_LEVELS: Final = 3


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose stream asks."""

    address: str
    session_id: str
    stream_id: str

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """Return what its requests are counted under: address, session there, stream there."""
        return (
            (self.address,),
            (self.address, self.session_id),
            (self.address, self.session_id, self.stream_id),
        )


@dataclass(slots=True, eq=False)
class Turn:
    """A request that waits or is under way. ``is_final``: someone waits for it."""

    asker: Asker
    is_final: bool
    has_begun: bool = False


@dataclass(slots=True)
class _Share:
    under_way: int = 0
    waiting: int = 0
    served: int = -1


@dataclass(slots=True)
class TurnOrder:
    """The requests that wait and those that are under way; a stream has one at most.

    The mutable state is those, and the shares of whom they belong to: forgotten with the last of them.
    """

    _waiting: dict[int, Turn] = field(default_factory=dict)
    _shares: dict[tuple[str, ...], _Share] = field(default_factory=dict)
    _under_way: int = 0
    _optional: int = 0
    _numbers: "count[int]" = field(default_factory=count)
    _served: "count[int]" = field(default_factory=count)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    @property
    def under_way(self) -> int:
        """How many requests are under way."""
        return self._under_way

    def add(self, turn: Turn) -> None:
        """Have a request wait."""
        self._waiting[next(self._numbers)] = turn
        for share in self._of(turn):
            share.waiting += 1

    def hurry(self, turn: Turn) -> None:
        """Make a speculation that came true a final."""
        if turn.has_begun and not turn.is_final:
            self._optional -= 1
        turn.is_final = True

    def next(self, places: int) -> Turn | None:
        """Return the request whose turn it is, which is under way from now on; None: no place is free."""
        if self._under_way >= places:
            return None
        share = max(1, places - places // 4)
        best = min(self._eligible(share), key=lambda pair: self._rank(*pair), default=None)
        if best is None:
            return None
        number, turn = best
        del self._waiting[number]
        turn.has_begun = True
        self._under_way += 1
        self._optional += not turn.is_final
        served = next(self._served)
        for each in self._of(turn):
            each.waiting -= 1
            each.under_way += 1
            each.served = served
        return turn

    def remove(self, turn: Turn) -> None:
        """Forget a request that was answered, or that nobody wants any more."""
        for number, waiting in self._waiting.items():
            if waiting is turn:
                del self._waiting[number]
                break
        if turn.has_begun:
            self._under_way -= 1
            self._optional -= not turn.is_final
        for names in turn.asker.names:
            share = self._shares[names]
            share.under_way -= turn.has_begun
            share.waiting -= not turn.has_begun
            if not share.under_way and not share.waiting:
                self._rest(names)

    def _eligible(self, share: int) -> Iterable[tuple[int, Turn]]:
        for number, turn in self._waiting.items():
            if self._shares[turn.asker.names[0]].under_way >= share:
                continue
            if not turn.is_final and self._optional >= share:
                continue
            yield number, turn

    def _rank(self, number: int, turn: Turn) -> tuple[int, ...]:
        """Return what the lowest of is served first."""
        parts: list[int] = [not turn.is_final]
        for share in self._of(turn):
            parts += (share.under_way, share.served)
        return (*parts, number)

    def _of(self, turn: Turn) -> list[_Share]:
        return [self._shares.setdefault(names, _Share()) for names in turn.asker.names]

    def _rest(self, names: tuple[str, ...]) -> None:
        """Let go of a share that nothing belongs to. While others wait it is remembered."""
        if not self._waiting:
            idle = [key for key, share in self._shares.items() if not share.under_way and not share.waiting]
            for key in idle:
                del self._shares[key]
        elif len(self._shares) > _LEVELS * (len(self._waiting) + self._under_way + 1_000):
            del self._shares[names]
