"""A connection to a back end: a Trio stream that can also send and look without waiting.

Trio's own streams register the socket again for each wait, and each wait with a limit needs a cancel scope.
Here every socket is registered once (:class:`~orch.readiness.Readiness`), and short waits share one task
(:class:`Patience`). Both exist while the gateway runs; without them Trio waits.
"""

import select
import socket
from collections import deque
from typing import Final

import trio

from orch.readiness import Readiness
from orch.socket_backlog import unacknowledged

READ: Final = 65_536
"""Bytes read from the kernel in one call."""


class Patience:
    """Ends waits that last longer than ``seconds``; all of them are equally long, so they end in their order.

    The mutable state is the waits that have begun, each with its end. A wait that is over stays among them
    until the time of an earlier one has come: there are at most as many as begin in twice ``seconds``.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waits: deque[tuple[float, TcpStream, int]] = deque()
        self._idle = trio.lowlevel.ParkingLot()

    def begin(self, stream: "TcpStream", number: int) -> None:
        """Have wait ``number`` of a stream ended when its time has come."""
        self._waits.append((trio.current_time() + self._seconds, stream, number))
        if self._idle:
            self._idle.unpark()

    async def run(self) -> None:
        """End waits until cancelled."""
        while True:
            if not self._waits:
                await self._idle.park()
            await trio.sleep_until(self._waits[0][0])
            now = trio.current_time()
            while self._waits:
                due, stream, number = self._waits[0]
                # Those that are over are passed, or each request would wake this task once more.
                if due > now and stream.is_in_wait(number):
                    break
                self._waits.popleft()
                stream.end_wait(number)


class TcpStream(trio.abc.HalfCloseableStream):
    """A connected socket of TCP or of a Unix path, for one task that reads and one that writes.

    The mutable state is the task that waits for data, and whether the kernel may have some: a socket is
    edge-triggered, so it is read until a read finds less than it asked for.
    """

    def __init__(self, sock: socket.socket, readiness: Readiness | None = None) -> None:
        self._sock = sock
        self._readiness = readiness
        self._is_closed = False
        self._is_readable = False
        self._has_ended = False
        self._waiting: trio.lowlevel.Task | None = None
        self._waits = 0
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN)
        if readiness is not None:
            readiness.add(sock.fileno(), self)

    def __repr__(self) -> str:
        return f"<TcpStream {'closed' if self._is_closed else 'open'}>"

    @property
    def is_watched(self) -> bool:
        """Whether a wait for data needs no registration, so that :meth:`receive_within` can be used."""
        return self._readiness is not None and not self._readiness.is_closed

    def is_quiet(self) -> bool:
        """Return whether neither data nor the end of the stream has arrived unread."""
        return not self._is_closed and not self._poll.poll(0)

    def unacknowledged(self) -> int:
        """Return the bytes sent that have not reached the other machine, as far as that is known."""
        return 0 if self._is_closed else unacknowledged(self._sock)

    def close(self) -> None:
        """Close at once, without a checkpoint; a task that waits gets ``trio.ClosedResourceError``."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._readiness is not None:
            self._readiness.remove(self._sock.fileno())
        trio.lowlevel.notify_closing(self._sock)
        self._sock.close()
        self._wake()

    # Without waiting.

    def offer(self, data: bytes | memoryview) -> int:
        """Send bytes as far as the kernel accepts them now; return how many. Raises BrokenResourceError."""
        if self._is_closed:
            raise trio.ClosedResourceError
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def receive_within(self, patience: Patience) -> bytes | None:
        """Return the bytes that have come, none at the end; None if the patience has ended before.

        Cancelled, it has read nothing. Raises trio.BrokenResourceError. Only while :attr:`is_watched`.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._is_readable:
            self._waits += 1
            patience.begin(self, self._waits)
            await self._wait()
        return self._read(READ) if self._is_readable else None

    # As a Trio stream.

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the bytes that have come, none at the end. Cancelled, it has read nothing."""
        await trio.lowlevel.checkpoint_if_cancelled()
        has_waited = False
        while True:
            if self._is_readable or not self.is_watched:
                data = self._read(max_bytes or READ)
                if data is not None:
                    if not has_waited:
                        await trio.lowlevel.cancel_shielded_checkpoint()
                    return data
            has_waited = True
            if self._is_closed:
                raise trio.ClosedResourceError
            if self.is_watched:
                await self._wait()
            else:
                await trio.lowlevel.wait_readable(self._sock)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all bytes, as fast as the peer takes them."""
        left = memoryview(data)
        await trio.lowlevel.checkpoint()
        while left:
            left = left[self.offer(left) :]
            if left:
                await self.wait_send_all_might_not_block()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the kernel accepts more bytes."""
        if self._is_closed:
            raise trio.ClosedResourceError
        await trio.lowlevel.wait_writable(self._sock)

    async def send_eof(self) -> None:
        """End sending; the peer sees the end of the stream."""
        await trio.lowlevel.checkpoint()
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def aclose(self) -> None:
        """Close."""
        self.close()
        await trio.lowlevel.checkpoint()

    # Waiting and waking.

    def on_readable(self, *, is_end: bool) -> None:
        """Note that there is something to read, and wake the task that waits for it."""
        self._is_readable = True
        self._has_ended |= is_end
        self._wake()

    def is_in_wait(self, number: int) -> bool:
        """Return whether a task still waits in the wait with this number."""
        return number == self._waits and self._waiting is not None

    def end_wait(self, number: int) -> None:
        """Wake the task whose wait has this number, if it still waits."""
        if number == self._waits:
            self._wake()

    def _read(self, size: int) -> bytes | None:
        if self._is_closed:
            raise trio.ClosedResourceError
        try:
            data = self._sock.recv(size)
        except (BlockingIOError, InterruptedError):
            self._is_readable = False
            return None
        except OSError as error:
            raise trio.BrokenResourceError from error
        self._is_readable = self._has_ended or len(data) == size
        return data

    async def _wait(self) -> None:
        if self._waiting is not None:
            raise trio.BusyResourceError
        self._waiting = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)

    def _stop_waiting(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._waiting = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _wake(self) -> None:
        task, self._waiting = self._waiting, None
        if task is not None:
            trio.lowlevel.reschedule(task)
