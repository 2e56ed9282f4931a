"""The sending side of one WebSocket: encoded frames, the close frame, pings.

The application finds it in its scope as the extension ``orch.link``: frames that other tasks offer go
straight to the socket, in the order of the calls.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from orch.front.context import NEVER, ServerContext
from orch.front.link import Link
from orch.front.websocket import frames

PING: Final = frames.encode(frames.PING, b"")


class State(Enum):
    """The state of a WebSocket."""

    CONNECTING = auto()
    """The handshake has no response yet."""
    REFUSING = auto()
    OPEN = auto()
    CLOSING = auto()
    """Our close frame has been sent, or nothing more can be sent."""
    TUNNELLED = auto()
    """The application reads and writes the frames itself."""


# Python 3.11 looks a member up in 0.17 µs and a global in 0.01; these are read for every message.
CONNECTING: Final = State.CONNECTING
REFUSING: Final = State.REFUSING
OPEN: Final = State.OPEN
CLOSING: Final = State.CLOSING
TUNNELLED: Final = State.TUNNELLED


class FrameSender:
    """Sends the frames of one WebSocket, pings its client, and ends it.

    The mutable state is the state of the WebSocket, how it ended (``_ended``), and whether the last ping was
    answered. The subclass notes what it receives in ``_has_received``, and whether it is reading in
    ``_is_reading``.

    ``offer``, ``queued_bytes``, ``blocked_since``, ``evict``, ``drained``, ``moved``, ``on_excess`` and
    ``encode_text`` belong to the extension. Overflow rule: that of :class:`~orch.front.link.Link`. Frames
    offered after the close frame are dropped.
    """

    __slots__ = (
        "_close_by",
        "_context",
        "_ended",
        "_has_received",
        "_is_pinged",
        "_is_reading",
        "_link",
        "_state",
        "due_at",
        "slot",
    )

    def __init__(self, link: Link, context: ServerContext) -> None:
        self._link = link
        self._context = context
        self._state = CONNECTING
        self._ended: tuple[int, str] | None = None
        self._close_by = NEVER
        self._has_received = False
        self._is_pinged = False
        self._is_reading = False
        self.slot = 0
        self.due_at = NEVER

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.name} {self._link!r}>"

    # The extension.

    @property
    def queued_bytes(self) -> int:
        """Bytes that the kernel has not accepted yet."""
        return self._link.queued_bytes

    @property
    def blocked_since(self) -> float | None:
        """When the kernel last accepted bytes, on Trio's clock; None if nothing is queued."""
        return self._link.blocked_since

    @staticmethod
    def encode_text(payload: bytes) -> bytes:
        """Return a text frame, the same for every connection; ``payload`` is UTF-8."""
        return frames.encode_text(payload)

    def offer(self, wire: bytes) -> None:
        """Send encoded frames without waiting; frames that the socket does not accept are queued in order."""
        if self._state is OPEN:
            self._link.offer(wire)

    def evict(self, code: int, reason: str) -> None:
        """End the connection: drop what is queued, and send the close code if that is possible in time.

        The application receives ``websocket.disconnect`` at once.
        """
        if self._state is OPEN:
            self._link.forget_queued()
            self._send_close(code, reason)
        elif self._state is not CLOSING:
            self._link.abort()
        if self._ended is None:
            self._ended = (code, reason)
        self._wake()

    @property
    def on_excess(self) -> Callable[[], None] | None:
        """Called if too much is queued for all clients together, and most of it for this one."""
        return self._link.on_excess

    @on_excess.setter
    def on_excess(self, ended: Callable[[], None] | None) -> None:
        self._link.on_excess = ended

    async def drained(self, below: int) -> None:
        """Wait until fewer than ``below`` bytes are queued, or the connection has ended."""
        await self._link.drained(below)

    async def moved(self) -> None:
        """Wait until some of what is queued was sent or dropped, or the connection has ended."""
        await self._link.moved()

    def _send_close(self, code: int, reason: str) -> None:
        """Send our close frame; from now on the time that the end may take is limited."""
        self._link.offer(frames.encode_close(code, reason))
        self._state = CLOSING
        self._close_by = self._context.now + self._context.timeouts.close
        self._context.arm(self, self._close_by)

    # Heartbeats, and the time limit of the end.

    def on_due(self, now: float) -> float | None:
        """Send a ping, or check that something came since the last one; return when to check again."""
        link = self._link
        if link.is_closed:
            return None
        if self._state is CLOSING:
            if now < self._close_by:
                return self._close_by
            link.abort()
            return None
        return self._judge_ping(now) if self._is_pinged else self._ping(now)

    def _ping(self, now: float) -> float:
        if self._link.queued_bytes:
            # The client is behind: a ping would be queued, too. The time limit of sending applies instead.
            return now + self._context.heartbeat()
        self._is_pinged, self._has_received = True, False
        self._link.offer(PING)
        return now + self._context.heartbeat_timeout()

    def _judge_ping(self, now: float) -> float | None:
        self._is_pinged = False
        if self._has_received or not self._is_reading or self._link.queued_bytes:
            return now + max(self._context.heartbeat() - self._context.heartbeat_timeout(), 0.0)
        self._context.refused["no_pong"] += 1
        self._link.abort()
        return None

    def _wake(self) -> None:
        if self._is_reading:
            self._link.wake()
