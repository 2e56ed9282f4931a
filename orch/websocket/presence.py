"""Tells sessions who is in them."""

from collections.abc import Callable
from typing import Never

import trio

from orch.websocket.comings import Comings
from orch.websocket.messages import Change, Participant, Presence, PresenceChange
from orch.websocket.outbox import frame
from orch.websocket.sessions import Session


class PresenceTeller:
    """Sends ``presence`` to sessions that have changed, several changes at a time.

    The mutable state is the sessions that have, and what has changed in each; it is bounded by the sessions
    in use. Where someone was too slow to be told, the session is told again later: presence is a whole state,
    the last one counts.
    """

    def __init__(self, *, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._changed: dict[Session, Comings] = {}
        self._work = trio.lowlevel.ParkingLot()
        self.on_change: Callable[[Session, tuple[PresenceChange, ...]], None] | None = None

    def mark(self, session: Session) -> None:
        """Have the session told soon."""
        if session not in self._changed:
            self._changed[session] = Comings()
        self._work.unpark()

    def note(self, session: Session, participant: Participant, change: Change) -> None:
        """Have the session told soon that someone has come, left or gone silent."""
        self.mark(session)
        self._changed[session].note(participant, change)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Tell sessions until cancelled."""
        task_status.started()
        while True:
            while not self._changed:
                await self._work.park()
            await trio.sleep_until(min(session.presence_due() for session in self._changed))
            now = trio.current_time()
            for session in [session for session in self._changed if session.presence_due() <= now]:
                comings = self._changed.pop(session)
                session.presence_at = now
                self._tell(session, comings)

    def _tell(self, session: Session, comings: Comings) -> None:
        participants = session.participants()
        changes = comings.told({participant.participant_id for participant in participants})
        if self.on_change is not None:
            self.on_change(session, changes)
        if not session.count:
            return
        presence = Presence(
            timestamp=int(self._wall() * 1000),
            session_id=session.session_id,
            participants=participants,
            changes=changes,
        )
        if not session.deliver(frame(presence, is_lasting=False)):
            self.mark(session)
