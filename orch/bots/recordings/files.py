"""The files of recordings: written as they grow, encrypted where there is a key, and read from any place.

Everything here blocks, and is called in a thread.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, Self

from orch.bots.recordings.sealing import HEADER, MAGIC, SALT, DamagedError, Flag, Layout, Sealer, offset_of

PATCHABLE: Final = 256
"""Bytes at the begin of a file that may be written again: the head of a file of sound."""

_BLOCK: Final = 2**20


class Output(Protocol):
    """A file that grows at its end, and whose head is written again at last."""

    def write(self, data: bytes, /) -> object:
        """Append ``data``. OSError."""

    def patch(self, offset: int, data: bytes, /) -> None:
        """Write again within the first :data:`PATCHABLE` bytes, by :meth:`close` at the latest."""

    def flush(self) -> object:
        """Pass on what was written, as far as the form allows."""

    def close(self) -> None:
        """Finish the file, which is on the disk then. OSError: it may lack its end."""


class PlainOutput:
    """A file as it is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        self._file.write(data)

    def patch(self, offset: int, data: bytes) -> None:
        """Write again at the begin."""
        self._file.seek(offset)
        self._file.write(data)
        self._file.seek(0, os.SEEK_END)

    def flush(self) -> None:
        """Pass on what was written."""
        self._file.flush()

    def close(self) -> None:
        """Finish the file."""
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


class SealedOutput:
    """An encrypted file; see :mod:`orch.bots.recordings.sealing`. The mutable state is the chunk that fills.

    Error handling: after a write that failed nothing more is encrypted, since the same nonce could be used
    for other bytes; the file is cut after its last whole chunk.
    """

    def __init__(self, file: BinaryIO, key: bytes, *, salt: bytes | None = None) -> None:
        self._file = file
        self._sealer = Sealer(key, salt or os.urandom(SALT))
        self._waiting = bytearray()
        self._number = 0
        self._begin: bytearray | None = None
        self._has_failed = False
        self._file.write(self._sealer.header)

    def write(self, data: bytes) -> None:
        """Append ``data``; full chunks are written."""
        self._waiting += data
        size = self._sealer.chunk
        while len(self._waiting) >= size:
            chunk = bytes(self._waiting[:size])
            self._put(self._number, chunk, Flag.NONE)
            if self._number == 0:
                self._begin = bytearray(chunk)
            del self._waiting[:size]
            self._number += 1

    def patch(self, offset: int, data: bytes) -> None:
        """Change the first chunk, which is written again by :meth:`close`."""
        begin = self._waiting if self._begin is None else self._begin
        begin[offset : offset + len(data)] = data

    def flush(self) -> None:
        """Pass on the full chunks."""
        self._file.flush()

    def close(self) -> None:
        """Write the last chunk, and the first one again."""
        with self._file:
            if self._has_failed:
                os.ftruncate(self._file.fileno(), offset_of(self._number, self._sealer.chunk))
                return
            flags = Flag.LAST if self._begin is not None else Flag.LAST | Flag.BEGIN
            self._put(self._number, bytes(self._waiting), flags)
            if self._begin is not None:
                self._put(0, bytes(self._begin), Flag.BEGIN)
            self._file.flush()
            os.fsync(self._file.fileno())

    def _put(self, number: int, data: bytes, flags: Flag) -> None:
        if self._has_failed:
            raise OSError(errno.EIO, "An earlier write failed.")
        self._has_failed = True
        self._file.seek(offset_of(number, self._sealer.chunk))
        self._file.write(self._sealer.seal(number, data, flags))
        self._has_failed = False


def create(path: Path, key: bytes | None) -> Output:
    """Create a file that this user alone can read, with its folder. OSError; FileExistsError: it exists."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    # Unbuffered: a disk that is full fails the write that it has no room for.
    file: Any = _Whole(os.fdopen(descriptor, "r+b", buffering=0))
    try:
        return PlainOutput(file) if key is None else SealedOutput(file, key)
    except BaseException:
        file.close()
        with suppress(OSError):
            path.unlink()
        raise


class _Whole:
    """A raw file whose ``write`` writes everything: the kernel may take a part and fail at the next one."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.close = file.close
        self.seek = file.seek
        self.flush = file.flush
        self.fileno = file.fileno

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        return len(data)


