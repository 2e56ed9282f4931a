"""The names and terms of sessions: set by those who may speak, and sent to them on all workers."""

from typing import Final

import msgspec
import structlog
import trio

from orch.problems import ProblemError
from orch.protocol.messages import SetTerms, TermsSet
from orch.stores.records import encode_terms
from orch.telemetry.boundaries import Boundary
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.outbox import frame
from orch.websocket.sessions.entrance import reply_id
from orch.websocket.sessions.session import Session, accepted_terms
from orch.websocket.sessions.sessions import Sessions

#: Seconds after the connection to the store is back, and between two attempts.
CHECK_AFTER: Final = 1.0

_log = structlog.get_logger("websocket")


class SessionTerms:
    """Handles ``set_terms``. Who may send it is decided before.

    The store gives each change a revision; a worker applies only a newer one, so that all workers have the
    same terms whatever the order of their messages. The last change counts.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.boundary = Boundary("terms of sessions")

    async def set(self, connection: Connection, message: SetTerms) -> None:
        """Store the terms and send them to those who may speak; the sender receives them with the ``id``.

        Raises ``not_in_session``, ``invalid_message``, ``store_full``.
        """
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError("not_in_session", f"Join session {message.session_id} to set its terms.")
        terms = accepted_terms(message.terms)
        self._sessions.storage.require("The names and terms")
        async with self._sessions.open(message.session_id) as session:
            revision = await self._sessions.store.store_terms(session.session_id, terms)
            if revision is None or session.has_ended:
                raise ProblemError("unknown_session", f"The session {session.session_id} has ended.")
            self._sessions.storage.add_written(len(encode_terms(terms)))
            changed = TermsSet(
                timestamp=self._sessions.now_ms(),
                session_id=session.session_id,
                terms=terms,
                revision=revision,
                participant_id=member.participant_id,
            )
            session.set_terms(terms, revision)
            session.deliver_to_speakers(frame(changed, is_durable=True), but=member)
            member.deliver(frame(msgspec.structs.replace(changed, id=reply_id(message.id)), is_durable=True))
            self._sessions.cluster.publish_terms(session.session_id, frame(changed, is_durable=True))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read the terms of sessions in use again whenever messages of other workers were lost."""
        task_status.started()
        while True:
            await self._sessions.cluster.interrupted()
            for session in self._sessions.cache:
                if session.count or session.streams:
                    with self.boundary.item(session=session.session_id):
                        await self._read_again(session)

    async def _read_again(self, session: Session) -> None:
        while True:
            try:
                with trio.fail_after(CHECK_AFTER * 10):
                    record = await self._sessions.store.load(session.session_id)
                break
            except (ProblemError, trio.TooSlowError) as error:
                _log.warning("terms not read", session_id=session.session_id, reason=str(error))
            await trio.sleep(CHECK_AFTER)
        if record is not None and session.set_terms(record.terms, record.terms_revision):
            session.deliver_to_speakers(frame(self._current(session), is_durable=True))

    def _current(self, session: Session) -> TermsSet:
        return TermsSet(
            timestamp=self._sessions.now_ms(),
            session_id=session.session_id,
            terms=session.terms,
            revision=session.terms_revision,
        )
