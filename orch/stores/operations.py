"""Operations on a store: a bounded queue of them for its one writer, and how callers wait for each."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import trio
from msgspec import Struct

from orch.problems import ProblemError
from orch.stores.records import Appended
from orch.telemetry.histogram import Histogram
from orch.telemetry.names.stores import STORE_SECONDS

T = TypeVar("T")
AnyOperation = TypeVar("AnyOperation", bound="Operation[Any]")


class QueueLimits(Struct, frozen=True):
    """How much may wait; ``patience``: the seconds that a caller waits for a store that is not open."""

    operations: int
    size: int
    patience: float


class Operation(Generic[T]):
    """One operation, finished once with a value or an error.

    ``size``: bytes it holds while it waits. ``after`` is called when it is finished, before the callers that
    wait go on: with the value, or with None after an error. ``seconds``: counts the time since ``queued_at``,
    once it is queued.
    """

    __slots__ = ("after", "done", "error", "queued_at", "seconds", "size", "value")

    def __init__(self, size: int = 0, after: Callable[[T | None], None] | None = None) -> None:
        self.size = size
        self.after = after
        self.done = trio.Event()
        self.value: T | None = None
        self.error: BaseException | None = None
        self.queued_at = 0.0
        self.seconds: Histogram | None = None

    def note_time(self) -> None:
        """Count how long it took, whatever came of it; once."""
        if self.seconds is not None:
            self.seconds.observe(trio.current_time() - self.queued_at)
            self.seconds = None

    def finish(self, value: T | None, error: BaseException | None = None) -> None:
        """Set the result and wake the caller; a second time changes nothing."""
        if self.done.is_set():
            return
        self.value, self.error = value, error
        self.note_time()
        try:
            if self.after is not None:
                self.after(value)
        finally:
            self.done.set()

    async def result(self) -> T:
        """Wait until it is finished; return its value or raise its error."""
        await self.done.wait()
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # set together with done where error is not


class AppendTicket:
    """See :class:`orch.stores.protocols.Ticket`."""

    __slots__ = ("_operation", "_session_id")

    def __init__(self, operation: Operation[Appended | None], session_id: str) -> None:
        self._operation = operation
        self._session_id = session_id

    async def wait(self) -> int:
        """Return the message's offset once it is stored."""
        appended = await self._operation.result()
        if appended is None:
            raise ProblemError("unknown_session", f"No session is called {self._session_id}.")
        return appended.offset


class OperationQueue(Generic[AnyOperation]):
    """Operations in the order of the calls, for one writer.

    Overflow rule: a caller that finds ``limits.operations`` or ``limits.size`` bytes waiting waits for room.
    One that leaves room for captions (``leaves_room``) waits from half of that on. While the queue is closed,
    a caller waits up to ``limits.patience`` and is then refused with ``store_unavailable``.

    The mutable state is the queue, the bytes it holds, whether it is open, and the times (``seconds``) that
    operations took from when they were queued.
    """

    def __init__(self, limits: QueueLimits) -> None:
        self.limits = limits
        self.size = 0
        self._queue: deque[AnyOperation] = deque()
        self._work = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._opened = trio.Event()
        self.seconds = Histogram(STORE_SECONDS.buckets)

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def is_open(self) -> bool:
        """Whether operations are accepted."""
        return self._opened.is_set()

    def has_room(self, *, leaves_room: bool = False) -> bool:
        """Return whether an operation can be added now: then callers must not wait, to keep their order."""
        if not self._opened.is_set():
            return False
        parts = 2 if leaves_room else 1
        return len(self._queue) * parts < self.limits.operations and self.size * parts < self.limits.size

    async def wait_for_room(self, *, leaves_room: bool = False) -> None:
        """Wait until an operation can be added. Raises ``store_unavailable``."""
        if not self._opened.is_set():
            with trio.move_on_after(self.limits.patience):
                await self._opened.wait()
        while self._opened.is_set() and not self.has_room(leaves_room=leaves_room):
            await self._room.park()
        if not self._opened.is_set():
            raise ProblemError("store_unavailable", "The session store is not open. Try again soon.")

    def add(self, operation: AnyOperation) -> None:
        """Add an operation, and wake the writer."""
        operation.queued_at, operation.seconds = trio.current_time(), self.seconds
        self._queue.append(operation)
        self.size += operation.size
        self._work.unpark()

    async def wait_for_work(self) -> None:
        """Wait until an operation is added. For the writer, when the queue is empty."""
        await self._work.park()

    def first(self) -> AnyOperation | None:
        """Return the oldest operation, and leave it in the queue."""
        return self._queue[0] if self._queue else None

    def pop(self) -> AnyOperation:
        """Remove and return the oldest operation. It counts as waiting until :meth:`release`."""
        return self._queue.popleft()

    def take(self, most: int) -> list[AnyOperation]:
        """Remove and return the oldest operations, at most ``most``; see :meth:`pop`."""
        queue = self._queue
        return [queue.popleft() for _ in range(min(len(queue), most))]

    def put_back(self, operations: Sequence[AnyOperation]) -> None:
        """Put operations back to the front: the writer could not begin with them."""
        self._queue.extendleft(reversed(operations))

    def release(self, size: int) -> None:
        """Release the bytes of operations that were popped, and wake the callers that wait for room."""
        self.size -= size
        self._room.unpark_all()

    def open(self) -> None:
        """Accept operations."""
        self._opened.set()

    def close(self) -> None:
        """Accept no more operations; callers that wait for room are refused."""
        if self._opened.is_set():
            self._opened = trio.Event()
        self._room.unpark_all()

    def drain(self) -> list[AnyOperation]:
        """Remove and return all operations."""
        left = list(self._queue)
        self._queue.clear()
        self.size = 0
        self._room.unpark_all()
        return left
