"""The files of resumable uploads, in a folder that all workers of a machine share. All of it blocks.

``ID.json`` has the facts of an upload, ``ID.part`` the bytes that have arrived: its size is the offset. The
lock of the kernel on ``ID.part`` lets one request write at a time; it ends with its process. Nothing is lost
when the service restarts. What is too old is removed at the start and before each new upload; uploads of a
session that has ended, by :mod:`orch.web.ended_sessions`.
"""

import errno
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final, Self

import msgspec
import structlog
from msgspec import Struct, structs

from orch.problems import ProblemError
from orch.protocol.identifiers import new_session_key
from orch.settings.structs import Speech
from orch.web import tus

_log = structlog.get_logger("uploads")

_ID: Final = re.compile(r"[A-Za-z0-9_-]{22}")
_BEING_MADE: Final = 60.0
"""Seconds in which the second file of a new upload has to follow the first."""


class Facts(Struct, frozen=True, kw_only=True):
    """What is stored in ``ID.json``. ``started``: the response to its transcription, once that has begun."""

    session_id: str
    address: str
    length: int
    started: dict[str, Any] | None = None


class StoredUpload(Struct, frozen=True, kw_only=True):
    """An upload as it is now. ``written_at``: epoch seconds."""

    facts: Facts
    offset: int
    written_at: float

    @property
    def is_complete(self) -> bool:
        """Whether all bytes have arrived."""
        return self.offset == self.facts.length


class PartialFile:
    """The bytes of an upload, open for one request until it is closed. ``offset``: how many there are."""

    def __init__(self, file: IO[bytes], facts: Facts) -> None:
        self._file = file
        self.facts: Final = facts
        self.offset = os.fstat(file.fileno()).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        """Append data. ProblemError ``recording_too_large``, ``own_shortage``."""
        tus.check_room(self.offset, len(data), self.facts.length)
        try:
            self._file.write(data)
        except OSError as error:
            raise _shortage(error) from error
        finally:
            self.offset = os.fstat(self._file.fileno()).st_size  # of a full disk a part may be written


