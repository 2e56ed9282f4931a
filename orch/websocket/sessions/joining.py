"""Joining sessions: with a key, or again with a recovery token."""

import msgspec
from msgspec import UNSET, Struct

from orch.access.actions import Action
from orch.access.permissions import SPEAKERS, right_of_role, role_of_right
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name, new_token
from orch.protocol.messages import JoinSession, SessionJoined
from orch.protocol.recovery_token import Token, read_token
from orch.protocol.session_keys import Right, given
from orch.stores.records import ParticipantRecord
from orch.websocket.connections.connection import Connection
from orch.websocket.history.parts import Needs
from orch.websocket.participants.member import Member
from orch.websocket.participants.names import clean
from orch.websocket.sessions.entrance import Entrance, display_name, reply_id
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.session_access import SessionAccess
from orch.websocket.sessions.sessions import Sessions


class _Returning(Struct, frozen=True):
    """A participant who joins again with a recovery token."""

    token: Token
    record: ParticipantRecord


class Joining:
    """Handles clients' requests to join sessions. Stateless."""

    def __init__(self, sessions: Sessions, entrance: Entrance, access: SessionAccess) -> None:
        self._sessions = sessions
        self._entrance = entrance
        self._access = access

    async def join(self, connection: Connection, message: JoinSession) -> None:
        """Join a session; the reply is ``session_joined``. A member changes what it reads this way.

        The key decides the role: a client with the read key is an observer, whatever it requests. A member
        needs no key, and a key does not change a member's role; nor does a participant who returns with a
        recovery token. Raises ``session_locked``, ``removed``.
        """
        right, returning = Right.NONE, None
        if message.session_id not in connection.members:
            right, returning = await self._admit(connection, message)
        async with self._sessions.open(message.session_id) as session:
            member = connection.members.get(message.session_id)
            if member is None and right is Right.NONE:  # it left while the session was being loaded
                raise ProblemError("not_in_session", f"You are no longer in session {message.session_id}.")
            if member is None:
                _require_admitted(session, message, returning)
                member = self._take_over(connection, session, returning)
            is_new = member is None
            if member is None:
                member = await self._add(connection, session, message, right, returning)
            else:
                await self._update(session, member, message)
            await self._reply(connection, session, member, message, is_new=is_new)

    async def _admit(self, connection: Connection, message: JoinSession) -> tuple[Right, _Returning | None]:
        """Return the right that a client joins with, and the participant who it was. Raises if it may not."""
        self._sessions.storage.require_for_joining()
        self._entrance.require_room(connection)
        returning = await self._returning(message)
        if returning is not None:
            right = right_of_role(returning.record.role)
        else:
            right = await self._access.require(
                connection.actor, message.session_id, message.key, Action.READ_SESSION
            )
        self._access.may_join(connection.actor)
        return right, returning

    async def _returning(self, message: JoinSession) -> _Returning | None:
        """Return the participant that a recovery token belongs to, or None."""
        token = read_token(message.recovery_token) if message.recovery_token else None
        if token is None:
            return None
        record = await self._sessions.store.participant(message.session_id, token.participant_id)
        return _Returning(token, record) if record and token.opens(record.token_hash) else None

    def _take_over(
        self, connection: Connection, session: Session, returning: _Returning | None
    ) -> Member | None:
        """Attach the member who returns to this connection; None: they are not in the session here."""
        member = None if returning is None else session.member(returning.token.participant_id)
        if member is not None:
            self._entrance.move(session, member, connection)
        return member

    async def _update(self, session: Session, member: Member, message: JoinSession) -> None:
        """Change what a member reads, and their name."""
        former = member.name
        if message.name is not None and (name := clean(message.name)):
            member.name = session.take_name(member.participant_id, name)
        member.languages = message.languages
        member.growing = message.growing
        await self._entrance.store(session, member)
        self._sessions.presence.refresh(session, member)
        if member.name != former and member.role in SPEAKERS:  # observers have no captions
            self._sessions.on_renamed(session, member)

    async def _add(
        self,
        connection: Connection,
        session: Session,
        message: JoinSession,
        right: Right,
        returning: _Returning | None,
    ) -> Member:
        """Store a new member and add them to the session."""
        token, role, name = new_token(new_name()), role_of_right(right, message.role), message.name
        if returning is not None:
            token, role, name = returning.token, returning.record.role, name or returning.record.name
        member = self._entrance.member(
            connection,
            token,
            name=session.take_name(token.participant_id, display_name(name, token)),
            role=role,
            right=right,
            languages=message.languages,
            growing=message.growing,
        )
        try:
            await self._entrance.store(session, member)
            await self._require_still_admitted(session, message, returning, member)
        except BaseException:
            session.drop_name(member.participant_id)
            raise
        self._entrance.enter(session, member, connection)
        return member

    async def _require_still_admitted(
        self, session: Session, message: JoinSession, returning: _Returning | None, member: Member
    ) -> None:
        """Raise if the host has decided otherwise while a new member was stored, who is deleted then."""
        try:
            _require_admitted(session, message, returning)
        except ProblemError:
            await self._sessions.store.drop_participant(session.session_id, member.participant_id)
            raise

    async def _reply(
        self,
        connection: Connection,
        session: Session,
        member: Member,
        message: JoinSession,
        *,
        is_new: bool,
    ) -> None:
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
                    terms=session.terms if session.terms and member.role in SPEAKERS else UNSET,
                    pipeline=session.shown_pipeline if member.role in SPEAKERS else UNSET,
                    epoch=session.epoch,
                    offset=offset if history is None else history.offset,
                    config=msgspec.json.decode(session.config),
                    participants=session.participants(member.participant_id),
                    participant_count=self._sessions.participant_count(session),
                    moderation=session.decisions.shown_to(member.participant_id, member.role),
                    messages=UNSET if history is None else history.messages,
                    complete=UNSET if history is None else history.complete,
                    broadcasts_complete=UNSET if history is None else history.broadcasts_complete,
                    more=UNSET if history is None or not history.more else True,
                )
            )
            if history is not None:
                self._entrance.follow(connection, member, session, history, until=offset, needs=Needs.NOTHING)


def _require_admitted(session: Session, message: JoinSession, returning: _Returning | None) -> None:
    """Raise ``removed`` or ``session_locked`` if the host does not let a client join."""
    token = read_token(message.recovery_token) if message.recovery_token else None
    reason = None if token is None else session.decisions.refusal(token.participant_id)
    if reason == "removed":
        raise ProblemError("removed", "The host has removed you from this session.")
    if returning is None or reason is not None:
        session.decisions.require_open(session.session_id)
