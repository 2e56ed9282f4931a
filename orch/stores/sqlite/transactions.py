"""One transaction of the SQLite store: many operations, done together or each by itself.

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
    """Work to do in the next transaction.

    ``frees``: it takes away more than it adds, so that it may use up the reserve when the disk is full.
    """

    __slots__ = ("frees", "work")

    def __init__(
        self, work: Work[T], size: int, after: Callable[[T | None], None] | None, *, frees: bool = False
    ) -> None:
        super().__init__(size, after)
        self.work = work
        self.frees = frees


def transact(
    database: sqlite3.Connection, batch: Sequence[Transaction[Any]], reserve: Reserve
) -> sqlite3.Error | None:
    """Do a batch in one transaction; return the first error that is the file's and not an operation's.

    Where one operation fails, the transaction is taken back and each is done in one of its own, so that no
    one pays for another's failure. What frees room is tried again with a part of the reserve released.
    """
    failures = [_attempt(database, batch)]
    if failures[0] is not None and len(batch) > 1:
        failures = [_attempt(database, [operation]) for operation in batch]
    for number, operation in enumerate(batch[: len(failures)]):
        if operation.frees and trouble_of(failures[number]) is Trouble.FULL:
            failures[number] = _attempt_sparingly(database, operation, reserve)
    found = [failure for failure in failures if isinstance(failure, sqlite3.Error)]
    return next((failure for failure in found if trouble_of(failure) is not None), None)


def _attempt_sparingly(
    database: sqlite3.Connection, operation: Transaction[Any], reserve: Reserve
) -> Exception | None:
    """Do an operation on a full disk, releasing a part of the reserve each time it is not enough.

    SQLite as Debian builds it writes zeros over all that is deleted (secure_delete), through the log: as much
    again as is deleted. Here it does so only where that writes no more; the file is cut short soon after.
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
    """Do a batch in one transaction, wholly or not at all; return why not."""
    try:
        database.execute("BEGIN IMMEDIATE")
        for operation in batch:
            operation.value = operation.work(database)
        database.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - given to whoever waits for the operation
        roll_back(database)
        for operation in batch:
            operation.value, operation.error = None, error
        return error
    for operation in batch:
        operation.error = None
    return None


def roll_back(database: sqlite3.Connection) -> None:
    """Take back what a transaction has begun; a file that fails even at that has taken it back already."""
    if database.in_transaction:
        try:
            database.execute("ROLLBACK")
        except sqlite3.Error:
            return  # the error that led here is the one that is told
