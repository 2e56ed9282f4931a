"""Has the streams' requests take turns at a back end."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from orch.speech.fair_order import Asker, Turn, TurnOrder

__all__ = ["Asker", "Turn", "Turns"]


class Turns:
    """Lets so many requests be under way as there are places; the rest wait for their turn.

    ``places`` is read at every turn. Bounded by the streams: one request each.
    """

    def __init__(self, places: Callable[[], int]) -> None:
        self._places = places
        self._order = TurnOrder()
        self._woken: dict[int, trio.Event] = {}

    def __repr__(self) -> str:
        return f"<Turns {self._order.under_way} under way, {self._order.waiting} wait>"

    @asynccontextmanager
    async def take(self, turn: Turn) -> AsyncIterator[None]:
        """Wait for the turn; it lasts for the block. Cancelled, it is given up."""
        woken = self._woken[id(turn)] = trio.Event()
        self._order.add(turn)
        try:
            self._advance()
            await woken.wait()
            yield
        finally:
            self._order.remove(turn)
            del self._woken[id(turn)]
            self._advance()

    def hurry(self, turn: Turn) -> None:
        """Make a speculation that came true a final."""
        self._order.hurry(turn)
        self._advance()

    def _advance(self) -> None:
        while (turn := self._order.next(self._places())) is not None:
            self._woken[id(turn)].set()
