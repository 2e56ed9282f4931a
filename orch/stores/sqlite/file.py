"""Runs operations on one SQLite file, for a service that runs as a single process.

A commit costs a switch to a thread and a write to the file, whether it has one change or a thousand. So there
is one writer with *group commit*: while one transaction is in progress, further operations are queued and
become the next one. None waits longer than two commits, and under load each costs less. Reads use the same
queue, so they see all earlier writes.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from pathlib import Path
from time import time
from typing import Any, Final, Never, Protocol, TypeVar, TypeVarTuple, Unpack

import structlog
import trio
from msgspec import Struct

from orch.problems import ProblemError
from orch.stores.operations import OperationQueue, QueueLimits
from orch.stores.protocols import IgnoreEvents, StoreEvents
from orch.stores.sqlite.database import StoreError, current_boot, explain
from orch.stores.sqlite.diagnosis import REOPENING, SLOW, Condition, Trouble, refused, trouble_of
from orch.stores.sqlite.open_file import Contents, OpenFile
from orch.stores.sqlite.transactions import Transaction, Work, erase_traces, transact
from orch.stores.status import StoreStatus, readings
from orch.telemetry.boundaries import Boundary
from orch.telemetry.histogram import Histogram
from orch.telemetry.names.metric import Distribution, Reading

#: Maximum of queued operations and their bytes, half of it for clients' messages; and seconds that each waits
#: for a file that is being opened.
QUEUE_LIMITS: Final = QueueLimits(operations=10_000, size=64 * 2**20, patience=5.0)

#: Maximum size of a transaction: enough to share the flush, not so much that others wait long.
BATCH_LIMIT: Final = 1_000

#: Seconds between checks of the file: whether it exists, whether the disk has space, and, during a problem,
#: whether it can be written again.
INSPECT_EVERY: Final = 1.0
RETRY_EVERY: Final = 0.5

#: Maximum of deferred work: accepted while the file could not be written.
DEFERRED_LIMIT: Final = 10_000

#: Time limits for the last operations when the store is stopped, and for closing the file after them.
FLUSH_WITHIN: Final = 5.0

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_log = structlog.get_logger(__name__)


class Offload(Protocol):
    """Runs a function that blocks, and is not cancelled once it has begun: ``trio.to_thread.run_sync``."""

    def __call__(self, work: Callable[[Unpack[Arguments]], T], /, *args: *Arguments) -> Awaitable[T]:
        """Run ``work(*args)``."""


class FileStatistics(Struct, frozen=True):
    """Figures of the file. ``commit_ms``: the last transaction's duration, with the hand-over."""

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

    @property
    def summary(self) -> str:
        """The engine, in a few words."""
        return "sqlite"


