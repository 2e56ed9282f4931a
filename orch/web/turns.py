"""One request after another does what takes the processor for long."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import trio

from orch.problems import ProblemError

WAITING: Final = 16
"""Requests that can wait for their turn."""
WAIT_LIMIT: Final = 20.0
"""Seconds that a request waits for its turn."""


class Turns:
    """Turns, one at a time. The mutable state is who has it, and how many wait.

    Overflow rule: with :data:`WAITING` requests waiting, and after ``wait_limit`` seconds, ``busy()`` is
    raised.
    """

    def __init__(self, busy: Callable[[], ProblemError], *, wait_limit: float = WAIT_LIMIT) -> None:
        self._busy = busy
        self._wait_limit = wait_limit
        self._turn = trio.Semaphore(1, max_value=1)
        self._waiting = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Have the turn for the block."""
        try:
            self._turn.acquire_nowait()
        except trio.WouldBlock:
            await self._wait()
        try:
            yield
        finally:
            self._turn.release()

    async def _wait(self) -> None:
        if self._waiting >= WAITING:
            raise self._busy()
        self._waiting += 1
        try:
            with trio.move_on_after(self._wait_limit) as scope:
                await self._turn.acquire()
        finally:
            self._waiting -= 1
        if scope.cancelled_caught:
            raise self._busy()
