"""Tells other workers who is in sessions here, and hears from them who is in the same sessions there."""

from collections.abc import Callable
from typing import Final, Never

import msgspec
import structlog
import trio

from orch.protocol.messages import Change
from orch.telemetry.boundaries import Boundary
from orch.websocket.cluster.participant_survey import ParticipantSurvey
from orch.websocket.cluster.remote_participants import Departure, ParticipantChange, PresenceDelta, deltas
from orch.websocket.participants.presence import PresencePublisher
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.session_cache import SessionCache

#: Seconds between two tellings of one worker: what changes meanwhile is told at once.
PUBLISH_EVERY: Final = 0.1

_told: Final = msgspec.json.Decoder(PresenceDelta)

_log = structlog.get_logger("websocket")


class _PendingDelta:
    """What the others do not know yet: who has come, changed or gone; ``is_whole``: they know nothing.

    ``is_asked``: someone waits for an answer, though it be that nobody is here.
    """

    __slots__ = ("changes", "is_asked", "is_whole")

    def __init__(self) -> None:
        self.is_asked = False
        self.changes: dict[str, Change | None] = {}
        self.is_whole = False


class PresenceSync:
    """Who is in the sessions in memory on other workers, and what those were told of the ones here.

    What is told are the changes: everyone only to those who ask, because they know nothing or have missed
    something. So someone who comes costs each worker the same however many are there.

    ``tell``: says something about a session to the other workers; ``ask``: has one of them, or all ("") say
    who is in it there.

    The mutable state: of each session with members here, how much was told and what was not yet (bounded by
    those who come and go within :data:`PUBLISH_EVERY`); the sessions with someone elsewhere; and the workers
    that were missing at the last heartbeat, or have yet to say anew who is there.
    """

    def __init__(
        self,
        worker: str,
        *,
        tell: Callable[[str, bytes], None],
        ask: Callable[[str, str], None],
        cache: SessionCache,
        presence: PresencePublisher,
    ) -> None:
        self._worker = worker
        self._tell = tell
        self._ask = ask
        self._cache = cache
        self._presence = presence
        self.boundary = Boundary("presence of other workers")
        self._numbers: dict[str, int] = {}
        self._untold: dict[str, _PendingDelta] = {}
        self._sessions: dict[str, Session] = {}
        self._absent: frozenset[str] = frozenset()
        self._doubted: dict[str, dict[str, int]] = {}
        self._work = trio.lowlevel.ParkingLot()
        self.survey = ParticipantSurvey()
        presence.on_change = self._note

    def __repr__(self) -> str:
        return f"<PresenceSync of {self._worker}, {len(self._sessions)} sessions, {len(self._untold)} untold>"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Tell until cancelled."""
        task_status.started()
        while True:
            while not self._untold:
                await self._work.park()
            untold, self._untold = self._untold, {}
            for session_id, changes in untold.items():
                with self.boundary.item(session=session_id):
                    self._say(session_id, changes)
            await trio.sleep(PUBLISH_EVERY)

    def hear(self, session: Session, payload: bytes) -> None:
        """Take in what another worker tells."""
        told = _told.decode(payload)
        seen = session.hear(told)
        if told.begins:
            self._doubted.get(session.session_id, {}).pop(told.worker, None)
        self._follow(session)
        if told.ends:
            self.survey.answered(session.session_id, told.worker)
        if seen is None:
            self._ask(session.session_id, told.worker)
        else:
            self._show(session, seen)

    def answer(self, session: Session, worker: str = "") -> None:
        """Have everyone here told soon: someone knows nothing, or has missed something this worker told."""
        if worker not in ("", self._worker):
            return
        untold = self._of(session)
        if session.count:
            untold.is_whole = True
        else:
            untold.is_asked = True

    def answer_nobody(self, session_id: str) -> None:
        """Send that nobody is in a session here that is not in memory."""
        (told,) = deltas(self._worker, 1, (), (), is_whole=True)
        self._tell(session_id, msgspec.json.encode(told))

    def begin_anew(self) -> None:
        """Tell and ask of everyone: nobody could hear for a while who came and who went.

        Who is not told of again, because nobody is left where they were, is gone.
        """
        for session in self._cache:
            if session.count:
                self.answer(session)
            if session.count or session.workers:
                self._ask(session.session_id, "")
        self._doubted = {
            session_id: dict.fromkeys(session.workers, 0) for session_id, session in self._sessions.items()
        }

    def call(self, here: frozenset[str]) -> None:
        """Notice workers that are gone (one that twice gives no answer is), and with them who was there."""
        known = frozenset(worker for session in self._sessions.values() for worker in session.workers)
        missing = known - here
        for worker in missing & self._absent:
            _log.info("worker gone", worker=worker)
            for session in tuple(self._sessions.values()):
                self._forget(session, worker)
        self._absent = missing
        # The first heartbeat after a while without any may come before an answer can have come.
        waited, self._doubted = self._doubted, {}
        for session_id, workers in waited.items():
            doubted = {worker: calls + 1 for worker, calls in workers.items() if not calls}
            if doubted:
                self._doubted[session_id] = doubted
            for worker, calls in workers.items():
                if calls and session_id in self._sessions:
                    self._forget(self._sessions[session_id], worker)

    def let_go(self, session_id: str) -> None:
        """Keep nothing of a session that has left memory."""
        self._sessions.pop(session_id, None)
        self._numbers.pop(session_id, None)
        self._untold.pop(session_id, None)
        self._doubted.pop(session_id, None)
        self.survey.drop(session_id)

    def _note(self, session: Session, participant_id: str, change: Change | None) -> None:
        self._of(session).changes[participant_id] = change

    def _of(self, session: Session) -> _PendingDelta:
        self._work.unpark()
        return self._untold.setdefault(session.session_id, _PendingDelta())

    def _say(self, session_id: str, untold: _PendingDelta) -> None:
        session = self._cache.peek(session_id)
        if session is None:
            self._numbers.pop(session_id, None)
            return
        number = self._numbers.get(session_id, 0)
        if not number and not session.count and not untold.is_asked:
            return  # who came has gone before anyone was told
        is_whole = untold.is_whole or not number
        here = [member for name in untold.changes if (member := session.member(name)) is not None]
        told = deltas(
            self._worker,
            number + 1,
            [member.described() for member in (session.members() if is_whole else here)],
            [
                Departure(name, change or "silent")
                for name, change in untold.changes.items()
                if session.member(name) is None
            ],
            is_whole=is_whole,
        )
        for each in told:
            self._tell(session_id, msgspec.json.encode(each))
        if session.count:
            self._numbers[session_id] = told[-1].number
        else:
            self._numbers.pop(session_id, None)

    def _forget(self, session: Session, worker: str) -> None:
        self._show(session, session.forget(worker))
        self._follow(session)

    def _show(self, session: Session, seen: tuple[ParticipantChange, ...]) -> None:
        for participant, change in seen:
            self._presence.hear(session, participant, change)

    def _follow(self, session: Session) -> None:
        """Remember the session as long as someone is in it elsewhere."""
        if session.workers:
            self._sessions[session.session_id] = session
        else:
            self._sessions.pop(session.session_id, None)
