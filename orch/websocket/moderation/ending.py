"""Ends sessions for their hosts: speech stops at once, and everyone still receives the last words."""

from typing import Final, Never

import msgspec
import structlog
import trio
from msgspec.structs import replace

from orch.access.actors import Actor
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.websocket.moderation.decisions import Decisions
from orch.websocket.moderation.moderator import Host, Moderator
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.speech.speech_streams import SpeechStreams

#: Seconds for which the last words of a session are awaited, on all workers.
LAST_WORDS: Final = 10.0
#: Seconds between two looks at the streams of a session that ends.
LOOK_EVERY: Final = 0.2
#: Seconds for other workers to reply how many streams they have.
REPLY_WITHIN: Final = 1.0
#: Seconds between attempts to end a session in a store that does not respond, and how many there are.
AGAIN: Final = 5.0
ATTEMPTS: Final = 12

#: Seconds between two looks for sessions whose ending was abandoned; longer than an ending takes.
ABANDONED: Final = 30.0

#: The service itself.
_SERVICE: Final = Host(Actor(is_operator=True, is_local=True, via="none", address=""))

_COUNT: Final = "count_streams"

_log = structlog.get_logger("websocket")


class Endings:
    """Ends sessions. The mutable state is those that end now."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        streams: SpeechStreams,
        moderator: Moderator,
        survey: Survey,
        events: EventLog,
    ) -> None:
        self._sessions = sessions
        self._streams = streams
        self._moderator = moderator
        self._survey = survey
        self._events = events
        self._ending: set[str] = set()
        self.boundary = Boundary("endings of sessions")
        survey.register(_COUNT, self._reply_count)

    async def end(self, host: Host, session_id: str) -> Decisions:
        """Accept no more speech in a session and end it once its last words have arrived.

        Returns when it begins to end. Raises ``unknown_session``, ``store_unavailable``, ``shutting_down``.
        """
        self._streams.require_accepting()
        decided = await self._moderator.change(
            host, session_id, "session ended by its host", lambda before: replace(before, ending=True)
        )
        if session_id not in self._ending and not decided.ended:
            self._begin(host, session_id)
        return decided

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """End sessions that a worker began to end and did not, because it stopped, until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(ABANDONED)
            for session in self._sessions.cache:
                decided = session.decisions
                is_due = decided.ending and not decided.ended and session.session_id not in self._ending
                if is_due and self._streams.is_accepting:
                    self._begin(_SERVICE, session.session_id)

    def _begin(self, host: Host, session_id: str) -> None:
        self._ending.add(session_id)
        self._streams.require_accepting().start_soon(self._finish, host, session_id)

    async def _finish(self, host: Host, session_id: str) -> None:
        try:
            with trio.move_on_after(LAST_WORDS) as patience:
                while await self._count(session_id):  # noqa: ASYNC110 - other workers can only be surveyed
                    await trio.sleep(LOOK_EVERY)
            if patience.cancelled_caught:
                _log.warning("session ended before its last words", session_id=session_id)
            for _ in range(ATTEMPTS):
                try:
                    await self._end(host, session_id)
                    break
                except ProblemError as error:
                    if error.code == "unknown_session":  # an operator has ended it meanwhile
                        break
                    _log.warning("session not ended yet", session_id=session_id, reason=error.detail)
                await trio.sleep(AGAIN)
        except Exception:  # noqa: BLE001 - one session's boundary
            self.boundary.count()
            _log.exception("session not ended", session_id=session_id)
        finally:
            self._ending.discard(session_id)

    async def _end(self, host: Host, session_id: str) -> None:
        """Delete the session, or close it for good where sessions are stored for those who return to them."""
        if self._sessions.settings.orchestration.websocket.keep_days:
            await self._moderator.change(
                host, session_id, "session closed", lambda before: replace(before, ended=True)
            )
        else:
            await self._sessions.end([session_id])
        self._events.record("info", "sessions", f"Session {session_id} was ended by its host.")

    async def _count(self, session_id: str) -> int:
        """Return how many streams of a session are still being transcribed, on all workers that reply."""
        request = msgspec.json.encode(session_id)
        found = await self._survey.collect(_COUNT, request, within=REPLY_WITHIN)
        return sum(msgspec.json.decode(reply.data, type=int) for reply in found.replies)

    def _reply_count(self, payload: bytes) -> bytes:
        session_id = msgspec.json.decode(payload, type=str)
        return msgspec.json.encode(len(self._streams.of_session(session_id)))
