"""Queues the streams' requests to a back end, and sends them in a fair order."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from orch.speech.fair_order import FairOrder, QueuedRequest, Requester

__all__ = ["QueuedRequest", "RequestQueue", "Requester"]


class RequestQueue:
    """Limits the requests in progress to the number of places; the others wait for their turn.

    ``places`` is read at every request. Bounded by the streams: one request each.
    """

    def __init__(self, places: Callable[[], int]) -> None:
        self._places = places
        self._order = FairOrder()
        self._woken: dict[int, trio.Event] = {}

    def __repr__(self) -> str:
        return f"<RequestQueue {self._order.under_way} under way, {self._order.waiting} wait>"

    @asynccontextmanager
    async def slot(self, request: QueuedRequest) -> AsyncIterator[None]:
        """Wait for a place at the back end; it is held for the block."""
        woken = self._woken[id(request)] = trio.Event()
        self._order.add(request)
        try:
            self._advance()
            await woken.wait()
            yield
        finally:
            self._order.remove(request)
            del self._woken[id(request)]
            self._advance()

    @property
    def wanted(self) -> int:
        """How many requests are in progress or wait."""
        return self._order.under_way + self._order.waiting

    def promote(self, request: QueuedRequest) -> None:
        """Make a speculation that came true a final."""
        self._order.promote(request)
        self._advance()

    def _advance(self) -> None:
        while (request := self._order.next(self._places())) is not None:
            self._woken[id(request)].set()
