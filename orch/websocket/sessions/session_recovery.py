"""Recovering sessions: a client that lost its connection returns, and receives what it missed."""

from collections import Counter
from collections.abc import Iterator

from msgspec import UNSET, Raw

from orch.access.permissions import SPEAKERS, right_of_role
from orch.problems import ProblemError
from orch.protocol.messages import RecoverSession, SessionRecovered
from orch.protocol.recovery_token import read_token
from orch.protocol.session_keys import given
from orch.telemetry.names.metric import Reading
from orch.telemetry.names.websocket import RECOVERIES, RECOVERIES_REFUSED
from orch.websocket.connections.connection import Connection
from orch.websocket.history.parts import Needs
from orch.websocket.history.recovery import REFUSALS, Refusal, refusal
from orch.websocket.sessions.entrance import Entrance, reply_id
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Sessions


class SessionRecovery:
    """Handles clients' requests to recover sessions. The mutable state is the counts of their outcomes."""

    def __init__(self, sessions: Sessions, entrance: Entrance) -> None:
        self._sessions = sessions
        self._entrance = entrance
        self.recovered = 0
        self.refused: Counter[Refusal] = Counter()

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield Reading(RECOVERIES, self.recovered, ("recovered",))
        yield Reading(RECOVERIES, self.refused.total(), ("refused",))
        for reason in REFUSALS:
            yield Reading(RECOVERIES_REFUSED, self.refused[reason], (reason,))

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
        if known is None and token.participant_id in session.decisions.removed:
            self._not_recovered(connection, message, "removed")
            return
        if known is None or not token.opens(known.token_hash):
            self._not_recovered(connection, message, "wrong_token")
            return
        offset = message.offset or 0
        await self._sessions.reach(session, offset)
        # The host may have decided since the participant was read.
        reason = session.decisions.refusal(token.participant_id) or refusal(
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
            self._entrance.leave(connection, session, other)
        member = session.member(token.participant_id)
        is_new = member is None
        if member is None:
            self._entrance.require_room(connection)
            member = self._entrance.member(
                connection,
                token,
                name=session.take_name(token.participant_id, known.name),
                role=known.role,
                right=right_of_role(known.role),
                languages=known.languages,
                growing=message.growing,
            )
            self._entrance.enter(session, member, connection)
        else:
            self._entrance.move(session, member, connection)
        until = session.offset
        with self._entrance.holding(connection, session, member, is_new=is_new):
            missed = await self._entrance.history.first(
                connection, session.session_id, after=offset, until=until
            )
            needs = Needs.CAPTIONS if message.broadcasts_optional else Needs.ALL
            if not missed.satisfies(needs):
                if is_new:
                    self._entrance.leave(connection, session, member)
                    member.forget_held()
                self._not_recovered(connection, message, "history_expired")
                return
            self.recovered += 1
            connection.answer(
                SessionRecovered(
                    timestamp=self._sessions.now_ms(),
                    id=reply_id(message.id),
                    session_id=session.session_id,
                    recovered=True,
                    participant_id=member.participant_id,
                    keys=given(session.keys, member.right),
                    role=member.role,
                    title=session.title or UNSET,
                    terms=session.terms if member.role in SPEAKERS else UNSET,
                    pipeline=Raw(session.pipeline or b"null") if member.role in SPEAKERS else UNSET,
                    epoch=session.epoch,
                    offset=missed.offset,
                    participants=session.participants(member.participant_id),
                    participant_count=self._sessions.participant_count(session),
                    moderation=session.decisions.shown_to(member.participant_id, member.role),
                    messages=missed.messages,
                    broadcasts_complete=missed.broadcasts_complete,
                    more=True if missed.more else UNSET,
                )
            )
            self._entrance.follow(connection, member, session, missed, until=until, needs=needs)

    def _not_recovered(self, connection: Connection, message: RecoverSession, reason: Refusal) -> None:
        self.refused[reason] += 1
        connection.answer(
            SessionRecovered(
                timestamp=self._sessions.now_ms(),
                id=reply_id(message.id),
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
