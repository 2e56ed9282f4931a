"""Room on the disk that is held for what makes room: a file beside the database that is made smaller at need.

Deleting a session writes first (to the write-ahead log) and gives room back afterwards, so on a full disk it
fails like everything else, unless something was put by. Called in the store's thread.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from orch.shortages import own_shortage

_log = structlog.get_logger("store")

TARGET: Final = 8 * 2**20
"""Bytes put by; deleting the largest session writes about half of that."""

SHARE: Final = 8
"""At most one part in so many of what is free is put by, so that a small disk is not filled by it."""

STEP: Final = 2**20
"""Bytes released at a time."""

LEAST: Final = 256 * 1024
"""Free bytes below which the disk counts as full: a commit writes several pages."""

ENOUGH: Final = 2**20
"""Free bytes from which on a disk that was full no longer is: more than what the next few commits take."""


class Reserve:
    """The file.

    The mutable state is its size, the size that it had while there was enough, and whether it can be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = 0
        self._wanted = 0
        self._is_refused = False

    def fill(self, *, least: int = LEAST) -> None:
        """Put by what is wanted. OSError: there is not that much room, or not ``least`` bytes beside it.

        What else stands in the way (a file of this name that is another user's, a limit of the size of files)
        costs the reserve and nothing more; it is tried again when the database is opened again.
        """
        free = free_bytes(self._path.parent)
        if free is not None:
            share = min(TARGET, (free + self.size) // SHARE)
            self._wanted = max(self._wanted, share - share % 4096)
        if self.size < self._wanted and not self._is_refused:
            try:
                self._allocate(self._wanted)
            except OSError as error:
                if own_shortage(error) is not None:
                    raise
                self._is_refused = True
                _log.warning("disk reserve not created", path=str(self._path), reason=str(error))
            free = free_bytes(self._path.parent)
        if free is not None and free < least:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def _allocate(self, size: int) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
            self.size = size
        finally:
            os.close(descriptor)

    @property
    def is_there(self) -> bool:
        """Whether there is such a file, of this process or of one before it."""
        return self._path.exists()

    def try_room(self) -> OSError | None:
        """Return why not even :data:`LEAST` bytes can be written beside the database; None: they can.

        SQLite says no more of a quota than that writing failed.
        """
        trial = self._path.with_name(f"{self._path.name}-trial")
        try:
            descriptor = os.open(trial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, LEAST)
            finally:
                os.close(descriptor)
                trial.unlink(missing_ok=True)
        except OSError as error:
            return error
        return None

    def release(self) -> bool:
        """Give a part of it back to the disk; False: there is none left."""
        if self.size == 0:
            return False
        left = max(self.size - STEP, 0)
        try:
            os.truncate(self._path, left)
        except OSError:
            self.size = 0  # gone, or not ours any more
            return False
        self.size = left
        return True

    def drop(self) -> None:
        """Give all of it back."""
        self.size, self._is_refused = 0, False
        with suppress(OSError):  # another start of the service puts it to use or away
            self._path.unlink(missing_ok=True)


def free_bytes(folder: Path) -> int | None:
    """Return what this user may still write there; None where the file system does not say."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    if found.f_blocks == 0:
        return None
    blocks = found.f_bfree if os.geteuid() == 0 else found.f_bavail
    return blocks * found.f_frsize
