"""Runs the scripts of bot sessions on a SQLite file."""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from orch.problems import ProblemError
from orch.stores.bot_records import RefusedRecordError
from orch.stores.bot_scripts.requests import Lock, Many, Request, Row, Script, for_sqlite
from orch.stores.bot_store import BotStore, Purpose
from orch.stores.sqlite.file import SqliteFile

T = TypeVar("T")


class SqliteScripts:
    """See :class:`orch.stores.bot_store.ScriptEngine`. Transactions run one by one, in the file's thread.

    After a script that erases, unused parts of the file are overwritten, and its write-ahead log is emptied.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def perform(self, start: Callable[[], Script[T]], purpose: Purpose, *, size: int = 0) -> T:
        """Run a script in the next transaction."""
        try:
            return await self._file.execute(
                lambda database: run_script(database, start()),
                size=size,
                adds=purpose is Purpose.ADD,
                frees=purpose in (Purpose.CHANGE, Purpose.ERASE),
                erases=purpose is Purpose.ERASE,
            )
        except ProblemError as problem:
            if isinstance(problem.__cause__, sqlite3.IntegrityError):
                raise RefusedRecordError(str(problem.__cause__)) from problem
            raise


def run_script(database: sqlite3.Connection, script: Script[T]) -> T:
    """Run a script to its end, inside a transaction of the caller's."""
    try:
        request = next(script)
        while True:
            request = script.send(_rows(database, request))
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        script.close()


def _rows(database: sqlite3.Connection, request: Request) -> list[Row]:
    match request:
        case Lock():
            return []  # there is one writer
        case Many(sql, rows):
            database.executemany(for_sqlite(sql), rows)
            return []
        case _:
            return database.execute(for_sqlite(request.sql), request.values).fetchall()


def bot_store(file: SqliteFile) -> BotStore:
    """Return the store of bot sessions in a file."""
    return BotStore(SqliteScripts(file))
