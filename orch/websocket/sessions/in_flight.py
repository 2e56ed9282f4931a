"""Throttles senders, so that a burst does not overflow the outboxes of fast readers.

Messages are stored in batches, and a batch is delivered as a whole before any writer task runs. A client that
sends faster than the service can deliver would overflow the outboxes of clients that read everything, and
they would be closed as slow. So senders are throttled in two ways, neither of which waits for a slow reader:

- Of one session's messages only a limited number of bytes is being stored at a time (:class:`InFlight`): a
part of an outbox, shared by all its senders.
- A client that broadcasts is read from only while its *own* outbox is nearly empty (``Connection.pace``). It
receives its own messages, so its own writer shows how fast the service delivers. If it does not read, it
blocks only itself.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import trio

#: A quarter of an outbox may be in flight, and as much may wait in the sender's outbox: together half of an
#: outbox.
PACE: Final = 4


class InFlight:
    """The bytes of each session that are being stored.

    The mutable state is their count, bounded per session by ``limit()`` bytes or one message: further senders
    wait until some are stored.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._bytes: dict[str, int] = {}
        self._freed = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<InFlight {sum(self._bytes.values())} bytes in {len(self._bytes)} sessions>"

    async def admit(self, session_id: str, size: int) -> Callable[[], None]:
        """Wait until there is room for a message; return what to call once it is stored or refused.

        Without a checkpoint if there is room, so that a client's messages stay in order.
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
