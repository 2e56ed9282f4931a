"""One client: its reader, its writer and what waits for it."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
import trio

from orch.problems import ProblemError
from orch.websocket import closes
from orch.websocket.closes import Close
from orch.websocket.decoding import is_too_large
from orch.websocket.messages import Error, MessageId, ServerMessage
from orch.websocket.outbox import Frame, Offer, Outbox, frame
from orch.websocket.pacing import PACE
from orch.websocket.sessions import Member

#: How long a close frame may take to be sent; then the connection is dropped without.
CLOSE_PATIENCE: Final = 2.0

#: Requests to back ends, and messages on their way into a history, that one client may have under way. With
#: so many, nothing more is read from it until one is done.
TASKS_LIMIT: Final = 32

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Handle = Callable[["Connection", str | bytes], Awaitable[None]]

_log = structlog.get_logger("websocket")


class Connection:
    """One client's connection, from accept to close.

    Two tasks: the reader handles one frame after the other, the writer sends what stands in the outbox.
    Whoever has something to say to the client calls :meth:`offer` or :meth:`answer` and never waits.

    Overflow rule: the :class:`Outbox`'s. A client that overflows is closed with ``slow_client``.

    Resource handling: :meth:`run` ends when the client is gone, the connection was closed, or its close frame
    could not be sent in :data:`CLOSE_PATIENCE` (:meth:`is_stuck`; the hub looks every second, so that no
    connection needs a timer). The hub's ``on_closing`` is called once, as soon as nothing more will be said.
    """

    __slots__ = (
        "_closing",
        "_closing_at",
        "_is_flushing",
        "_is_talking",
        "_nursery",
        "_on_closing",
        "_outbox",
        "_receive",
        "_room",
        "_send",
        "_sending_since",
        "_tasks",
        "_wall",
        "_work",
        "address",
        "agent",
        "connection_id",
        "heard_at",
        "members",
        "received",
        "sent",
        "since",
        "stale_topics",
        "stream_id",
        "topics",
    )

    def __init__(
        self,
        connection_id: str,
        receive: Receive,
        send: Send,
        *,
        address: str,
        agent: str | None,
        outbox_bytes: int,
        wall: Callable[[], float],
        on_closing: Callable[["Connection"], None],
    ) -> None:
        self.connection_id = connection_id
        self.address = address
        self.agent = agent
        self.since = self.heard_at = wall()
        self.members: dict[str, Member] = {}
        self.topics: set[str] = set()
        self.stale_topics: set[str] = set()
        self.stream_id: str | None = None
        self.sent = self.received = 0
        self._receive = receive
        self._send = send
        self._wall = wall
        self._on_closing = on_closing
        self._outbox = Outbox(outbox_bytes)
        self._nursery: trio.Nursery | None = None
        self._work = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._tasks = 0
        self._sending_since: float | None = None
        self._closing: Close | None = None
        self._closing_at = 0.0
        self._is_flushing = False
        self._is_talking = False

    def __repr__(self) -> str:
        state = self._closing.name if self._closing else "open"
        return f"<Connection {self.connection_id} {state}, {self._outbox!r}>"

    @property
    def is_closing(self) -> bool:
        """Whether nothing more will be said to this client."""
        return self._closing is not None

    @property
    def closed_as(self) -> Close | None:
        """Why it is closed, once it is."""
        return self._closing

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for the client to take them."""
        return self._outbox.queued_bytes

    async def run(self, handle: Handle) -> None:
        """Serve the client to the end. ``handle`` is given each frame, one after the other."""
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._write)
            try:
                await self._read(handle)
            finally:
                self.close(closes.NORMAL)
            self._nursery.cancel_scope.cancel()

    # What others say to this client.

    def offer(self, offered: Frame) -> bool:
        """Queue a frame the client did not ask for, or close the client. False: it was shed."""
        if self._closing is not None:
            return True
        outcome = self._outbox.offer(offered)
        if outcome is Offer.TAKEN:
            self._work.unpark()
        elif outcome is Offer.OVERFLOWED:
            self.overflow()
        return outcome is not Offer.SHED

    def overflow(self) -> None:
        """Close the client: it takes its messages too slowly."""
        self.close(closes.SLOW_CLIENT)

    def answer(self, message: ServerMessage | Frame) -> None:
        """Queue the answer to something the client has asked for."""
        if self._closing is None:
            self._outbox.answer(message if isinstance(message, Frame) else frame(message))
            self._work.unpark()

    def refuse(self, error: ProblemError, identity: MessageId | None) -> None:
        """Tell the client why what it sent is not carried out."""
        fields: dict[str, Any] = {
            name: error.extra[name] for name in ("path", "service") if name in error.extra
        }
        if identity is not None:
            fields["id"] = identity
        self.answer(Error(timestamp=int(self._wall() * 1000), code=error.code, detail=error.detail, **fields))

    def dismiss(self, left: Frame, session_id: str) -> None:
        """Be in a session no more, and be told so."""
        self.members.pop(session_id, None)
        self.answer(left)

    def close(self, close: Close, *, flush: bool = False) -> None:
        """Close the connection. ``flush``: what is queued goes out first, as far as there is time."""
        if self._closing is not None:
            return
        self._closing, self._closing_at, self._is_flushing = close, trio.current_time(), flush
        if not flush:
            self._outbox.clear()
        self._work.unpark()
        self._room.unpark_all()
        self._on_closing(self)

    def is_stuck(self, now: float, *, send_limit: float) -> bool:
        """Return whether the client takes nothing: a send has hung for ``send_limit``, or the close has."""
        if self._closing is not None:
            return now - self._closing_at >= CLOSE_PATIENCE
        return self._sending_since is not None and now - self._sending_since >= send_limit

    def drop(self) -> None:
        """End the connection now, without a word: none would arrive."""
        self.close(closes.HEARTBEAT_TIMEOUT)
        self._outbox.clear()
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have something done beside this client's next messages; with too much of it, none is read."""
        if self._nursery is not None and self._closing is None:
            self._tasks += 1
            self._nursery.start_soon(self._do, work)

    def pace(self) -> None:
        """Read on only once the client has taken most of what it was sent: see :mod:`.pacing`."""
        self._is_talking = True

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        finally:
            self._tasks -= 1
            self._room.unpark_all()

    # The two tasks.

    async def _read(self, handle: Handle) -> None:
        """Handle what the client sends until it is gone."""
        while True:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                return
            if self._closing is not None:
                continue
            self.heard_at = self._wall()
            self.received += 1
            text = event.get("text")
            data = event["bytes"] if text is None else text
            if is_too_large(data):
                self.close(closes.TOO_LARGE)
                continue
            self._is_talking = False
            await handle(self, data)
            while not self.is_closing and self._has_enough():
                await self._room.park()

    def _has_enough(self) -> bool:
        """Return whether nothing more should be read from this client for now."""
        if self._outbox.owes or self._tasks >= TASKS_LIMIT:
            return True
        return self._is_talking and self._outbox.queued_bytes * PACE > self._outbox.limit

    async def _write(self) -> None:
        """Send what is queued; then, where the connection is being closed, the close frame."""
        assert self._nursery is not None  # noqa: S101 - run() has opened it
        try:
            while True:
                queued = self._outbox.take()
                if queued is not None:
                    self._sending_since = trio.current_time()
                    await self._send({"type": "websocket.send", "text": queued.text})
                    self._sending_since = None
                    self.sent += 1
                    self._room.unpark_all()
                elif self._closing is None:
                    await self._work.park()
                else:
                    break
            await self._send(
                {"type": "websocket.close", "code": self._closing.code, "reason": self._closing.reason}
            )
        except OSError as error:
            # ASGI: a send to a client that is gone raises OSError.
            _log.debug("client gone", connection_id=self.connection_id, reason=str(error))
        self._nursery.cancel_scope.cancel()
