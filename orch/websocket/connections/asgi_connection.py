"""A connection that sends with ASGI's ``send`` in its own task, which works on every server."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
import trio

from orch.protocol import closes
from orch.protocol.closes import Close
from orch.websocket.connections.connection import (
    CLOSE_PATIENCE,
    Connection,
    ConnectionContext,
    Handle,
    Receive,
    Send,
)
from orch.websocket.connections.outbox import Frame, Offer, Outbox

_log = structlog.get_logger("websocket")


class AsgiConnection(Connection):
    """A connection with two tasks: the reader, and a writer that sends the outbox."""

    __slots__ = ("_counted", "_outbox", "_send", "_sending", "_sending_since", "_work")

    def __init__(self, connection_id: str, context: ConnectionContext, send: Send, **who: Any) -> None:
        super().__init__(connection_id, context, **who)
        self._send = send
        self._outbox = Outbox(context.outbox_bytes)
        self._work = trio.lowlevel.ParkingLot()
        self._sending = 0
        self._counted = 0
        self._sending_since: float | None = None

    @property
    def queued_bytes(self) -> int:
        """The bytes queued for the client."""
        return self._outbox.queued_bytes

    async def drained(self) -> None:
        """Wait until everything queued so far was sent, or the connection is closing."""
        await trio.lowlevel.checkpoint()
        before = self.enqueued_bytes
        while self._closing is None and self.queued_bytes + self._sending > self.enqueued_bytes - before:
            await self._wait_below(0)

    async def run(self, receive: Receive, handle: Handle) -> None:
        """Serve the client until the connection ends."""
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._write)
            try:
                await self._read(receive, handle)
            finally:
                self.close(closes.NORMAL)
                self._forget()
            self._nursery.cancel_scope.cancel()

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` concurrently with this client's next messages."""
        if self._nursery is not None and self._closing is None:
            self._tasks += 1
            self._nursery.start_soon(self._do, work)

    async def finish(self) -> None:
        """Return at once: the writer sends what is queued, and then the close."""

    @property
    def is_drained(self) -> bool:
        """Whether nothing is queued, and the connection is not closing."""
        return self._closing is None and self._sending_since is None and not self.queued_bytes

    def is_stuck(self, now: float, *, send_limit: float) -> bool:
        """Return whether a send has been blocked for ``send_limit``, or the close has."""
        if self._closing is not None:
            return now - self._closing_at >= CLOSE_PATIENCE
        return self._sending_since is not None and now - self._sending_since >= send_limit

    def drop(self) -> None:
        """End the connection now."""
        self.close(closes.HEARTBEAT_TIMEOUT)
        self._forget()
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    def _offer(self, offered: Frame) -> Offer:
        outcome = self._outbox.offer(offered)
        if outcome is Offer.TAKEN:
            self.enqueued_bytes += offered.size
            self._work.unpark()
            self._count()
        return outcome

    def _answer(self, answer: Frame) -> None:
        self._outbox.answer(answer)
        self.enqueued_bytes += answer.size
        self._work.unpark()
        self._count()

    def _end(self, close: Close, *, flush: bool) -> None:  # noqa: ARG002 - the writer reads it from _closing
        if not flush:
            self._outbox.clear()
            self._count()
        self._work.unpark()

    @property
    def waiting_bytes(self) -> int:
        """The bytes queued and being sent, as counted in the total of all clients."""
        return self._counted

    def give_way(self) -> None:
        """End the connection: the total of all clients is over its limit, and this one has most."""
        self.overflow()

    def abort(self) -> None:
        """End now."""
        self.drop()

    def _count(self) -> None:
        change = self._outbox.queued_bytes + self._sending - self._counted
        self._counted += change
        if change > 0:
            self._context.outgoing.add(self, change)
        elif change < 0:
            self._context.outgoing.remove(self, -change)

    def _forget(self) -> None:
        """Stop counting the remaining bytes: they will not be sent."""
        self._outbox.clear()
        self._sending = 0
        self._count()

    @property
    def _is_behind(self) -> bool:
        return self._outbox.is_behind

    async def _wait_below(self, below: int) -> None:  # noqa: ARG002 - woken at every frame; the caller looks again
        self._room = self._room or trio.lowlevel.ParkingLot()
        await self._room.park()

    async def _write(self) -> None:
        """Send what is queued; then, if the connection is closing, the close frame."""
        assert self._nursery is not None  # noqa: S101 - run() has opened it
        try:
            while True:
                queued = self._outbox.take()
                if queued is not None:
                    self._sending, self._sending_since = queued.size, trio.current_time()
                    await self._send({"type": "websocket.send", "text": queued.text})
                    self._sending, self._sending_since = 0, None
                    self._count()
                    self.sent += 1
                    self._make_room()
                elif self._closing is None:
                    await self._work.park()
                else:
                    break
            await self._send(
                {"type": "websocket.close", "code": self._closing.code, "reason": self._closing.reason}
            )
        except OSError as error:
            # ASGI: a send to a disconnected client raises OSError.
            _log.debug("client gone", connection_id=self.connection_id, reason=str(error))
        self._nursery.cancel_scope.cancel()
