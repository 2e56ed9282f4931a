"""The space on the disk with the service's state.

The disk may be one in the network that does not respond. So it is read in a thread, and what was read last is
shown for a minute; then the metric is absent.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Never

import trio

from orch.telemetry.names.metric import Reading
from orch.telemetry.names.process import STATE_FREE, STATE_SIZE

SECONDS: Final = 10.0
"""Between readings."""

STALE: Final = 60.0
"""Seconds after which a reading is not shown any more."""


class DiskSpace:
    """Reads the space of ``folder`` periodically. The mutable state is the last reading.

    ``read`` returns the free bytes and the size; it may block.
    """

    def __init__(self, folder: Path, read: Callable[[Path], tuple[int, int]] | None = None) -> None:
        self._folder = folder
        self._read = read or space
        self._last: tuple[float, int, int] | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Read until cancelled. A reading that does not end is waited for: at most one thread hangs."""
        task_status.started()
        while True:
            try:
                free, size = await trio.to_thread.run_sync(self._read, self._folder, abandon_on_cancel=True)
                self._last = (trio.current_time(), free, size)
            except OSError:
                self._last = None  # shown as absent: there is no such folder, or its disk has failed
            await trio.sleep(SECONDS)

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        if self._last is not None and trio.current_time() - self._last[0] < STALE:
            yield Reading(STATE_FREE, self._last[1])
            yield Reading(STATE_SIZE, self._last[2])


def space(folder: Path) -> tuple[int, int]:
    """Return the bytes that are free for this process on a folder's disk, and the disk's size."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
