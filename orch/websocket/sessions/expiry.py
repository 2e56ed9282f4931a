"""Ends unused sessions, and drops messages that are too old."""

from collections.abc import Awaitable, Callable
from typing import Final, Never

import structlog
import trio

from orch.problems import ProblemError
from orch.telemetry.boundaries import Boundary
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Sessions

#: Sessions ended in one batch, so that other tasks run in between.
_STEP: Final = 500

#: Seconds between counts of the sessions that workers share.
_COUNT_EVERY: Final = 2.0

_log = structlog.get_logger("websocket")


class Sweeper:
    """Periodically ends sessions that were silent for too long, and prunes histories.

    Too long is ``keep_days``, or ``session_timeout`` if that is longer.

    Silent means: no message, no join, and no sign of life from a member's connection (a ``ping``, or a reply
    to the server's heartbeat if the server reports those, :attr:`Session.is_attended`). The first sweep is
    one interval after the start, so that clients can return after a restart.

    ``on_swept`` is awaited after each sweep: other parts remove what they have of sessions that have ended.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.on_swept: Callable[[], Awaitable[None]] | None = None
        self.boundary = Boundary("session sweep")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Sweep until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(self._sessions.settings.session_management.cleanup_interval)
            with self.boundary.item(step="sweep"):
                try:
                    await self.sweep()
                except ProblemError as error:
                    # The store is unavailable; the next sweep finds the same sessions.
                    _log.warning("session expiry postponed", reason=error.detail)
            if self.on_swept is not None:
                with self.boundary.item(step="after the sweep"):
                    await self.on_swept()

    async def keep(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Cluster only: refresh the last-active time of local sessions so that no other worker expires them.

        Also updates the total number of sessions.
        """
        sessions = self._sessions
        task_status.started()
        touched_at = trio.current_time()
        while True:
            await trio.sleep(_COUNT_EVERY)
            settings = sessions.settings
            every = min(
                settings.session_management.cleanup_interval,
                settings.orchestration.websocket.session_timeout / 4,
            )
            sessions.report_lost()
            with self.boundary.item(step="touch"):
                try:
                    await sessions.count_all()
                    if trio.current_time() - touched_at >= every:
                        touched_at = trio.current_time()
                        await sessions.store.touch(self._in_use(), sessions.wall())
                except ProblemError as error:
                    _log.warning("activity of sessions not stored", reason=error.detail)

    def _in_use(self) -> list[str]:
        before = self._sessions.wall() - self._sessions.settings.orchestration.websocket.session_timeout
        return [
            session.session_id
            for session in self._sessions.cache
            if not session.is_idle and not self._is_silent(session, before)
        ]

    async def sweep(self) -> int:
        """Sweep once; return how many sessions ended."""
        sessions = self._sessions
        now = sessions.wall()
        websocket = sessions.settings.orchestration.websocket
        before, recent = now - websocket.kept_seconds, now - websocket.session_timeout
        occupied = [session for session in sessions.cache if not session.is_idle]
        # A session may be in use on another worker: the store has the last activity on all of them.
        silent = (
            [session.session_id for session in occupied if self._is_silent(session, before)]
            if not sessions.cluster.is_shared
            else []
        )
        # Sessions in use are refreshed in the store too, for the first sweep after a restart.
        in_use = [session.session_id for session in occupied if not self._is_silent(session, recent)]
        await sessions.store.touch(in_use, now)
        ended = 0
        for start in range(0, len(silent), _STEP):
            ended += await sessions.expire(silent[start : start + _STEP], before)
        while idle := await sessions.store.idle(before, _STEP):
            unused = [session_id for session_id in idle if self._is_unused(session_id, before)]
            expired = await sessions.expire(unused, before) if unused else 0
            ended += expired
            if expired < len(idle):
                break  # the rest was just used
        await sessions.store.prune(now, sessions.history_limits())
        for session_id in await sessions.store.crowded():
            await self._trim(session_id, now)
        if ended:
            _log.info("sessions expired", count=ended)
        return ended

    async def _trim(self, session_id: str, now: float) -> None:
        """Delete the participants absent longest from a crowded session, also from one that nobody is in."""
        sessions = self._sessions
        try:
            async with sessions.open(session_id) as session:
                # Without the participants of all workers, some that are present would be deleted.
                if sessions.participant_count(session) is not None:
                    await sessions.store.trim_participants(session_id, session.present_ids(), now)
        except ProblemError as error:
            if error.code != "unknown_session":
                raise

    def _is_silent(self, session: Session, before: float) -> bool:
        if session.pins or session.streams or session.is_attended:
            return False
        return session.last_used() < before

    def _is_unused(self, session_id: str, before: float) -> bool:
        session = self._sessions.cache.peek(session_id)
        return session is None or self._is_silent(session, before)
