"""One client's connection: reads its messages, queues messages for it, and closes it. Subclasses send.

:class:`.asgi_connection.Written` sends with ASGI's ``send`` and works on every server;
:class:`.socket_connection.Linked` uses a link to the socket, where the server has one.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final

import trio

from orch.access.actors import Actor
from orch.access.rate_limits import BURST_BYTES, BURST_SECONDS, Rate, RateVerdict
from orch.problems import ProblemError
from orch.protocol import closes
from orch.protocol.closes import Close
from orch.protocol.messages import Error, MessageId, ServerMessage
from orch.queued_bytes import QueuedBytes
from orch.settings.structs import Websocket
from orch.websocket.connections.decoding import FRAME_LIMIT, size_of
from orch.websocket.connections.outbox import Frame, Offer, frame
from orch.websocket.history.parts import HistoryTransfer
from orch.websocket.participants.member import Member
from orch.websocket.sessions.in_flight import PACE

#: Time limit for sending a close frame; then the connection is dropped.
CLOSE_PATIENCE: Final = 2.0

#: Maximum of a client's requests to back ends and messages being stored. At the limit, nothing more is read
#: from it until one is done.
TASKS_LIMIT: Final = 32

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Handle = Callable[["Connection", str | bytes], Awaitable[None]]


class ConnectionContext:
    """The context shared by all connections.

    ``wall`` is the clock for ages, ``now_ms`` for messages. ``outbox_bytes``: the limit of one client's
    queue, ``outgoing``: of all. ``messages`` and ``bytes``: the rate limits of a client. ``on_closing`` is
    called once for each connection, as soon as nothing more will be sent to it.
    """

    __slots__ = (
        "_settings",
        "bytes",
        "messages",
        "now_ms",
        "on_closing",
        "outbox_bytes",
        "outgoing",
        "received_bytes",
        "wall",
    )

    def __init__(
        self,
        settings: Websocket,
        *,
        wall: Callable[[], float],
        now_ms: Callable[[], int],
        on_closing: Callable[["Connection"], None],
        outgoing: QueuedBytes,
    ) -> None:
        self.wall = wall
        self.now_ms = now_ms
        self.on_closing = on_closing
        self.outgoing = outgoing
        self.received_bytes = 0
        """Of the messages of all clients since the start."""
        self._settings: Websocket | None = None
        self.follow(settings)

    def follow(self, settings: Websocket) -> None:
        """Apply the settings, if they have changed."""
        if settings is self._settings:
            return
        self._settings = settings
        self.outbox_bytes = settings.outbox_bytes
        self.outgoing.limit = settings.outboxes_bytes
        messages, size = settings.max_messages_per_second, settings.max_bytes_per_second
        self.messages = Rate(messages, burst=messages * BURST_SECONDS)
        self.bytes = Rate(size, burst=max(size * BURST_SECONDS, BURST_BYTES))


class Connection(ABC):
    """One client's connection, from accept to close.

    The reader handles one frame after the other. Messages for the client are queued with :meth:`offer` or
    :meth:`answer`, which never wait.

    Overflow rule: :func:`orch.websocket.connections.outbox.verdict`'s. A client that overflows is closed with
    ``slow_client``.

    Resource handling: :meth:`run` ends when the client has disconnected, the connection was closed, or its
    close frame could not be sent within :data:`CLOSE_PATIENCE` (:meth:`is_stuck`; the hub checks every
    second, so that no connection needs a timer).
    """

    #: Plain ASGI does not report whether the client has replied to a ping.
    answers_heartbeats: ClassVar[bool] = False

    # There may be ten thousand idle ones: what few clients need is created when first needed.
    __slots__ = (
        "_bytes_full_at",
        "_closing",
        "_closing_at",
        "_context",
        "_is_talking",
        "_messages_full_at",
        "_nursery",
        "_room",
        "_tasks",
        "actor",
        "agent",
        "connection_id",
        "enqueued_bytes",
        "has_left",
        "host",
        "last_stream",
        "members",
        "port",
        "received",
        "received_at",
        "sent",
        "since",
        "stale_topics",
        "stream_id",
        "topics",
        "traceparent",
        "transfers",
    )

    def __init__(
        self,
        connection_id: str,
        context: ConnectionContext,
        *,
        actor: Actor,
        host: str,
        port: int | None,
        agent: str | None,
    ) -> None:
        self.connection_id = connection_id
        self.actor = actor
        self.host = host
        self.port = port
        self.agent = agent
        self.since = self.received_at = context.wall()
        self.members: dict[str, Member] = {}
        self.transfers: dict[str, HistoryTransfer] | None = None
        self.topics: tuple[str, ...] = ()
        self.stale_topics: tuple[str, ...] = ()
        self.stream_id: str | None = None
        #: Session and name of the newest stream, also after its end: late audio belongs to it.
        self.last_stream: tuple[str, str] | None = None
        self.traceparent = ""
        """What the handshake said of the client's trace; "": nothing."""
        self.has_left = False
        self.sent = self.received = self.enqueued_bytes = 0
        self._context = context
        self._nursery: trio.Nursery | None = None
        self._room: trio.lowlevel.ParkingLot | None = None
        self._tasks = 0
        self._closing: Close | None = None
        self._closing_at = 0.0
        self._is_talking = False
        self._messages_full_at = self._bytes_full_at = 0.0

    def __repr__(self) -> str:
        state = self._closing.name if self._closing else "open"
        return f"<{type(self).__name__} {self.connection_id} {state}, {self.queued_bytes} bytes wait>"

    @property
    def address(self) -> str:
        """The client's address, as ``host:port``."""
        if self.port is None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_closing(self) -> bool:
        """Whether nothing more will be sent to this client."""
        return self._closing is not None

    @property
    def closed_as(self) -> Close | None:
        """How it was closed, once it is."""
        return self._closing

    @property
    @abstractmethod
    def queued_bytes(self) -> int:
        """The bytes queued for the client."""

    @abstractmethod
    async def drained(self) -> None:
        """Wait until everything queued for the client so far was sent, or it is closing.

        Messages queued meanwhile are not waited for.
        """

    @abstractmethod
    async def run(self, receive: Receive, handle: Handle) -> None:
        """Serve the client until the connection ends. ``handle`` is called with each frame in order."""

    # Messages for this client.

    def offer(self, offered: Frame) -> bool:
        """Queue a frame that the client did not request, or close the client. False: it was shed."""
        if self._closing is not None:
            return True
        outcome = self._offer(offered)
        if outcome is Offer.OVERFLOWED:
            self.overflow()
        return outcome is not Offer.SHED

    def overflow(self) -> None:
        """Close the client: it reads too slowly."""
        self.close(closes.SLOW_CLIENT)

    def answer(self, message: ServerMessage | Frame) -> None:
        """Queue the reply to a request of the client."""
        if self._closing is None:
            self._answer(message if isinstance(message, Frame) else frame(message))

    def refuse(self, error: ProblemError, identity: MessageId | None, *, is_audio: bool = False) -> None:
        """Send the client the error of its message. ``is_audio``: it belongs to its stream."""
        fields: dict[str, Any] = {
            name: error.extra[name] for name in ("path", "service", "faults") if name in error.extra
        }
        if is_audio and self.last_stream is not None:
            fields["session_id"], fields["stream_id"] = self.last_stream
        if identity is not None:
            fields["id"] = identity
        self.answer(Error(timestamp=self._context.now_ms(), code=error.code, detail=error.detail, **fields))

    def dismiss(self, left: Frame, session_id: str) -> None:
        """Remove the client from a session, and notify it."""
        self.members.pop(session_id, None)
        self.answer(left)

    def expel(self, left: Frame, session_id: str) -> None:
        """Remove the client from a session for good; close it if it is in no other."""
        self.dismiss(left, session_id)
        if not self.members:
            self.close(closes.REMOVED, flush=True)

    def close(self, close: Close, *, flush: bool = False) -> None:
        """Close the connection. ``flush``: send what is queued first, within the time limit."""
        if self._closing is not None:
            return
        self._closing, self._closing_at = close, trio.current_time()
        self._end(close, flush=flush)
        self._make_room()
        self._context.on_closing(self)

    @abstractmethod
    async def finish(self) -> None:
        """Wait until what was queued before :meth:`close` with ``flush`` is sent, or cannot be."""

    @property
    @abstractmethod
    def is_drained(self) -> bool:
        """Whether nothing is queued, and the connection is not closing: it needs no check."""

    @abstractmethod
    def is_stuck(self, now: float, *, send_limit: float) -> bool:
        """Return whether the client has read nothing for ``send_limit``, or does not read the close."""

    @abstractmethod
    def drop(self) -> None:
        """End the connection now, without a close frame: it would not arrive."""

    @abstractmethod
    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` concurrently with this client's next messages; with too much of it, none is read."""

    def check_rate(self, size: int, count: int = 1) -> RateVerdict:
        """Count a message of ``size`` bytes against the client's rate; return whether it is within the limit.

        ``count``: the number of messages it counts as, for requests that are expensive to handle.
        """
        now = trio.current_time()
        context = self._context
        self._messages_full_at, messages = context.messages.after(self._messages_full_at, now, count)
        self._bytes_full_at, octets = context.bytes.after(self._bytes_full_at, now, size)
        if messages is octets:
            return messages
        if RateVerdict.DISCONNECT in (messages, octets):
            return RateVerdict.DISCONNECT
        return RateVerdict.LIMITED

    def throttle(self) -> None:
        """Stop reading until the client has read most of what is queued for it."""
        self._is_talking = True

    # Implemented by subclasses.

    @abstractmethod
    def _offer(self, offered: Frame) -> Offer:
        """Queue a frame if there is room for it."""

    @abstractmethod
    def _answer(self, answer: Frame) -> None:
        """Queue a frame whether or not there is room."""

    @abstractmethod
    def _end(self, close: Close, *, flush: bool) -> None:
        """Send the close frame, at once or after what is queued."""

    @property
    @abstractmethod
    def _is_behind(self) -> bool:
        """Whether too many of its own replies are queued; its requests are not read until it catches up."""

    @abstractmethod
    async def _wait_below(self, below: int) -> None:
        """Wait until fewer than ``below`` bytes are queued, or something has changed."""

    # The reader.

    async def _read(self, receive: Receive, handle: Handle) -> bool:
        """Handle the client's frames until it disconnects (False), or :meth:`_is_to_pause` (True)."""
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                # RFC 6455 §7.4.1: a client that leaves on purpose sends 1000 or 1001; a lost network sends
                # nothing.
                self.has_left = self._closing is None and event.get("code") in (1000, 1001)
                return False
            if self._closing is not None:
                continue
            self.received_at = self._context.wall()
            self.received += 1
            text = event.get("text")
            data = event["bytes"] if text is None else text
            size = size_of(data)
            self._context.received_bytes += size
            if size > FRAME_LIMIT:
                self.close(closes.TOO_LARGE)
                continue
            self._is_talking = False
            await handle(self, data)
            # Release the frame while waiting for the next one.
            del event, text, data
            if self.closed_as is not None:
                await self.finish()
            if self._is_to_pause():
                return True
            if self._tasks or self.queued_bytes:
                await self._wait_for_room()

    def _is_to_pause(self) -> bool:
        """Return whether the reader should return to its caller once."""
        return False

    async def _wait_for_room(self) -> None:
        """Wait while nothing more should be read from this client."""
        limit = self._context.outbox_bytes
        while self._closing is None:
            if self._is_behind:
                await self._wait_below(limit // 2)
            elif self._is_talking and self.queued_bytes * PACE > limit:
                await self._wait_below(limit // PACE)
            elif self._tasks >= TASKS_LIMIT:
                self._room = self._room or trio.lowlevel.ParkingLot()
                await self._room.park()
            else:
                return

    def _make_room(self) -> None:
        """Make the reader check again whether it may read."""
        if self._room is not None:
            self._room.unpark_all()

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        finally:
            self._tasks -= 1
            self._make_room()
