"""What is set for a session and shared by all workers: its terms, and its pipeline.

The store gives each change a revision; a worker applies only a newer one, so that all workers have the same
value whatever the order of their messages. The last change counts.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog
import trio

from orch.problems import ProblemError
from orch.protocol.messages import PipelineSet, TermsSet
from orch.stores.records import SessionRecord
from orch.telemetry.boundaries import Boundary
from orch.websocket.connections.outbox import Frame, frame
from orch.websocket.participants.member import Member
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Sessions

#: Seconds after the connection to the store is back, and between two attempts.
CHECK_AFTER: Final = 1.0

_log = structlog.get_logger("websocket")

Message = TypeVar("Message", bound=TermsSet | PipelineSet)


@dataclass(frozen=True, slots=True)
class Change(Generic[Message]):
    """A change of one session.

    ``size``: its bytes in the store. ``store(session_id)`` returns its revision, None where the session has
    ended. ``message(session, revision)`` returns what is sent. ``apply(session, revision)`` applies it to
    this worker; False: it has a newer one.
    """

    size: int
    store: Callable[[str], Awaitable[int | None]]
    message: Callable[[Session, int], Message]
    apply: Callable[[Session, int], bool]


class Shared(Generic[Message]):
    """Changes one kind of value, and reads it again where messages of other workers were lost.

    ``title``: in problems. ``publish(session_id, frame)`` sends a change to other workers.
    ``take(session, record)`` applies what the store has, and returns what is sent for it; None: nothing is
    new. Stateless.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        boundary: Boundary,
        title: str,
        publish: Callable[[str, Frame], None],
        take: Callable[[Session, SessionRecord], Message | None],
    ) -> None:
        self._sessions = sessions
        self._title = title
        self._publish = publish
        self._take = take
        self.boundary = boundary

    async def set(self, session_id: str, change: Change[Message], *, by: Member | None) -> Message:
        """Store a change, apply it, and send it to all who may speak but ``by``.

        Raises ``unknown_session``, ``store_full``.
        """
        self._sessions.storage.require(self._title)
        async with self._sessions.open(session_id) as session:
            revision = await change.store(session.session_id)
            if revision is None or session.has_ended:
                raise ProblemError("unknown_session", f"The session {session.session_id} has ended.")
            self._sessions.storage.add_written(change.size)
            changed = change.message(session, revision)
            change.apply(session, revision)
            data = frame(changed, is_durable=True)
            session.deliver_to_speakers(data, but=by)
            self._publish(session.session_id, data)
        return changed

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read the values of sessions in use again whenever messages of other workers were lost."""
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
                _log.warning(
                    "session not read again",
                    value=self._title,
                    session_id=session.session_id,
                    reason=str(error),
                )
            await trio.sleep(CHECK_AFTER)
        if record is not None and (changed := self._take(session, record)) is not None:
            session.deliver_to_speakers(frame(changed, is_durable=True))
