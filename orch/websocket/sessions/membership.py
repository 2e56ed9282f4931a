"""Handles clients' requests to create, join, leave and recover sessions."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from msgspec import UNSET, UnsetType

from orch.access.actions import Action
from orch.access.permissions import SPEAKERS, right_of_role, role_of_right
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name, new_token
from orch.protocol.messages import (
    CreateSession,
    JoinSession,
    LeaveSession,
    MessageId,
    RecoverSession,
    Role,
    SessionCreated,
    SessionJoined,
    SessionLeft,
    SessionRecovered,
)
from orch.protocol.recovery_token import Token, read_token
from orch.protocol.session_keys import Right, given
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.outbox import frame
from orch.websocket.history.parts import Cursor, HistoryPart, Needs
from orch.websocket.history.recovery import Refusal, refusal
from orch.websocket.history.sender import HistorySender
from orch.websocket.participants.member import Member, default_name
from orch.websocket.participants.names import clean
from orch.websocket.sessions.creation_limits import CreationLimits
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.session_access import SessionAccess
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.sessions.storage_quota import PARTICIPANT_BYTES


class Membership:
    """Adds clients to sessions and removes them. Stateless."""

    def __init__(self, sessions: Sessions, access: SessionAccess, creation_limits: CreationLimits) -> None:
        self._sessions = sessions
        self._access = access
        self._creation_limits = creation_limits
        self._history = HistorySender(sessions)
        self.boundary = self._history.boundary

    async def create(self, connection: Connection, message: CreateSession) -> None:
        """Create a session; the reply is ``session_created``."""
        self._may_join(connection)
        token = new_token(new_name())
        async with self._creation_limits.place(connection.actor) as created_from:
            session, owner = await self._sessions.create(
                message.session_id,
                message.config,
                lambda: self._member(
                    connection,
                    token,
                    name=_called(message.name, token),
                    role="owner",
                    right=Right.SPEAK,
                    languages=message.languages,
                ),
                created_from=created_from,
            )
        assert owner is not None  # noqa: S101 - one was asked for
        self._let_in(session, owner, connection)
        connection.answer(
            SessionCreated(
                timestamp=self._sessions.now_ms(),
                id=_answering(message.id),
                session_id=session.session_id,
                participant_id=owner.participant_id,
                recovery_token=str(owner.token),
                keys=given(session.keys, owner.right),
                role=owner.role,
                epoch=session.epoch,
                offset=session.offset,
                config=msgspec.json.decode(session.config),
                participants=session.participants(owner.participant_id),
                participant_count=session.participant_count,
            )
        )

    async def join(self, connection: Connection, message: JoinSession) -> None:
        """Join a session; the reply is ``session_joined``. A member changes name and languages this way.

        The key decides the role: a client with the read key is an observer, whatever it requests. A member
        needs no key, and a key does not change a member's role.
        """
        is_new = message.session_id not in connection.members
        right = Right.NONE
        if is_new:
            self._sessions.storage.require_for_joining()
            self._may_join(connection)
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
            elif right is Right.NONE:  # it left while the session was being loaded
                raise ProblemError("not_in_session", f"You are no longer in session {message.session_id}.")
            else:
                token = new_token(new_name())
                member = self._member(
                    connection,
                    token,
                    name=session.take_name(token.participant_id, _called(message.name, token)),
                    role=role_of_right(right, message.role),
                    right=right,
                    languages=message.languages,
                )
            try:
                await self._keep(session, member)
            except BaseException:
                session.drop_name(member.participant_id)
                raise
            if is_new:
                self._let_in(session, member, connection)
            else:
                self._sessions.presence.refresh(session, member)
                if member.name != former and member.role in SPEAKERS:  # observers have no captions
                    self._sessions.on_renamed(session, member)
            offset = session.offset
            with self._catching_up(connection, session, member, is_new=is_new):
                history = None
                if message.history:
                    history = await self._history.first(connection, session.session_id, after=0, until=offset)
                connection.answer(
                    SessionJoined(
                        timestamp=self._sessions.now_ms(),
                        id=_answering(message.id),
                        session_id=session.session_id,
                        participant_id=member.participant_id,
                        recovery_token=str(member.token),
                        keys=given(session.keys, member.right),
                        role=member.role,
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
                    self._follow(connection, member, session, history, until=offset, needs=Needs.NOTHING)

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
        if message.end_if_empty and member.role == "owner" and session is not None and session.is_blank:
            await self._sessions.end([message.session_id])
        connection.answer(
            SessionLeft(
                timestamp=self._sessions.now_ms(), id=_answering(message.id), session_id=message.session_id
            )
        )

    async def recover(self, connection: Connection, message: RecoverSession) -> None:
        """Recover a session; the reply is ``session_recovered``: all missed messages, or false with a reason.

        After false the client is not in the session: its offset is unusable, so it must join again.
        """
        if not self._sessions.settings.session_management.recovery_enabled:
            self._not_recovered(connection, message, "recovery_disabled")
            return
        try:
            async with self._sessions.open(message.session_id) as session:
                await self._recover(connection, session, message)
        except ProblemError as error:
            if error.code != "unknown_session":
                raise
            self._not_recovered(connection, message, _unknown(connection, message))

    async def _recover(self, connection: Connection, session: Session, message: RecoverSession) -> None:
        token = read_token(message.recovery_token) if message.recovery_token else None
        if token is None:
            self._not_recovered(
                connection, message, "wrong_token" if message.recovery_token else "token_required"
            )
            return
        known = await self._sessions.store.participant(session.session_id, token.participant_id)
        if known is None or not token.opens(known.token_hash):
            self._not_recovered(connection, message, "wrong_token")
            return
        offset = message.offset or 0
        await self._sessions.reach(session, offset)
        reason = refusal(
            epoch=session.epoch,
            last=session.offset,
            asked_epoch=message.epoch,
            asked_offset=message.offset,
        )
        if reason is not None:
            self._not_recovered(connection, message, reason)
            return
        other = connection.members.get(session.session_id)
        if other is not None and other.participant_id != token.participant_id:
            # A connection is one participant of a session: from now on the recovered one.
            self._let_out(connection, session, other)
        member = session.member(token.participant_id)
        is_new = member is None
        if member is None:
            self._may_join(connection)
            member = self._member(
                connection,
                token,
                name=session.take_name(token.participant_id, known.name),
                role=known.role,
                right=right_of_role(known.role),
                languages=known.languages,
            )
            self._let_in(session, member, connection)
        else:
            self._move(session, member, connection)
        until = session.offset
        with self._catching_up(connection, session, member, is_new=is_new):
            missed = await self._history.first(connection, session.session_id, after=offset, until=until)
            needs = Needs.CAPTIONS if message.broadcasts_optional else Needs.ALL
            if not missed.gives(needs):
                if is_new:
                    self._let_out(connection, session, member)
                    member.forget_held()
                self._not_recovered(connection, message, "history_expired")
                return
            connection.answer(
                SessionRecovered(
                    timestamp=self._sessions.now_ms(),
                    id=_answering(message.id),
                    session_id=session.session_id,
                    recovered=True,
                    participant_id=member.participant_id,
                    keys=given(session.keys, member.right),
                    role=member.role,
                    epoch=session.epoch,
                    offset=missed.offset,
                    participants=session.participants(member.participant_id),
                    participant_count=self._sessions.participant_count(session),
                    messages=missed.messages,
                    broadcasts_complete=missed.broadcasts_complete,
                    more=True if missed.more else UNSET,
                )
            )
            self._follow(connection, member, session, missed, until=until, needs=needs)

    def detach(self, connection: Connection) -> None:
        """Remove a closing connection from its sessions. Its participants may return."""
        for session_id, member in connection.members.items():
            session = self._sessions.cache.peek(session_id)
            if session is not None and session.remove(member):
                self._sessions.presence.announce(session, member, "silent")
        connection.members.clear()

    @contextmanager
    def _catching_up(
        self, connection: Connection, session: Session, member: Member, *, is_new: bool
    ) -> Iterator[None]:
        """Hold back live messages while the earlier ones are read and queued.

        If that fails, a new member is removed again.
        """
        member.hold()
        try:
            yield
        except BaseException:
            if is_new:
                self._let_out(connection, session, member)
                member.forget_held()
            raise
        finally:
            member.release()

    def _follow(
        self,
        connection: Connection,
        member: Member,
        session: Session,
        first: HistoryPart,
        *,
        until: int,
        needs: Needs,
    ) -> None:
        """Send the parts after the first one; this replaces a running transfer of the session's history."""
        self._history.stop(connection, session.session_id)
        if first.more:
            cursor = Cursor(session.epoch, first.offset, until, needs)
            self._history.follow(connection, member, session.session_id, cursor)

    def _may_join(self, connection: Connection) -> None:
        limit = self._sessions.settings.orchestration.websocket.max_sessions_per_connection
        if len(connection.members) >= limit:
            raise ProblemError(
                "too_many_sessions", f"This connection has joined {limit} sessions, which is the limit."
            )

    def _member(
        self,
        connection: Connection,
        token: Token,
        *,
        name: str,
        role: Role,
        right: Right,
        languages: tuple[str, ...],
    ) -> Member:
        return Member(
            connection,
            token,
            name=name,
            role=role,
            right=right,
            languages=languages,
            limit=self._sessions.settings.orchestration.websocket.outbox_bytes,
        )

    async def _keep(self, session: Session, member: Member) -> None:
        kept = await self._sessions.store.put_participant(
            session.session_id, member.record(self._sessions.wall())
        )
        self._sessions.storage.wrote(PARTICIPANT_BYTES)
        if not kept or session.has_ended:
            raise ProblemError("unknown_session", f"The session {session.session_id} has ended.")

    def _let_in(self, session: Session, member: Member, connection: Connection) -> None:
        if connection.is_closing:
            # It closed during the store operation, and was removed from its sessions already.
            session.drop_name(member.participant_id)
            return
        session.add(member)
        session.last_active = self._sessions.wall()
        connection.members[session.session_id] = member
        if session.is_remote(member.participant_id):
            # A participant who moved from another worker has not joined anew.
            self._sessions.presence.refresh(session, member)
        else:
            self._sessions.presence.announce(session, member, "joined")

    def _let_out(self, connection: Connection, session: Session, member: Member) -> None:
        session.remove(member)
        connection.members.pop(session.session_id, None)
        self._sessions.presence.announce(session, member, "silent")

    def _move(self, session: Session, member: Member, connection: Connection) -> None:
        """Attach a member to another connection: the old one is lost or obsolete."""
        old = member.receiver
        if old.connection_id == connection.connection_id or connection.is_closing:
            return
        self._may_join(connection)
        left = SessionLeft(timestamp=self._sessions.now_ms(), session_id=session.session_id)
        old.dismiss(frame(left), session.session_id)
        member.receiver = connection
        connection.members[session.session_id] = member

    def _not_recovered(self, connection: Connection, message: RecoverSession, reason: Refusal) -> None:
        connection.answer(
            SessionRecovered(
                timestamp=self._sessions.now_ms(),
                id=_answering(message.id),
                session_id=message.session_id,
                recovered=False,
                reason=reason,
            )
        )


def _unknown(connection: Connection, message: RecoverSession) -> Refusal:
    """Return the reason for a recovery of a session that does not exist.

    Strangers get the same reason as for an existing session: the token is wrong, or missing.
    """
    if connection.actor.is_trusted:
        return "unknown_session"
    return "wrong_token" if message.recovery_token else "token_required"


def _called(name: str | None, token: Token) -> str:
    """Return the cleaned name, or a default name if it is empty."""
    return clean(name or "") or default_name(token.participant_id)


def _answering(identity: MessageId | None) -> MessageId | UnsetType:
    return UNSET if identity is None else identity
