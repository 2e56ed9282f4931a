"""Applies what hosts decide to the members and streams on this worker."""

from typing import Final, Never

import structlog
import trio

from orch.problems import ProblemError
from orch.protocol.messages import ModerationChanged, SessionKeys, SessionLeft
from orch.protocol.session_keys import given
from orch.stores.records import SessionRecord
from orch.telemetry.boundaries import Boundary
from orch.websocket.connections.outbox import frame
from orch.websocket.moderation.decisions import Decisions, decode
from orch.websocket.participants.member import Member
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.speech.speech_streams import SpeechStreams

#: Seconds until decisions are read again that the store did not return.
READ_AGAIN: Final = 1.0

_log = structlog.get_logger("websocket")


class Enforcement:
    """Applies the decisions of hosts: those made here at once, those of other workers when it has read them.

    The mutable state is the sessions whose decisions must be read, bounded by the sessions in memory.
    """

    def __init__(self, *, sessions: Sessions, streams: SpeechStreams) -> None:
        self._sessions = sessions
        self._streams = streams
        self._unread: dict[str, None] = {}
        self._wake = trio.lowlevel.ParkingLot()
        self.boundary = Boundary("moderation")
        sessions.on_moderated = self._read_soon

    def _read_soon(self, session_id: str) -> None:
        if self._sessions.cache.peek(session_id) is not None:
            self._unread[session_id] = None
            self._wake.unpark()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Read and apply what was decided through other workers, until cancelled."""
        task_status.started()
        while True:
            while not self._unread:
                await self._wake.park()
            session_id = next(iter(self._unread))
            del self._unread[session_id]
            with self.boundary.item(session=session_id):
                try:
                    record = await self._sessions.store.load(session_id)
                except ProblemError as error:
                    _log.warning("moderation not read", session_id=session_id, reason=error.detail)
                    self._unread[session_id] = None
                    await trio.sleep(READ_AGAIN)
                    continue
                if record is not None:
                    self.apply(record)

    def apply(self, record: SessionRecord) -> None:
        """Apply the decisions and the keys in a session's record, unless they are known here already."""
        session = self._sessions.cache.peek(record.session_id)
        decided = decode(record.moderation)
        if session is None or session.created != record.created:
            return
        if decided.revision <= session.decisions.revision:
            return
        before, session.decisions = session.decisions, decided
        has_new_keys, session.keys = session.keys != record.keys, record.keys
        if decided.ended:
            self._sessions.dismiss_all(session, "ended")
            if self._sessions.on_ended is not None:
                self._sessions.on_ended(session)
            return
        for member in session.members():
            if member.participant_id in decided.removed:
                self._remove(session, member)
                continue
            self._follow(session, member, before)
            if has_new_keys:
                self._send_keys(session, member)
        self._end_streams(session)

    def _follow(self, session: Session, member: Member, before: Decisions) -> None:
        """Change whether a member may speak, and send what has changed for them."""
        decided = session.decisions
        muted = decided.is_muted(member.participant_id, member.role)
        if muted != member.muted:
            member.muted = muted
            self._sessions.presence.refresh(session, member)
        shown = decided.shown_to(member.participant_id, member.role)
        if shown != before.shown_to(member.participant_id, member.role):
            member.deliver(frame(self.message(session, member)))

    def message(self, session: Session, member: Member) -> ModerationChanged:
        """Return what a member is sent about the decisions."""
        shown = session.decisions.shown_to(member.participant_id, member.role)
        return ModerationChanged(
            timestamp=self._sessions.now_ms(),
            session_id=session.session_id,
            locked=shown.locked,
            speaking=shown.speaking,
            ending=shown.ending,
            muted=shown.muted,
        )

    def _send_keys(self, session: Session, member: Member) -> None:
        keys = given(session.keys, member.right)
        member.deliver(
            frame(SessionKeys(timestamp=self._sessions.now_ms(), session_id=session.session_id, keys=keys))
        )

    def _remove(self, session: Session, member: Member) -> None:
        """Remove a member for good; what they said so far stays."""
        self._end_streams(session, member.participant_id)
        session.remove(member, for_good=True)
        self._sessions.presence.announce(session, member, "left")
        left = SessionLeft(timestamp=self._sessions.now_ms(), session_id=session.session_id, reason="removed")
        member.receiver.expel(frame(left), session.session_id)

    def _end_streams(self, session: Session, participant_id: str | None = None) -> None:
        """End the streams of those who may not speak; what has arrived is transcribed."""
        decided = session.decisions
        for stream in self._streams.of_session(session.session_id):
            if participant_id not in (None, stream.participant_id):
                continue
            if stream.participant_id is None:
                if decided.ending:
                    stream.feeding.cancel()  # a recording is read no further
            elif decided.is_muted(stream.participant_id, stream.source.role):
                self._streams.end_stream(stream)
