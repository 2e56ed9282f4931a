"""The queue of operations for Redis: sent in batches, in the order in which they were queued.

One writer sends everything that is queued as one batch and waits for the replies; operations queued meanwhile
become the next batch. If the connection is lost in between, it is unknown which operations were done; the
same batch is sent again, unchanged, on the next connection, and its tokens ensure that nothing is done twice.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Never, TypeVar

import structlog
import trio

from orch.problems import ProblemError
from orch.stores.history import Limits, numbered
from orch.stores.operations import Operation, OperationQueue, QueueLimits
from orch.stores.records import Appended
from orch.stores.redis.calls import Call, Command, Message, key_names
from orch.stores.redis.commands import SessionCommands
from orch.stores.redis.connection import Link, error_text
from orch.stores.redis.diagnosis import is_about_data, is_refusing, refused, unreadable
from orch.stores.redis.keys import appended
from orch.telemetry.histogram import Histogram

#: Operations and their bytes that may wait, half of it at most of what clients send; and for how many seconds
#: each waits for a server that is away before it is refused.
QUEUE_LIMITS: Final = QueueLimits(operations=20_000, size=64 * 2**20, patience=10.0)

#: Maximum size of a batch. The server does nothing else meanwhile.
BATCH_LIMIT: Final = 1_000
BATCH_BYTES: Final = 4 * 2**20

T = TypeVar("T")

_log = structlog.get_logger("store")


class CallOperation(Operation[T]):
    """A call to the server. ``deadline``: when it is refused if it was not finished."""

    __slots__ = ("call", "deadline")

    def __init__(self, call: Call[T], after: Callable[[T | None], None] | None = None) -> None:
        super().__init__(call.size, after)
        self.call = call
        self.deadline = math.inf


class Append(CallOperation[Appended | None]):
    """A message to append to a session's history. Consecutive ones are appended by one script call."""

    __slots__ = ("limits", "message", "session_id")

    def __init__(
        self,
        session_id: str,
        message: Message,
        limits: Limits,
        after: Callable[[Appended | None], None] | None = None,
    ) -> None:
        super().__init__(Call((), lambda _: None, session_id, len(message.body)), after)
        self.session_id = session_id
        self.message = message
        self.limits = limits


class _Batch:
    """Operations sent together, in groups, and the commands of each group when it was sent last."""

    __slots__ = ("calls", "groups", "number", "places")

    def __init__(self, number: int) -> None:
        self.number = str(number)
        self.groups: list[list[CallOperation[Any]]] = []
        self.calls: list[Call[Any]] = []
        #: The number of each group, as given to the server the first time.
        self.places: list[int] = []

    def operations(self) -> list[CallOperation[Any]]:
        return [operation for group in self.groups for operation in group]

    def commands(self) -> list[Command]:
        return [command for call in self.calls for command in call.commands]


