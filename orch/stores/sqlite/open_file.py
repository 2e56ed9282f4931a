"""The open SQLite file: checks it, restores it after a deletion, and shrinks it. Used in one thread.

After a file was deleted, a process that has it open still writes to it, and everything is lost when the
process ends. So the file's path is checked, and the open data is written to it again.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from time import time
from typing import Final

import structlog
from msgspec import Struct

from orch.stores.sqlite.database import (
    Migration,
    StoreError,
    begin_opening,
    close_database,
    copy_to,
    cut_short,
    explain,
    open_database,
    reclaim,
    try_writing,
    use_incremental_vacuum,
)
from orch.stores.sqlite.diagnosis import Trouble, trouble_of
from orch.stores.sqlite.reserve import ENOUGH, LEAST, Reserve
from orch.stores.sqlite.scrub import scrub
from orch.stores.sqlite.transactions import Work, roll_back

_log = structlog.get_logger(__name__)


class Contents(Struct, frozen=True, kw_only=True):
    """What a file is for.

    ``migrations``: of its schema; ``after_loss``: is done where the last moments may be missing.
    """

    migrations: tuple[Migration, ...]
    after_loss: Callable[[sqlite3.Connection], object]


class Found(Struct, frozen=True, kw_only=True):
    """The result of a check. ``rescued``: what was done about a deleted file, as a sentence."""

    trouble: Trouble | None = None
    detail: str = ""
    error: BaseException | None = None
    rescued: str = ""


class OpenFile:
    """The file at ``path``. The mutable state is the connection, and the identity of the file when opened."""

    def __init__(self, path: Path, boot: str, contents: Contents) -> None:
        self._path = path
        self._contents = contents
        self._log_path = path.with_name(path.name + "-wal")
        self._boot = boot
        self._database: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._is_saved = False
        self.reserve = Reserve(path.with_name(path.name + "-reserve"))
        self.is_reclaim_due = False

    @property
    def database(self) -> sqlite3.Connection:
        """The connection, if the file is open."""
        if self._database is None:
            raise sqlite3.ProgrammingError("the file is not open")
        return self._database

    def open(self) -> None:
        """Open the file; note if its last moments may be missing. Raises StoreError.

        On a full disk, the reserve left by a killed process is released first.
        """
        try:
            self._open()
        except StoreError as error:
            if trouble_of(error) is not Trouble.FULL or not self.reserve.is_there:
                raise
            self.reserve.drop()
            self._open()

    def _open(self) -> None:
        try:
            database = open_database(self._path, self._contents.migrations)
        except OSError as error:
            raise StoreError(self._path, f"cannot be opened: {error}") from error
        try:
            if begin_opening(database, self._boot):
                self._contents.after_loss(database)
                _log.warning("store was not closed cleanly", path=str(self._path))
        except sqlite3.Error as error:
            database.close()
            raise StoreError(self._path, explain(error)) from error
        self._database = database
        self._identity = _identity(self._path)
        self._is_saved = False
        self._prepare(database)

    def _prepare(self, database: sqlite3.Connection) -> None:
        """Create the reserve, and enable an older file to release space; neither has to succeed."""
        try:
            if use_incremental_vacuum(database, self._path):
                _log.info("store rewritten to enable releasing disk space", path=str(self._path))
        except (OSError, sqlite3.Error) as error:
            _log.warning("store cannot release disk space", path=str(self._path), reason=str(error))
        try:
            self.reserve.fill()
        except OSError as error:
            _log.warning("disk reserve not created", path=str(self._path), reason=str(error))

    def close(self) -> None:
        """Close the file; all committed data is in it, and on the disk."""
        database, self._database = self._database, None
        self.reserve.drop()
        if database is not None:
            close_database(database)

    def scrub(self) -> None:
        """Leave nothing of deleted rows in the files. StoreError: it cannot be opened again."""
        database = self.database
        cut_short(database)  # a disk that was full has room again, and the log is empty
        self._database = None
        database.close()
        try:
            is_done = scrub(self._path)
        finally:
            self._database = database = open_database(self._path, self._contents.migrations)
            begin_opening(database, self._boot)
        if not is_done:
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def inspect(self, is_troubled: bool, deferred: Sequence[Work[object]]) -> Found:  # noqa: FBT001 - called by position in a thread
        """Check the file and the disk; during a problem, also try to write.

        ``deferred``: the work deferred while the file could not be written.
        """
        rescued = ""
        try:
            if self._log_path.exists() is False or _identity(self._path) != self._identity:
                rescued, trouble = self._rescue()
                if trouble is not None:
                    return Found(trouble=trouble)
            if self._path.stat().st_size < _SMALLEST:  # not opened to see: its locks would go with it
                return Found(trouble=Trouble.DAMAGED, detail="it was emptied while in use")
            self.reserve.fill(least=ENOUGH if is_troubled else LEAST)
            if is_troubled:
                try_writing(self.database)
                for work in deferred:
                    work(self.database)
            if self.is_reclaim_due:
                self.is_reclaim_due = reclaim(self.database) > 0
        except (OSError, sqlite3.Error) as error:
            if self._database is not None:
                roll_back(self._database)
            trouble = trouble_of(error) or Trouble.FAILING
            if trouble is Trouble.FULL:
                self._make_room()
            detail = explain(error) if isinstance(error, sqlite3.Error) else str(error)
            return Found(trouble=trouble, detail="" if trouble is Trouble.FULL else detail, error=error)
        return Found(rescued=rescued)

    def _make_room(self) -> None:
        """Release the space of deleted sessions, with the reserve's help if the log cannot grow."""
        while True:
            try:
                cut_short(self.database)
            except sqlite3.Error as error:
                if trouble_of(error) is Trouble.FULL and self.reserve.release():
                    continue
                _log.warning("disk space not released", path=str(self._path), reason=explain(error))
            return

    def _rescue(self) -> tuple[str, Trouble | None]:
        """Handle a file that was deleted or replaced."""
        now = _identity(self._path)
        if now is not None and now != self._identity:
            if not self._is_saved:
                saved = self._path.with_name(f"{self._path.name}.saved-{int(time())}")
                copy_to(self.database, saved)
                self._is_saved = True
                _log.error("store file replaced", path=str(self._path), saved=str(saved))
            return "", Trouble.REPLACED
        database, self._database = self.database, None
        if now is None:
            copied = self._path.with_name(f"{self._path.name}.rescued")
            try:
                copy_to(database, copied)
            except BaseException:
                self._database = database
                raise
            database.close()  # removes the old log too
            self._path.with_name(f"{self._path.name}-wal").unlink(missing_ok=True)
            copied.replace(self._path)
        else:
            # Only the log was deleted: its content is written into the file, and a new log begins.
            try:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except BaseException:
                self._database = database
                raise
            database.close()
        self._database = open_database(self._path, self._contents.migrations)
        begin_opening(self._database, self._boot)
        self._identity = _identity(self._path)
        _log.error("store file deleted while in use, written again", path=str(self._path))
        return f"{self._path} was deleted while in use. It was written again; no data is missing.", None


_SMALLEST: Final = 512
"""Bytes of the smallest page; a file in use has at least one."""


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the identity of the file at ``path``; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
