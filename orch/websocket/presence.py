"""Tells sessions who is in them."""

from collections.abc import Callable
from typing import Never

import trio

from orch.websocket.messages import Presence
from orch.websocket.outbox import Frame, frame
from orch.websocket.sessions import Session


class PresenceTeller:
    """Sends ``presence`` to sessions that have changed, several changes at a time.

    The mutable state is the set of sessions that have; it is bounded by the sessions in use. Where someone
    was too slow to be told, the session is told again later: presence is a whole state, the last one counts.
    """

    def __init__(self, *, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._changed: set[Session] = set()
        self._work = trio.lowlevel.ParkingLot()
        self.on_change: Callable[[Session], None] | None = None

    def mark(self, session: Session) -> None:
        """Have the session told soon."""
        self._changed.add(session)
        self._work.unpark()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Tell sessions until cancelled."""
        task_status.started()
        while True:
            while not self._changed:
                await self._work.park()
            await trio.sleep_until(min(session.presence_due() for session in self._changed))
            now = trio.current_time()
            for session in [session for session in self._changed if session.presence_due() <= now]:
                self._changed.discard(session)
                session.presence_at = now
                if self.on_change is not None:
                    self.on_change(session)
                if session.count and not session.deliver(self._presence(session)):
                    self._changed.add(session)

    def _presence(self, session: Session) -> Frame:
        message = Presence(
            timestamp=int(self._wall() * 1000),
            session_id=session.session_id,
            participants=session.participants(),
        )
        return frame(message, is_lasting=False)
