"""Where bodies of clients' requests wait until they are whole: small ones in memory, larger ones on the disk.

Both are bounded, each body and all together: what does not fit into the memory goes to the disk, and what
does not fit there is refused. Files have no name (they are gone with the process, however it ends) and lie
where ``TMPDIR`` says. The disk is touched in threads alone, of which the spool has a few of its own: a disk
that hangs holds large bodies up, and nothing else.

Resource handling: :meth:`Spool.body` frees what a body holds when its block is left, whichever way.

Error handling: a disk that is full, or a process without descriptors, raises OSError as it came; whoever
serves the request says what that means.
"""

import os
import tempfile
from functools import partial
from io import FileIO
from typing import Any, Final, Self

import trio

from orch.gateway.request_body import RequestBody
from orch.problems import ProblemError

IN_MEMORY: Final = 262_144
"""The largest body that waits in memory; also what is written to, or read from, the disk at once."""
MEMORY: Final = 67_108_864
"""What all bodies and answers that wait may hold of the memory together."""
THREADS: Final = 8
CLOSE_SECONDS: Final = 10.0


class Spool:
    """The bounds of all that waits.

    The mutable state is how many bytes are in memory and on the disk. ``disk_limit`` may be changed at any
    time; what is there already stays.
    """

    def __init__(self, *, disk_limit: int, memory_limit: int = MEMORY) -> None:
        self.disk_limit = disk_limit
        self.memory_limit = memory_limit
        self.in_memory = 0
        self.on_disk = 0
        self._threads = trio.CapacityLimiter(THREADS)

    def take_memory(self, size: int) -> bool:
        """Take so many bytes of the memory, if there are as many; whoever took them gives them back."""
        if self.in_memory + size > self.memory_limit:
            return False
        self.in_memory += size
        return True

    def give_memory(self, size: int) -> None:
        """Give back what was taken."""
        self.in_memory -= size

    def body(self) -> "IncomingBody":
        """Return a body that comes piece by piece; it holds what it holds for as long as its block lasts."""
        return IncomingBody(self)

    async def in_thread(self, work: Any) -> Any:
        """Do what touches the disk."""
        return await trio.to_thread.run_sync(work, limiter=self._threads)


class IncomingBody:
    """A body as it comes, for the block of ``async with``.

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
        """Add a piece. Raises ProblemError ``overloaded`` where the disk's share is full, and OSError."""
        if not data:
            return
        fits = self._in_memory + len(data) <= IN_MEMORY and self._spool.take_memory(len(data))
        self._pieces.append(data)
        self.size += len(data)
        if fits:
            self._in_memory += len(data)
        else:
            await self._write()

    async def end(self) -> RequestBody:
        """Return the body, which is whole now."""
        if self._file is None:
            return RequestBody(b"".join(self._pieces))
        await self._write()
        return RequestBody(read=self._read, length=self.size)

    async def free(self) -> None:
        """Give back what the body holds."""
        self._spool.give_memory(self._in_memory)
        self._in_memory = 0
        self._pieces.clear()
        file, self._file = self._file, None
        if file is not None:
            # Freeing the blocks of a large file may take a while on a busy disk, but not for ever.
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
        spool.on_disk += len(data)  # before it is there, so that writers at the same time do not exceed it
        self._on_disk += len(data)
        self._pieces.clear()
        if self._file is None:
            self._file = await spool.in_thread(_open)
        await spool.in_thread(partial(_write_all, self._file, data))
        spool.give_memory(self._in_memory)
        self._in_memory = 0

    async def _read(self, offset: int) -> bytes:
        assert self._file is not None, "the body is read while its block lasts"  # noqa: S101 - an invariant
        data: bytes = await self._spool.in_thread(partial(os.pread, self._file.fileno(), IN_MEMORY, offset))
        return data


def _open() -> FileIO:
    # Unbuffered: a full disk is found out by the write that fills it.
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by free()
    assert isinstance(file, FileIO)  # noqa: S101 - what an unbuffered file is on POSIX
    return file


def _write_all(file: FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