class RecordingFile:
    """A recorded file, open for reading. ``size``: of its content, decrypted.

    ``is_cut``: its end is missing, as the process that wrote it was killed; the rest can be read.
    """

    def __init__(self, path: Path | int, key: bytes | None) -> None:
        """Open a path, or take a descriptor over.

        OSError; LockedError: it needs another key; DamagedError: it was changed.
        """
        self._file = open(path, "rb")  # noqa: PTH123, SIM115 - a path or a descriptor; closed by close()
        try:
            self._open(key)
        except BaseException:
            self._file.close()
            raise

    def _open(self, key: bytes | None) -> None:
        self.is_cut = False
        total = os.fstat(self._file.fileno()).st_size
        header = self._file.read(HEADER)
        self._sealer = None if not header.startswith(MAGIC) else Sealer.of_header(header, key)
        self.size = total
        if self._sealer is None:
            return
        chunk = self._sealer.chunk
        layout = Layout.of(total, chunk)
        self._full, self._tail = layout.full, b""
        self._begins = [Flag.BEGIN, Flag.NONE]
        flags = Flag.LAST if layout.full else Flag.LAST | Flag.BEGIN
        last = self._sealer.open(layout.full, self._at(layout.full, layout.tail), flags)
        self.is_cut = last is None
        self._tail = last or b""
        self.size = layout.full * chunk + len(self._tail)
        if layout.full and self._chunk(0) is None:
            raise DamagedError("The file was changed.")

    @property
    def is_encrypted(self) -> bool:
        """Whether it is encrypted."""
        return self._sealer is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it. It may be called again."""
        self._file.close()

    def read(self, begin: int, length: int) -> bytes:
        """Return up to ``length`` bytes of the content from ``begin``; fewer at its end. DamagedError."""
        length = max(0, min(length, self.size - begin))
        if self._sealer is None:
            self._file.seek(begin)
            return self._file.read(length)
        chunk = self._sealer.chunk
        parts = bytearray()
        while len(parts) < length:
            number, at = divmod(begin + len(parts), chunk)
            data = self._tail if number >= self._full else self._chunk(number)
            if data is None:
                raise DamagedError(f"The file was changed {number * chunk} bytes after its begin.")
            parts += data[at : at + length - len(parts)]
        return bytes(parts)

    def pieces(self, begin: int = 0, end: int | None = None, *, size: int = 65_536) -> Iterator[bytes]:
        """Yield the content from ``begin`` up to ``end``, by pieces of ``size`` bytes at most."""
        end = self.size if end is None else min(end, self.size)
        while begin < end:
            piece = self.read(begin, min(size, end - begin))
            if not piece:
                return
            yield piece
            begin += len(piece)

    def _at(self, number: int, length: int) -> bytes:
        assert self._sealer is not None, "only encrypted files have chunks"  # noqa: S101 - an invariant
        self._file.seek(offset_of(number, self._sealer.chunk))
        return self._file.read(length)

    def _chunk(self, number: int) -> bytes | None:
        """Return a full chunk; None: it was changed."""
        assert self._sealer is not None, "only encrypted files have chunks"  # noqa: S101 - an invariant
        sealed = self._at(number, self._sealer.chunk + 16)
        if number:
            return self._sealer.open(number, sealed, Flag.NONE)
        for flags in tuple(self._begins):
            data = self._sealer.open(0, sealed, flags)
            if data is not None:
                # The head of a finished file was written again; one that was not is of a cut file.
                self.is_cut = self.is_cut or flags is Flag.NONE
                return data
        return None


def digest(path: Path) -> tuple[int, str]:
    """Return a file's size on the disk, and its SHA-256, hexadecimal. OSError."""
    total, found = 0, hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total += len(block)
            found.update(block)
    return total, found.hexdigest()
