"""Participants of sessions, synchronised between workers: each publishes its own, and applies the others'."""

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

#: Seconds between two deltas of one worker: changes in between are sent together.
PUBLISH_EVERY: Final = 0.1

_delta: Final = msgspec.json.Decoder(PresenceDelta)

_log = structlog.get_logger("websocket")


class _PendingDelta:
    """Changes to publish. ``is_full``: send a snapshot instead.

    ``is_requested``: another worker waits for a reply, even if nobody is here.
    """

    __slots__ = ("changes", "is_full", "is_requested")

    def __init__(self) -> None:
        self.is_requested = False
        self.changes: dict[str, Change | None] = {}
        self.is_full = False


class PresenceSync:
    """The participants of sessions in memory on other workers, and what those know of the participants here.

    Changes are published as deltas. A snapshot of all participants is sent only to a worker that requests it,
    because it knows nothing or has missed a delta; so a join costs each worker the same, however large the
    session is.

    ``publish``: sends a delta of a session to the other workers; ``request``: requests a snapshot from one of
    them, or from all ("").

    The mutable state: of each session with members here, the number of its last delta and the pending changes
    (bounded by the joins and leaves within :data:`PUBLISH_EVERY`); the sessions with participants on other
    workers; the workers that did not reply to the last heartbeat; and the workers whose participants are
    stale since the store was away.
    """

    def __init__(
        self,
        worker: str,
        *,
        publish: Callable[[str, bytes], None],
        request: Callable[[str, str], None],
        cache: SessionCache,
        presence: PresencePublisher,
    ) -> None:
        self._worker = worker
        self._publish = publish
        self._request = request
        self._cache = cache
        self._presence = presence
        self.boundary = Boundary("presence of other workers")
        self._last_numbers: dict[str, int] = {}
        self._pending: dict[str, _PendingDelta] = {}
        self._sessions: dict[str, Session] = {}
        self._missing: frozenset[str] = frozenset()
        self._stale: dict[str, dict[str, int]] = {}
        self._wake = trio.lowlevel.ParkingLot()
        self.survey = ParticipantSurvey()
        presence.on_local_change = self._record

    def __repr__(self) -> str:
        return (
            f"<PresenceSync of {self._worker}, {len(self._sessions)} sessions, {len(self._pending)} pending>"
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Publish deltas until cancelled."""
        task_status.started()
        while True:
            while not self._pending:
                await self._wake.park()
            pending, self._pending = self._pending, {}
            for session_id, changes in pending.items():
                with self.boundary.item(session=session_id):
                    self._send(session_id, changes)
            await trio.sleep(PUBLISH_EVERY)

    def apply(self, session: Session, payload: bytes) -> None:
        """Apply another worker's delta; request a snapshot if one before it was missed."""
        delta = _delta.decode(payload)
        changes = session.apply(delta)
        if delta.snapshot_begins:
            self._stale.get(session.session_id, {}).pop(delta.worker, None)
        self._follow(session)
        if delta.snapshot_ends:
            self.survey.answered(session.session_id, delta.worker)
        if changes is None:
            self._request(session.session_id, delta.worker)
        else:
            self._show(session, changes)

    def reply(self, session: Session, worker: str = "") -> None:
        """Publish a snapshot soon, if the request is to ``worker`` or to all ("")."""
        if worker not in ("", self._worker):
            return
        pending = self._pending_of(session)
        if session.count:
            pending.is_full = True
        else:
            pending.is_requested = True

    def reply_empty(self, session_id: str) -> None:
        """Publish an empty snapshot: the session is not in memory, so nobody is in it here."""
        (delta,) = deltas(self._worker, 1, (), (), is_full=True)
        self._publish(session_id, msgspec.json.encode(delta))

    def resynchronise(self) -> None:
        """Resynchronise after the store was away: publish and request snapshots of all sessions.

        Participants that no worker confirms are dropped (:meth:`check_workers`).
        """
        for session in self._cache:
            if session.count:
                self.reply(session)
            if session.count or session.workers:
                self._request(session.session_id, "")
        self._stale = {
            session_id: dict.fromkeys(session.workers, 0) for session_id, session in self._sessions.items()
        }

    def check_workers(self, alive: frozenset[str]) -> None:
        """Drop the participants of workers that are gone: those that missed two heartbeats.

        Called after each heartbeat with the workers that replied. Stale participants are dropped at the
        second heartbeat after :meth:`resynchronise`: the first may come before a snapshot can have arrived.
        """
        known = frozenset(worker for session in self._sessions.values() for worker in session.workers)
        missing = known - alive
        for worker in missing & self._missing:
            _log.info("worker gone", worker=worker)
            for session in tuple(self._sessions.values()):
                self._drop_worker(session, worker)
        self._missing = missing
        stale, self._stale = self._stale, {}
        for session_id, workers in stale.items():
            waiting = {worker: beats + 1 for worker, beats in workers.items() if not beats}
            if waiting:
                self._stale[session_id] = waiting
            for worker, beats in workers.items():
                if beats and session_id in self._sessions:
                    self._drop_worker(self._sessions[session_id], worker)

    def drop(self, session_id: str) -> None:
        """Drop what is known of a session that is no longer in memory."""
        self._sessions.pop(session_id, None)
        self._last_numbers.pop(session_id, None)
        self._pending.pop(session_id, None)
        self._stale.pop(session_id, None)
        self.survey.drop(session_id)

    def _record(self, session: Session, participant_id: str, change: Change | None) -> None:
        self._pending_of(session).changes[participant_id] = change

    def _pending_of(self, session: Session) -> _PendingDelta:
        self._wake.unpark()
        return self._pending.setdefault(session.session_id, _PendingDelta())

    def _send(self, session_id: str, pending: _PendingDelta) -> None:
        session = self._cache.peek(session_id)
        if session is None:
            self._last_numbers.pop(session_id, None)
            return
        number = self._last_numbers.get(session_id, 0)
        if not number and not session.count and not pending.is_requested:
            return  # joined and left before anything was published
        is_full = pending.is_full or not number
        changed = [member for name in pending.changes if (member := session.member(name)) is not None]
        sent = deltas(
            self._worker,
            number + 1,
            [member.described() for member in (session.members() if is_full else changed)],
            [
                Departure(name, change or "silent")
                for name, change in pending.changes.items()
                if session.member(name) is None
            ],
            is_full=is_full,
        )
        for delta in sent:
            self._publish(session_id, msgspec.json.encode(delta))
        if session.count:
            self._last_numbers[session_id] = sent[-1].number
        else:
            self._last_numbers.pop(session_id, None)

    def _drop_worker(self, session: Session, worker: str) -> None:
        self._show(session, session.drop_worker(worker))
        self._follow(session)

    def _show(self, session: Session, changes: tuple[ParticipantChange, ...]) -> None:
        for participant, change in changes:
            self._presence.record(session, participant, change)

    def _follow(self, session: Session) -> None:
        """Remember the session as long as it has participants on other workers."""
        if session.workers:
            self._sessions[session.session_id] = session
        else:
            self._sessions.pop(session.session_id, None)
