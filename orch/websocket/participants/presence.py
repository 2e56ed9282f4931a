"""Tells sessions who is in them."""

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
    """Sends ``presence`` to sessions that have changed, several changes at a time.

    How often depends on how many were told the last time (:func:`presence_interval`), and what is told is
    bounded; so coming and going costs a crowd no more frames a second than it costs a few.

    The mutable state is the sessions that have changed, in the order they are to be told in, and what has
    changed in each; it is bounded by the sessions in use. Where someone was too slow to be told, the session
    is told again later: presence is a whole state, the last one counts.
    """

    def __init__(self, *, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._changed: dict[Session, PresenceChanges] = {}
        self._due: list[tuple[float, int, Session]] = []
        self._turns = count()
        self._work = trio.lowlevel.ParkingLot()
        self.boundary = Boundary("presence")
        self.on_change: Callable[[Session, str, Change | None], None] | None = None

    def mark(self, session: Session) -> None:
        """Have the session told soon."""
        if session in self._changed:
            return
        self._changed[session] = PresenceChanges()
        heapq.heappush(self._due, (session.presence_due, next(self._turns), session))
        if self._due[0][2] is session:
            self._work.unpark()

    def note(self, session: Session, member: Member, change: Change) -> None:
        """Have the session told soon that someone has come here, or has left or gone silent."""
        self.hear(session, member.described(), change)
        self._pass_on(session, member, change)

    def refresh(self, session: Session, member: Member) -> None:
        """Have the session told soon that someone here looks different, or is here now and not elsewhere."""
        session.refresh(member)
        self.mark(session)
        self._pass_on(session, member, None)

    def hear(self, session: Session, participant: Participant, change: Change | None) -> None:
        """Have the session here told soon what has become of someone; None: they look different."""
        self.mark(session)
        if change is not None:
            self._changed[session].note(participant, change)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Tell sessions until cancelled."""
        task_status.started()
        while True:
            while not self._due:
                await self._work.park()
            due, _, session = self._due[0]
            if due > trio.current_time():
                # One that is due sooner may come meanwhile.
                with trio.move_on_at(due):
                    await self._work.park()
                continue
            heapq.heappop(self._due)
            changed = self._changed.pop(session)
            with self.boundary.item(session=session.session_id):
                self._tell(session, changed)
            await trio.lowlevel.checkpoint()

    def _pass_on(self, session: Session, member: Member, change: Change | None) -> None:
        if self.on_change is not None:
            self.on_change(session, member.participant_id, change)

    def _tell(self, session: Session, comings: PresenceChanges) -> None:
        session.presence_due = trio.current_time() + presence_interval(session.count)
        if not session.count:
            return
        presence = Presence(
            timestamp=int(self._wall() * 1000),
            session_id=session.session_id,
            participants=session.participants(),
            participant_count=session.participant_count,
            changes=comings.told(session.present),
        )
        if not session.deliver(frame(presence, is_lasting=False)):
            self.mark(session)
