"""Handles clients' requests to create, join and leave sessions."""

import msgspec
from msgspec import UNSET

from orch.access.actions import Action
from orch.access.permissions import SPEAKERS, role_of_right
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name, new_token
from orch.protocol.messages import (
    CreateSession,
    JoinSession,
    LeaveSession,
    SessionCreated,
    SessionJoined,
    SessionLeft,
)
from orch.protocol.session_keys import Right, given
from orch.websocket.connections.connection import Connection
from orch.websocket.history.parts import Needs
from orch.websocket.participants.names import clean
from orch.websocket.sessions.creation_limits import CreationLimits
from orch.websocket.sessions.entrance import Entrance, display_name, reply_id
from orch.websocket.sessions.session_access import SessionAccess
from orch.websocket.sessions.session_recovery import SessionRecovery
from orch.websocket.sessions.sessions import Sessions


class Membership:
    """Adds clients to sessions and removes them. Stateless."""

    def __init__(self, sessions: Sessions, access: SessionAccess, creation_limits: CreationLimits) -> None:
        self._sessions = sessions
        self._access = access
        self._creation_limits = creation_limits
        self._entrance = Entrance(sessions)
        self.recover = SessionRecovery(sessions, self._entrance).recover
        self.boundary = self._entrance.history.boundary

    async def create(self, connection: Connection, message: CreateSession) -> None:
        """Create a session; the reply is ``session_created``."""
        self._entrance.require_room(connection)
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
                epoch=session.epoch,
                offset=session.offset,
                config=msgspec.json.decode(session.config),
                participants=session.participants(owner.participant_id),
                participant_count=session.participant_count,
            )
        )

    async def join(self, connection: Connection, message: JoinSession) -> None:
        """Join a session; the reply is ``session_joined``. A member changes what it reads this way.

        The key decides the role: a client with the read key is an observer, whatever it requests. A member
        needs no key, and a key does not change a member's role.
        """
        is_new = message.session_id not in connection.members
        right = Right.NONE
        if is_new:
            self._sessions.storage.require_for_joining()
            self._entrance.require_room(connection)
            right = await self._access.require(
                connection.actor, message.session_id, message.key, Action.READ_SESSION
            )
            self._access.may_join(connection.actor)
        async with self._sessions.open(message.session_id) as session:
            member = connection.members.get(message.session_id)
            former: str | None = None
            if member is not None:
                is_new, former = False, member.name
                if message.name is not None and (name := clean(message.name)):
                    member.name = session.take_name(member.participant_id, name)
                member.languages = message.languages
                member.growing = message.growing
            elif right is Right.NONE:  # it left while the session was being loaded
                raise ProblemError("not_in_session", f"You are no longer in session {message.session_id}.")
            else:
                token = new_token(new_name())
                member = self._entrance.member(
                    connection,
                    token,
                    name=session.take_name(token.participant_id, display_name(message.name, token)),
                    role=role_of_right(right, message.role),
                    right=right,
                    languages=message.languages,
                    growing=message.growing,
                )
            try:
                await self._entrance.store(session, member)
            except BaseException:
                session.drop_name(member.participant_id)
                raise
            if is_new:
                self._entrance.enter(session, member, connection)
            else:
                self._sessions.presence.refresh(session, member)
                if member.name != former and member.role in SPEAKERS:  # observers have no captions
                    self._sessions.on_renamed(session, member)
            offset = session.offset
            with self._entrance.holding(connection, session, member, is_new=is_new):
                history = None
                if message.history:
                    history = await self._entrance.history.first(
                        connection, session.session_id, after=0, until=offset
                    )
                connection.answer(
                    SessionJoined(
                        timestamp=self._sessions.now_ms(),
                        id=reply_id(message.id),
                        session_id=session.session_id,
                        participant_id=member.participant_id,
                        recovery_token=str(member.token),
                        keys=given(session.keys, member.right),
                        role=member.role,
                        title=session.title or UNSET,
                        epoch=session.epoch,
                        offset=offset if history is None else history.offset,
                        config=msgspec.json.decode(session.config),
                        participants=session.participants(member.participant_id),
                        participant_count=self._sessions.participant_count(session),
                        messages=UNSET if history is None else history.messages,
                        complete=UNSET if history is None else history.complete,
                        broadcasts_complete=UNSET if history is None else history.broadcasts_complete,
                        more=UNSET if history is None or not history.more else True,
                    )
                )
                if history is not None:
                    self._entrance.follow(
                        connection, member, session, history, until=offset, needs=Needs.NOTHING
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