class UploadFiles:
    """The uploads in ``folder``. ``wall()``: epoch seconds."""

    def __init__(self, folder: Path, *, wall: Callable[[], float]) -> None:
        self._folder = folder
        self._wall = wall

    def create(self, new: tus.Held, speech: Speech) -> str:
        """Begin an upload; return its id. Problems: those of :func:`tus.check_limits`, ``own_shortage``."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.remove_old()
            found = os.statvfs(self._folder)
            held = [facts for facts, is_open in self._all() if is_open]
            tus.check_limits(
                [tus.Held(session_id=f.session_id, address=f.address, length=f.length) for f in held],
                new,
                free=found.f_bavail * found.f_frsize,
                speech=speech,
            )
            upload_id = new_session_key()
            with _private(self._part(upload_id)):
                pass
            self._store(upload_id, Facts(session_id=new.session_id, address=new.address, length=new.length))
        except OSError as error:
            raise _shortage(error) from error
        return upload_id

    def find(self, session_id: str, upload_id: str) -> StoredUpload:
        """Return an upload of a session. ProblemError ``unknown_upload``."""
        facts = self._facts(upload_id)
        if facts is None or facts.session_id != session_id:
            raise _unknown()
        if facts.started is not None:
            return StoredUpload(facts=facts, offset=facts.length, written_at=self._wall())
        try:
            part = self._part(upload_id).stat()
        except OSError:
            raise _unknown() from None
        if tus.is_expired(part.st_mtime, self._wall()):
            raise _unknown()
        return StoredUpload(facts=facts, offset=part.st_size, written_at=part.st_mtime)

    def open_part(self, session_id: str, upload_id: str) -> PartialFile:
        """Open an upload for one request alone. Problems: ``unknown_upload``, ``upload_in_use``."""
        found = self.find(session_id, upload_id)
        try:
            file = self._part(upload_id).open("ab", buffering=0)
        except FileNotFoundError:
            raise _unknown() from None  # it was removed, or its transcription has begun
        except OSError as error:
            raise _shortage(error) from error
        with ExitStack() as unless_returned:
            unless_returned.enter_context(file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ProblemError(
                    "upload_in_use",
                    "Another request is still sending to this upload. Try again in a moment.",
                    headers={"Retry-After": "2", "Tus-Resumable": tus.VERSION},
                ) from None
            if os.fstat(file.fileno()).st_nlink == 0:
                raise _unknown()
            unless_returned.pop_all()
        return PartialFile(file, found.facts)

    def open_complete(self, upload_id: str) -> IO[bytes]:
        """Return a complete upload for reading. ProblemError ``unknown_upload``."""
        try:
            return self._part(upload_id).open("rb")
        except OSError:
            raise _unknown() from None

    def note_started(self, upload_id: str, facts: Facts, response: dict[str, Any]) -> None:
        """Store the response to the transcription of an upload, for a client that did not receive it.

        The bytes are removed; who has the file open can still read it.
        """
        try:
            self._store(upload_id, structs.replace(facts, started=response))
        except OSError as error:
            _log.warning("upload not noted", reason=str(error))
            self._json(upload_id).unlink(missing_ok=True)
        self._part(upload_id).unlink(missing_ok=True)

    def remove(self, session_id: str, upload_id: str) -> None:
        """Remove an upload. ProblemError ``unknown_upload``."""
        self.find(session_id, upload_id)
        self._part(upload_id).unlink(missing_ok=True)
        self._json(upload_id).unlink(missing_ok=True)

    def sessions(self) -> frozenset[str]:
        """Return the sessions with uploads."""
        return frozenset(facts.session_id for facts, _ in self._all())

    def remove_of(self, session_ids: frozenset[str]) -> int:
        """Remove all uploads of these sessions, which have ended; return their number."""
        removed = 0
        for path in self._paths():
            facts = self._facts(path.stem) if path.suffix == ".json" else None
            if facts is None or facts.session_id not in session_ids:
                continue
            try:
                path.with_suffix(".part").unlink(missing_ok=True)
                path.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("upload not removed", file=str(path), reason=str(error))
                continue
            removed += 1
        return removed

    def remove_old(self) -> None:
        """Remove what is too old or left over."""
        for path in self._paths():
            try:
                self._remove_if_old(path)
            except FileNotFoundError:
                continue  # another worker was faster
            except OSError as error:
                _log.warning("upload not removed", file=str(path), reason=str(error))

    def _remove_if_old(self, path: Path) -> None:
        age = self._wall() - path.stat().st_mtime
        if path.suffix == ".part":
            facts = path.with_suffix(".json")
            if age > tus.LIFETIME or (age > _BEING_MADE and not facts.exists()):
                path.unlink()
                facts.unlink(missing_ok=True)
        elif age > tus.LIFETIME and not path.with_suffix(".part").exists():
            path.unlink()

    def _all(self) -> Iterator[tuple[Facts, bool]]:
        """Yield each upload, and whether its bytes are still stored."""
        for path in self._paths():
            if path.suffix == ".json" and (facts := self._facts(path.stem)) is not None:
                yield facts, path.with_suffix(".part").exists()

    def _paths(self) -> list[Path]:
        try:
            return sorted(
                path for path in self._folder.iterdir() if path.suffix in {".json", ".part", ".new"}
            )
        except FileNotFoundError:
            return []
        except OSError as error:
            _log.warning("uploads unreadable", folder=str(self._folder), reason=str(error))
            return []

    def _facts(self, upload_id: str) -> Facts | None:
        if _ID.fullmatch(upload_id) is None:
            return None
        try:
            return msgspec.json.decode(self._json(upload_id).read_bytes(), type=Facts)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("upload unreadable", reason=str(error))
            return None

    def _store(self, upload_id: str, facts: Facts) -> None:
        made = self._folder / f"{upload_id}.new"
        with _private(made) as file:
            file.write(msgspec.json.encode(facts))
        made.replace(self._json(upload_id))

    def _json(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.json"

    def _part(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.part"


def _private(path: Path) -> IO[bytes]:
    """Create a file that only its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")


def _unknown() -> ProblemError:
    return ProblemError(
        "unknown_upload",
        "No upload has this id. It was cancelled, or nothing was sent to it for a day.",
        headers={"Tus-Resumable": tus.VERSION},
    )


def _shortage(error: OSError) -> ProblemError:
    why = (
        "the service's disk is full"
        if error.errno in {errno.ENOSPC, errno.EDQUOT}
        else f"the folder of uploads cannot be written ({error.strerror})"
    )
    return ProblemError("own_shortage", f"The recording cannot be stored: {why}.")