class SqliteFile:
    """Runs work on the file at ``path`` (:meth:`execute`), whatever is stored in it.

    The mutable state is the queue of operations, bounded by ``limits``: callers wait while it is full. While
    :meth:`run` does not run, an operation waits up to ``limits.patience`` and is then refused with
    ``store_unavailable``.

    A killed process loses nothing that was acknowledged. A machine that loses power may lose the last
    moments; then ``contents.after_loss`` is done.

    Error handling: with a damaged file, operations fail and :meth:`run` ends with :class:`StoreError`, so
    that the file is opened again. Other problems of the file (:class:`Trouble`: a full or broken disk, a
    deleted file) are checked every :data:`RETRY_EVERY` until they are over; meanwhile nothing new is
    accepted, stored data can be read, and leaving and deleting work as far as possible.
    ``events.status_changed`` is called when a problem begins and ends, each once it has lasted for a second.
    """

    def __init__(
        self,
        path: Path | str,
        contents: Contents,
        *,
        offload: Offload = trio.to_thread.run_sync,
        boot: str | None = None,
        wall: Callable[[], float] = time,
        limits: QueueLimits = QUEUE_LIMITS,
    ) -> None:
        self._path = Path(path)
        self._file = OpenFile(self._path, boot or current_boot(), contents)
        self._offload = offload
        self._wall = wall
        self._queue: OperationQueue[Transaction[Any]] = OperationQueue(limits)
        self._operations = self._commits = self._failures = 0
        self._commit_seconds: float | None = None
        self._last_error: str | None = None
        self._condition = Condition()
        self._boundary = Boundary("store")
        self._inspected_at = 0.0
        self._deferred: dict[Hashable, Work[object]] = {}
        self.events: StoreEvents = IgnoreEvents()

    def __repr__(self) -> str:
        state = "open" if self._queue.is_open else "closed"
        return f"<SqliteFile {self._path} {state}, {len(self._queue)} queued, {self._commits} commits>"

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """The loops that go on although one of their items failed."""
        return (self._boundary,)

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""
        store = self.statistics()
        yield from readings(
            self.status(),
            waiting=store.waiting,
            limit=store.limit,
            failures=store.failures,
            seconds=self.seconds,
        )
        for boundary in self.boundaries:
            yield from boundary.readings()

    @property
    def seconds(self) -> Histogram:
        """The times of operations, from when each was queued."""
        return self._queue.seconds

    def statistics(self) -> FileStatistics:
        """Return the store's figures."""
        return FileStatistics(
            path=str(self._path),
            open=self._queue.is_open,
            waiting=len(self._queue),
            limit=self._queue.limits.operations,
            waiting_bytes=self._queue.size,
            operations=self._operations,
            commits=self._commits,
            failures=self._failures,
            commit_ms=None if self._commit_seconds is None else self._commit_seconds * 1000,
            last_error=self._last_error,
        )

    def status(self) -> StoreStatus:
        """Return the store's status as sentences; failures of its branch are shown by the tree."""
        return self._condition.status(
            str(self._path),
            is_open=self._queue.is_open,
            last_error=self._last_error or "",
            now=trio.current_time(),
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the file open and commit queued operations until cancelled; may be run again afterwards.

        Raises :class:`StoreError` if the file cannot be used. When cancelled, queued operations are still
        committed.
        """
        failure: StoreError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            try:
                await self._keep_open(task_status)
            except StoreError as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _keep_open(self, task_status: trio.TaskStatus[None]) -> None:
        """Open the file, again after problems that require it, and commit."""
        is_started = False
        while True:
            try:
                await self._offload(self._file.open)
            except StoreError as error:
                trouble = trouble_of(error)
                # A shortage of this process is temporary; at startup an operator must see any other problem.
                if trouble not in (REOPENING if is_started else {Trouble.SHORT}) | {Trouble.FULL}:
                    raise
                self._last_error = str(error)
                self._note(trouble or Trouble.FAILING, error.reason)
            else:
                await self._serve(task_status, is_started=is_started)
                is_started = True
            if not is_started:
                task_status.started()
                is_started = True
            await trio.sleep(RETRY_EVERY)

    async def _serve(self, task_status: trio.TaskStatus[None], *, is_started: bool) -> None:
        """Commit until cancelled; returns if the file must be opened again."""
        try:
            self._queue.open()
            if not is_started:
                task_status.started()
            while True:
                if not self._queue:
                    with trio.move_on_after(self._inspect_every()):
                        await self._queue.wait_for_work()
                if self._queue:
                    with self._boundary.item(StoreError, step="commit"):
                        await self._commit()
                if trio.current_time() - self._inspected_at >= self._inspect_every():
                    self._inspected_at = trio.current_time()
                    with self._boundary.item(StoreError, step="inspect"):
                        await self._inspect()
        except StoreError as error:
            self._close_queue(error)
            # The check of the file has explained an error that names no cause.
            if (trouble_of(error) or self._condition.trouble) not in REOPENING:
                raise
        except trio.Cancelled:
            self._queue.close()
            with trio.move_on_after(FLUSH_WITHIN, shield=True):
                while self._queue:
                    await self._commit()
            self._close_queue(StoreError(self._path, "was closed"))
            raise
        finally:
            self._queue.close()
            with trio.move_on_after(FLUSH_WITHIN, shield=True):
                await self._close()

    # Its condition.

    def _inspect_every(self) -> float:
        return INSPECT_EVERY if self._condition.trouble is None else RETRY_EVERY

    def _note(self, trouble: Trouble, detail: str = "") -> None:
        if self._condition.note(trouble, detail, at=self._wall()):
            _log.error("store degraded", path=str(self._path), trouble=str(trouble), detail=detail)

    async def _inspect(self) -> None:
        """Check whether the file exists, and whether a problem is over."""
        deferred = dict(self._deferred)
        is_troubled = self._condition.now(trio.current_time()) is not None
        began = trio.current_time()
        found = await self._offload(self._file.inspect, is_troubled, tuple(deferred.values()))
        self._inspected_at = trio.current_time()
        if found.rescued:
            self.events.recovered_data(found.rescued)
        if found.trouble is not None:
            self._note(found.trouble, found.detail)
            if found.trouble in REOPENING:
                raise StoreError(self._path, found.detail) from found.error
        elif self._inspected_at - began > SLOW:
            self._note(Trouble.SLOW, f"{self._inspected_at - began:.2g} s for one write")
        elif is_troubled:
            for key, work in deferred.items():
                if self._deferred.get(key) is work:  # not what has come under the same name meanwhile
                    del self._deferred[key]
            if not self._deferred and self._condition.recovered():
                _log.info("store recovered", path=str(self._path))

    async def _watch(self) -> Never:
        """Announce states that last."""
        while True:
            await trio.sleep(RETRY_EVERY / 2)
            now = trio.current_time()
            with self._boundary.item(step="announce"):
                if self._condition.is_announced_now(now):
                    self.events.status_changed(self.status())

    async def execute(
        self, work: Work[T], *, size: int = 0, adds: bool = False, frees: bool = False, erases: bool = False
    ) -> T:
        """Run ``work`` in the next transaction and return its result once it is committed.

        After an exception nothing of the work remains. ``size``: bytes that it holds in the queue. ``adds``:
        refuse it while nothing new is accepted; ``frees``: it may use the reserve of a full disk, because it
        frees space, is needed for that, or belongs to a participant who leaves. ``erases``: what it deletes
        is in none of the files when this returns; they are read as a whole for that.
        """
        operation = await self.enqueue(work, size, adds=adds, frees=frees, erases=erases)
        return await operation.result()

    def is_deferred(self, key: Hashable) -> bool:
        """Return whether work with this key is still deferred."""
        return key in self._deferred

    def defer(self, key: Hashable, work: Work[object]) -> bool:
        """Do ``work`` once the file can be written again. False: it can be now, or too much is deferred."""
        if self._condition.trouble is None or len(self._deferred) >= DEFERRED_LIMIT:
            return False
        self._deferred[key] = work
        return True

    def cancel_deferred(self, key: Hashable) -> None:
        """Drop the deferred work with this key: something newer was written instead."""
        self._deferred.pop(key, None)

    def reclaim(self) -> None:
        """Release free pages to the disk, in steps."""
        self._file.is_reclaim_due = True

    # The queue and its one writer.

    async def enqueue(
        self,
        work: Work[T],
        size: int,
        after: Callable[[T | None], None] | None = None,
        *,
        adds: bool = False,
        frees: bool = False,
        erases: bool = False,
        leaves_room: bool = False,
    ) -> Transaction[T]:
        """Queue ``work`` for the next transaction, in the order of the calls.

        ``after`` is called with the result, or None after an error, before the operation is finished.
        ``leaves_room``: use only half of the queue.
        """
        # Without a checkpoint if there is room: callers rely on the order of their calls.
        if adds and (why := self._condition.refusal()):
            raise ProblemError("store_unavailable", why)
        if not self._queue.has_room(leaves_room=leaves_room):
            await self._queue.wait_for_room(leaves_room=leaves_room)
        operation = Transaction(work, size, after, frees=frees, erases=erases)
        self._queue.add(operation)
        return operation

    async def _commit(self) -> None:
        """Run the queued operations in one transaction, and wake their waiters."""
        batch = self._queue.take(BATCH_LIMIT)
        self._condition.commit_began = started = trio.current_time()
        try:
            failure = await self._offload(self._transact, batch)
        except trio.Cancelled:
            # Cancelled only before it has begun.
            self._queue.put_back(batch)
            raise
        except Exception as error:
            # Whatever failed, no waiter may be left behind.
            self._queue.release(sum(operation.size for operation in batch))
            for operation in batch:
                operation.value, operation.error = None, error
                self._finish(operation)
            raise
        finally:
            self._condition.commit_began = None
        self._commit_seconds = trio.current_time() - started
        self._commits += 1
        self._operations += len(batch)
        self._queue.release(sum(operation.size for operation in batch))
        trouble = trouble_of(failure)
        if failure is not None and trouble is not None:
            self._note(trouble, "" if trouble is Trouble.FULL else explain(failure))
        elif self._commit_seconds > SLOW:
            self._note(Trouble.SLOW, f"{self._commit_seconds:.2g} s for one commit")
        for operation in batch:
            self._finish(operation)
        if failure is not None and trouble in REOPENING | {Trouble.DAMAGED}:
            raise StoreError(self._path, explain(failure)) from failure

    def _transact(self, batch: Sequence[Transaction[Any]]) -> sqlite3.Error | None:
        """Run a batch, in the thread."""
        failure = transact(self._file.database, batch, self._file.reserve)
        if failure is not None and trouble_of(failure) is Trouble.FAILING and failure.__cause__ is None:
            failure.__cause__ = self._file.reserve.try_room()
        failure = erase_traces(self._file.scrub, batch) or failure
        if self._condition.trouble is Trouble.FULL and any(operation.frees for operation in batch):
            self._file.is_reclaim_due = True
        return failure

    def _finish(self, operation: Transaction[Any]) -> None:
        if operation.error is not None:
            self._failures += 1
        if isinstance(operation.error, sqlite3.Error):
            self._last_error = f"{self._path}: {explain(operation.error)}"
            _log.error("store operation failed", path=str(self._path), reason=explain(operation.error))
            trouble = trouble_of(operation.error)
            words = "Nothing can be stored right now." if trouble is None else refused(trouble)
            problem = ProblemError("store_unavailable", words)
            problem.__cause__ = operation.error
            operation.error = problem
        if operation.after is not None:
            try:
                operation.after(operation.value)
            except Exception:  # noqa: BLE001 - a boundary: a listener must not stop what others have stored
                self._failures += 1
                self._boundary.count()
                _log.exception("listener to stored changes failed")
        operation.note_time()
        operation.done.set()

    def _close_queue(self, error: StoreError) -> None:
        """Refuse the queued operations, and wake callers that wait for room."""
        self._queue.close()
        self._last_error = str(error)
        for operation in self._queue.drain():
            operation.error = ProblemError("store_unavailable", "The store was closed.")
            self._finish(operation)

    async def _close(self) -> None:
        try:
            await self._offload(self._file.close)
        except sqlite3.Error as error:
            # Committed data is in the write-ahead log, and recovered at the next opening.
            self._last_error = f"{self._path}: {explain(error)}"
            _log.warning("store closed without checkpoint", path=str(self._path), reason=explain(error))
