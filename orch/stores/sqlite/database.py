"""Opens an SQLite file: permissions, pragmas, schema. Called in the store's thread, independent of Trio."""

import re
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from importlib import resources
from pathlib import Path
from time import monotonic
from typing import Final

from msgspec import Struct

from orch.protocol.identifiers import new_session_key
from orch.stores.history import share_of
from orch.stores.sqlite.reserve import free_bytes

#: Seconds to wait for another process that has the file open: during a restart, the old one may be writing
#: its last messages.
BUSY_TIMEOUT: Final = 5.0

#: A file up to this size is rewritten once if that enables it to release space; it takes a second or two.
LARGEST_REWRITTEN: Final = 256 * 2**20

#: Pages released between two checkpoints.
VACUUM_STEP: Final = 256

#: Pages released at once on a full disk; they are held in memory meanwhile.
CUT: Final = 8_192

_INCREMENTAL: Final = 2

# synchronous=NORMAL: a commit has reached the operating system before it is acknowledged, so a killed process
# loses nothing. It reaches the disk later: a power cut may lose the last moments, which is detected, see
# begin_opening(). It saves each message a wait of up to some milliseconds for the disk.
# locking_mode=EXCLUSIVE: two services on one file would assign the same offset twice.
_SETTINGS: Final = (
    "PRAGMA auto_vacuum = INCREMENTAL",  # of a new file; of another one see use_incremental_vacuum
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # Debian's default, and not that of every SQLite
    "PRAGMA journal_size_limit = 67108864",
)


class StoreError(Exception):
    """The file cannot be used. The message has its name and the reason."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Migration(Struct, frozen=True):
    """One migration of the schema; ``version`` is the file's ``user_version`` after it."""

    version: int
    name: str
    script: str


def migrations(folder: str = "schema") -> tuple[Migration, ...]:
    """Return the migrations in a folder, oldest first. Files are named ``0001_what_it_adds.sql``."""
    steps = [
        Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for file in resources.files("orch.stores").joinpath(folder).iterdir()
        if (match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name))
    ]
    return tuple(sorted(steps, key=lambda step: step.version))


def open_database(path: Path, steps: Sequence[Migration]) -> sqlite3.Connection:
    """Open the file, migrate its schema, and return the connection. The caller closes it.

    Raises :class:`StoreError` if the file cannot be created, read or written, is not a database, is in use by
    another process, or was written by a newer version of this program.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Transcripts are private: only the owner of the file may read it.
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
        # Acquires the lock, and fails now rather than at the first message if nothing can be written.
        database.execute("BEGIN IMMEDIATE")
        database.execute("COMMIT")
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.Error):
            raise StoreError(path, explain(error)) from error
        raise
    return database


def begin_opening(database: sqlite3.Connection, boot: str) -> bool:
    """Record in the file that it is open; return whether committed data may be missing from it.

    That is so if it was not closed and the machine has rebooted since. ``boot`` is the boot id. The record is
    on the disk when this returns, before any data that it covers.
    """
    row = database.execute("SELECT boot, is_closed FROM openings").fetchone()
    database.execute("INSERT OR REPLACE INTO openings VALUES (1, ?, 0)", (boot,))
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return row is not None and not row[1] and row[0] != boot


def close_database(database: sqlite3.Connection) -> None:
    """Close the file; all committed data is in it, and on the disk."""
    with closing(database):
        database.execute("UPDATE openings SET is_closed = 1")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def current_boot() -> str:
    """Return the machine's boot id.

    On a system without one, each call returns a new id: then an unclosed file counts as incomplete even after
    a mere crash of the process.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)


def explain(error: sqlite3.Error) -> str:
    """Return what is wrong with the file, and the remedy if there is one."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "is in use by another process; one service may use a file at a time"
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return f"is damaged or no SQLite database ({error}); move it away or restore it from a backup"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return f"cannot be written ({error})"
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")):
        return "cannot grow: the disk is full"
    return str(error)


def use_incremental_vacuum(database: sqlite3.Connection, path: Path) -> bool:
    """Enable an older file to release space by rewriting it once; return whether it was rewritten.

    A large file, or one without space for a copy beside it, stays unchanged: it reuses its free pages.
    """
    if database.execute("PRAGMA auto_vacuum").fetchone()[0] == _INCREMENTAL:
        return False
    size = path.stat().st_size
    free = free_bytes(path.parent)
    if size > LARGEST_REWRITTEN or (free is not None and free < 3 * size):
        return False
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    database.execute("VACUUM")
    return True


def reclaim(database: sqlite3.Connection, *, seconds: float = 0.2) -> int:
    """Release free pages to the disk; return their number. Takes about ``seconds`` at most.

    In small steps with a checkpoint each, so that the write-ahead log does not grow by the released amount.
    """
    until = monotonic() + seconds
    before = left = _free_pages(database)
    while left and monotonic() < until:
        database.executescript(f"PRAGMA incremental_vacuum({VACUUM_STEP})")
        database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        now_left = _free_pages(database)
        if now_left >= left:
            break  # the file cannot release space
        left = now_left
    if before != left:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return before - left


def cut_short(database: sqlite3.Connection) -> None:
    """Release free pages on a full disk; sqlite3.Error if there is no space even for that.

    :data:`CUT` pages are released in one transaction, which writes only a few: pages behind the file's new
    end are not written unless the cache spills, nor copied from the log into the file, so that the checkpoint
    after it needs no space.
    """
    (spill,) = database.execute("PRAGMA cache_spill").fetchone()
    database.execute("PRAGMA cache_spill = OFF")
    try:
        if _free_pages(database):
            # With executescript: execute() releases only one page.
            database.executescript(f"PRAGMA incremental_vacuum({CUT})")
    finally:
        database.execute(f"PRAGMA cache_spill = {int(spill)}")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def try_writing(database: sqlite3.Connection) -> None:
    """Probe whether the file can be written, without changing data. Raises sqlite3.Error if it cannot."""
    database.execute("BEGIN IMMEDIATE")
    database.execute("UPDATE openings SET is_closed = 0")
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def copy_to(database: sqlite3.Connection, path: Path) -> None:
    """Copy the open file to ``path``, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            database.backup(copy)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _free_pages(database: sqlite3.Connection) -> int:
    row: tuple[int] = database.execute("PRAGMA freelist_count").fetchone()
    return row[0]


def _migrate(database: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    newest = steps[-1].version if steps else 0
    if version > newest:
        raise StoreError(
            path,
            f"was written by a newer version of this program (schema {version}, known {newest})",
        )
    database.create_function("new_key", 0, new_session_key)
    database.create_function("share_kind", 1, lambda frame: int(share_of(frame).kind), deterministic=True)
    database.create_function("share_sender", 1, lambda frame: share_of(frame).sender, deterministic=True)
    for step in steps:
        if step.version > version:
            # One transaction each: after a kill, a migration is done or not begun.
            database.executescript(
                f"BEGIN IMMEDIATE;\n{step.script}\nPRAGMA user_version = {step.version};\nCOMMIT;"
            )
