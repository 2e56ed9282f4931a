"""One SQLite file with one writer, whatever is kept in it. For a service that runs as a single process.

A commit costs the way to a thread and into the file whether it holds one change or a thousand. So there is
one writer and *group commit*: while one transaction is in progress, further operations are queued and become
the next one. None waits longer than two commits, and the more there is to do, the less each costs. Reads go
the same way and so always see what was written before them.
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
from orch.stores.sqlite.open_file import OpenFile
from orch.stores.sqlite.transactions import Transaction, Work, transact
from orch.stores.status import StoreStatus, readings
from orch.telemetry.boundaries import Boundary
from orch.telemetry.metric_names import Reading

#: Operations and their bytes that may wait for a commit, half of it at most of what clients send; and for how
#: many seconds each waits for a file that is being opened.
QUEUE_LIMITS: Final = QueueLimits(operations=10_000, size=64 * 2**20, patience=5.0)

#: What one transaction takes at most: enough to share the flush, not so much that others wait long.
BATCH_LIMIT: Final = 1_000

#: How often the file is looked at: whether it is still there, whether the disk has room, and, while something
#: is the matter, whether it can be written again.
INSPECT_EVERY: Final = 1.0
RETRY_EVERY: Final = 0.5

#: Work that is done later because the file could not be written when it was asked for.
DEFERRED_LIMIT: Final = 10_000

#: How long the last operations may take when the store is stopped, and closing the file after them.
FLUSH_WITHIN: Final = 5.0

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_log = structlog.get_logger(__name__)


class Offload(Protocol):
    """Runs a function that blocks, and is not cancelled once it has begun: ``trio.to_thread.run_sync``."""

    def __call__(self, work: Callable[[Unpack[Arguments]], T], /, *args: *Arguments) -> Awaitable[T]:
        """Run ``work(*args)``."""


class FileStatistics(Struct, frozen=True):
    """The file now. ``commit_ms``: what the last transaction took, the thread's hand-over included."""

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
    """Runs work on the file at ``path`` (:meth:`execute`); what is kept in it is others' business.

    The mutable state is the queue of operations, bounded by ``limits``: a caller that finds it
    full waits for room. While :meth:`run` does not run, an operation waits up to ``limits.patience`` and is
    then refused with ``store_unavailable``.

    A process that is killed loses nothing that was acknowledged. A machine that stops without warning may
    lose the last moments; then every session gets a new epoch, so that no recovery pretends otherwise.

    Error handling: a file that is damaged fails what was asked of it and ends :meth:`run` with
    :class:`StoreError`, so that it is opened anew. Everything else that is the file's (:class:`Trouble`: a
    full or broken disk, a file that was deleted) is looked at every :data:`RETRY_EVERY` until it has passed;
    meanwhile nothing new is accepted, what is stored can be read, and leaving and deleting go on as far as
    possible. ``events.status_changed`` is called when that begins and when it is over, each once it has
    lasted for a second.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        offload: Offload = trio.to_thread.run_sync,
        boot: str | None = None,
        wall: Callable[[], float] = time,
        limits: QueueLimits = QUEUE_LIMITS,
    ) -> None:
        self._path = Path(path)
        self._file = OpenFile(self._path, boot or current_boot())
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

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        store = self.statistics()
        yield from readings(self.status(), waiting=store.waiting, failures=store.failures)
        for boundary in self.boundaries:
            yield from boundary.readings()

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
        """Return how the store is, in words; whether its branch fails the tree says."""
        return self._condition.status(
            str(self._path),
            is_open=self._queue.is_open,
            last_error=self._last_error or "",
            now=trio.current_time(),
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the file open and commit what is asked for, until cancelled; may be run again afterwards.

        Raises :class:`StoreError` where the file cannot be used. Cancelled, it still commits what is queued.
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
        """Open the file, again and again where that is all there is to do about it, and commit."""
        is_started = False
        while True:
            try:
                await self._offload(self._file.open)
            except StoreError as error:
                trouble = trouble_of(error)
                # What this process is short of passes; anything else at the start an operator has to see.
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
        """Commit until cancelled; returns where the file is to be opened again."""
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
            # Of an error of the system that names nothing, the look at the file has said what it means.
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
        """See whether the file is still there, and, where something was the matter, whether it is over."""
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
        """Announce what lasts."""
        while True:
            await trio.sleep(RETRY_EVERY / 2)
            now = trio.current_time()
            with self._boundary.item(step="announce"):
                if self._condition.is_announced_now(now):
                    self.events.status_changed(self.status())

    async def execute(self, work: Work[T], *, size: int = 0, adds: bool = False, frees: bool = False) -> T:
        """Do ``work`` in the next transaction and return what it returns once that is on the disk.

        An exception leaves nothing of the work behind. ``size``: bytes it holds while it waits. ``adds``: it
        is refused while nothing new is accepted; ``frees``: it may use up the reserve of a full disk,
        because it makes room, or is needed for that, or goes with someone who leaves.
        """
        operation = await self.enqueue(work, size, adds=adds, frees=frees)
        return await operation.result()

    def is_deferred(self, key: Hashable) -> bool:
        """Return whether the work of this name is still to be done."""
        return key in self._deferred

    def defer(self, key: Hashable, work: Work[object]) -> bool:
        """Do ``work`` once the file can be written again. False: it can be now, or too much is deferred."""
        if self._condition.trouble is None or len(self._deferred) >= DEFERRED_LIMIT:
            return False
        self._deferred[key] = work
        return True

    def cancel_deferred(self, key: Hashable) -> None:
        """Forget the work of this name: something newer was written in its place."""
        self._deferred.pop(key, None)

    def reclaim(self) -> None:
        """Give free pages back to the disk, a piece at a time."""
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
        leaves_room: bool = False,
    ) -> Transaction[T]:
        """Queue ``work`` for the next transaction, in the order of the calls.

        ``after`` is called with the result, or None where it failed, before the operation is done.
        ``leaves_room``: half of the queue is left to others.
        """
        # Without a checkpoint where there is room: callers rely on the queue having the order of the calls.
        if adds and (why := self._condition.refusal()):
            raise ProblemError("store_unavailable", why)
        await self._queue.wait_for_room(leaves_room=leaves_room)
        operation = Transaction(work, size, after, frees=frees)
        self._queue.add(operation)
        return operation

    async def _commit(self) -> None:
        """Take what is queued through one transaction, and tell whoever waits for it."""
        batch = [self._queue.pop() for _ in range(min(len(self._queue), BATCH_LIMIT))]
        self._condition.commit_began = started = trio.current_time()
        try:
            failure = await self._offload(self._transact, batch)
        except trio.Cancelled:
            # Only ever before it has begun.
            self._queue.put_back(batch)
            raise
        except Exception as error:
            # Nobody is left waiting for it, whatever it is.
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
        """Do a batch, in the thread."""
        failure = transact(self._file.database, batch, self._file.reserve)
        if failure is not None and trouble_of(failure) is Trouble.FAILING and failure.__cause__ is None:
            failure.__cause__ = self._file.reserve.try_room()
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
            words = "Sessions cannot be stored right now." if trouble is None else refused(trouble)
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
        operation.done.set()

    def _close_queue(self, error: StoreError) -> None:
        """Refuse what is still queued, and whoever waits for room."""
        self._queue.close()
        self._last_error = str(error)
        for operation in self._queue.drain():
            operation.error = ProblemError("store_unavailable", "The session store was closed.")
            self._finish(operation)

    async def _close(self) -> None:
        try:
            await self._offload(self._file.close)
        except sqlite3.Error as error:
            # What was committed is in the write-ahead log and is found by the next opening.
            self._last_error = f"{self._path}: {explain(error)}"
            _log.warning("store closed without checkpoint", path=str(self._path), reason=explain(error))
