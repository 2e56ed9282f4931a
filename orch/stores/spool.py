"""A bounded file of captured records that could not be stored: JSON lines, replayed in order.

One record is one line. A batch is appended and reaches the disk before :meth:`Spool.append` returns, so
neither a killed process nor a power cut loses it. The lines are removed once all are stored; a process that
is killed meanwhile stores some of them again, which changes nothing. A line that a power cut has cut off was
never acknowledged, and is removed when the file is opened.

Methods block; they are called in a thread, one at a time.
"""

import fcntl
import os
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
import structlog
from msgspec import Struct

from orch.stores.bot_records import Captured
from orch.stores.spool_ages import SpoolAges, stamped, time_of

LIMIT: Final = 256 * 2**20
"""Bytes of the file. An hour of a meeting has about 2 MiB of utterances, translations and correlations."""

SUFFIX: Final = ".spool.jsonl"
"""The end of the names of spools that another process may adopt."""

REJECTED: Final = ".rejected"
"""What follows the name of a spool in that of the file of its rejected lines."""

BATCH_BYTES: Final = 4 * 2**20
"""Bytes of records that are read at a time; a single record may have more."""

_CHUNK: Final = 2**20
_STAMP: Final = 64
"""Bytes of a line that have its time."""
_log = structlog.get_logger(__name__)


class SpoolFullError(Exception):
    """Nothing more can be spooled: the file has reached its limit, or the disk is full."""


class SpoolInUseError(Exception):
    """Another process uses the file."""


class Chunk(Struct, frozen=True):
    """Records from the front of the file, and the position in it after them.

    ``edition``: of the file, which :meth:`Spool.forget` replaces.
    """

    records: tuple[Captured, ...]
    end: int
    edition: int


