"""Keeps what is stored below what may be: looks how much it is, and ends sessions in which nobody is."""

from collections.abc import Callable
from typing import Final, Never

import structlog
import trio

from orch.problems import ProblemError
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.websocket.sessions.creation_limits import Beginnings
from orch.websocket.sessions.sessions import Rooms

#: Seconds between looks at a store that has the sum at hand.
LOOK_EVERY: Final = 1.0

#: Where workers share the sessions each has to be asked: seconds between looks, and sessions that make it one
#: second longer.
LOOK_AT_SHARED: Final = 10.0
SESSIONS_A_SECOND: Final = 1_000

#: Sessions ended between two looks.
STEP: Final = 20

_log = structlog.get_logger("websocket")


class SpaceKeeper:
    """Looks every second, or every ten where workers share the sessions.

    From nine tenths of ``session_management.max_bytes`` on the oldest sessions in which nobody is are ended,
    until it is eight tenths. The mutable state is whether it was said that no more can be made.
    """

    def __init__(
        self, rooms: Rooms, beginnings: Beginnings, events: EventLog, *, changed: Callable[[], None]
    ) -> None:
        self._rooms = rooms
        self._beginnings = beginnings
        self._events = events
        self._changed = changed
        self._was_full = False
        self.boundary = Boundary("stored bytes")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Look until cancelled."""
        task_status.started()
        is_counted = True
        while True:
            with self.boundary.item(step="look"):
                try:
                    await self.look()
                    is_counted = True
                except ProblemError as error:
                    if is_counted:  # said once: the store itself says what is the matter, and for how long
                        _log.warning("stored bytes not read", reason=error.detail)
                    is_counted = False
            await trio.sleep(self._pause())

    def _pause(self) -> float:
        if self._rooms.elsewhere is None:
            return LOOK_EVERY
        return max(LOOK_AT_SHARED, self._rooms.count / SESSIONS_A_SECOND)

    async def look(self) -> None:
        """Look once, and make room where it is needed and can be."""
        space = self._rooms.space
        space.measured(await self._rooms.store.used_bytes())
        if space.is_tight:
            ended = 0
            while not space.is_eased:
                gone = await self._beginnings.make_room(min(space.surplus(self._rooms.count), STEP))
                if not gone:
                    break
                ended += gone
                space.measured(await self._rooms.store.used_bytes())
            if ended:
                self._events.record(
                    "warn",
                    "sessions",
                    f"{ended} empty sessions were ended early, because stored data was close to the limit "
                    "(session_management.max_bytes).",
                )
        if space.is_full != self._was_full:
            self._was_full = space.is_full
            if space.is_full:
                self._events.record(
                    "bad",
                    "sessions",
                    "The storage limit for sessions has been reached (session_management.max_bytes). New "
                    "sessions, broadcasts and recordings are rejected; captions continue. End sessions that "
                    "are not needed, or raise the limit.",
                )
            else:
                self._events.record(
                    "info", "sessions", "Stored sessions are below the storage limit again. Clients can send."
                )
            self._changed()
