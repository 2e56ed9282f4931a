"""Reads the stored messages of a session, and says which of them are no longer stored."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from orch.stores.history import Losses, is_whole
from orch.stores.protocols import SessionStore
from orch.stores.records import HistoryMessage
from orch.websocket.history.parts import HistoryPart, part


class StoredMessages(Struct, frozen=True, kw_only=True):
    """A session's history: JSON objects in order, the newest at ``offset``.

    ``title``: the session's; empty: it has none. ``complete``: no caption is missing;
    ``broadcasts_complete``: no broadcast is.
    """

    session_id: str
    epoch: str
    offset: int
    messages: tuple[msgspec.Raw, ...]
    complete: bool
    broadcasts_complete: bool = True
    title: str = ""


class HistoryReader:
    """Reads histories from the store. Raises ``store_unavailable``; callers own time-outs."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def part(self, session_id: str, *, after: int, until: int, size: int) -> HistoryPart:
        """Return the oldest ``size`` bytes of the messages between two offsets, at least one message."""
        stored = await self._store.read(session_id, after=after, until=until, size=size)
        last = stored[-1].offset if stored else until
        losses = await self._losses(session_id, stored, after=after, last=last)
        return part(stored, losses, after=after, until=until)

    async def all(self, session_id: str, *, epoch: str, offset: int, title: str = "") -> StoredMessages:
        """Return all stored messages of a session, which is at ``offset`` and has this ``title``."""
        stored = await self._store.read(session_id, after=0, until=offset) if offset else ()
        losses = await self._losses(session_id, stored, after=0, last=offset)
        return StoredMessages(
            session_id=session_id,
            epoch=epoch,
            offset=offset,
            messages=tuple(msgspec.Raw(message.frame) for message in stored),
            complete=losses.captions == 0,
            broadcasts_complete=losses.others == 0,
            title=title,
        )

    async def losses(self, session_id: str, *, until: int) -> Losses:
        """Return what was dropped of a session's history: all up to ``until`` if the session has ended."""
        return await self._store.losses(session_id) or Losses(until, until)

    async def _losses(
        self, session_id: str, stored: Sequence[HistoryMessage], *, after: int, last: int
    ) -> Losses:
        """Return what was dropped of the part of a history that was read."""
        if is_whole([message.offset for message in stored], after=after, last=last):
            return Losses(0, 0)
        # After the read: messages missing in it had been dropped by then, and this includes them.
        return await self.losses(session_id, until=last)
