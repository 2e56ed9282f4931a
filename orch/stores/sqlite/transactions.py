"""Runs operations on the SQLite file in one transaction, or each in its own if one fails.

Called in the store's thread.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from orch.stores.operations import Operation
from orch.stores.sqlite.diagnosis import Trouble, trouble_of
from orch.stores.sqlite.reserve import Reserve

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class Transaction(Operation[T]):
    """Work for the next transaction.

    ``frees``: it frees more space than it needs, so it may use the reserve when the disk is full. ``erases``:
    what it deletes must not remain in the files.
    """

    __slots__ = ("erases", "frees", "work")

    def __init__(
        self,
        work: Work[T],
        size: int,
        after: Callable[[T | None], None] | None,
        *,
        frees: bool = False,
        erases: bool = False,
    ) -> None:
        super().__init__(size, after)
        self.work = work
        self.frees = frees
        self.erases = erases


def transact(
    database: sqlite3.Connection, batch: Sequence[Transaction[Any]], reserve: Reserve
) -> sqlite3.Error | None:
    """Run a batch in one transaction; return the first error that is the file's rather than an operation's.

    If an operation fails, the transaction is rolled back and each operation runs in its own, so that a
    failure does not affect others. Operations that free space are retried with a part of the reserve
    released.
    """
    failures = [_attempt(database, batch)]
    if failures[0] is not None and len(batch) > 1:
        failures = [_attempt(database, [operation]) for operation in batch]
    for number, operation in enumerate(batch[: len(failures)]):
        if operation.frees and trouble_of(failures[number]) is Trouble.FULL:
            failures[number] = _attempt_sparingly(database, operation, reserve)
    found = [failure for failure in failures if isinstance(failure, sqlite3.Error)]
    return next((failure for failure in found if trouble_of(failure) is not None), None)


def erase_traces(scrub: Callable[[], None], batch: Sequence[Transaction[Any]]) -> sqlite3.Error | None:
    """Scrub the files if an operation of the batch erases; return the error, which fails these."""
    erasing = [operation for operation in batch if operation.erases and operation.error is None]
    if not erasing:
        return None
    try:
        scrub()
    except sqlite3.Error as error:
        for operation in erasing:
            operation.value, operation.error = None, error
        return error
    return None


def _attempt_sparingly(
    database: sqlite3.Connection, operation: Transaction[Any], reserve: Reserve
) -> Exception | None:
    """Run an operation on a full disk, releasing more of the reserve as long as space is missing.

    Debian's SQLite overwrites deleted data with zeros (secure_delete), which writes as much to the log as is
    deleted. Here it does so only where that costs no extra write; the file is shrunk soon after.
    """
    (usual,) = database.execute("PRAGMA secure_delete").fetchone()
    database.execute("PRAGMA secure_delete = FAST").fetchall()
    try:
        failure = _attempt(database, [operation])
        while trouble_of(failure) is Trouble.FULL and reserve.release():
            failure = _attempt(database, [operation])
    finally:
        database.execute(f"PRAGMA secure_delete = {int(usual)}").fetchall()
    return failure


def _attempt(database: sqlite3.Connection, batch: Sequence[Transaction[Any]]) -> Exception | None:
    """Run a batch in one transaction, completely or not at all; return the error."""
    try:
        database.execute("BEGIN IMMEDIATE")
        for operation in batch:
            operation.value = operation.work(database)
        database.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - passed to the operation's waiter
        roll_back(database)
        for operation in batch:
            operation.value, operation.error = None, error
        return error
    for operation in batch:
        operation.error = None
    return None


def roll_back(database: sqlite3.Connection) -> None:
    """Roll a transaction back; a file that fails even at that has rolled it back already."""
    if database.in_transaction:
        try:
            database.execute("ROLLBACK")
        except sqlite3.Error:
            return  # the original error is the one to report
