"""One client: what it sends, what it is told, and how it ends. How it is sent to is a subclass's.

:class:`.asgi_connection.Written` sends with ASGI's ``send`` and works on every server;
:class:`.socket_connection.Linked` uses a link to the socket, where the server has one.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final

import trio

from orch.access.actors import Actor
from orch.access.rate_limits import BURST_BYTES, BURST_SECONDS, Rate, Verdict
from orch.problems import ProblemError
from orch.protocol import closes
from orch.protocol.closes import Close
from orch.protocol.messages import Error, MessageId, ServerMessage
from orch.queued_bytes import QueuedBytes
from orch.settings.structs import Websocket
from orch.websocket.connections.decoding import is_too_large
from orch.websocket.connections.outbox import Frame, Offer, frame
from orch.websocket.history.parts import HistoryTransfer
from orch.websocket.participants.member import Member
from orch.websocket.sessions.in_flight import PACE

#: How long a close frame may take to be sent; then the connection is dropped without.
CLOSE_PATIENCE: Final = 2.0

#: Requests to back ends, and messages on their way into a history, that one client may have under way. With
#: so many, nothing more is read from it until one is done.
TASKS_LIMIT: Final = 32

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Handle = Callable[["Connection", str | bytes], Awaitable[None]]


class ConnectionContext:
    """What all connections have in common, so that none has to carry it.

    ``wall`` is for ages, ``now_ms`` for messages. ``outbox_bytes``: what may wait for one, ``outgoing``: for
    all. ``messages`` and ``bytes``: how fast one may send. ``on_closing`` is called once for each, as soon as
    nothing more will be said to it.
    """

    __slots__ = ("_settings", "bytes", "messages", "now_ms", "on_closing", "outbox_bytes", "outgoing", "wall")

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

    The reader handles one frame after the other. Whoever has something to say to the client calls
    :meth:`offer` or :meth:`answer` and never waits.

    Overflow rule: :func:`orch.websocket.connections.outbox.verdict`'s. A client that overflows is closed with
    ``slow_client``.

    Resource handling: :meth:`run` ends when the client is gone, the connection was closed, or its close frame
    could not be sent in :data:`CLOSE_PATIENCE` (:meth:`is_stuck`; the hub looks every second, so that no
    connection needs a timer).
    """

    #: Over ASGI alone nobody tells whether the client has answered a ping.
    answers_heartbeats: ClassVar[bool] = False

    # Ten thousand of them are idle: what not every client needs is made when it is first needed.
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
        "has_left",
        "heard_at",
        "host",
        "last_stream",
        "members",
        "port",
        "received",
        "said_bytes",
        "sent",
        "since",
        "stale_topics",
        "stream_id",
        "topics",
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
        self.since = self.heard_at = context.wall()
        self.members: dict[str, Member] = {}
        self.transfers: dict[str, HistoryTransfer] | None = None
        self.topics: tuple[str, ...] = ()
        self.stale_topics: tuple[str, ...] = ()
        self.stream_id: str | None = None
        #: Session and name of the newest stream, also once it has ended: what audio that comes late is for.
        self.last_stream: tuple[str, str] | None = None
        self.has_left = False
        self.sent = self.received = self.said_bytes = 0
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
        """Where the client is, as ``host:port``."""
        if self.port is None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_closing(self) -> bool:
        """Whether nothing more will be said to this client."""
        return self._closing is not None

    @property
    def closed_as(self) -> Close | None:
        """Why it is closed, once it is."""
        return self._closing

    @property
    @abstractmethod
    def queued_bytes(self) -> int:
        """Bytes that wait for the client to take them."""

    @abstractmethod
    async def caught_up(self) -> None:
        """Wait until the client has taken all that has been said to it so far, or is being closed.

        What is said meanwhile is not waited for.
        """

    @abstractmethod
    async def run(self, receive: Receive, handle: Handle) -> None:
        """Serve the client to the end. ``handle`` is given each frame, one after the other."""

    # What others say to this client.

    def offer(self, offered: Frame) -> bool:
        """Queue a frame the client did not ask for, or close the client. False: it was shed."""
        if self._closing is not None:
            return True
        outcome = self._offer(offered)
        if outcome is Offer.OVERFLOWED:
            self.overflow()
        return outcome is not Offer.SHED

    def overflow(self) -> None:
        """Close the client: it takes its messages too slowly."""
        self.close(closes.SLOW_CLIENT)

    def answer(self, message: ServerMessage | Frame) -> None:
        """Queue the answer to something the client has asked for."""
        if self._closing is None:
            self._answer(message if isinstance(message, Frame) else frame(message))

    def refuse(self, error: ProblemError, identity: MessageId | None, *, is_audio: bool = False) -> None:
        """Tell the client why what it sent is not carried out. ``is_audio``: it belongs to its stream."""
        fields: dict[str, Any] = {
            name: error.extra[name] for name in ("path", "service") if name in error.extra
        }
        if is_audio and self.last_stream is not None:
            fields["session_id"], fields["stream_id"] = self.last_stream
        if identity is not None:
            fields["id"] = identity
        self.answer(Error(timestamp=self._context.now_ms(), code=error.code, detail=error.detail, **fields))

    def dismiss(self, left: Frame, session_id: str) -> None:
        """Be in a session no more, and be told so."""
        self.members.pop(session_id, None)
        self.answer(left)

    def close(self, close: Close, *, flush: bool = False) -> None:
        """Close the connection. ``flush``: what is queued goes out first, as far as there is time."""
        if self._closing is not None:
            return
        self._closing, self._closing_at = close, trio.current_time()
        self._end(close, flush=flush)
        self._make_room()
        self._context.on_closing(self)

    @abstractmethod
    async def finish(self) -> None:
        """Wait until what is queued has gone out after :meth:`close` with ``flush``, or as good as."""

    @property
    @abstractmethod
    def is_at_rest(self) -> bool:
        """Whether it has taken all it was sent, and is not being closed: nothing has to be judged."""

    @abstractmethod
    def is_stuck(self, now: float, *, send_limit: float) -> bool:
        """Return whether the client takes nothing: for ``send_limit``, or not even the close."""

    @abstractmethod
    def drop(self) -> None:
        """End the connection now, without a word: none would arrive."""

    @abstractmethod
    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have something done beside this client's next messages; with too much of it, none is read."""

    def weigh(self, size: int, count: int = 1) -> Verdict:
        """Return whether the client may send a message of ``size`` now; it is counted either way.

        ``count``: as how many messages, where answering it takes as long as answering many.
        """
        now = trio.current_time()
        context = self._context
        self._messages_full_at, messages = context.messages.after(self._messages_full_at, now, count)
        self._bytes_full_at, octets = context.bytes.after(self._bytes_full_at, now, size)
        if messages is octets:
            return messages
        if Verdict.HOPELESS in (messages, octets):
            return Verdict.HOPELESS
        return Verdict.REFUSED

    def pace(self) -> None:
        """Read on only once the client has taken most of what it was sent: see :mod:`.pacing`."""
        self._is_talking = True

    # What a subclass fills in.

    @abstractmethod
    def _offer(self, offered: Frame) -> Offer:
        """Queue a frame if there is room for it."""

    @abstractmethod
    def _answer(self, answer: Frame) -> None:
        """Queue a frame whether or not there is room."""

    @abstractmethod
    def _end(self, close: Close, *, flush: bool) -> None:
        """Say goodbye, at once or after what is queued."""

    @property
    @abstractmethod
    def _owes(self) -> bool:
        """Whether the client has been slow to take its own answers: it should be asked nothing more yet."""

    @abstractmethod
    async def _taken(self, below: int) -> None:
        """Wait until fewer than ``below`` bytes wait, or something has changed."""

    # The reader.

    async def _read(self, receive: Receive, handle: Handle) -> bool:
        """Handle what the client sends until it is gone (False), or :meth:`_is_to_pause` (True)."""
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                # RFC 6455 §7.4.1: 1000 and 1001 are said by who means to go; a lost network says nothing.
                self.has_left = self._closing is None and event.get("code") in (1000, 1001)
                return False
            if self._closing is not None:
                continue
            self.heard_at = self._context.wall()
            self.received += 1
            text = event.get("text")
            data = event["bytes"] if text is None else text
            if is_too_large(data):
                self.close(closes.TOO_LARGE)
                continue
            self._is_talking = False
            await handle(self, data)
            # What was read is not kept while the next is waited for.
            del event, text, data
            if self.closed_as is not None:
                await self.finish()
            if self._is_to_pause():
                return True
            if self._tasks or self.queued_bytes:
                await self._wait_for_room()

    def _is_to_pause(self) -> bool:
        """Return whether the reader should come back once to whoever called it."""
        return False

    async def _wait_for_room(self) -> None:
        """Wait while nothing more should be read from this client."""
        limit = self._context.outbox_bytes
        while self._closing is None:
            if self._owes:
                await self._taken(limit // 2)
            elif self._is_talking and self.queued_bytes * PACE > limit:
                await self._taken(limit // PACE)
            elif self._tasks >= TASKS_LIMIT:
                self._room = self._room or trio.lowlevel.ParkingLot()
                await self._room.park()
            else:
                return

    def _make_room(self) -> None:
        """Have the reader look again whether it may read."""
        if self._room is not None:
            self._room.unpark_all()

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        finally:
            self._tasks -= 1
            self._make_room()