class Pipeline:
    """The queue of operations and its one writer.

    The mutable state is the queue, bounded by ``limits`` (callers wait while it is full), and the batch in
    flight. Callbacks: ``stored`` delivers a stored message, and calls its second argument afterwards;
    ``failed`` receives the server's errors; ``damaged`` the keys of an operation that failed because of
    invalid stored data or an invalid reply, and the reason; ``missing`` a requested session that does not
    exist. ``known`` returns a session's epoch and the newest offset certainly assigned in it.
    """

    def __init__(
        self,
        commands: SessionCommands,
        *,
        stored: Callable[[Appended, Callable[[], None]], None],
        failed: Callable[[str], None],
        damaged: Callable[[str, str], None],
        missing: Callable[[str], None],
        known: Callable[[str], tuple[str, int]],
        limits: QueueLimits,
    ) -> None:
        self._patience = limits.patience
        self._queue: OperationQueue[CallOperation[Any]] = OperationQueue(limits)
        self._commands = commands
        self._stored = stored
        self._failed = failed
        self._damaged = damaged
        self._missing = missing
        self._known = known
        self._in_flight: _Batch | None = None
        self._batches = 0
        self._idle = trio.lowlevel.ParkingLot()
        self.is_connected = False
        self.operations = self.exchanges = self.failures = 0
        self.exchange_seconds: float | None = None

    @property
    def limits(self) -> QueueLimits:
        """The limits of the queue."""
        return self._queue.limits

    @property
    def waiting(self) -> int:
        """The number of operations that are queued or in progress."""
        said = self._in_flight.operations() if self._in_flight else ()
        return len(self._queue) + sum(not operation.done.is_set() for operation in said)

    @property
    def waiting_bytes(self) -> int:
        """The bytes of operations that have not been sent."""
        return self._queue.size

    @property
    def seconds(self) -> Histogram:
        """The times of operations, from when each was queued."""
        return self._queue.seconds

    async def execute(self, call: Call[T]) -> T:
        """Run a call and return its result. ProblemError: store_unavailable."""
        operation = CallOperation(call)
        await self.enqueue(operation)
        return await operation.result()

    async def enqueue(self, operation: CallOperation[Any], *, leaves_room: bool = False) -> None:
        """Queue an operation, without a checkpoint if there is room: callers rely on the order of calls.

        ``leaves_room``: use only half of the queue, so that captions need not wait for this.
        """
        if not self._queue.has_room(leaves_room=leaves_room):
            await self._queue.wait_for_room(leaves_room=leaves_room)
        self._put(operation)

    def offer(self, call: Call[Any]) -> bool:
        """Queue a call whose result nobody needs. False: the queue is full, or there is no connection."""
        if not self.is_connected or not self._queue.has_room():
            return False
        self._put(CallOperation(call))
        return True

    def _put(self, operation: CallOperation[Any]) -> None:
        operation.deadline = trio.current_time() + self._patience
        self._queue.add(operation)

    def open(self) -> None:
        """Accept operations."""
        self._queue.open()

    def close(self) -> None:
        """Stop accepting operations; refuse the queued ones."""
        self._queue.close()
        left = [*(self._in_flight.operations() if self._in_flight else ()), *self._queue.drain()]
        self._in_flight = None
        for operation in left:
            self._refuse(operation, "The session store was closed.")

    async def drain(self) -> None:
        """Stop accepting operations, and wait until the queued ones are done."""
        self._queue.close()
        while self._queue or self._in_flight:
            await self._idle.park()

    async def write(self, link: Link) -> Never:
        """Send queued operations over a connection, until it is lost (LinkLostError) or this is cancelled."""
        while True:
            batch = self._in_flight
            if batch is None or all(operation.done.is_set() for operation in batch.operations()):
                batch = await self._next()
            # For the server it is the same batch when it is repeated; newer offsets may be known meanwhile.
            self._encode_batch(batch)
            if not batch.groups:
                self._in_flight = None
                continue
            started = trio.current_time()
            answers = await link.exchange(batch.commands())
            self.exchange_seconds = trio.current_time() - started
            self.exchanges += 1
            self._settle(batch, answers)
            self._in_flight = None

    async def refuse_overdue(self) -> Never:
        """Refuse operations that have waited for ``patience``, sent or not."""
        while True:
            await trio.sleep(min(self._patience / 4, 0.5))
            now = trio.current_time()
            overdue = [
                operation
                for operation in (self._in_flight.operations() if self._in_flight else ())
                if operation.deadline <= now
            ]
            while (first := self._queue.first()) is not None and first.deadline <= now:
                overdue.append(self._queue.pop())
                self._queue.release(first.size)
            for operation in overdue:
                self._refuse(operation, "Nothing can be stored right now. Try again soon.")

    async def _next(self) -> _Batch:
        self._in_flight = None
        while True:
            while not self._queue:
                self._idle.unpark_all()
                await self._queue.wait_for_work()
            batch = self._take()
            if batch.groups:
                self._in_flight = batch
                return batch

    def _take(self) -> _Batch:
        self._batches += 1
        batch = _Batch(self._batches)
        # Messages of one session are appended together, unless another operation on it lies in between.
        joined: dict[str, list[CallOperation[Any]]] = {}
        taken = size = released = 0
        while self._queue and taken < BATCH_LIMIT and size < BATCH_BYTES:
            operation = self._queue.pop()
            released += operation.size
            if operation.done.is_set():
                continue
            taken += 1
            size += operation.call.size
            session_id = operation.call.session_id
            if isinstance(operation, Append) and operation.session_id in joined:
                joined[operation.session_id].append(operation)
                continue
            group: list[CallOperation[Any]] = [operation]
            batch.groups.append(group)
            if isinstance(operation, Append):
                joined[operation.session_id] = group
            elif session_id is None:
                joined.clear()
            else:
                joined.pop(session_id, None)
        self._queue.release(released)
        return batch

    def _encode_batch(self, batch: _Batch) -> None:
        """Encode a batch as commands; an operation that cannot be encoded is refused alone."""
        groups, batch.groups, batch.calls = batch.groups, [], []
        places, batch.places = batch.places or list(range(len(groups))), []
        for place, group in zip(places, groups, strict=True):
            try:
                batch.calls.append(self._encode(batch, group, place))
            except Exception as error:  # noqa: BLE001 - a boundary: one operation is no other's
                _log.error("store operation not encodable", exc_info=error)
                for operation in group:
                    self._refuse(operation, "The operation cannot be encoded for Redis.", error)
            else:
                batch.groups.append(group)
                batch.places.append(place)

    def _encode(self, batch: _Batch, group: list[CallOperation[Any]], place: int) -> Call[Any]:
        first = group[0]
        if not isinstance(first, Append):
            return first.call
        messages = [each.message for each in group if isinstance(each, Append)]
        return self._commands.append(
            first.session_id,
            messages,
            first.limits,
            batch=batch.number,
            place=place,
            known=self._known(first.session_id),
        )

    def _settle(self, batch: _Batch, answers: list[Any]) -> None:
        """Finish each group of operations; an error in one does not affect the others."""
        at = 0
        for group, call in zip(batch.groups, batch.calls, strict=True):
            mine = answers[at : at + len(call.commands)]
            at += len(call.commands)
            self.operations += len(group)
            try:
                self._finish(group, call, mine)
            except Exception as error:  # noqa: BLE001 - a boundary: one operation's answer is no other's
                names = key_names(call.commands)
                self._damaged(names, f"the answer cannot be read: {error_text(error)}")
                for operation in group:
                    self._refuse(operation, unreadable(names), error)

    def _finish(self, group: list[CallOperation[Any]], call: Call[Any], mine: list[Any]) -> None:
        failures = [(place, answer) for place, answer in enumerate(mine) if isinstance(answer, Exception)]
        for place, failure in failures:
            self._note(call.commands[place : place + 1], error_text(failure))
        first = failures[0][1] if failures and failures[0][0] < (call.decisive or len(mine)) else None
        if first is not None and not (call.is_partial and len(failures) < len(mine)):
            words = refused(error_text(first), key_names(call.commands[failures[0][0] : failures[0][0] + 1]))
            for operation in group:
                self._refuse(operation, words, first)
        elif isinstance(group[0], Append):
            self._finish_appends(group, call.read(mine))
        else:
            group[0].finish(call.read(mine))

    def _note(self, commands: Sequence[Command], words: str) -> None:
        if is_about_data(words) and not is_refusing(words):
            self._damaged(key_names(commands), words)
        else:
            self._failed(words)

    def _finish_appends(self, group: list[CallOperation[Any]], first: int | None) -> None:
        if first is None and group[0].call.session_id is not None:
            self._missing(group[0].call.session_id)
        for place, operation in enumerate(group):
            if first is None or not isinstance(operation, Append):
                operation.finish(None)
                continue
            offset = first + place
            message = appended(
                operation.session_id,
                offset,
                operation.message.header,
                numbered(operation.message.body, offset),
            )
            self._stored(message, partial(operation.finish, message))

    def _refuse(self, operation: CallOperation[Any], words: str, cause: BaseException | None = None) -> None:
        if not operation.done.is_set():
            self.failures += 1
            problem = _unavailable(words)
            problem.__cause__ = cause
            operation.finish(None, problem)


def _unavailable(words: str) -> ProblemError:
    return ProblemError("store_unavailable", words)
