"""Stores what bots capture: in batches, in order, on the disk while the store is away.

Captured records come many at a time and are small, and a commit costs the same for one as for hundreds. So
records wait in a bounded queue, and one task stores all that waits.

Overflow rule: nothing is dropped. A store that is slow makes the queue full, and callers wait for room. One
that is away (it refuses, or a batch takes longer than :data:`STORED_WITHIN`) costs no waiting: records go to
the spool, and from there to the store when it is back, in their order; until the spool is empty, newer ones
are appended to it. Once the spool is full too, callers wait.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from math import inf
from pathlib import Path
from typing import Final, Never, Protocol, TypeVar, TypeVarTuple, Unpack

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.problems import ProblemError
from orch.stores.bot_records import Captured, RefusedRecordError, Written
from orch.stores.bot_scripts.tables import cleaned
from orch.stores.bot_store import BATCH_LIMIT
from orch.stores.spool import BATCH_BYTES, SUFFIX, Chunk, Spool, SpoolFullError

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

WAITING_LIMIT: Final = 5_000
"""Records in the queue: about a minute of ten meetings."""

WAITING_BYTES: Final = 32 * 2**20
"""Bytes of these records as JSON; also what is stored at a time is bounded, by :data:`BATCH_BYTES`."""

STORED_WITHIN: Final = 10.0
"""Seconds after which a batch that is being stored is spooled instead; it may have been stored."""

RETRY_EVERY: Final = 1.0
"""Seconds between attempts to reach a store that was away, or to write to a spool that was full."""

FLUSH_WITHIN: Final = 5.0
"""Seconds in which the queue is stored or spooled when the writer is stopped."""

FORGOTTEN_LIMIT: Final = 10_000

_log = structlog.get_logger(__name__)


class WritesBatches(Protocol):
    """The part of :class:`orch.stores.bot_store.BotStore` that is used here."""

    async def write(self, batch: tuple[Captured, ...], /) -> Written:
        """Store a batch, all or nothing."""


class Offload(Protocol):
    """Runs a function that blocks: ``trio.to_thread.run_sync``."""

    def __call__(self, work: Callable[[Unpack[Arguments]], T], /, *args: *Arguments) -> Awaitable[T]:
        """Run ``work(*args)``."""


class WriterStatistics(Struct, frozen=True):
    """Figures. ``spooled_bytes``: in the spool, not stored yet; ``refused``: of sessions that are deleted.

    ``rejected``: records that no store accepts, which are in a file beside the spool; ``lost``: those that
    have no room there. ``reason``: why records are spooled or wait, empty if they are stored.
    ``spool_limit``: the most bytes in the spool; ``spooled_seconds``: for how long the oldest record in
    it has waited; ``is_full``: it takes no more.
    """

    waiting: int
    limit: int
    stored: int
    spooled_bytes: int
    refused: int
    rejected: int
    reason: str
    spool_limit: int = 0
    spooled_seconds: float = 0.0
    is_full: bool = False
    lost: int = 0


class BotWriter:
    """Stores captured records. :meth:`put` accepts them; :meth:`run` stores them.

    The mutable state is the queue, the batch that is being stored, the spool, when the store is tried again,
    and the sessions that were forgotten. A batch that was taken from the queue stays here until it is stored
    or spooled, so a restart of :meth:`run` loses nothing.
    """

    def __init__(
        self,
        store: WritesBatches,
        spool: Spool,
        *,
        offload: Offload = trio.to_thread.run_sync,
        limit: int = WAITING_LIMIT,
    ) -> None:
        self._store = store
        self._spool = spool
        self._offload = offload
        self._limit = limit
        self._queue: deque[tuple[Captured, int]] = deque()
        self._bytes = 0
        self._encode = msgspec.json.Encoder().encode
        self._batch: tuple[Captured, ...] = ()
        self._forgotten: dict[str, None] = {}
        self._work = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._spool_lock = trio.Lock()
        self._stored = self._refused = 0
        self._retry_at = -inf
        self._reason = self._full = ""

    def __repr__(self) -> str:
        return f"<BotWriter {len(self._queue)} waiting, {self._spool!r}>"

    def statistics(self) -> WriterStatistics:
        """Return the figures."""
        return WriterStatistics(
            waiting=len(self._queue) + len(self._batch),
            limit=self._limit,
            stored=self._stored,
            spooled_bytes=self._spool.size - self._spool.position,
            refused=self._refused,
            rejected=self._spool.rejected,
            reason=self._full or self._reason,
            spool_limit=self._spool.limit,
            spooled_seconds=self._spool.oldest_seconds,
            is_full=bool(self._full),
            lost=self._spool.lost,
        )

    async def put(self, record: Captured) -> None:
        """Accept a record, once there is room. Its session must exist by the time it is stored.

        RefusedRecordError: it has something in its JSON that is none.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        record, size = self._storable(record)
        while len(self._queue) >= self._limit or (self._queue and self._bytes + size > WAITING_BYTES):
            await self._room.park()
        self._queue.append((record, size))
        self._bytes += size
        self._work.unpark()

    def _storable(self, record: Captured) -> tuple[Captured, int]:
        """Return a record that can be spooled, and its bytes."""
        try:
            return record, len(self._encode(record))
        except UnicodeEncodeError:
            return self._storable(cleaned(record))
        except (TypeError, ValueError, RecursionError) as error:
            raise RefusedRecordError(f"it cannot be written as JSON: {error}") from error

    async def flush(self) -> None:
        """Wait until what was accepted so far is stored or spooled. :meth:`run` must be running."""
        while self._queue or self._batch:
            await self._room.park()

    async def drain(self) -> None:
        """Wait until what was accepted so far, and the spool, is stored. :meth:`run` must be running."""
        while self._queue or self._batch or not self._spool.is_empty:
            await self._room.park()

    async def forget(self, session_id: str) -> int:
        """Drop what waits for a session, in the spool too; return how many records that is.

        Call it before the session's data is deleted from the store, which refuses what comes later.
        """
        self._forgotten[session_id] = None
        while len(self._forgotten) > FORGOTTEN_LIMIT:
            del self._forgotten[next(iter(self._forgotten))]
        before = len(self._queue)
        self._queue = deque(each for each in self._queue if each[0].session_id != session_id)
        self._bytes = sum(size for _, size in self._queue)
        self._room.unpark_all()
        async with self._spool_lock:
            in_spool = await self._offload(self._spool.forget, session_id)
        return before - len(self._queue) + in_spool

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Store what is accepted until cancelled; may be run again.

        OSError and SpoolInUseError: the spool cannot be opened. When cancelled, what waits is spooled or, if
        it cannot be, stored.
        """
        await self._offload(self._spool.open)
        try:
            if adopted := await self._offload(self._spool.adopt):
                _log.info("spools of other workers adopted", files=adopted)
            task_status.started()
            while True:
                await self._step()
        finally:
            with trio.move_on_after(FLUSH_WITHIN, shield=True):
                await self._flush_at_end()
            if self._queue or self._batch:
                lost = len(self._queue) + len(self._batch)
                _log.error(
                    "captured records remain unstored at the stop",
                    records=lost,
                    reason=self._full or self._reason,
                )
            with trio.CancelScope(shield=True):
                await self._offload(self._spool.close)

    async def _step(self) -> None:
        """Store or spool one batch, and a part of the spool."""
        if not self._batch and not self._queue and self._spool.is_empty:
            await self._work.park()
        self._take()
        if self._spool.is_empty:
            if await self._store_batch():
                return
            self._retry_at = trio.current_time() + RETRY_EVERY
            await self._spool_batch()
            return
        if self._batch:
            await self._spool_batch()
        await self._replay()

    def _take(self) -> None:
        if not self._batch and self._queue:
            batch: list[Captured] = []
            taken = 0
            while self._queue and len(batch) < BATCH_LIMIT and taken < BATCH_BYTES:
                record, size = self._queue.popleft()
                batch.append(record)
                taken += size
            self._bytes -= taken
            self._batch = tuple(batch)
            self._room.unpark_all()

    async def _store_batch(self) -> bool:
        """Store the batch; False: the store is away."""
        batch = tuple(record for record in self._batch if record.session_id not in self._forgotten)
        if batch and not await self._write(batch):
            return False
        self._done()
        return True

    def _done(self) -> None:
        self._batch = ()
        self._room.unpark_all()

    async def _write(self, batch: tuple[Captured, ...]) -> bool:
        try:
            with trio.fail_after(STORED_WITHIN):
                written = await self._store.write(batch)
        except RefusedRecordError as error:
            return await self._write_each(batch, error)
        except ProblemError as problem:
            return self._is_away(str(problem))
        except trio.TooSlowError:
            return self._is_away(f"A batch was not stored within {STORED_WITHIN:.0f} s.")
        if self._reason:
            _log.info("captured records are stored again")
            self._reason = self._full = ""
        self._stored += written.stored
        self._refused += len(batch) - written.stored
        return True

    async def _write_each(self, batch: tuple[Captured, ...], error: RefusedRecordError) -> bool:
        """Store each record by itself, so that one that does not fit keeps back no other."""
        if len(batch) > 1:
            for record in batch:
                if not await self._write((record,)):
                    return False
            return True
        async with self._spool_lock:
            await self._offload(self._spool.reject, batch[0], str(error))
        return True

    def _is_away(self, reason: str) -> bool:
        if not self._reason:
            _log.warning("captured records are spooled", reason=reason)
        self._reason = reason
        return False

    async def _spool_batch(self) -> bool:
        """Append the batch to the spool; False, after a pause: it is full."""
        async with self._spool_lock:
            batch = tuple(record for record in self._batch if record.session_id not in self._forgotten)
            try:
                await self._offload(self._spool.append, batch)
            except SpoolFullError as error:
                if not self._full:
                    _log.error("captured records wait: the spool is full", reason=str(error))
                self._full = str(error)
            else:
                self._full = ""
        if self._full:
            await trio.sleep(RETRY_EVERY)
            return False
        self._done()
        return True

    async def _replay(self) -> None:
        """Store the oldest records of the spool, or wait for the next attempt or for new records."""
        if trio.current_time() < self._retry_at:
            if not self._queue:
                with trio.move_on_at(self._retry_at):
                    await self._work.park()
            return
        async with self._spool_lock:
            chunk: Chunk = await self._offload(self._spool.read, BATCH_LIMIT)
        if chunk.records and not await self._write(chunk.records):
            self._retry_at = trio.current_time() + RETRY_EVERY
            return
        async with self._spool_lock:
            await self._offload(self._spool.forward, chunk)
        self._room.unpark_all()

    async def _flush_at_end(self) -> None:
        while self._queue or self._batch:
            self._take()
            if not await self._spool_batch() and not await self._store_batch():
                await trio.sleep(RETRY_EVERY)


def spool_at(folder: Path, worker: str) -> Spool:
    """Return the spool of a worker; each has one of its own."""
    return Spool(folder / f"bots-{worker}{SUFFIX}")
