"""Disk space reserved for deletions: a file beside the database that is shrunk when needed.

Deleting a session first writes (to the write-ahead log) and frees space afterwards, so on a full disk it
fails too, unless space was reserved. Called in the store's thread.
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
"""Bytes reserved; deleting the largest session writes about half of that."""

SHARE: Final = 8
"""At most this fraction (one in …) of the free space is reserved, so that a small disk is not filled."""

STEP: Final = 2**20
"""Bytes released at a time."""

LEAST: Final = 256 * 1024
"""Free bytes below which the disk counts as full: a commit writes several pages."""

ENOUGH: Final = 2**20
"""Free bytes above which a full disk counts as usable again: more than the next few commits need."""


class Reserve:
    """The file.

    The mutable state is its size, its intended size, and whether it can be created.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = 0
        self._wanted = 0
        self._is_refused = False

    def fill(self, *, least: int = LEAST) -> None:
        """Reserve the intended size. OSError: there is not enough space, or not ``least`` bytes beside it.

        Any other obstacle (another user's file of that name, a limit of file sizes) costs only the reserve;
        it is tried again when the database is opened again.
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
        """Return whether the file exists, from this process or an earlier one."""
        return self._path.exists()

    def try_room(self) -> OSError | None:
        """Return why not even :data:`LEAST` bytes can be written beside the database, or None if they can.

        For an exceeded quota, SQLite reports only that writing failed.
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
        """Release a part of it; False if nothing is left."""
        if self.size == 0:
            return False
        left = max(self.size - STEP, 0)
        try:
            os.truncate(self._path, left)
        except OSError:
            self.size = 0  # deleted, or no longer ours
            return False
        self.size = left
        return True

    def drop(self) -> None:
        """Release all of it."""
        self.size, self._is_refused = 0, False
        with suppress(OSError):  # the next start of the service uses or removes it
            self._path.unlink(missing_ok=True)


def free_bytes(folder: Path) -> int | None:
    """Return the bytes that this user may still write there; None if unknown."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    if found.f_blocks == 0:
        return None
    blocks = found.f_bfree if os.geteuid() == 0 else found.f_bavail
    return blocks * found.f_frsize
