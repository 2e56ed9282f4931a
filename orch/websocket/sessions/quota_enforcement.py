"""Enforces the storage limit: measures the stored bytes, and ends empty sessions."""

from collections.abc import Callable
from typing import Final, Never

import structlog
import trio

from orch.problems import ProblemError
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.websocket.sessions.creation_limits import CreationLimits
from orch.websocket.sessions.sessions import Sessions

#: Seconds between measurements of a store that knows its size.
MEASURE_EVERY: Final = 1.0

#: With a shared store each session is measured: seconds between measurements, and the number of sessions that
#: add one second.
MEASURE_SHARED_EVERY: Final = 10.0
SESSIONS_A_SECOND: Final = 1_000

#: Sessions ended between two measurements.
STEP: Final = 20

_log = structlog.get_logger("websocket")


class QuotaEnforcer:
    """Measures the store every second, or every ten if workers share it.

    Above nine tenths of ``session_management.max_bytes`` the oldest empty sessions are ended, until it is
    eight tenths. The mutable state is whether the event about the limit was recorded.
    """

    def __init__(
        self,
        sessions: Sessions,
        creation_limits: CreationLimits,
        events: EventLog,
        *,
        changed: Callable[[], None],
    ) -> None:
        self._sessions = sessions
        self._creation_limits = creation_limits
        self._events = events
        self._changed = changed
        self._was_full = False
        self.boundary = Boundary("stored bytes")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Measure and enforce until cancelled."""
        task_status.started()
        is_counted = True
        while True:
            with self.boundary.item(step="measure"):
                try:
                    await self.measure()
                    is_counted = True
                except ProblemError as error:
                    if is_counted:  # logged once: the store itself reports the problem
                        _log.warning("stored bytes not read", reason=error.detail)
                    is_counted = False
            await trio.sleep(self._pause())

    def _pause(self) -> float:
        if not self._sessions.cluster.is_shared:
            return MEASURE_EVERY
        return max(MEASURE_SHARED_EVERY, self._sessions.count / SESSIONS_A_SECOND)

    async def measure(self) -> None:
        """Measure once, and end empty sessions if necessary."""
        storage = self._sessions.storage
        storage.set_measured(await self._sessions.store.used_bytes())
        if storage.is_nearly_full:
            ended = 0
            while not storage.has_room:
                gone = await self._creation_limits.make_room(min(storage.surplus(self._sessions.count), STEP))
                if not gone:
                    break
                ended += gone
                storage.set_measured(await self._sessions.store.used_bytes())
            if ended:
                self._events.record(
                    "warn",
                    "sessions",
                    f"{ended} empty sessions were ended early, because stored data was close to the limit "
                    "(session_management.max_bytes).",
                )
        if storage.is_full != self._was_full:
            self._was_full = storage.is_full
            if storage.is_full:
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
