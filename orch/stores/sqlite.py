"""Sessions in one SQLite file: the store of a service that runs as a single process.

A commit costs the way to a thread and into the file whether it holds one message or a thousand. So there is
one writer and *group commit*: while one transaction is on its way, whatever is asked for meanwhile queues up
and becomes the next one. Nobody waits longer than two commits, and the more there is to do, the less each
costs. Reads go the same way and so always see what was written before them.
"""

import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeGuard, TypeVar, TypeVarTuple, Unpack

import structlog
import trio
from msgspec import Struct

from orch.problems import ProblemError
from orch.stores import statements
from orch.stores.database import (
    StoreError,
    begin_opening,
    close_database,
    current_boot,
    explain,
    is_damage,
    migrations,
    open_database,
)
from orch.stores.records import Appended, KeptFrame, Origin, ParticipantRecord, SessionRecord
from orch.stores.standing import StoreStanding
from orch.websocket.history import Limits

#: Operations and their bytes that may wait for a commit.
QUEUE_LIMIT: Final = 10_000
QUEUE_BYTES: Final = 64 * 2**20

#: What one transaction takes at most: enough to share the flush, not so much that others wait long.
BATCH_LIMIT: Final = 1_000

#: How long an operation waits for a store that is being started again.
PATIENCE: Final = 5.0

#: How long the last operations may take when the store is stopped, and closing the file after them.
FLUSH_WITHIN: Final = 5.0

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
Work = Callable[[sqlite3.Connection], T]

_log = structlog.get_logger(__name__)


class Offload(Protocol):
    """Runs a function that blocks, and is not cancelled once it has begun: ``trio.to_thread.run_sync``."""

    def __call__(self, work: Callable[[Unpack[Arguments]], T], /, *args: *Arguments) -> Awaitable[T]:
        """Run ``work(*args)``."""


class StoreStatistics(Struct, frozen=True):
    """The store now. ``commit_ms``: what the last transaction took, the thread's hand-over included."""

    path: str
    open: bool
    waiting: int
    limit: int
    waiting_bytes: int
    operations: int
    commits: int
    failures: int
    commit_ms: float | None
    last_error: str | None


class _Operation(Generic[T]):
    """Something to do in the next transaction. Finished once, with a value or an error.

    ``after`` is called then, before whoever waits goes on: with the value, or with None after an error.
    """

    __slots__ = ("after", "done", "error", "size", "value", "work")

    def __init__(self, work: Work[T], size: int, after: Callable[[T | None], None] | None) -> None:
        self.work = work
        self.size = size
        self.after = after
        self.done = trio.Event()
        self.value: T | None = None
        self.error: BaseException | None = None

    async def result(self) -> T:
        """Wait for the transaction and return what the work returned, or raise what it raised."""
        await self.done.wait()
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # set together with done where error is not


class _AppendTicket:
    """A message in the queue; see :class:`orch.stores.records.Ticket`."""

    __slots__ = ("_operation", "_session_id")

    def __init__(self, operation: _Operation[Appended | None], session_id: str) -> None:
        self._operation = operation
        self._session_id = session_id

    async def wait(self) -> int:
        appended = await self._operation.result()
        if appended is None:
            raise ProblemError("unknown_session", f"There is no session {self._session_id}.")
        return appended.offset


