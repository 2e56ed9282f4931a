"""How members enter sessions, with their history, and leave them: for creating, joining and recovering."""

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import UNSET, UnsetType

from orch.problems import ProblemError
from orch.protocol.messages import MessageId, Role, SessionLeft
from orch.protocol.recovery_token import Token
from orch.protocol.session_keys import Right
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.outbox import frame
from orch.websocket.history.parts import Cursor, HistoryPart, Needs
from orch.websocket.history.sender import HistorySender
from orch.websocket.participants.member import Member, default_name
from orch.websocket.participants.names import clean
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.sessions.storage_quota import PARTICIPANT_BYTES


class Entrance:
    """Adds members to sessions and removes them. Stateless."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.history = HistorySender(sessions)

    @contextmanager
    def holding(
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
                self.leave(connection, session, member)
                member.forget_held()
            raise
        finally:
            member.release()

    def follow(
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
        self.history.stop(connection, session.session_id)
        if first.more:
            cursor = Cursor(session.epoch, first.offset, until, needs)
            self.history.follow(connection, member, session.session_id, cursor)

    def require_room(self, connection: Connection) -> None:
        """Raise ``too_many_sessions`` if the connection has joined as many sessions as it may."""
        limit = self._sessions.settings.orchestration.websocket.max_sessions_per_connection
        if len(connection.members) >= limit:
            raise ProblemError(
                "too_many_sessions", f"This connection has joined {limit} sessions, which is the limit."
            )

    def member(
        self,
        connection: Connection,
        token: Token,
        *,
        name: str,
        role: Role,
        right: Right,
        languages: tuple[str, ...],
        growing: bool = False,
    ) -> Member:
        """Return a new member on a connection, who is not in a session yet."""
        return Member(
            connection,
            token,
            name=name,
            role=role,
            right=right,
            languages=languages,
            growing=growing,
            limit=self._sessions.settings.orchestration.websocket.outbox_bytes,
        )

    async def store(self, session: Session, member: Member) -> None:
        """Store a member's right to return. Raises ``unknown_session`` if the session has ended."""
        stored = await self._sessions.store.put_participant(
            session.session_id, member.record(self._sessions.wall())
        )
        self._sessions.storage.add_written(PARTICIPANT_BYTES)
        if not stored or session.has_ended:
            raise ProblemError("unknown_session", f"The session {session.session_id} has ended.")

    def enter(self, session: Session, member: Member, connection: Connection) -> None:
        """Add a member to a session, and announce that they joined."""
        if connection.is_closing:
            # It closed during the store operation, and was removed from its sessions already.
            session.drop_name(member.participant_id)
            return
        session.add(member)
        session.last_active = self._sessions.wall()
        connection.members[session.session_id] = member
        if session.is_remote(member.participant_id):
            # A participant who moved from another worker has not joined again.
            self._sessions.presence.refresh(session, member)
        else:
            self._sessions.presence.announce(session, member, "joined")

    def leave(self, connection: Connection, session: Session, member: Member) -> None:
        """Remove a member, who may return."""
        session.remove(member)
        connection.members.pop(session.session_id, None)
        self._sessions.presence.announce(session, member, "silent")

    def move(self, session: Session, member: Member, connection: Connection) -> None:
        """Attach a member to another connection: the old one is lost or obsolete."""
        old = member.receiver
        if old.connection_id == connection.connection_id or connection.is_closing:
            return
        self.require_room(connection)
        left = SessionLeft(timestamp=self._sessions.now_ms(), session_id=session.session_id)
        old.dismiss(frame(left), session.session_id)
        member.receiver = connection
        connection.members[session.session_id] = member


def display_name(name: str | None, token: Token) -> str:
    """Return the cleaned name, or a default name if it is empty."""
    return clean(name or "") or default_name(token.participant_id)


def reply_id(identity: MessageId | None) -> MessageId | UnsetType:
    """Return the ``id`` of a reply: that of the request, if it has one."""
    return UNSET if identity is None else identity
