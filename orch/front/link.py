"""One client's socket: the application's task reads it, and any task writes to it without waiting.

A write goes to the kernel at once, in the task that writes. Bytes that the kernel does not accept are queued
here, and a writer task exists only while something is queued. So a connection that is idle, or whose client
keeps up, costs no second task and no buffer.
"""

import socket as stdlib_socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Final

import trio

from orch.front.context import ServerContext
from orch.socket_backlog import unacknowledged

READ: Final = 65_536
"""Bytes read from the kernel in one call."""
GATHERED: Final = 64
"""Queued pieces sent in one call."""
QUEUE_LIMIT: Final = 64 * 2**20
"""Bytes queued for one client at most; beyond it the connection is ended."""
SENDS_IN_A_ROW: Final = 16
"""Sends that never waited, in a row, before other tasks run."""
_RESET: Final = struct.pack("ii", 1, 0)


class ClientGoneError(OSError):
    """Nothing can be sent any more: the client has disconnected. Raised to the application, as ASGI asks."""


class Link:
    """A plain socket.

    Overflow rule: a writer checks :attr:`queued_bytes`, or waits in :meth:`drained`; at :data:`QUEUE_LIMIT`
    the connection is ended, and so it is if the client reads nothing for ``timeouts.send`` seconds. The bytes
    queued at all links together are bounded by :class:`orch.queued_bytes.QueuedBytes`, which may choose this
    link to be ended, by ``on_excess`` if that is set.

    Resource handling: the creator of the link calls :meth:`close`, also after :meth:`abort`. When the link is
    closed, reading raises ``trio.ClosedResourceError`` at once, and waiting returns.
    """

    __slots__ = (
        "_context",
        "_has_ended",
        "_is_cut",
        "_is_readable",
        "_is_woken",
        "_queue",
        "_room",
        "_sock",
        "_waiting",
        "blocked_since",
        "is_closed",
        "on_excess",
        "queued_bytes",
    )

    def __init__(self, sock: stdlib_socket.socket, context: ServerContext) -> None:
        self._sock = sock
        self._context = context
        self._queue: deque[bytes | memoryview] | None = None
        self._is_cut = False
        self._is_readable = False
        self._has_ended = False
        self._is_woken = False
        self._waiting: trio.lowlevel.Task | None = None
        self._room: trio.lowlevel.ParkingLot | None = None
        self.queued_bytes = 0
        self.blocked_since: float | None = None
        self.is_closed = False
        self.on_excess: Callable[[], None] | None = None
        self._watch()

    def _watch(self) -> None:
        if self._context.readiness is not None:
            self._context.readiness.add(self._sock.fileno(), self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self.is_closed else 'open'}, {self.queued_bytes} queued>"

    def unacknowledged(self) -> int:
        """Return the bytes queued, and those sent that have not reached the client's machine."""
        return 0 if self.is_closed else self.queued_bytes + unacknowledged(self._sock)

    def has_unread(self) -> bool:
        """Return whether bytes have come that were not read yet: this process is late, not the client."""
        try:
            return bool(self._sock.recv(1, stdlib_socket.MSG_PEEK))
        except OSError:  # none have come (BlockingIOError), or the connection is broken
            return False

    async def receive(self) -> bytes:
        """Return the bytes that have come, none at the end of the stream.

        ClosedResourceError when closed, or woken by :meth:`wake`. Cancelled, it has read nothing: bytes that
        a cancelled reader had read would be missing for the next one, which would then read the middle of one
        request as the beginning of another.
        """
        has_waited = False
        while not self.is_closed:
            if not self._is_readable:
                if self._context.readiness is None:
                    await trio.lowlevel.wait_readable(self._sock)
                else:
                    if self._waiting is not None:
                        raise trio.BusyResourceError
                    self._waiting = trio.lowlevel.current_task()
                    await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)
                    if self._is_woken:
                        self._is_woken = False
                        break
                has_waited = True
            elif not has_waited:
                await trio.lowlevel.checkpoint_if_cancelled()
            try:
                data = self._sock.recv(READ)
            except (BlockingIOError, InterruptedError):
                self._is_readable = False
                continue
            except OSError:
                return b""  # reset by the client, which is an end too
            self._is_readable = self._has_ended or len(data) == READ
            if not has_waited:
                await trio.lowlevel.cancel_shielded_checkpoint()
            return data
        raise trio.ClosedResourceError

    def _stop_waiting(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._waiting = None
        return trio.lowlevel.Abort.SUCCEEDED

    def on_readable(self, *, is_end: bool) -> None:
        """Note that there is something to read, and wake the task that waits for it."""
        self._is_readable = True
        self._has_ended |= is_end
        self._reschedule()

    def _reschedule(self) -> bool:
        task, self._waiting = self._waiting, None
        if task is not None:
            trio.lowlevel.reschedule(task)
        return task is not None

    def wake(self) -> None:
        """Wake the task that waits in :meth:`receive`, which raises ClosedResourceError there."""
        if self._context.readiness is not None:
            self._is_woken = self._reschedule()
        elif not self.is_closed:
            trio.lowlevel.notify_closing(self._sock)

    def offer(self, wire: bytes) -> None:
        """Send bytes, and queue those that the kernel does not accept. Never waits."""
        if self.is_closed:
            return
        if self._queue is not None:
            self._enqueue(wire)
            return
        try:
            sent = self._sock.send(wire)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.abort()
            return
        if sent < len(wire):
            self._queue = deque()
            self._is_cut = sent > 0
            self._enqueue(memoryview(wire)[sent:] if sent else wire)
            self._start_flushing()

    def _enqueue(self, wire: bytes | memoryview) -> None:
        assert self._queue is not None  # noqa: S101 - the callers have seen to it
        self._queue.append(wire)
        self.queued_bytes += len(wire)
        if self.queued_bytes > QUEUE_LIMIT:
            self._context.refused["queue_overflow"] += 1
            self.queued_bytes -= len(wire)
            self.abort()
        else:
            self._context.outgoing.add(self, len(wire))

    def _dequeued(self, size: int) -> None:
        self.queued_bytes -= size
        self._context.outgoing.remove(self, size)

    @property
    def waiting_bytes(self) -> int:
        """Bytes queued."""
        return self.queued_bytes

    def give_way(self) -> None:
        """End the connection: too much is queued for all clients together, and most of it here."""
        if self.on_excess is not None:
            self.on_excess()
        else:
            self._context.refused["outgoing_overflow"] += 1
            self.abort()

    def _start_flushing(self) -> None:
        if not self.is_closed:
            self.blocked_since = trio.current_time()
            self._context.nursery.start_soon(self._flush, name="flush")

    async def _flush(self) -> None:
        """Send what is queued as the kernel accepts it; end the connection if that takes too long."""
        while self._queue is not None:
            with trio.move_on_after(self._context.timeouts.send) as waiting:
                try:
                    await trio.lowlevel.wait_writable(self._sock)
                except trio.ClosedResourceError:
                    continue  # closed, which the loop sees, or a reader was woken
            if waiting.cancelled_caught:
                self._context.refused["stalled_reader"] += 1
                self.abort()
            else:
                self._push()

    def _push(self) -> None:
        """Send some of what is queued."""
        if self._queue is None:
            return
        try:
            sent = self._sock.sendmsg(list(islice(self._queue, GATHERED)))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.abort()
            return
        self._dequeued(sent)
        self.blocked_since = trio.current_time()
        while sent:
            first = self._queue[0]
            if sent < len(first):
                self._queue[0] = memoryview(first)[sent:]
                self._is_cut = True
                break
            sent -= len(first)
            self._is_cut = False
            self._queue.popleft()
        if not self._queue:
            self._queue = None
            self.blocked_since = None
        self._wake_waiters()

    def forget_queued(self) -> None:
        """Drop what is queued, except the rest of a partly sent frame."""
        if self._queue is None:
            return
        if self._is_cut:
            rest = self._queue[0]
            self._queue.clear()
            self._queue.append(rest)
            self._dequeued(self.queued_bytes - len(rest))
        else:
            self._queue.clear()
            self._dequeued(self.queued_bytes)
        self._wake_waiters()

    async def drained(self, below: int) -> None:
        """Wait until fewer than ``below`` bytes are queued, or the connection has ended."""
        while self.queued_bytes >= below and not self.is_closed:
            if self._room is None:
                self._room = trio.lowlevel.ParkingLot()
            await self._room.park()

    async def moved(self) -> None:
        """Wait until some of what is queued was sent or dropped, or the connection has ended."""
        if self.queued_bytes and not self.is_closed:
            if self._room is None:
                self._room = trio.lowlevel.ParkingLot()
            await self._room.park()

    def _wake_waiters(self) -> None:
        if self._room is not None:
            self._room.unpark_all()

    def end_output(self) -> None:
        """Shut down sending: the client sees the end of the stream."""
        if not self.is_closed:
            try:
                self._sock.shutdown(stdlib_socket.SHUT_WR)
            except OSError:
                self.abort()

    def abort(self) -> None:
        """Reset the connection; the kernel drops what it has not sent."""
        if self.is_closed:
            return
        with suppress(OSError):  # the client has closed it already
            self._sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, _RESET)
        self.close()

    def close(self) -> None:
        """Close the connection. Bytes that the kernel has are still sent; bytes queued here are not."""
        if self.is_closed:
            return
        self.is_closed = True
        self._queue = None
        self.on_excess = None
        self._dequeued(self.queued_bytes)
        self.blocked_since = None
        self._unwatch()
        trio.lowlevel.notify_closing(self._sock)
        self._sock.close()
        self._wake_waiters()

    def _unwatch(self) -> None:
        if self._context.readiness is not None:
            self._context.readiness.remove(self._sock.fileno())
            self._is_woken = self._reschedule()


async def drain(link: Link, context: ServerContext) -> None:
    """Wait until all that is queued was sent; end the connection if that takes too long."""
    allowed = context.timeouts.send + link.queued_bytes / context.timeouts.slowest
    with trio.move_on_after(allowed) as waiting:
        await link.drained(1)
    if waiting.cancelled_caught and link.blocked_since is not None:
        blocked = trio.current_time() - link.blocked_since
        context.refused["stalled_reader" if blocked >= context.timeouts.send else "slow_reader"] += 1
        link.abort()