class SqliteStore:
    """Keeps sessions in the file at ``path``; see :class:`orch.stores.records.SessionStore`.

    The mutable state is the queue of operations, bounded by :data:`QUEUE_LIMIT` and :data:`QUEUE_BYTES`:
    whoever finds it full waits for room. While :meth:`run` does not run, an operation waits up to
    :data:`PATIENCE` and is then refused with ``store_unavailable``.

    A process that is killed loses nothing that was acknowledged. A machine that stops without warning may
    lose the last moments; then every session gets a new epoch, so that no recovery pretends otherwise.

    Error handling: a file that is damaged fails what was asked of it and ends :meth:`run` with
    :class:`StoreError`, so that it is opened anew; any other refusal of SQLite's (a full disk) fails the
    operation alone.
    """

    def __init__(
        self, path: Path | str, *, offload: Offload = trio.to_thread.run_sync, boot: str | None = None
    ) -> None:
        self._path = Path(path)
        self._boot = boot or current_boot()
        self._offload = offload
        self._queue: deque[_Operation[Any]] = deque()
        self._queued_bytes = 0
        self._work = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._opened = trio.Event()
        self._operations = self._commits = self._failures = 0
        self._commit_seconds: float | None = None
        self._last_error: str | None = None
        self.on_appended: Callable[[Appended], None] | None = None

    def __repr__(self) -> str:
        state = "open" if self._opened.is_set() else "closed"
        return f"<SqliteStore {self._path} {state}, {len(self._queue)} queued, {self._commits} commits>"

    def statistics(self) -> StoreStatistics:
        """Return the store's figures."""
        return StoreStatistics(
            path=str(self._path),
            open=self._opened.is_set(),
            waiting=len(self._queue),
            limit=QUEUE_LIMIT,
            waiting_bytes=self._queued_bytes,
            operations=self._operations,
            commits=self._commits,
            failures=self._failures,
            commit_ms=None if self._commit_seconds is None else self._commit_seconds * 1000,
            last_error=self._last_error,
        )

    def standing(self) -> StoreStanding:
        """Return how the store is, in words; whether its branch fails the tree says."""
        is_open = self._opened.is_set()
        reason = "" if is_open else f"{self._path} is not open. {self._last_error or ''}".rstrip()
        return StoreStanding(
            engine="sqlite",
            state="healthy" if is_open else "degraded",
            reason=reason,
            since=None,
            cautions=(),
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the file open and commit what is asked for, until cancelled; may be run again afterwards.

        Raises :class:`StoreError` where the file cannot be used. Cancelled, it still commits what is queued.
        """
        database = await self._offload(self._open)
        try:
            self._opened.set()
            task_status.started()
            while True:
                while not self._queue:
                    await self._work.park()
                await self._commit(database)
        except StoreError as error:
            self._close_queue(error)
            raise
        except trio.Cancelled:
            self._opened = trio.Event()
            with trio.move_on_after(FLUSH_WITHIN, shield=True):
                while self._queue:
                    await self._commit(database)
            self._close_queue(StoreError(self._path, "was closed"))
            raise
        finally:
            self._opened = trio.Event()
            with trio.move_on_after(FLUSH_WITHIN, shield=True):
                await self._close(database)

    async def execute(self, work: Work[T], *, size: int = 0) -> T:
        """Do ``work`` in the next transaction and return what it returns once that is on the disk.

        An exception leaves nothing of the work behind. ``size``: bytes it holds while it waits.
        """
        operation = await self._enqueue(work, size)
        return await operation.result()

    # What a store of sessions does.

    async def create(self, record: SessionRecord, owner: ParticipantRecord | None = None) -> bool:
        """Keep a new session, and who it belongs to. False: there is one of this name."""
        return await self.execute(
            lambda database: statements.create(database, record, owner), size=len(record.config)
        )

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return the session, or None."""
        return await self.execute(lambda database: statements.load(database, session_id))

    async def newest(self, limit: int) -> tuple[SessionRecord, ...]:
        """Return the sessions that were last active, newest first."""
        return await self.execute(lambda database: statements.newest(database, limit))

    async def count(self) -> int:
        """Return how many sessions are kept."""
        return await self.execute(statements.count)

    async def delete(self, session_ids: Sequence[str], *, idle_since: float | None = None) -> tuple[str, ...]:
        """Forget sessions, what was said in them and who was there; return those that there were."""
        return await self.execute(lambda database: statements.delete(database, session_ids, idle_since))

    async def touch(self, session_ids: Sequence[str], at: float) -> None:
        """Note that the sessions are in use."""
        await self.execute(lambda database: statements.touch(database, session_ids, at))

    async def idle(self, before: float, limit: int) -> tuple[str, ...]:
        """Return sessions last active before then, oldest first."""
        return await self.execute(lambda database: statements.idle(database, before, limit))

    async def begin_append(
        self,
        session_id: str,
        body: bytes,
        *,
        at: float,
        limits: Limits,
        origin: Origin | None = None,
        settled: Callable[[], None] | None = None,
    ) -> _AppendTicket:
        """Take a message in, in the order of the calls, and return at once where there is room."""
        operation = await self._enqueue(
            lambda database: statements.append(
                database, session_id, body, at=at, limits=limits, origin=origin
            ),
            len(body),
            partial(self._report, settled),
        )
        return _AppendTicket(operation, session_id)

    async def read(self, session_id: str, *, after: int, until: int) -> tuple[KeptFrame, ...]:
        """Return what is kept of the offsets after ``after`` up to ``until``, in order."""
        return await self.execute(lambda database: statements.read(database, session_id, after, until))

    async def prune(self, now: float, limits: Limits) -> int:
        """Drop what is too old in every session."""
        return await self.execute(lambda database: statements.prune(database, now, limits))

    async def put_participant(self, session_id: str, participant: ParticipantRecord) -> bool:
        """Keep someone's right to return, or change it."""
        return await self.execute(
            lambda database: statements.put_participant(database, session_id, participant)
        )

    async def participant(self, session_id: str, participant_id: str) -> ParticipantRecord | None:
        """Return someone who may return, or None."""
        return await self.execute(
            lambda database: statements.participant(database, session_id, participant_id)
        )

    async def drop_participant(self, session_id: str, participant_id: str) -> None:
        """Forget someone."""
        await self.execute(lambda database: statements.drop_participant(database, session_id, participant_id))

    # The queue and its one writer.

    async def _enqueue(
        self, work: Work[T], size: int, after: Callable[[T | None], None] | None = None
    ) -> _Operation[T]:
        # Without a checkpoint where there is room: callers rely on the queue having the order of the calls.
        if not self._opened.is_set():
            with trio.move_on_after(PATIENCE):
                await self._opened.wait()
        while self._opened.is_set() and self._is_full():
            await self._room.park()
        if not self._opened.is_set():
            raise ProblemError("store_unavailable", "The store of sessions is not open. Try again soon.")
        operation = _Operation(work, size, after)
        self._queue.append(operation)
        self._queued_bytes += size
        self._work.unpark()
        return operation

    def _is_full(self) -> bool:
        return len(self._queue) >= QUEUE_LIMIT or self._queued_bytes >= QUEUE_BYTES

    async def _commit(self, database: sqlite3.Connection) -> None:
        """Take what is queued through one transaction, and tell whoever waits for it."""
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_LIMIT))]
        started = trio.current_time()
        try:
            damage = await self._offload(_transact, database, batch)
        except trio.Cancelled:
            # Only ever before it has begun.
            self._queue.extendleft(reversed(batch))
            raise
        self._commit_seconds = trio.current_time() - started
        self._commits += 1
        self._operations += len(batch)
        self._queued_bytes -= sum(operation.size for operation in batch)
        self._room.unpark_all()
        for operation in batch:
            self._finish(operation)
        if damage is not None:
            raise StoreError(self._path, explain(damage)) from damage

    def _finish(self, operation: _Operation[Any]) -> None:
        if operation.error is not None:
            self._failures += 1
        if isinstance(operation.error, sqlite3.Error):
            self._last_error = f"{self._path}: {explain(operation.error)}"
            _log.error("store operation failed", path=str(self._path), reason=explain(operation.error))
            problem = ProblemError("store_unavailable", "What must be kept cannot be written now.")
            problem.__cause__ = operation.error
            operation.error = problem
        if operation.after is not None:
            operation.after(operation.value)
        operation.done.set()

    def _report(self, settled: Callable[[], None] | None, appended: Appended | None) -> None:
        try:
            if appended is not None and self.on_appended is not None:
                self.on_appended(appended)
            if settled is not None:
                settled()
        except Exception:  # noqa: BLE001 - a boundary: the listener is another room
            # Whoever listens must not stop what is kept for everyone else.
            self._failures += 1
            _log.exception("listener to appended messages failed")

    def _close_queue(self, error: StoreError) -> None:
        """Refuse what is still queued, and whoever waits for room."""
        self._opened = trio.Event()
        self._last_error = str(error)
        while self._queue:
            operation = self._queue.popleft()
            operation.error = ProblemError("store_unavailable", "The store of sessions was closed.")
            self._finish(operation)
        self._queued_bytes = 0
        self._room.unpark_all()

    def _open(self) -> sqlite3.Connection:
        """Open the file, in the thread; where its last messages may be missing, see that it is known."""
        database = open_database(self._path, migrations())
        try:
            if begin_opening(database, self._boot):
                renewed = statements.renew_epochs(database)
                _log.warning("machine stopped before the store was closed", sessions_renewed=renewed)
        except sqlite3.Error as error:
            database.close()
            raise StoreError(self._path, explain(error)) from error
        return database

    async def _close(self, database: sqlite3.Connection) -> None:
        try:
            await self._offload(close_database, database)
        except sqlite3.Error as error:
            # What was committed is in the write-ahead log and is found by the next opening.
            self._last_error = f"{self._path}: {explain(error)}"
            _log.warning("store closed without a checkpoint", path=str(self._path), reason=explain(error))


def _transact(database: sqlite3.Connection, batch: Sequence[_Operation[Any]]) -> sqlite3.Error | None:
    """Do a batch in one transaction; return the error that says the file is damaged, if there was one.

    Where one operation fails, the transaction is taken back and each is done in one of its own, so that no
    one pays for another's failure.
    """
    failures = [_attempt(database, batch)]
    if failures[0] is not None and not _is_damage(failures[0]) and len(batch) > 1:
        failures = [_attempt(database, [operation]) for operation in batch]
    return next((failure for failure in failures if _is_damage(failure)), None)


def _is_damage(failure: Exception | None) -> TypeGuard[sqlite3.Error]:
    return isinstance(failure, sqlite3.Error) and is_damage(failure)


def _attempt(database: sqlite3.Connection, batch: Sequence[_Operation[Any]]) -> Exception | None:
    """Do a batch in one transaction, wholly or not at all; return why not."""
    try:
        database.execute("BEGIN IMMEDIATE")
        for operation in batch:
            operation.value = operation.work(database)
        database.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - given to whoever waits for the operation
        if database.in_transaction:
            database.execute("ROLLBACK")
        for operation in batch:
            operation.value, operation.error = None, error
        return error
    for operation in batch:
        operation.error = None
    return None
