"""Sends the history of sessions to clients, as fast as they read it.

The reply to ``join_session`` or ``recover_session`` contains the first part of the history. The others follow
as separate messages, each read from the store once the client has read the one before. So a client that reads
nothing costs one part, however many sessions it joins, and a fast one is limited only by its network. Live
messages are sent as usual, without delay.
"""

from functools import partial
from typing import Final

import msgspec
import structlog
import trio
from msgspec import UNSET

from orch.problems import ProblemError
from orch.protocol.messages import SessionHistory
from orch.telemetry.boundaries import Boundary
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.outbox import Frame, frame
from orch.websocket.history.parts import (
    PART_BYTES,
    Cursor,
    HistoryPart,
    HistoryTransfer,
    empty_first_part,
    failed_part,
)
from orch.websocket.participants.member import Member
from orch.websocket.sessions.sessions import Sessions

#: Time limit of the store for one part; then the client gets an error, and may ask again.
READ_WITHIN: Final = 30.0

_log = structlog.get_logger("websocket")


class HistorySender:
    """Sends histories in parts. Stateless: the cursors belong to the connections.

    A connection has one task for all its histories, and at most one cursor for each of its sessions. Both end
    with the connection; a cursor ends when its participant leaves the session, joins again with history or
    recovers it, and when the session ends.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.boundary = Boundary("histories")

    async def first(self, connection: Connection, session_id: str, *, after: int, until: int) -> HistoryPart:
        """Return the first part: as much as fits beside what is queued for the client.

        Its losses are those of the whole requested history.
        """
        room = PART_BYTES - connection.queued_bytes
        if room <= 0 or after >= until:
            first = empty_first_part(after=after, until=until)
        else:
            first = await self._sessions.history.part(session_id, after=after, until=until, size=room)
        if not first.more:
            return first
        losses = await self._sessions.history.losses(session_id, until=until)
        return msgspec.structs.replace(
            first,
            complete=losses.captions <= after,
            broadcasts_complete=losses.others <= after,
        )

    def follow(self, connection: Connection, member: Member, session_id: str, cursor: Cursor) -> None:
        """Send the parts after the first. It replaces a running transfer of that history."""
        if connection.transfers is not None:  # the task runs already
            connection.transfers[session_id] = HistoryTransfer(member, cursor)
            return
        connection.transfers = {session_id: HistoryTransfer(member, cursor)}
        connection.start(partial(self._send, connection, connection.transfers))

    @staticmethod
    def stop(connection: Connection, session_id: str) -> None:
        """Stop sending a session's history."""
        if connection.transfers:
            connection.transfers.pop(session_id, None)

    async def _send(self, connection: Connection, transfers: dict[str, HistoryTransfer]) -> None:
        """Send parts of each session in turn, until all are sent."""
        while transfers:
            await connection.drained()
            if connection.is_closing or not transfers:
                break
            session_id = next(iter(transfers))
            transfer = transfers.pop(session_id)
            if connection.members.get(session_id) is not transfer.member:
                continue
            transfers[session_id] = transfer
            read, reason = await self._read(connection, session_id, transfer.cursor)
            if (
                transfers.get(session_id) is not transfer
                or connection.members.get(session_id) is not transfer.member
            ):
                continue
            connection.answer(self._frame(session_id, transfer.cursor, read, reason))
            del transfers[session_id]
            if read.more:
                transfer.cursor = msgspec.structs.replace(transfer.cursor, after=read.offset)
                transfers[session_id] = transfer
        connection.transfers = None

    async def _read(
        self, connection: Connection, session_id: str, cursor: Cursor
    ) -> tuple[HistoryPart, str | None]:
        """Return the next part; if it cannot be read, an empty last part and the reason."""
        try:
            with trio.fail_after(READ_WITHIN):
                read = await self._sessions.history.part(
                    session_id, after=cursor.after, until=cursor.until, size=PART_BYTES
                )
        except ProblemError as error:
            reason = error.code
        except trio.TooSlowError:
            reason = "store_unavailable"
        except Exception:  # noqa: BLE001 - one history's boundary: the connection and its sessions stay
            self.boundary.count()
            _log.exception("history failed", connection_id=connection.connection_id, session_id=session_id)
            reason = "internal_error"
        else:
            if read.satisfies(cursor.needs):
                return read, None
            reason = "history_expired"
        return failed_part(cursor.after), reason

    def _frame(self, session_id: str, cursor: Cursor, read: HistoryPart, reason: str | None) -> Frame:
        return frame(
            SessionHistory(
                timestamp=self._sessions.now_ms(),
                session_id=session_id,
                epoch=cursor.epoch,
                after=read.after,
                offset=read.offset,
                messages=read.messages,
                complete=read.complete,
                broadcasts_complete=read.broadcasts_complete,
                more=read.more,
                reason=UNSET if reason is None else reason,
            )
        )
