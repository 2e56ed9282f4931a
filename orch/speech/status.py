"""Tells those in a session how far behind a stream is."""

from collections.abc import Callable
from typing import Final, Never

import msgspec
import trio

from orch.websocket.messages import AudioStatus

INTERVAL: Final = 1.0  # s


class StatusTeller:
    """Tells a status when it has changed, at most once a second; the first one only if it is news.

    ``read`` returns the status now, with a timestamp of 0.
    """

    def __init__(
        self,
        read: Callable[[], AudioStatus],
        *,
        tell: Callable[[AudioStatus], object],
        wall: Callable[[], float],
    ) -> None:
        self._read = read
        self._tell = tell
        self._wall = wall
        self._due = trio.Event()
        self._told: AudioStatus | None = None

    def touch(self) -> None:
        """Say that the status may have changed."""
        self._due.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Tell changes until cancelled."""
        task_status.started()
        while True:
            await self._due.wait()
            self._due = trio.Event()
            if self.tell_change():
                await trio.sleep(INTERVAL)

    def tell_change(self) -> bool:
        """Tell the status if it is another than the last one told; return whether it was."""
        status = self._read()
        quiet = AudioStatus(
            timestamp=0,
            session_id=status.session_id,
            stream_id=status.stream_id,
            waiting_seconds=0.0,
            revisions_dropped=0,
            speaking=False,
            waiting_for=None,
        )
        if status == (self._told or quiet):
            return False
        self._told = status
        self._tell(msgspec.structs.replace(status, timestamp=int(self._wall() * 1000)))
        return True
