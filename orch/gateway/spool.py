"""Stores bodies of clients' requests until they are complete: small ones in memory, larger ones on disk.

Both are bounded, for each body and for all together: what does not fit into memory goes to the disk, and what
does not fit there is refused. Files have no name (they disappear with the process, however it ends) and lie
in ``TMPDIR``. The disk is used in threads only, of which the spool has a few of its own: a disk that hangs
delays large bodies, and nothing else.

Resource handling: :meth:`Spool.body` frees what a body holds when its block ends, in whatever way.

Error handling: a full disk, or a process without descriptors, raises OSError unchanged; the proxy translates
it.
"""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from io import FileIO
from typing import Any, Final, Self

import trio

from orch.gateway.request_body import RequestBody
from orch.problems import ProblemError

IN_MEMORY: Final = 262_144
"""Bytes of the largest body in memory; also the size of one read or write on the disk."""
MEMORY: Final = 67_108_864
"""Bytes of memory for all bodies and responses together."""
THREADS: Final = 8
CLOSE_SECONDS: Final = 10.0


def open_nameless() -> FileIO:
    """Open a new file without a name, which disappears with its descriptor."""
    # Unbuffered: the write that fills the disk is the one that fails.
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by free()
    assert isinstance(file, FileIO)  # noqa: S101 - what an unbuffered file is on POSIX
    return file


class Spool:
    """The memory and the disk space of all bodies and responses.

    The mutable state is the bytes in memory and on the disk. ``disk_limit`` may be changed at any time; files
    that exist already stay.
    """

    def __init__(
        self,
        *,
        disk_limit: int,
        memory_limit: int = MEMORY,
        open_file: Callable[[], FileIO] = open_nameless,
    ) -> None:
        self.disk_limit = disk_limit
        self.open_file = open_file
        self.memory_limit = memory_limit
        self.in_memory = 0
        self.on_disk = 0
        self._threads = trio.CapacityLimiter(THREADS)

    def reserve_memory(self, size: int) -> bool:
        """Reserve memory, if so much is free; the caller releases it."""
        if self.in_memory + size > self.memory_limit:
            return False
        self.in_memory += size
        return True

    def release_memory(self, size: int) -> None:
        """Release reserved memory."""
        self.in_memory -= size

    def body(self) -> "IncomingBody":
        """Return a body that arrives piece by piece; it holds memory and disk until its block ends."""
        return IncomingBody(self)

    async def in_thread(self, work: Any) -> Any:
        """Run a function that uses the disk in one of the spool's threads."""
        return await trio.to_thread.run_sync(work, limiter=self._threads)


class IncomingBody:
    """A body as it arrives, for the block of ``async with``.

    The mutable state is the pieces in memory, and the file with those before them.
    """

    def __init__(self, spool: Spool) -> None:
        self.size = 0
        self._spool = spool
        self._pieces: list[bytes] = []
        self._in_memory = 0
        self._file: FileIO | None = None
        self._on_disk = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.free()

    async def add(self, data: bytes) -> None:
        """Add a piece. Raises ProblemError ``overloaded`` if the disk space is used up, and OSError."""
        if not data:
            return
        fits = self._in_memory + len(data) <= IN_MEMORY and self._spool.reserve_memory(len(data))
        self._pieces.append(data)
        self.size += len(data)
        if fits:
            self._in_memory += len(data)
        else:
            await self._write()

    async def end(self) -> RequestBody:
        """Return the complete body."""
        if self._file is None:
            return RequestBody(b"".join(self._pieces))
        await self._write()
        return RequestBody(read=self._read, length=self.size)

    async def free(self) -> None:
        """Release what the body holds."""
        self._spool.release_memory(self._in_memory)
        self._in_memory = 0
        self._pieces.clear()
        file, self._file = self._file, None
        if file is not None:
            # Freeing the blocks of a large file may take a while on a busy disk; the wait is bounded.
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await trio.to_thread.run_sync(file.close, abandon_on_cancel=True)
        self._spool.on_disk -= self._on_disk
        self._on_disk = 0

    async def _write(self) -> None:
        data = b"".join(self._pieces)
        if not data:
            return
        spool = self._spool
        if spool.on_disk + len(data) > spool.disk_limit:
            raise ProblemError(
                "overloaded",
                "Uploads in progress use all the space reserved for them. Try again in a moment.",
                headers={"Retry-After": "5"},
            )
        spool.on_disk += len(data)  # before writing, so that concurrent writers do not exceed it
        self._on_disk += len(data)
        self._pieces.clear()
        if self._file is None:
            self._file = await spool.in_thread(spool.open_file)
        await spool.in_thread(partial(_write_all, self._file, data))
        spool.release_memory(self._in_memory)
        self._in_memory = 0

    async def _read(self, offset: int) -> bytes:
        assert self._file is not None, "the body is read while its block lasts"  # noqa: S101 - an invariant
        data: bytes = await self._spool.in_thread(partial(os.pread, self._file.fileno(), IN_MEMORY, offset))
        return data


def _write_all(file: FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
