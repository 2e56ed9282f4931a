"""Sessions, their history and their participants in Redis."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from orch.protocol.session_keys import Keys
from orch.protocol.terms import Terms
from orch.stores import records
from orch.stores.history import NOBODYS_CAPTION, Kind, Limits, Losses, Share
from orch.stores.operations import AppendTicket
from orch.stores.records import (
    Appended,
    HistoryMessage,
    Origin,
    ParticipantRecord,
    SessionRecord,
    surplus_participants,
)
from orch.stores.redis.calls import message
from orch.stores.redis.commands import SessionCommands
from orch.stores.redis.feed import load
from orch.stores.redis.pipeline import Append, Pipeline

#: Sessions looked at in one step of a sweep.
STEP: Final = 500


class RedisSessions:
    """See :class:`orch.stores.protocols.SessionStore`.

    ``missing`` is called with a session that was named and does not exist: it may be followed here.
    ``token`` returns a new token for a write that must not be done twice.
    """

    def __init__(
        self,
        commands: SessionCommands,
        pipeline: Pipeline,
        *,
        missing: Callable[[str], None],
        token: Callable[[], str],
    ) -> None:
        self._commands = commands
        self._pipeline = pipeline
        self._missing = missing
        self._token = token
        self._crowded: tuple[str, ...] = ()

    async def create(
        self, record: SessionRecord, owner: ParticipantRecord | None = None, *, created_from: str = ""
    ) -> bool:
        """Store a new session and its owner. False: the name is taken."""
        is_new = await self._pipeline.execute(self._commands.create(record, owner, token=self._token()))
        if is_new and created_from:
            await self._pipeline.execute(self._commands.note_created(created_from, record))
        return is_new

    async def created_from(self, address: str, most: int) -> int:
        """Return the number of live sessions created from an address, on any worker."""
        count = await self._pipeline.execute(self._commands.count_created(address))
        if count < most:
            return count
        # Ended sessions are still among them.
        names = await self._pipeline.execute(self._commands.created_from(address))
        for start in range(0, len(names), STEP):
            part = names[start : start + STEP]
            there = await self._pipeline.execute(self._commands.indexed(part))
            gone = [name for name, is_there in zip(part, there, strict=True) if not is_there]
            if gone:
                await self._pipeline.execute(self._commands.forget_created(address, gone))
                count -= len(gone)
        return count

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return the session, or None."""
        return await load(self._pipeline.execute, self._commands, session_id)

    async def replace_config(self, session_id: str, known: bytes, config: bytes) -> bool:
        """Replace a session's ``config``. False: it is ``known`` no longer, or the session does not exist."""
        return await self._pipeline.execute(self._commands.replace_config(session_id, known, config))

    async def store_pipeline(self, session_id: str, pipeline: bytes) -> int | None:
        """Store what a session's speech passes through; return its revision, or None if it does not exist."""
        return await self._pipeline.execute(self._commands.store_pipeline(session_id, pipeline))

    async def store_terms(self, session_id: str, terms: Terms) -> int | None:
        """Store a session's names and terms; return their revision, or None if it does not exist."""
        return await self._pipeline.execute(self._commands.store_terms(session_id, terms))

    async def newest(self, limit: int) -> tuple[SessionRecord, ...]:
        """Return the sessions that were last active, newest first."""
        names = await self._pipeline.execute(self._commands.newest(limit))
        found = await self._heads(names)
        return tuple(record for name in names if (record := found.get(name)) is not None)

    async def count(self) -> int:
        """Return the number of stored sessions."""
        return await self._pipeline.execute(self._commands.count())

    async def used_bytes(self) -> int:
        """Return the bytes of all sessions, counted one by one: other services may share the server."""
        used = start = 0
        while names := await self._pipeline.execute(self._commands.between(start, start + STEP - 1)):
            start += len(names)
            used += await self._pipeline.execute(self._commands.used_bytes(names))
        return used

    async def delete(self, session_ids: Sequence[str], *, idle_since: float | None = None) -> tuple[str, ...]:
        """Delete sessions with their history and participants; workers that follow them are notified."""
        if not session_ids:
            return ()
        call = self._commands.delete(session_ids, token=self._token(), idle_since=idle_since)
        gone = await self._pipeline.execute(call)
        # Sessions that did not exist are removed from the index too, unless they are in use.
        left = session_ids if idle_since is None else gone
        if left:
            await self._pipeline.execute(self._commands.unindex(left))
        return gone

    async def moderate(self, session_id: str, known: bytes, moderation: bytes, keys: Keys | None) -> bool:
        """Replace a session's moderation, and its keys unless they are None; False: it has changed."""
        return await self._pipeline.execute(self._commands.moderate(session_id, known, moderation, keys))

    async def touch(self, session_ids: Sequence[str], at: float) -> None:
        """Mark the sessions as in use; members of a session that no longer exists are notified."""
        for start in range(0, len(session_ids), STEP):
            wanted = session_ids[start : start + STEP]
            found = await self._pipeline.execute(self._commands.touch(wanted, at))
            there = [name for name, is_there in found.items() if is_there]
            if there:
                await self._pipeline.execute(self._commands.index(there, at))
            for session_id in found.keys() - set(there):
                self._missing(session_id)

    async def idle(self, before: float, limit: int) -> tuple[str, ...]:
        """Return sessions last active before then, oldest first."""
        while True:
            names = await self._pipeline.execute(self._commands.idle(before, limit))
            found = await self._heads(names)
            late = {name: record for name, record in found.items() if not _is_idle(record, before)}
            if not late:
                return tuple(names)
            # The index is written after the session and was outdated; it is corrected.
            await self._pipeline.execute(self._commands.mend_index(late))

    async def begin_append(
        self,
        session_id: str,
        body: bytes,
        *,
        at: float,
        limits: Limits,
        share: Share = NOBODYS_CAPTION,
        origin: Origin | None = None,
        settled: Callable[[], None] | None = None,
    ) -> AppendTicket:
        """Queue a message in the order of the calls; returns at once if there is room."""
        after = None if settled is None else partial(self._settled, settled)
        operation = Append(session_id, message(body, at, share, origin), limits, after)
        await self._pipeline.enqueue(operation, leaves_room=share.kind is not Kind.CAPTION)
        return AppendTicket(operation, session_id)

    async def read(
        self, session_id: str, *, after: int, until: int, size: int | None = None
    ) -> tuple[HistoryMessage, ...]:
        """Return the stored messages after ``after`` up to ``until``: the oldest ``size`` bytes."""
        return await self._pipeline.execute(self._commands.read(session_id, after, until, size))

    async def erase(self, session_id: str, offsets: Sequence[int]) -> int:
        """Drop these messages of a session's history on purpose, which is no loss; return how many it had."""
        erased = 0
        for start in range(0, len(offsets), STEP):
            part = offsets[start : start + STEP]
            erased += await self._pipeline.execute(self._commands.erase(session_id, part))
        return erased

    async def losses(self, session_id: str) -> Losses | None:
        """Return the losses of a session's history so far; None if it does not exist."""
        return await self._pipeline.execute(self._commands.losses(session_id))

    async def prune(self, now: float, limits: Limits) -> int:
        """Drop messages over the limits in every session; note the sessions with too many participants."""
        dropped = start = 0
        crowded: list[str] = []
        while names := await self._pipeline.execute(self._commands.between(start, start + STEP - 1)):
            start += len(names)
            pruned = await self._pipeline.execute(self._commands.prune(names, now, limits))
            for name, (gone, there) in zip(names, pruned, strict=True):
                dropped += gone
                if there > records.PARTICIPANTS_LIMIT:
                    crowded.append(name)
        self._crowded = tuple(crowded)
        return dropped

    async def crowded(self) -> tuple[str, ...]:
        """Return the sessions that had too many participants when :meth:`prune` last looked."""
        return self._crowded

    async def trim_participants(self, session_id: str, present: frozenset[str], at: float) -> int:
        """Delete the participants absent longest from a crowded session, except owners and those present."""
        there = await self._pipeline.execute(self._commands.participants(session_id))
        speakers = await self._pipeline.execute(self._commands.speakers(session_id))
        late = surplus_participants(there, present, records.PARTICIPANTS_LIMIT, speakers)
        if late:
            await self._pipeline.execute(self._commands.drop_participants(session_id, late))
        here = [one for one in there if one.participant_id in present and one.seen < at]
        for start in range(0, len(here), STEP):
            await self._pipeline.execute(self._commands.see(session_id, here[start : start + STEP], at))
        return len(late)

    async def put_participant(self, session_id: str, participant: ParticipantRecord) -> bool:
        """Store or change a participant who may return. False: the session does not exist."""
        return await self._pipeline.execute(self._commands.put_participant(session_id, participant))

    async def participant(self, session_id: str, participant_id: str) -> ParticipantRecord | None:
        """Return a participant who may return, or None."""
        return await self._pipeline.execute(self._commands.participant(session_id, participant_id))

    async def drop_participant(self, session_id: str, participant_id: str) -> None:
        """Delete a participant."""
        await self._pipeline.execute(self._commands.drop_participants(session_id, [participant_id]))

    async def _heads(self, names: Sequence[str]) -> dict[str, SessionRecord | None]:
        return await self._pipeline.execute(self._commands.heads(names)) if names else {}

    def _settled(self, settled: Callable[[], None], _appended: Appended | None) -> None:
        settled()


def _is_idle(record: SessionRecord | None, before: float) -> bool:
    return record is not None and record.last_active < before
