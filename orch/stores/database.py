"""Opening an SQLite file: rights, settings, schema. Called in the store's thread; knows nothing of Trio."""

import re
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Final

from msgspec import Struct

#: How long to wait for another process that still has the file open: the one before a restart may be writing
#: its last messages.
BUSY_TIMEOUT: Final = 5.0

# synchronous=NORMAL: a commit is with the operating system before anyone is told of it, so a process that is
# killed loses nothing. It is on the disk a little later: a power cut may lose the last moments. That is found
# out and said, see begin_opening(), and saves every message a wait of up to some milliseconds for the disk.
# locking_mode=EXCLUSIVE: two services on one file would give one offset to two messages.
_SETTINGS: Final = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 67108864",
)


class StoreError(Exception):
    """The file cannot be used. The message names it and says why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Migration(Struct, frozen=True):
    """One step of the schema; ``version`` is the file's ``user_version`` once it is done."""

    version: int
    name: str
    script: str


def migrations() -> tuple[Migration, ...]:
    """Return the steps in ``schema/``, oldest first. A file is called ``0001_what_it_adds.sql``."""
    steps = [
        Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for file in resources.files("orch.stores").joinpath("schema").iterdir()
        if (match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name))
    ]
    return tuple(sorted(steps, key=lambda step: step.version))


def open_database(path: Path, steps: Sequence[Migration]) -> sqlite3.Connection:
    """Return the file's connection, its schema brought up to date. The caller closes it.

    Raises :class:`StoreError` where the file cannot be made, read or written, is no database, is in use by
    another process, or was written by a newer version of this program.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What is said in sessions is nobody else's to read.
        path.touch(mode=0o600, exist_ok=True)
        database = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, cached_statements=256
        )
    except (OSError, sqlite3.Error) as error:
        raise StoreError(path, f"cannot be opened: {error}") from error
    try:
        for setting in _SETTINGS:
            database.execute(setting)
        _migrate(database, path, steps)
        # Takes the lock, and finds out now rather than at the first message that nothing can be written.
        database.execute("BEGIN IMMEDIATE")
        database.execute("COMMIT")
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.Error):
            raise StoreError(path, explain(error)) from error
        raise
    return database


def begin_opening(database: sqlite3.Connection, boot: str) -> bool:
    """Note in the file that it is open; return whether something that was committed may be missing from it.

    That is so where it was not closed and the machine has been started anew since. ``boot`` names the
    machine's run. The note is on the disk when this returns: before anything that it is about.
    """
    row = database.execute("SELECT boot, is_closed FROM openings").fetchone()
    database.execute("INSERT OR REPLACE INTO openings VALUES (1, ?, 0)", (boot,))
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return row is not None and not row[1] and row[0] != boot


def close_database(database: sqlite3.Connection) -> None:
    """Close the file; all that was committed is in it, and on the disk."""
    with closing(database):
        database.execute("UPDATE openings SET is_closed = 1")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def current_boot() -> str:
    """Return the name of the machine's run since it was started.

    Where the system has none to tell, each opening is its own run: what was not closed is then taken for
    incomplete even after a mere crash of the process, which is true to the letter of what is known.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)


def explain(error: sqlite3.Error) -> str:
    """Return what is wrong with the file, and what to do where there is something to do."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "is in use by another process; one service may use a file at a time"
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return f"is damaged or no SQLite database ({error}); move it away or restore it from a backup"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return f"cannot be written ({error})"
    if name.startswith("SQLITE_FULL"):
        return "cannot grow: the disk is full"
    return str(error)


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether the file itself is broken, so that nothing more should be tried on this connection."""
    name = getattr(error, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_IOERR"))


def _migrate(database: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    newest = steps[-1].version if steps else 0
    if version > newest:
        raise StoreError(
            path,
            f"was written by a newer version of this program (schema {version}, known {newest})",
        )
    for step in steps:
        if step.version > version:
            # One transaction each: a process that is killed here finds the step done or not begun.
            database.executescript(
                f"BEGIN IMMEDIATE;\n{step.script}\nPRAGMA user_version = {step.version};\nCOMMIT;"
            )
