"""Keeps those who say much from making those who listen look slow.

Messages are kept many at a time, and what was kept together is handed out together, before any writer has
its turn. A client that talks faster than the service can send would fill the outboxes of clients that take
all they are given, and have them closed as slow. So there is a pace, in two parts, neither of which waits for
a client that is slow:

- Of one session's messages only so many bytes are under way to the history at a time (:class:`InFlight`): a
  part of an outbox, the same for all who speak in it.
- A client that broadcasts is read from only while its *own* outbox is nearly empty (``Connection.pace``). It
  is sent what it says, like everyone else, so its own writer shows how fast the service gets rid of it. If it
  does not read, it holds up only itself.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import trio

#: A quarter of an outbox may be under way, and as much may wait in the outbox of one who talks: together half
#: of what a client that keeps up has room for.
PACE: Final = 4


class InFlight:
    """Bytes of each session that are on their way into its history.

    The mutable state is their count, bounded per session by ``limit()`` bytes or one message: whoever has
    more to say waits until some are kept.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._bytes: dict[str, int] = {}
        self._freed = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<InFlight {sum(self._bytes.values())} bytes in {len(self._bytes)} sessions>"

    async def admit(self, session_id: str, size: int) -> Callable[[], None]:
        """Wait until there is room for a message; return what to call, once, when it is kept or refused.

        Without a checkpoint where there is room: one client's messages stay in order.
        """
        while self._bytes.get(session_id, 0) > 0 and self._bytes[session_id] + size > self._limit():
            await self._freed.park()
        self._bytes[session_id] = self._bytes.get(session_id, 0) + size
        return partial(self._settle, session_id, size)

    def _settle(self, session_id: str, size: int) -> None:
        left = self._bytes[session_id] - size
        if left > 0:
            self._bytes[session_id] = left
        else:
            del self._bytes[session_id]
        self._freed.unpark_all()
