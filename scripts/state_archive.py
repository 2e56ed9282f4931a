"""Writes a folder as a tar.gz file to standard output: state_archive.py FOLDER.

The service may work in it meanwhile. SQLite files are copied by SQLite, which gives their state at one
moment; their -wal and -shm files are left out. A file that is gone before it was read is left out, and named
on standard error. Sockets and pipes are left out.
"""

import sqlite3
import sys
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from typing import IO, BinaryIO, cast

DATABASE = b"SQLite format 3\x00"
BESIDE = ("-wal", "-shm", "-journal")


class Exactly:
    """Reads as many bytes as a file had when it was added; one that has become shorter ends in zeros."""

    def __init__(self, file: BinaryIO) -> None:
        """Read this file."""
        self._file = file

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        return self._file.read(size).ljust(size, b"\0")


def is_database(path: Path) -> bool:
    """Return whether a file is SQLite's."""
    with path.open("rb") as file:
        return file.read(len(DATABASE)) == DATABASE


def copy(path: Path, target: Path) -> None:
    """Copy a database as it is at one moment."""
    opened = closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True))
    with opened as source, closing(sqlite3.connect(target)) as into:
        source.backup(into)


def add(path: Path, name: str, archived: tarfile.TarFile, *, status: Path | None = None) -> None:
    """Add a file; ``status``: the one whose owner and mode it has."""
    with path.open("rb") as file:
        entry = archived.gettarinfo(arcname=name, fileobj=file)
        if status is not None:
            of = status.stat()
            entry.uid, entry.gid, entry.mode = of.st_uid, of.st_gid, of.st_mode & 0o7777
        entry.type, entry.linkname = tarfile.REGTYPE, ""  # not a link to a file of another name
        entry.size = path.stat().st_size
        archived.addfile(entry, cast("IO[bytes]", Exactly(file)))


def archive(folder: Path, archived: tarfile.TarFile, scratch: Path) -> list[str]:
    """Add a folder's content; return what could not be read."""
    left_out = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name.endswith(BESIDE) and path.with_name(path.name.rpartition("-")[0]).exists():
            continue
        try:
            if path.is_file() and not path.is_symlink() and is_database(path):
                copy(path, scratch / "copy")
                add(scratch / "copy", name, archived, status=path)
                (scratch / "copy").unlink()
            elif path.is_file() and not path.is_symlink():
                add(path, name, archived)
            elif path.is_dir() or path.is_symlink():
                archived.add(path, name, recursive=False)
        except (OSError, sqlite3.Error) as error:
            left_out.append(f"{name}: {error}")
    return left_out


def main() -> int:
    """Write the archive; return 0, also if single files had to be left out."""
    folder = Path(sys.argv[1])
    with (
        tempfile.TemporaryDirectory() as scratch,
        tarfile.open(fileobj=sys.stdout.buffer, mode="w|gz") as archived,
    ):
        for each in archive(folder, archived, Path(scratch)):
            print(f"left out: {each}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
