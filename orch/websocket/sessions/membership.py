"""Handles requests to create and leave sessions, and to join them (joining.py, session_recovery.py)."""

import msgspec
from msgspec import UNSET

from orch.problems import ProblemError
from orch.protocol.identifiers import new_name, new_token
from orch.protocol.messages import (
    CreateSession,
    LeaveSession,
    SessionCreated,
    SessionLeft,
)
from orch.protocol.session_keys import Right, given
from orch.websocket.connections.connection import Connection
from orch.websocket.sessions.creation_limits import CreationLimits
from orch.websocket.sessions.entrance import Entrance, display_name, reply_id
from orch.websocket.sessions.joining import Joining
from orch.websocket.sessions.session_access import SessionAccess
from orch.websocket.sessions.session_pipeline import accepted_pipeline
from orch.websocket.sessions.session_recovery import SessionRecovery
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.sessions.synthetic import require_right


class Membership:
    """Adds clients to sessions and removes them. Stateless."""

    def __init__(self, sessions: Sessions, access: SessionAccess, creation_limits: CreationLimits) -> None:
        self._sessions = sessions
        self._creation_limits = creation_limits
        self._entrance = Entrance(sessions)
        self.join = Joining(sessions, self._entrance, access).join
        self.recovery = SessionRecovery(sessions, self._entrance)
        self.recover = self.recovery.recover
        self.boundary = self._entrance.history.boundary

    async def create(self, connection: Connection, message: CreateSession) -> None:
        """Create a session; the reply is ``session_created``."""
        self._entrance.require_room(connection)
        require_right(message.config, connection.actor)
        token = new_token(new_name())
        async with self._creation_limits.reserve(connection.actor) as created_from:
            session, owner = await self._sessions.create(
                message.session_id,
                message.config,
                lambda: self._entrance.member(
                    connection,
                    token,
                    name=display_name(message.name, token),
                    role="owner",
                    right=Right.SPEAK,
                    languages=message.languages,
                    growing=message.growing,
                ),
                terms=message.terms,
                pipeline=accepted_pipeline(message.pipeline),
                created_from=created_from,
            )
        assert owner is not None  # noqa: S101 - one was asked for
        self._entrance.enter(session, owner, connection)
        connection.answer(
            SessionCreated(
                timestamp=self._sessions.now_ms(),
                id=reply_id(message.id),
                session_id=session.session_id,
                participant_id=owner.participant_id,
                recovery_token=str(owner.token),
                keys=given(session.keys, owner.right),
                role=owner.role,
                title=session.title or UNSET,
                terms=session.terms or UNSET,
                pipeline=session.shown_pipeline,
                epoch=session.epoch,
                offset=session.offset,
                config=msgspec.json.decode(session.config),
                participants=session.participants(owner.participant_id),
                participant_count=session.participant_count,
                moderation=session.decisions.shown_to(owner.participant_id, owner.role),
            )
        )

    async def leave(self, connection: Connection, message: LeaveSession) -> None:
        """Leave a session; the reply is ``session_left``. The recovery token becomes invalid."""
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError("not_in_session", f"You are not in session {message.session_id}.")
        await self._sessions.store.drop_participant(message.session_id, member.participant_id)
        session = self._sessions.cache.peek(message.session_id)
        if session is not None:
            session.remove(member, for_good=True)
            self._sessions.presence.announce(session, member, "left")
        connection.members.pop(message.session_id, None)
        if message.end_if_empty and member.role == "owner" and session is not None and session.is_empty:
            await self._sessions.end([message.session_id])
        connection.answer(
            SessionLeft(
                timestamp=self._sessions.now_ms(), id=reply_id(message.id), session_id=message.session_id
            )
        )

    def detach(self, connection: Connection) -> None:
        """Remove a closing connection from its sessions. Its participants may return."""
        for session_id, member in connection.members.items():
            session = self._sessions.cache.peek(session_id)
            if session is not None and session.remove(member):
                self._sessions.presence.announce(session, member, "silent")
        connection.members.clear()
