"""Reads and writes the files of models. All functions block: call them in a thread."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Never

from orch.sandbox.models.catalog import Model, ModelFile
from orch.sandbox.models.locations import Locations
from orch.sandbox.models.plan import PART, FetchError, Kind, check_space, lacking

BLOCK: Final = 2**20
"""Bytes read at once."""

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def sizes(folder: Path) -> dict[str, int]:
    """Return the sizes of a folder's files by name; empty if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except OSError:
        return {}  # the folder does not exist or cannot be read: it has nothing to offer


def find(model: Model, places: Locations) -> Path | None:
    """Return a folder with the model, each file checked by its hash; None if there is none."""
    snapshots = places.snapshots(model)
    named = snapshots / model.revision
    others = sorted(path for path in _children(snapshots) if path != named)
    for folder in (places.folder(model), named, *others):
        if not lacking(model, sizes(folder)) and not damaged(folder, model):
            return folder
    return None


def _children(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return


def damaged(folder: Path, model: Model) -> list[ModelFile]:
    """Return the files that do not have the expected hash, or cannot be read."""
    return [file for file in model.files if _hash_or_none(folder / file.name) != file.sha256]


def _hash_or_none(path: Path) -> str | None:
    try:
        digest: str = hash_start(path).hexdigest()
        return digest
    except OSError:
        return None


def hash_start(path: Path) -> Any:
    """Return a SHA-256 object that has read the file; more can be added to it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest


def require_space(folder: Path, missing: int) -> None:
    """Check that the folder's disk has room for ``missing`` bytes. Raises :class:`FetchError`."""
    try:
        found = os.statvfs(folder)
    except OSError as error:
        raise disk_error(error, folder) from error
    check_space(missing, found.f_bavail * found.f_frsize)


class PartFile:
    """The ``.part`` file of a download, and the hash of its contents.

    Every error of the disk is a :class:`FetchError`. When the disk is full the part is removed: others need
    the space too.
    """

    def __init__(self, folder: Path, file: ModelFile, offset: int) -> None:
        self._folder = folder
        self._file = file
        self.path: Final = folder / (file.name + PART)
        try:
            self._digest = hash_start(self.path) if offset else hashlib.sha256()
            self._output: BinaryIO = self.path.open("ab" if offset else "wb")
        except OSError as error:
            raise disk_error(error, self.path) from error
        self.length = offset
        self.is_continued = offset > 0

    def restart(self) -> None:
        """Drop the contents."""
        try:
            self._output.truncate(0)
            self._output.seek(0)
        except OSError as error:
            self.fail(error)
        self._digest = hashlib.sha256()
        self.length = 0
        self.is_continued = False

    def write(self, data: bytes) -> None:
        """Append data."""
        try:
            require_space(self._folder, len(data))
            self._output.write(data)
            self._output.flush()
        except FetchError:
            self.remove()
            raise
        except OSError as error:
            self.fail(error)
        self._digest.update(data)
        self.length += len(data)

    def fail(self, error: OSError) -> Never:
        """Raise an error of the disk; remove the part if the disk is full."""
        if error.errno in _NO_ROOM:
            self.remove()
        raise disk_error(error, self.path) from error

    def sha256(self) -> str:
        """Return the hash of the contents."""
        digest: str = self._digest.hexdigest()
        return digest

    def complete(self) -> None:
        """Give the file its final name, after its contents are on the disk."""
        try:
            self._output.flush()
            os.fsync(self._output.fileno())
            self._output.close()
            self.path.replace(self._folder / self._file.name)
        except OSError as error:
            raise disk_error(error, self.path) from error

    def remove(self) -> None:
        """Close and remove the part."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close it; what was received stays, to be continued."""
        try:
            self._output.close()
        except OSError as error:
            raise disk_error(error, self.path) from error


def disk_error(error: OSError, path: Path) -> FetchError:
    """Return what went wrong, as a sentence."""
    reason = error.strerror or type(error).__name__
    if error.errno in _NO_ROOM:
        return FetchError(Kind.DISK, f"The disk is full: {path.parent} has no room for the model.")
    return FetchError(Kind.DISK, f"{path} cannot be written: {reason}.")
