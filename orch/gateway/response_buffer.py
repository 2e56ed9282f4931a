"""Buffers a response between a back end that sends it and a client that reads it.

A client that reads slowly must not hold the back end's connection for as long as it likes. So a response is
read ahead, up to :data:`~orch.gateway.spool.IN_MEMORY` bytes: one that is no larger frees its connection
however slow the client is. A larger one continues at the client's speed, which has a minimum; a client below
it is disconnected.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from orch.gateway.spool import IN_MEMORY, Spool
from orch.problems import ProblemError

GRACE: Final = 5.0
"""Seconds for which a client may keep the back end waiting, beside those of its minimum rate."""


class ResponseBuffer:
    """The pieces that have arrived and were not sent, for one writer (:meth:`run`) and one reader.

    The mutable state is the pieces, their size, and how long the client was waited for.
    """

    def __init__(self, spool: Spool, *, rate: float) -> None:
        self._spool = spool
        self._rate = rate
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._in_memory = 0  # reserved in the spool; the first piece needs no reservation
        self._sent = 0
        self._waited = 0.0
        self._is_closed = False
        self.is_waiting_for_client = False
        self._changed = trio.Event()
        self.drained = trio.Event()

    async def put(self, data: bytes) -> None:
        """Add a piece. ProblemError ``request_timeout``: the client reads too slowly."""
        while not self._fits(len(data)):
            await self._wait_for_client()
        self._pieces.append(data)
        self._size += len(data)
        self._wake()

    def close(self) -> None:
        """Note that no more pieces follow."""
        self._is_closed = True
        self._wake()

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send the pieces in turn until the buffer is closed and empty."""
        try:
            while True:
                while self._pieces:
                    piece = self._pieces.popleft()
                    await send(piece)
                    self._size -= len(piece)
                    self._sent += len(piece)
                    self._free()
                    self._wake()
                if self._is_closed:
                    return
                await self._changed.wait()
        finally:
            self._pieces.clear()
            self._size = 0
            self._free()
            self.drained.set()

    def _fits(self, size: int) -> bool:
        if not self._size:
            return True
        if self._size + size > IN_MEMORY or not self._spool.reserve_memory(size):
            return False
        self._in_memory += size
        return True

    def _free(self) -> None:
        """Release the memory of what was sent."""
        left = max(0, self._in_memory - self._size)
        self._spool.release_memory(left)
        self._in_memory -= left

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _wait_for_client(self) -> None:
        began = trio.current_time()
        changed = self._changed
        self.is_waiting_for_client = True  # stays True if this is cancelled, which is when it is read
        with trio.move_on_after(max(0.0, GRACE + self._sent / self._rate - self._waited)) as limit:
            await changed.wait()
            self.is_waiting_for_client = False
        self._waited += trio.current_time() - began
        if limit.cancelled_caught:
            raise ProblemError(
                "request_timeout",
                f"The client reads the response at less than {self._rate:g} bytes a second.",
            )
