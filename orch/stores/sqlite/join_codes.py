"""The codes that sessions are joined with, in a SQLite file."""

import sqlite3
from typing import Final

from orch.protocol.session_keys import Right
from orch.stores.records import JoinCode
from orch.stores.sqlite.file import SqliteFile

_CODE: Final = (
    "SELECT c.code, s.session_id, c.holds, s.created, c.expires"
    " FROM join_codes c JOIN sessions s ON s.number = c.session"
)


class SqliteJoinCodes:
    """See :class:`orch.stores.protocols.JoinCodeStore`.

    The mutable state is the guesses of the current window, ``most`` at most. They are in memory: only this
    process looks codes up, and it cannot be restarted from outside.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._guesses: set[bytes] = set()
        self._window_ends = float("-inf")

    async def store_code(self, code: JoinCode, *, now: float) -> bool:
        """Store a code in place of the session's earlier one for this right; False: not possible."""
        return await self._file.execute(lambda database: _store(database, code, now), adds=True)

    async def code(self, code: str, *, now: float) -> JoinCode | None:
        """Return a code that has not expired, or None."""
        return await self._file.execute(lambda database: _find(database, code, now))

    async def codes_of(self, session_id: str, *, now: float) -> tuple[JoinCode, ...]:
        """Return the codes of a session."""
        return await self._file.execute(lambda database: _find_all(database, session_id, now))

    async def delete_code(self, session_id: str, right: Right) -> bool:
        """Delete a session's code for a right; False: it has none."""
        # A code that became known to the wrong people must end on a full disk, too.
        return await self._file.execute(lambda database: _delete(database, session_id, right), frees=True)

    async def count_codes(self, *, now: float) -> int:
        """Return the number of codes."""
        return await self._file.execute(lambda database: _count(database, now))

    async def begin_guess(self, digest: bytes, *, most: int, seconds: float, now: float) -> bool:
        """Count a code that is about to be looked up; False: too many different ones were."""
        # A clock that is set back ends the window, rather than making it longer.
        if not self._window_ends - seconds <= now < self._window_ends:
            self._guesses.clear()
            self._window_ends = now + seconds
        if digest not in self._guesses and len(self._guesses) >= most:
            return False
        self._guesses.add(digest)
        return True

    async def end_guess(self, digest: bytes) -> None:
        """Take a code back that was counted."""
        self._guesses.discard(digest)


def _store(database: sqlite3.Connection, code: JoinCode, now: float) -> bool:
    database.execute("DELETE FROM join_codes WHERE expires <= ?", (now,))
    if database.execute("SELECT 1 FROM join_codes WHERE code = ?", (code.code,)).fetchone():
        return False
    cursor = database.execute(
        "INSERT OR REPLACE INTO join_codes (code, session, holds, expires)"
        " SELECT ?, number, ?, ? FROM sessions WHERE session_id = ?",
        (code.code, code.right.value, code.expires, code.session_id),
    )
    return cursor.rowcount > 0


def _find(database: sqlite3.Connection, code: str, now: float) -> JoinCode | None:
    row = database.execute(f"{_CODE} WHERE c.code = ? AND c.expires > ?", (code, now)).fetchone()
    return None if row is None else _code(row)


def _find_all(database: sqlite3.Connection, session_id: str, now: float) -> tuple[JoinCode, ...]:
    rows = database.execute(
        f"{_CODE} WHERE s.session_id = ? AND c.expires > ? ORDER BY c.holds", (session_id, now)
    )
    return tuple(_code(row) for row in rows)


def _delete(database: sqlite3.Connection, session_id: str, right: Right) -> bool:
    cursor = database.execute(
        "DELETE FROM join_codes WHERE holds = ?"
        " AND session = (SELECT number FROM sessions WHERE session_id = ?)",
        (right.value, session_id),
    )
    return cursor.rowcount > 0


def _count(database: sqlite3.Connection, now: float) -> int:
    row: tuple[int] = database.execute("SELECT count(*) FROM join_codes WHERE expires > ?", (now,)).fetchone()
    return row[0]


def _code(row: tuple[str, str, str, float, float]) -> JoinCode:
    code, session_id, holds, created, expires = row
    return JoinCode(code, session_id, Right(holds), created, expires)
