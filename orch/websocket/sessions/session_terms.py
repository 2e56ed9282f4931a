"""The names and terms of sessions: set by those who may speak, and sent to them on all workers."""

import msgspec
import trio

from orch.problems import ProblemError
from orch.protocol.messages import SetTerms, TermsSet
from orch.protocol.terms import Terms
from orch.stores.records import SessionRecord, encode_terms
from orch.telemetry.boundaries import Boundary
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.outbox import frame
from orch.websocket.sessions.entrance import reply_id
from orch.websocket.sessions.session import Session, accepted_terms
from orch.websocket.sessions.session_shared import Change, Shared
from orch.websocket.sessions.sessions import Sessions


class SessionTerms:
    """Handles ``set_terms``. Who may send it is decided before. Stateless."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._shared: Shared[TermsSet] = Shared(
            sessions,
            boundary=Boundary("terms of sessions"),
            title="The names and terms",
            publish=sessions.cluster.publish_terms,
            take=self._take,
        )
        self.boundary = self._shared.boundary

    async def set(self, connection: Connection, message: SetTerms) -> None:
        """Store the terms and send them to those who may speak; the sender receives them with the ``id``.

        Raises ``not_in_session``, ``invalid_message``, ``store_full``.
        """
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError("not_in_session", f"Join session {message.session_id} to set its terms.")
        terms = accepted_terms(message.terms)
        change = Change(
            size=len(encode_terms(terms)),
            store=lambda session_id: self._sessions.store.store_terms(session_id, terms),
            message=lambda session, revision: msgspec.structs.replace(
                self._shown(session.session_id, terms, revision), participant_id=member.participant_id
            ),
            apply=lambda session, revision: session.set_terms(terms, revision),
        )
        changed = await self._shared.set(message.session_id, change, by=member)
        member.deliver(frame(msgspec.structs.replace(changed, id=reply_id(message.id)), is_durable=True))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read the terms of sessions in use again whenever messages of other workers were lost."""
        await self._shared.run(task_status=task_status)

    def _take(self, session: Session, record: SessionRecord) -> TermsSet | None:
        if not session.set_terms(record.terms, record.terms_revision):
            return None
        return self._shown(session.session_id, session.terms, session.terms_revision)

    def _shown(self, session_id: str, terms: Terms, revision: int) -> TermsSet:
        return TermsSet(
            timestamp=self._sessions.now_ms(), session_id=session_id, terms=terms, revision=revision
        )
