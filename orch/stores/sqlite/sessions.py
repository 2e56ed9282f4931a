"""Sessions, their history and their participants in a SQLite file."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from orch.problems import ProblemError
from orch.protocol.session_keys import Keys
from orch.protocol.terms import Terms
from orch.stores.history import NOBODYS_CAPTION, Kind, Limits, Losses, Share
from orch.stores.operations import AppendTicket
from orch.stores.protocols import IgnoreEvents, StoreEvents
from orch.stores.records import (
    Appended,
    HistoryMessage,
    Origin,
    ParticipantRecord,
    SessionRecord,
    encode_terms,
)
from orch.stores.sqlite import shares, statements
from orch.stores.sqlite.file import SqliteFile

#: Free bytes in the file above which they are released without waiting for the next sweep.
FREE_BYTES: Final = 4 * 2**20


class SqliteSessions:
    """See :class:`orch.stores.protocols.SessionStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self.file = file
        self.events: StoreEvents = IgnoreEvents()

    async def create(
        self, record: SessionRecord, owner: ParticipantRecord | None = None, *, created_from: str = ""
    ) -> bool:
        """Store a new session and its owner. False: the name is taken."""
        return await self.file.execute(
            lambda database: statements.create(database, record, owner, created_from),
            size=len(record.config) + len(encode_terms(record.terms)) + len(record.pipeline),
            adds=True,
        )

    async def created_from(self, address: str, most: int) -> int:
        """Return the number of live sessions created from an address."""
        del most  # it is always exact
        return await self.file.execute(lambda database: statements.count_begun(database, address))

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return the session, or None."""
        return await self.file.execute(lambda database: statements.load(database, session_id))

    async def replace_config(self, session_id: str, known: bytes, config: bytes) -> bool:
        """Replace a session's ``config``. False: it is ``known`` no longer, or the session does not exist."""
        return await self.file.execute(
            lambda database: statements.replace_config(database, session_id, known, config),
            size=len(config),
            adds=True,
        )

    async def store_terms(self, session_id: str, terms: Terms) -> int | None:
        """Store a session's names and terms; return their revision, or None if it does not exist."""
        encoded = encode_terms(terms)
        return await self.file.execute(
            lambda database: statements.store_terms(database, session_id, encoded),
            size=len(encoded),
            adds=True,
        )

    async def store_pipeline(self, session_id: str, pipeline: bytes) -> int | None:
        """Store what a session's speech passes through; return its revision, or None if it does not exist."""
        return await self.file.execute(
            lambda database: statements.store_pipeline(database, session_id, pipeline),
            size=len(pipeline),
            adds=True,
        )

    async def newest(self, limit: int) -> tuple[SessionRecord, ...]:
        """Return the sessions that were last active, newest first."""
        return await self.file.execute(lambda database: statements.newest(database, limit))

    async def count(self) -> int:
        """Return the number of stored sessions."""
        return await self.file.execute(statements.count)

    async def used_bytes(self) -> int:
        """Return the used bytes of the file; release the free ones if there are many."""
        used, free = await self.file.execute(statements.used_bytes)
        if free >= FREE_BYTES:
            self.file.reclaim()
        return used

    async def delete(self, session_ids: Sequence[str], *, idle_since: float | None = None) -> tuple[str, ...]:
        """Delete sessions with their history and participants; return those that existed."""
        return await self.file.execute(
            lambda database: statements.delete(database, session_ids, idle_since), frees=True
        )

    async def moderate(self, session_id: str, known: bytes, moderation: bytes, keys: Keys | None) -> bool:
        """Replace a session's moderation, and its keys unless they are None; False: it has changed."""
        # Someone who disturbs must be removed on a full disk, too.
        return await self.file.execute(
            lambda database: statements.moderate(database, session_id, known, moderation, keys), frees=True
        )

    async def touch(self, session_ids: Sequence[str], at: float) -> None:
        """Mark the sessions as in use."""
        await self.file.execute(lambda database: statements.touch(database, session_ids, at), frees=True)

    async def idle(self, before: float, limit: int) -> tuple[str, ...]:
        """Return sessions last active before then, oldest first."""
        return await self.file.execute(lambda database: statements.idle(database, before, limit))

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
        operation = await self.file.enqueue(
            lambda database: statements.append(
                database, session_id, body, at=at, limits=limits, origin=origin, share=share
            ),
            len(body),
            partial(self._report, settled),
            adds=True,
            leaves_room=share.kind is not Kind.CAPTION,
        )
        return AppendTicket(operation, session_id)

    async def read(
        self, session_id: str, *, after: int, until: int, size: int | None = None
    ) -> tuple[HistoryMessage, ...]:
        """Return the stored messages after ``after`` up to ``until``: the oldest ``size`` bytes."""
        return await self.file.execute(
            lambda database: statements.read(database, session_id, after, until, size)
        )

    async def erase(self, session_id: str, offsets: Sequence[int]) -> int:
        """Drop these messages of a session's history on purpose, which is no loss; return how many it had."""
        return await self.file.execute(
            lambda database: statements.erase(database, session_id, offsets), frees=True
        )

    async def losses(self, session_id: str) -> Losses | None:
        """Return the losses of a session's history so far; None if it does not exist."""
        return await self.file.execute(lambda database: shares.losses(database, session_id))

    async def prune(self, now: float, limits: Limits) -> int:
        """Drop messages that are too old in every session, and release their space in steps."""
        dropped = await self.file.execute(
            lambda database: statements.prune(database, now, limits), frees=True
        )
        self.file.reclaim()
        return dropped

    async def crowded(self) -> tuple[str, ...]:
        """Return the sessions with too many participants."""
        return await self.file.execute(statements.crowded)

    async def trim_participants(self, session_id: str, present: frozenset[str], at: float) -> int:
        """Delete the participants absent longest from a crowded session, except owners and those present."""
        return await self.file.execute(
            lambda database: statements.trim_participants(database, session_id, present, at), frees=True
        )

    async def put_participant(self, session_id: str, participant: ParticipantRecord) -> bool:
        """Store or change a participant who may return."""
        kept = await self.file.execute(
            lambda database: statements.put_participant(database, session_id, participant), adds=True
        )
        self.file.cancel_deferred((session_id, participant.participant_id))
        return kept

    async def participant(self, session_id: str, participant_id: str) -> ParticipantRecord | None:
        """Return a participant who may return, or None."""
        if self.file.is_deferred((session_id, participant_id)):
            return None
        return await self.file.execute(
            lambda database: statements.participant(database, session_id, participant_id)
        )

    async def drop_participant(self, session_id: str, participant_id: str) -> None:
        """Delete a participant; while the file cannot be written, first in memory, later in the file."""

        def drop(database: sqlite3.Connection) -> None:
            statements.drop_participant(database, session_id, participant_id)

        try:
            await self.file.execute(drop, frees=True)
        except ProblemError:
            if not self.file.defer((session_id, participant_id), drop):
                raise

    def _report(self, settled: Callable[[], None] | None, appended: Appended | None) -> None:
        if appended is not None:
            self.events.appended(appended)
        if settled is not None:
            settled()
