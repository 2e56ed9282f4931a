"""Removes the uploads of sessions that have ended."""

from typing import Final, Protocol

import structlog
import trio

from orch.problems import ProblemError
from orch.web.upload_files import UploadFiles

#: Seconds that a removal may take after a session was ended by a request, which waits for it.
_WITHIN: Final = 5.0

_log = structlog.get_logger("uploads")


class Sessions(Protocol):
    """Knows which sessions exist (the hub)."""

    async def exists(self, session_id: str) -> bool:
        """Return whether a session exists. Raises ``store_unavailable``."""
        ...


class EndedSessions:
    """Removes the uploads of ended sessions from this machine. Stateless.

    A session can end in many ways, on any machine; so the sessions of the stored uploads are looked up after
    each sweep. One that is ended by a request to this worker loses its uploads at once.
    """

    def __init__(self, sessions: Sessions, files: UploadFiles) -> None:
        self._sessions = sessions
        self._files = files

    async def remove_uploads(self) -> None:
        """Remove the uploads of all sessions that do not exist; none while the store is unavailable."""
        ended = set()
        for session_id in await trio.to_thread.run_sync(self._files.sessions):
            try:
                if not await self._sessions.exists(session_id):
                    ended.add(session_id)
            except ProblemError as error:
                _log.warning("uploads of ended sessions not removed", reason=error.detail)
                return
        if ended:
            removed = await trio.to_thread.run_sync(self._files.remove_of, frozenset(ended))
            _log.info("uploads of ended sessions removed", count=removed)

    async def ended(self, session_id: str) -> None:
        """Remove the uploads of a session that was just ended."""
        with trio.move_on_after(_WITHIN) as scope:
            await trio.to_thread.run_sync(
                self._files.remove_of, frozenset({session_id}), abandon_on_cancel=True
            )
        if scope.cancelled_caught:
            _log.warning("uploads of the session are removed later", session_id=session_id)
