"""One client's socket under TLS."""

import socket as stdlib_socket
import ssl
from collections import deque
from contextlib import suppress

import trio

from orch.front.context import ServerContext
from orch.front.http1 import plain_http
from orch.front.link import GATHERED, READ, Link


class TlsLink(Link):
    """A socket under TLS. One task does all sending, since sending a TLS record may have to wait.

    Resource handling: as :class:`Link`; :meth:`handshake` comes first.
    """

    __slots__ = ("_reading", "_stream")

    def __init__(self, sock: stdlib_socket.socket, context: ServerContext, tls: ssl.SSLContext) -> None:
        super().__init__(sock, context)
        transport = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        self._stream: trio.SSLStream[trio.SocketStream] = trio.SSLStream(
            transport, tls, server_side=True, https_compatible=True
        )
        self._reading: trio.CancelScope | None = None

    def _watch(self) -> None:
        """Do nothing: Trio's stream waits by itself."""

    async def handshake(self) -> bool:
        """Do the TLS handshake; return whether it succeeded in time."""
        with trio.move_on_after(self._context.timeouts.head):
            try:
                await trio.lowlevel.wait_readable(self._sock)
                if not plain_http.is_tls(self._peek()):
                    return False
                await self._stream.do_handshake()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return False
            return True
        return False

    def _peek(self) -> bytes:
        try:
            return self._sock.recv(READ, stdlib_socket.MSG_PEEK)
        except OSError:
            return b""

    async def refuse_plain_http(self) -> None:
        """End the connection after a failed :meth:`handshake`, with a response to plain HTTP."""
        wire = b"" if self.is_closed else plain_http.response(self._peek(), self._context.date)
        if not wire:
            self.abort()
            return
        with trio.move_on_after(self._context.timeouts.close), suppress(OSError, trio.ClosedResourceError):
            self._sock.recv(READ)  # closing with bytes unread would reset the connection
            self._sock.send(wire)
            self._sock.shutdown(stdlib_socket.SHUT_WR)
            await trio.lowlevel.wait_readable(self._sock)
        self.close()

    async def receive(self) -> bytes:
        """Return the bytes that have come, none at the end; ClosedResourceError when closed or woken."""
        if self.is_closed:
            raise trio.ClosedResourceError
        with trio.CancelScope() as reading:
            self._reading = reading
            try:
                return bytes(await self._stream.receive_some(READ))
            except trio.BrokenResourceError:
                return b""
            finally:
                self._reading = None
        raise trio.ClosedResourceError

    def wake(self) -> None:
        """Wake the task that waits in :meth:`receive`, which raises ClosedResourceError there."""
        if self._reading is not None:
            self._reading.cancel()

    def offer(self, wire: bytes) -> None:
        """Queue bytes for the task that sends."""
        if self.is_closed:
            return
        is_idle = self._queue is None
        if is_idle:
            self._queue = deque()
        self._enqueue(wire)
        if is_idle:
            self._start_flushing()

    async def _flush(self) -> None:
        """Encrypt and send what is queued, a part at a time."""
        while self._queue is not None:
            batch = self._gather()
            with trio.move_on_after(
                self._context.timeouts.send + len(batch) / self._context.timeouts.slowest
            ) as sending:
                try:
                    await self._stream.send_all(batch)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    self.abort()
                    return
            if sending.cancelled_caught:
                self._context.refused["stalled_reader"] += 1
                self.abort()
                return
            self._account(len(batch))

    def _gather(self) -> bytes:
        """Return the next part of what is queued; it counts as queued until it is sent."""
        assert self._queue is not None  # noqa: S101 - the caller has looked
        parts = [self._queue.popleft() for _ in range(min(len(self._queue), GATHERED))]
        return b"".join(parts)

    def _account(self, sent: int) -> None:
        if self._queue is None:
            return
        self._dequeued(sent)
        self.blocked_since = trio.current_time()
        if not self._queue:
            self._queue = None
            self.blocked_since = None
        self._wake_waiters()

    def forget_queued(self) -> None:
        """Drop what is queued, except the part being sent."""
        if self._queue:
            size = sum(map(len, self._queue))
            self._queue.clear()
            self._dequeued(size)
            self._wake_waiters()

    def end_output(self) -> None:
        """Do nothing: under TLS the end is announced on closing, and a connection cannot be half closed."""

    async def close_tls(self) -> None:
        """Send TLS's close_notify, if that is possible at once, and close."""
        if not self.is_closed:
            with trio.move_on_after(self._context.timeouts.close):
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
                    await self._stream.aclose()
        self.close()
