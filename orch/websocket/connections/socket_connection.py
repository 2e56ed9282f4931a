"""A connection with direct access to the socket through an ASGI extension, ``orch.link``.

ASGI's ``send`` waits, so each client needs a writer task, and every frame is encoded for each client. Through
the link, a frame encoded once is offered to the socket without waiting, and what the kernel does not accept
is queued at the socket, where it can be counted and dropped.
"""

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, Protocol

import trio

from orch.protocol import closes
from orch.protocol.closes import Close
from orch.websocket.connections.connection import (
    CLOSE_PATIENCE,
    Connection,
    ConnectionContext,
    Handle,
    Receive,
)
from orch.websocket.connections.outbox import Frame, Offer, QueuedReplies, verdict

#: The extension's name in ``scope["extensions"]``.
LINK: Final = "orch.link"


class Link(Protocol):
    """The socket, with operations that ASGI lacks. Offered frames and ASGI's sends keep their order."""

    @property
    def queued_bytes(self) -> int:
        """Encoded bytes that the kernel has not accepted yet."""

    @property
    def blocked_since(self) -> float | None:
        """Since when (``trio.current_time()``) no queued byte was accepted; None if nothing is queued."""

    on_excess: Callable[[], None] | None
    """Called to disconnect this client when the total of all clients is over its limit and it has most."""

    def offer(self, wire: bytes) -> None:
        """Send an encoded frame: try the socket at once, queue the rest in order. Never waits."""

    def evict(self, code: int, reason: str) -> None:
        """Drop what is queued and end the connection, with the close code if it can be sent. Bounded."""

    async def drained(self, below: int) -> None:
        """Wait until fewer than ``below`` bytes are queued, or the connection has ended."""

    async def moved(self) -> None:
        """Wait until queued bytes were sent or dropped, or the connection has ended."""

    def encode_text(self, payload: bytes) -> bytes:
        """Return a text frame, the same for every connection."""


class SocketConnection(Connection):
    """A connection with only the server's task, and the socket's queue, to which the outbox's rules apply.

    A nursery is open only while work runs concurrently with the client's messages.
    """

    #: A server with the link sends pings, and disconnects clients that do not reply.
    answers_heartbeats: ClassVar[bool] = True

    __slots__ = ("_is_over", "_link", "_queued_replies", "_to_start")

    def __init__(self, connection_id: str, context: ConnectionContext, link: Link, **who: Any) -> None:
        super().__init__(connection_id, context, **who)
        self._link = link
        link.on_excess = self.overflow
        self._queued_replies: QueuedReplies | None = None
        self._to_start: tuple[Callable[[], Awaitable[None]], ...] = ()
        self._is_over = False

    @property
    def queued_bytes(self) -> int:
        """The bytes queued for the client."""
        return self._link.queued_bytes

    async def drained(self) -> None:
        """Wait until everything queued so far was sent, or the connection is closing."""
        await trio.lowlevel.checkpoint()
        before = self.enqueued_bytes
        while self._closing is None and self._link.queued_bytes > self.enqueued_bytes - before:
            await self._link.moved()

    async def run(self, receive: Receive, handle: Handle) -> None:
        """Serve the client until the connection ends."""
        try:
            while await self._read(receive, handle):
                if not await self._read_beside(receive, handle):
                    break
            self._is_over = True
        except trio.Cancelled:
            self.close(closes.GOING_AWAY)
            raise
        except Exception:
            self.close(closes.INTERNAL_ERROR)
            raise
        finally:
            self.close(closes.NORMAL)

    async def _read_beside(self, receive: Receive, handle: Handle) -> bool:
        """Read while other work runs in a nursery; False: the client has disconnected."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                waiting, self._to_start = self._to_start, ()
                for work in waiting:
                    nursery.start_soon(self._do, work)
                await self._wait_for_room()
                is_here = await self._read(receive, handle)
                if not is_here:
                    nursery.cancel_scope.cancel()
            finally:
                self._nursery = None
        return is_here

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` concurrently with this client's next messages."""
        if self._closing is not None:
            return
        self._tasks += 1
        if self._nursery is not None:
            self._nursery.start_soon(self._do, work)
        else:
            self._to_start = (*self._to_start, work)  # the reader starts it before it reads on

    async def finish(self) -> None:
        """Wait until what is queued was sent, then end the connection."""
        if self._closing is not None and not self._is_over:
            with trio.move_on_after(CLOSE_PATIENCE):
                await self._link.drained(1)
            self._evict(self._closing)

    @property
    def is_drained(self) -> bool:
        """Whether nothing is queued, and the connection is not closing."""
        return self._closing is None and not self._link.queued_bytes

    def is_stuck(self, now: float, *, send_limit: float) -> bool:
        """Return whether the client has read nothing for ``send_limit``, or does not read the close."""
        if self._closing is not None:
            return now - self._closing_at >= CLOSE_PATIENCE
        since = self._link.blocked_since
        return since is not None and now - since >= send_limit

    def drop(self) -> None:
        """End the connection now."""
        self.close(closes.HEARTBEAT_TIMEOUT)
        self._evict(self.closed_as or closes.HEARTBEAT_TIMEOUT)

    def _evict(self, close: Close) -> None:
        if not self._is_over:
            self._is_over = True
            self._link.evict(close.code, close.reason)

    def offer(self, offered: Frame) -> bool:
        """Send a frame that the client did not request, or close the client. False: it was shed."""
        link = self._link
        if self._closing is not None or link.queued_bytes:
            return super().offer(offered)
        # The common case, for each of thousands of clients: without a further call.
        wire = offered.wire(link.encode_text)
        link.offer(wire)
        self.enqueued_bytes += len(wire)
        self.sent += 1
        return True

    def _offer(self, offered: Frame) -> Offer:
        wire = offered.wire(self._link.encode_text)
        queued = self._link.queued_bytes
        if queued:
            outcome = verdict(
                max(queued - self._queued_reply_bytes(), 0),
                len(wire),
                is_durable=offered.is_durable,
                limit=self._context.outbox_bytes,
            )
            if outcome is not Offer.TAKEN:
                return outcome
        self._send_wire(wire)
        return Offer.TAKEN

    def _answer(self, answer: Frame) -> None:
        wire = answer.wire(self._link.encode_text)
        self._send_wire(wire)
        if self._link.queued_bytes:
            self._queued_replies = self._queued_replies or QueuedReplies()
            self._queued_replies.add(self.enqueued_bytes, len(wire))

    def _send_wire(self, wire: bytes) -> None:
        self._link.offer(wire)
        self.enqueued_bytes += len(wire)
        self.sent += 1

    def _end(self, close: Close, *, flush: bool) -> None:
        if not flush or not self._link.queued_bytes:
            self._evict(close)

    def _queued_reply_bytes(self) -> int:
        """Return how many of the queued bytes are replies."""
        if self._queued_replies is None:
            return 0
        left = self._queued_replies.left(self.enqueued_bytes - self._link.queued_bytes)
        if not left:
            self._queued_replies = None
        return left

    @property
    def _is_behind(self) -> bool:
        return self._queued_reply_bytes() * 2 > self._context.outbox_bytes

    async def _wait_below(self, below: int) -> None:
        await self._link.drained(below)

    def _is_to_pause(self) -> bool:
        """Return whether the reader must return, to open a nursery for work, or to close an empty one."""
        return bool(self._to_start) if self._nursery is None else self._tasks == 0
