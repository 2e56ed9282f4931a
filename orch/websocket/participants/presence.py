"""Publishes the participants of sessions to their members."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Never

import trio

from orch.protocol.messages import Change, Participant, Presence
from orch.telemetry.boundaries import Boundary
from orch.websocket.connections.outbox import frame
from orch.websocket.participants.member import Member
from orch.websocket.participants.presence_changes import PresenceChanges
from orch.websocket.sessions.session import Session, presence_interval


class PresencePublisher:
    """Sends ``presence`` to the members of sessions that have changed, several changes at a time.

    How often depends on the number of members (:func:`presence_interval`), and each message is bounded, so
    that joins and leaves cost a crowd no more frames a second than a few members.

    The mutable state is the sessions that have changed, ordered by when they are due, and the changes of
    each; it is bounded by the sessions in use. If a member was too slow to receive it, ``presence`` is sent
    again later: it is a whole state, the last one counts.
    """

    def __init__(self, *, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._changed: dict[Session, PresenceChanges] = {}
        self._due: list[tuple[float, int, Session]] = []
        self._turns = count()
        self._wake = trio.lowlevel.ParkingLot()
        self.boundary = Boundary("presence")
        self.on_local_change: Callable[[Session, str, Change | None], None] | None = None

    def mark(self, session: Session) -> None:
        """Send the session's presence soon."""
        if session in self._changed:
            return
        self._changed[session] = PresenceChanges()
        heapq.heappush(self._due, (session.presence_due, next(self._turns), session))
        if self._due[0][2] is session:
            self._wake.unpark()

    def announce(self, session: Session, member: Member, change: Change) -> None:
        """Announce that a member here has joined, left or fallen silent."""
        self.record(session, member.described(), change)
        self._notify_workers(session, member, change)

    def refresh(self, session: Session, member: Member) -> None:
        """Announce that a member's attributes or worker changed."""
        session.refresh(member)
        self.mark(session)
        self._notify_workers(session, member, None)

    def record(self, session: Session, participant: Participant, change: Change | None) -> None:
        """Record a change for the members here; None: the participant's attributes changed."""
        self.mark(session)
        if change is not None:
            self._changed[session].add(participant, change)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Send presence until cancelled."""
        task_status.started()
        while True:
            while not self._due:
                await self._wake.park()
            due, _, session = self._due[0]
            if due > trio.current_time():
                # A session that is due sooner may be marked meanwhile.
                with trio.move_on_at(due):
                    await self._wake.park()
                continue
            heapq.heappop(self._due)
            changed = self._changed.pop(session)
            with self.boundary.item(session=session.session_id):
                self._send(session, changed)
            await trio.lowlevel.checkpoint()

    def _notify_workers(self, session: Session, member: Member, change: Change | None) -> None:
        if self.on_local_change is not None:
            self.on_local_change(session, member.participant_id, change)

    def _send(self, session: Session, changes: PresenceChanges) -> None:
        session.presence_due = trio.current_time() + presence_interval(session.count)
        if not session.count:
            return
        presence = Presence(
            timestamp=int(self._wall() * 1000),
            session_id=session.session_id,
            participants=session.participants(),
            participant_count=session.participant_count,
            changes=changes.current(session.present),
        )
        if not session.deliver(frame(presence, is_durable=False)):
            self.mark(session)
