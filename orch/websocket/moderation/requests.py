"""Handles the messages of hosts, and of participants who unmute themselves.

Who may send them is decided before, by :mod:`orch.websocket.message_door`.
"""

from msgspec import UNSET

from orch.problems import ProblemError
from orch.protocol.messages import (
    ClientMessage,
    EndSession,
    ModerationChanged,
    MuteParticipant,
    NewKeys,
    RemoveParticipant,
    RenameParticipant,
    SessionKeys,
    SetSession,
    Unmute,
)
from orch.websocket.connections.connection import Connection
from orch.websocket.moderation.decisions import Decisions
from orch.websocket.moderation.ending import Endings
from orch.websocket.moderation.moderator import Host, Moderator
from orch.websocket.participants.member import Member
from orch.websocket.sessions.sessions import Sessions


class ModerationRequests:
    """Replies to each request when it has been carried out: with what is decided then. Stateless."""

    def __init__(self, *, sessions: Sessions, moderator: Moderator, endings: Endings) -> None:
        self._sessions = sessions
        self._moderator = moderator
        self._endings = endings

    async def set_session(self, connection: Connection, message: SetSession) -> None:
        """Lock or unlock a session, and decide who may speak."""
        decided = await self._moderator.set_session(
            _host(connection, message.session_id),
            message.session_id,
            locked=message.locked,
            speaking=message.speaking,
        )
        self._reply(connection, message, message.session_id, decided)

    async def mute(self, connection: Connection, message: MuteParticipant) -> None:
        """Mute a participant or all, or let one speak."""
        decided = await self._moderator.mute(
            _host(connection, message.session_id),
            message.session_id,
            message.participant_id,
            muted=message.muted,
        )
        self._reply(connection, message, message.session_id, decided)

    async def unmute(self, connection: Connection, message: Unmute) -> None:
        """Let the sender speak again."""
        member = _member(connection, message.session_id)
        host = _host(connection, message.session_id)
        decided = await self._moderator.unmute(host, message.session_id, is_owner=member.role == "owner")
        self._reply(connection, message, message.session_id, decided)

    async def remove(self, connection: Connection, message: RemoveParticipant) -> None:
        """Remove a participant."""
        decided = await self._moderator.remove(
            _host(connection, message.session_id),
            message.session_id,
            message.participant_id,
            new_keys=message.new_keys,
        )
        self._reply(connection, message, message.session_id, decided)

    async def rename(self, connection: Connection, message: RenameParticipant) -> None:
        """Rename a participant."""
        host = _host(connection, message.session_id)
        await self._moderator.rename(host, message.session_id, message.participant_id, message.name)
        self._reply(
            connection, message, message.session_id, await self._moderator.decided(message.session_id)
        )

    async def new_keys(self, connection: Connection, message: NewKeys) -> None:
        """Replace the session's keys."""
        host = _host(connection, message.session_id)
        keys = await self._moderator.replace_keys(host, message.session_id)
        connection.answer(
            SessionKeys(
                timestamp=self._sessions.now_ms(),
                id=UNSET if message.id is None else message.id,
                session_id=message.session_id,
                keys=keys,
            )
        )

    async def end(self, connection: Connection, message: EndSession) -> None:
        """End the session."""
        decided = await self._endings.end(_host(connection, message.session_id), message.session_id)
        self._reply(connection, message, message.session_id, decided)

    def _reply(
        self, connection: Connection, message: ClientMessage, session_id: str, decided: Decisions
    ) -> None:
        member = connection.members.get(session_id)
        if member is None:
            return  # the session has ended, or its sender was removed, meanwhile
        shown = decided.shown_to(member.participant_id, member.role)
        connection.answer(
            ModerationChanged(
                timestamp=self._sessions.now_ms(),
                id=UNSET if message.id is None else message.id,
                session_id=session_id,
                locked=shown.locked,
                speaking=shown.speaking,
                ending=shown.ending,
                muted=shown.muted,
            )
        )


def _member(connection: Connection, session_id: str) -> Member:
    member = connection.members.get(session_id)
    if member is None:
        raise ProblemError("not_in_session", f"Join session {session_id} first.")
    return member


def _host(connection: Connection, session_id: str) -> Host:
    return Host(connection.actor, _member(connection, session_id).participant_id)
