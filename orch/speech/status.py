"""Publishes how far behind a stream is, and to its speaker how much has arrived."""

from collections.abc import Callable
from typing import Final, Never

import msgspec
import trio

from orch.protocol.messages import AudioStatus
from orch.speech.output import CaptionOutput

INTERVAL: Final = 1.0  # s


class StatusPublisher:
    """Publishes a status when it has changed, at most once a second; the first one only if it is news.

    ``read`` returns the status now, with a timestamp of 0. Where nothing but the acknowledgement has changed
    (``received_seconds``, ``settled_seconds``), it is sent to the speaker alone.
    """

    def __init__(
        self,
        read: Callable[[], AudioStatus],
        *,
        output: CaptionOutput,
        wall: Callable[[], float],
    ) -> None:
        self._read = read
        self._output = output
        self._wall = wall
        self._due = trio.Event()
        self._sent: AudioStatus | None = None
        self._acknowledged = (0.0, 0.0)

    def touch(self) -> None:
        """Note that the status may have changed."""
        self._due.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Publish changes until cancelled."""
        task_status.started()
        while True:
            await self._due.wait()
            self._due = trio.Event()
            if self.publish_change():
                await trio.sleep(INTERVAL)

    def publish_change(self) -> bool:
        """Publish the status if it is another than the last one published; return whether it was."""
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
        seen = msgspec.structs.replace(status, received_seconds=0.0, settled_seconds=0.0)
        if seen == (self._sent or quiet):
            if self._acknowledged == (status.received_seconds, status.settled_seconds):
                return False
            self.acknowledge()
            return True
        self._sent = seen
        self._acknowledged = (status.received_seconds, status.settled_seconds)
        self._output.send(msgspec.structs.replace(status, timestamp=self._timestamp()))
        return True

    def acknowledge(self) -> None:
        """Send the speaker the status, now."""
        status = self._read()
        self._acknowledged = (status.received_seconds, status.settled_seconds)
        self._output.acknowledge(msgspec.structs.replace(status, timestamp=self._timestamp()))

    def _timestamp(self) -> int:
        return int(self._wall() * 1000)
