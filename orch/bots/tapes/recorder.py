"""Writes a bot's tape beside its work: a slow or full disk never holds up the bot."""

import gzip
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Final, Protocol, TypeVar

import structlog
import trio
from msgspec import Struct

from orch.bots.tapes.lines import Line, Missed, encode

LARGEST: Final = 2 * 2**30
"""Bytes of a tape: about 18 hours of one voice."""

PENDING: Final = 8 * 2**20
"""Bytes that may wait for the disk."""

BLOCK: Final = 2**18
"""Bytes from which a block is written at once."""

EVERY: Final = 1.0
"""Seconds between two blocks, at most."""

ENDING: Final = 5.0
"""Seconds that the last block may take when the recorder is cancelled."""

ResultT = TypeVar("ResultT")

_log = structlog.get_logger("bots")


class Output(Protocol):
    """Where blocks are written: a file, or one that encrypts."""

    def write(self, data: bytes, /) -> object:
        """Write all of ``data``."""

    def flush(self) -> object:
        """Pass on what was written."""


InThread = Callable[..., Awaitable[Any]]

Opens = Callable[[], AbstractContextManager[Output]]


class TapeStatistics(Struct, frozen=True, kw_only=True):
    """``size``: bytes of the file; ``missed``: lines that are not on it; ``fault``: why it has ended."""

    lines: int
    size: int
    missed: int
    fault: str = ""


class TapeRecorder:
    """Records lines. The mutable state is the lines that wait, and the figures.

    Overflow: lines that arrive while :data:`PENDING` bytes wait for the disk, after the tape is full or after
    the disk has failed, are counted and not recorded; a line on the tape says where some are missing.
    """

    def __init__(
        self,
        opens: Opens,
        *,
        largest: int = LARGEST,
        pending: int = PENDING,
        in_thread: InThread = trio.to_thread.run_sync,
    ) -> None:
        """Make a recorder of one tape. ``opens`` opens its file, in a thread."""
        self._opens = opens
        self._largest = largest
        self._pending = pending
        self._run_sync = in_thread
        self._thread = trio.CapacityLimiter(1)
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._wake = trio.Event()
        self._is_closed = False
        self._missing = 0
        self._lines = 0
        self._missed = 0
        self._size = 0
        self._fault = ""

    def put(self, line: Line) -> None:
        """Record a line; never waits."""
        data = encode(line)
        is_over = self._is_closed or bool(self._fault) or self._size >= self._largest
        if is_over or self._bytes + len(data) > self._pending:
            self._missing += 1
            self._missed += 1
            return
        self._mark_missing()
        self._append(data)
        if self._bytes >= BLOCK:
            self._wake.set()

    def close(self) -> None:
        """Record no more; ``run`` writes what waits and returns."""
        self._is_closed = True
        self._wake.set()

    def statistics(self) -> TapeStatistics:
        """Return the figures."""
        return TapeStatistics(lines=self._lines, size=self._size, missed=self._missed, fault=self._fault)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write until :meth:`close`, or until cancelled.

        Resource handling: the file is closed when this returns. What waits at a cancel is written, if the
        disk takes it within :data:`ENDING` seconds.

        Error handling: a file that cannot be opened or written ends the tape and is logged, not the bot.
        """
        task_status.started()
        try:
            output = self._opens()
            file = await self._in_thread(output.__enter__)
        except OSError as error:
            self._fail(error)
            return
        try:
            while not self._is_closed:
                with trio.move_on_after(EVERY):
                    await self._wake.wait()
                self._wake = trio.Event()
                await self._write(file)
        finally:
            with trio.move_on_after(ENDING, shield=True):
                self._mark_missing()
                await self._write(file)
                await self._in_thread(lambda: output.__exit__(None, None, None))

    def _append(self, data: bytes) -> None:
        self._waiting.append(data)
        self._bytes += len(data)
        self._lines += 1

    def _mark_missing(self) -> None:
        if self._missing and not self._fault:
            missing, self._missing = self._missing, 0
            self._append(encode(Missed(lines=missing)))

    async def _write(self, file: Output) -> None:
        if not self._waiting or self._fault:
            return
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        data = b"".join(waiting)

        def write() -> int:
            block = gzip.compress(data, 1, mtime=0)
            file.write(block)
            file.flush()
            return len(block)

        try:
            self._size += await self._in_thread(write)
        except OSError as error:
            self._waiting = waiting + self._waiting
            self._fail(error)

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        """Run in a thread, one at a time; a disk that hangs is left to its thread."""
        result: ResultT = await self._run_sync(work, limiter=self._thread, abandon_on_cancel=True)
        return result

    def _fail(self, error: OSError) -> None:
        self._fault = error.strerror or str(error)
        self._missed += len(self._waiting)
        self._lines -= len(self._waiting)
        self._waiting, self._bytes = [], 0
        _log.warning("tape ended", reason=self._fault)


def create_file(path: str) -> BinaryIO:
    """Open a new file for a tape, which this user alone can read. Raises OSError."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