class Spool:
    """The file at ``path``, for one process: a context manager, or :meth:`open` and :meth:`close`.

    The mutable state is the file, and up to which position its records were stored (:meth:`forward`).
    ``syncs``: False leaves it to the operating system when lines reach the disk; then a power cut, and only
    that, loses the last seconds. ``wall``: seconds since the epoch, which lines begin with.
    """

    def __init__(
        self, path: Path, *, limit: int = LIMIT, syncs: bool = True, wall: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._rejected = path.with_name(path.name + REJECTED)
        self._limit = limit
        self._syncs = syncs
        self._wall = wall
        self._ages = SpoolAges()
        self._file = -1
        self._encode = msgspec.json.Encoder().encode
        self._decode: msgspec.json.Decoder[Captured] = msgspec.json.Decoder(Captured)
        self._edition = 0
        self.size = 0
        self.position = 0
        self.rejected = 0
        self.lost = 0

    def __repr__(self) -> str:
        return f"<Spool {self._path}, {self.size - self.position} of {self._limit} bytes>"

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def limit(self) -> int:
        """The largest size of the file, in bytes."""
        return self._limit

    @property
    def is_empty(self) -> bool:
        """Whether every record in it was stored."""
        return self.position >= self.size

    @property
    def oldest_seconds(self) -> float:
        """For how many seconds the oldest record has waited; 0: there is none."""
        oldest = self._ages.oldest
        return 0.0 if oldest is None else max(0.0, self._wall() - oldest)

    def open(self) -> None:
        """Open or create the file. OSError: it cannot be. SpoolInUseError: another process uses it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = None
        while file is None:
            file = _open_locked(self._path)
        self._file = file
        self.position = 0
        self.size = self._end_of_lines()
        self._ages = SpoolAges()
        if self.size:
            # Lines of earlier versions have no time: they are as old as the last one at least.
            at = time_of(os.pread(file, _STAMP, 0))
            self._ages.add(self.size, os.fstat(file).st_mtime if at is None else at)
        os.ftruncate(file, self.size)

    def close(self) -> None:
        """Close the file; what is in it remains."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def adopt(self) -> int:
        """Append the records of other spools in the folder that no process uses; return how many files.

        Those are of workers that ended while the store was away. One that does not fit is left for later.
        """
        adopted = 0
        for path in sorted(self._path.parent.glob(f"*{SUFFIX}")):
            if path == self._path:
                continue
            try:
                other = Spool(path, limit=self._limit)
                other.open()
            except SpoolInUseError:
                continue
            try:
                self._append_lines(os.pread(other._file, other.size, 0), other._ages.oldest)
                path.unlink()
                adopted += 1
            except SpoolFullError as error:
                _log.warning("spool of another worker not adopted", path=str(path), reason=str(error))
            finally:
                other.close()
        return adopted

    def append(self, records: Sequence[Captured]) -> None:
        """Append records, all or none. SpoolFullError: none, and the file is as it was."""
        now = self._wall()
        self._append_lines(b"".join(stamped(self._encode(record), now) + b"\n" for record in records), now)

    def _append_lines(self, lines: bytes, at: float | None) -> None:
        if self.size + len(lines) > self._limit:
            raise SpoolFullError(f"{self._path} has reached its limit of {self._limit} bytes")
        try:
            _write_at(self._file, lines, self.size)
            if self._syncs:
                os.fdatasync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self.size)
            raise SpoolFullError(f"{self._path} cannot be written: {error}") from error
        self.size += len(lines)
        if at is not None and lines:
            self._ages.add(self.size, at)

    def read(self, limit: int) -> Chunk:
        """Return the oldest records that were not stored: ``limit`` and :data:`BATCH_BYTES` at most.

        A line that is none is moved to the file of rejected lines.
        """
        found: list[Captured] = []
        end = self.position
        last = self.position + BATCH_BYTES
        while len(found) < limit and end < last and (line := self._line_at(end)):
            end += len(line)
            try:
                found.append(self._decode.decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                self._reject(line, str(error))
        return Chunk(tuple(found), end, self._edition)

    def forward(self, chunk: Chunk) -> None:
        """Note that a chunk was stored or rejected; an empty file takes no space.

        If the file was replaced meanwhile, its records are read again.
        """
        if chunk.edition != self._edition:
            return
        self.position = max(self.position, chunk.end)
        self._ages.forward(self.position)
        if self.is_empty:
            os.ftruncate(self._file, 0)
            if self._syncs:
                os.fdatasync(self._file)
            self.size = self.position = 0
            self._ages.replace(0)

    def reject(self, record: Captured, reason: str) -> None:
        """Move a record that no store accepts to the file of rejected lines, for a person to look at."""
        self._reject(self._encode(record) + b"\n", reason)

    def forget(self, session_id: str) -> int:
        """Remove all records of a session, of the rejected lines too; return how many there were."""
        removed = 0
        kept: list[bytes] = []
        at = self.position
        while line := self._line_at(at):
            at += len(line)
            if _session_of(line) == session_id:
                removed += 1
            else:
                kept.append(line)
        if removed or self.position:
            self._replace(b"".join(kept))
        if self._rejected.exists():
            lines = self._rejected.read_bytes().splitlines(keepends=True)
            left = [line for line in lines if _session_of(line) != session_id]
            if len(left) < len(lines):
                removed += len(lines) - len(left)
                _overwrite(self._rejected)
                self._rejected.write_bytes(b"".join(left))
        return removed

    def _replace(self, content: bytes) -> None:
        """Put ``content`` in place of the file, all or nothing; the former content is overwritten."""
        part = self._path.with_name(self._path.name + ".part")
        file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_at(file, content, 0)
            os.fdatasync(file)
            part.replace(self._path)
        except BaseException:
            os.close(file)
            part.unlink(missing_ok=True)
            raise
        _zero(self._file, self.size)
        os.close(self._file)
        self._file, self.size, self.position = file, len(content), 0
        self._ages.replace(self.size)
        self._edition += 1

    def _reject(self, line: bytes, reason: str) -> None:
        self.rejected += 1
        _log.error("spooled record rejected", path=str(self._rejected), reason=reason)
        size = self._rejected.stat().st_size if self._rejected.exists() else 0
        if size + len(line) > self._limit:
            self.lost += 1
            _log.error("rejected record dropped: its file is full", path=str(self._rejected))
            return
        file = os.open(self._rejected, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write_at(file, line, size)
            os.fdatasync(file)
        finally:
            os.close(file)

    def _line_at(self, at: int) -> bytes:
        """Return the line that begins there, with its end; empty: there is none."""
        line = b""
        while at + len(line) < self.size:
            more = os.pread(self._file, min(_CHUNK, self.size - at - len(line)), at + len(line))
            if not more:
                break
            line += more
            if (end := line.find(b"\n")) >= 0:
                return line[: end + 1]
        return b""

    def _end_of_lines(self) -> int:
        """Return the position after the last whole line."""
        end = os.fstat(self._file).st_size
        while end > 0:
            begin = max(0, end - _CHUNK)
            found = os.pread(self._file, end - begin, begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
        return 0


def spool_folder(root: Path, store: str) -> Path:
    """Return the folder of the spools of one store, named after where it is (``store``).

    Services with different stores may share ``root``: none adopts what belongs into another store.
    """
    return root / sha256(store.encode()).hexdigest()[:16]


def remove_rejected(root: Path, before: float) -> int:
    """Delete files of rejected lines that were last written to before ``before``; return how many.

    ``root``: the folder of all spools. The files are overwritten, as they hold what was said. OSError: one
    cannot be deleted; the others are.
    """
    removed = 0
    failed: OSError | None = None
    for path in sorted(root.rglob(f"*{SUFFIX}{REJECTED}")):
        try:
            if path.stat().st_mtime < before:
                _overwrite(path)
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue  # another worker has just deleted it
        except OSError as error:
            failed = error
    if failed is not None:
        raise failed
    return removed


def _open_locked(path: Path) -> int | None:
    """Open a file for this process alone; None: it was removed meanwhile, by a process that adopted it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists() and path.stat().st_ino == os.fstat(file).st_ino:
            return file
    except BlockingIOError:
        os.close(file)
        raise SpoolInUseError(f"{path} is in use by another process") from None
    os.close(file)
    return None


class _Named(Struct):
    session_id: str


def _session_of(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=_Named).session_id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _write_at(file: int, content: bytes, at: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(file, view, at)
        at, view = at + written, view[written:]


def _zero(file: int, size: int) -> None:
    for at in range(0, size, _CHUNK):
        _write_at(file, bytes(min(_CHUNK, size - at)), at)
    os.fdatasync(file)


def _overwrite(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        _zero(file, os.fstat(file).st_size)
    finally:
        os.close(file)
