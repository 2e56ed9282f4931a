"""Sessions, their history and their participants in a SQLite file."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from orch.problems import ProblemError
from orch.stores.history import NOBODYS_CAPTION, Kind, Limits, Losses, Share
from orch.stores.operations import AppendTicket
from orch.stores.protocols import IgnoreEvents, StoreEvents
from orch.stores.records import Appended, HistoryMessage, Origin, ParticipantRecord, SessionRecord
from orch.stores.sqlite import shares, statements
from orch.stores.sqlite.file import SqliteFile

#: Bytes in the file that nothing is in, from which on they are given back without waiting for the next sweep.
FREE_BYTES: Final = 4 * 2**20


class SqliteSessions:
    """See :class:`orch.stores.protocols.SessionStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self.file = file
        self.events: StoreEvents = IgnoreEvents()

    async def create(
        self, record: SessionRecord, owner: ParticipantRecord | None = None, *, created_from: str = ""
    ) -> bool:
        """Keep a new session, and who it belongs to. False: there is one of this name."""
        return await self.file.execute(
            lambda database: statements.create(database, record, owner, created_from),
            size=len(record.config),
            adds=True,
        )

    async def created_from(self, address: str, most: int) -> int:
        """Return how many sessions there are that were begun from an address."""
        del most  # it is always exact
        return await self.file.execute(lambda database: statements.count_begun(database, address))

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return the session, or None."""
        return await self.file.execute(lambda database: statements.load(database, session_id))

    async def newest(self, limit: int) -> tuple[SessionRecord, ...]:
        """Return the sessions that were last active, newest first."""
        return await self.file.execute(lambda database: statements.newest(database, limit))

    async def count(self) -> int:
        """Return how many sessions are kept."""
        return await self.file.execute(statements.count)

    async def used_bytes(self) -> int:
        """Return how many bytes of the file are in use; much that is not any more is given back."""
        used, free = await self.file.execute(statements.used_bytes)
        if free >= FREE_BYTES:
            self.file.reclaim()
        return used

    async def delete(self, session_ids: Sequence[str], *, idle_since: float | None = None) -> tuple[str, ...]:
        """Forget sessions, what was said in them and who was there; return those that there were."""
        return await self.file.execute(
            lambda database: statements.delete(database, session_ids, idle_since), frees=True
        )

    async def touch(self, session_ids: Sequence[str], at: float) -> None:
        """Note that the sessions are in use."""
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
        """Take a message in, in the order of the calls, and return at once where there is room."""
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
        """Return what is kept of the offsets after ``after`` up to ``until``: the oldest ``size`` bytes."""
        return await self.file.execute(
            lambda database: statements.read(database, session_id, after, until, size)
        )

    async def losses(self, session_id: str) -> Losses | None:
        """Return what was dropped of a session's history so far; None: there is no such session."""
        return await self.file.execute(lambda database: shares.losses(database, session_id))

    async def prune(self, now: float, limits: Limits) -> int:
        """Drop what is too old in every session, and give the room back to the disk, a piece at a time."""
        dropped = await self.file.execute(
            lambda database: statements.prune(database, now, limits), frees=True
        )
        self.file.reclaim()
        return dropped

    async def crowded(self) -> tuple[str, ...]:
        """Return the sessions that more may return to than are kept."""
        return await self.file.execute(statements.crowded)

    async def trim_participants(self, session_id: str, present: frozenset[str], at: float) -> int:
        """Forget those who were in a crowded session longest ago, other than owners and who is present."""
        return await self.file.execute(
            lambda database: statements.trim_participants(database, session_id, present, at), frees=True
        )

    async def put_participant(self, session_id: str, participant: ParticipantRecord) -> bool:
        """Keep someone's right to return, or change it."""
        kept = await self.file.execute(
            lambda database: statements.put_participant(database, session_id, participant), adds=True
        )
        self.file.cancel_deferred((session_id, participant.participant_id))
        return kept

    async def participant(self, session_id: str, participant_id: str) -> ParticipantRecord | None:
        """Return someone who may return, or None."""
        if self.file.is_deferred((session_id, participant_id)):
            return None
        return await self.file.execute(
            lambda database: statements.participant(database, session_id, participant_id)
        )

    async def drop_participant(self, session_id: str, participant_id: str) -> None:
        """Forget someone; where the file cannot be written, in memory first, and in the file once it can."""

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
