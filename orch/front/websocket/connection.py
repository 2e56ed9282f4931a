"""One WebSocket, served by the application in the connection's own task.

What the application says through ASGI and what others say through the ``orch.link`` extension goes the same
way, in the order it was said: straight to the socket.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from typing import Any, Final

import structlog
import trio

from orch.front.context import NEVER, ServerContext
from orch.front.http1.error_responses import refused_handshake
from orch.front.http1.request_parser import RequestHead, ResponseEncoder
from orch.front.link import BREATH, ClientGoneError, Link, drain
from orch.front.scopes import websocket_scope
from orch.front.websocket import frames, partial_messages, small_frames
from orch.front.websocket.frames import Binary, CloseFrame, FrameDecoder, Ping, ProtocolViolationError, Text
from orch.front.websocket.handshake import Accepted, BadHandshakeError, accept
from orch.problems import ProblemError

PING: Final = frames.encode(frames.PING, b"")
#: Bytes queued from which on a ping waits for its pong, and with it all that was sent after it: the client
#: does not read, and asks for more to read.
PONGS_HELD: Final = 65_536
ABNORMAL: Final = 1006
"""The code the application is told where no close frame came (RFC 6455 §7.1.5)."""
NORMAL: Final = 1000
INTERNAL_ERROR: Final = 1011

_NONE: Final[list[frames.Event | None]] = []
"""No messages: one list for all who have none, which is only ever replaced."""

_log = structlog.get_logger("front")


class _State(Enum):
    CONNECTING = auto()
    REFUSING = auto()
    OPEN = auto()
    CLOSING = auto()
    """Our close frame has been said, or no more can be."""


class WebSocketConnection:
    """One WebSocket; also the ``orch.link`` that the application finds in its scope.

    The mutable state is where the connection stands, the messages that came and were not asked for yet (those
    of one read), how the other side ended it, and what the last ping has led to.

    ``offer``, ``queued_bytes``, ``blocked_since``, ``evict``, ``drained``, ``moved``, ``on_excess`` and
    ``encode_text`` are the extension's. Overflow rule: the :class:`~orch.front.link.Link`'s. What is offered
    after the close frame is dropped.

    Nothing is read unless the application asks for it; a client whose application is busy is not held to its
    pongs meanwhile. One pong is owed at most: of pings in a row the newest is answered.
    """

    __slots__ = (
        "_accepted",
        "_close_by",
        "_context",
        "_decoder",
        "_encoder",
        "_ended",
        "_events",
        "_is_awaited",
        "_is_heard",
        "_is_peer_done",
        "_is_pinged",
        "_is_reading",
        "_link",
        "_partial",
        "_scope",
        "_small_full_at",
        "_state",
        "_unyielded",
        "_window_bits",
        "due_at",
        "slot",
    )

    def __init__(
        self,
        link: Link,
        context: ServerContext,
        accepted: Accepted,
        head: RequestHead,
        base: Mapping[str, Any],
        early: bytes,
    ) -> None:
        self._link = link
        self._context = context
        self._scope: dict[str, Any] | None = websocket_scope(head, accepted.subprotocols, self, base)
        self._accepted: Accepted | None = accepted
        self._encoder: ResponseEncoder | None = ResponseEncoder(head)
        self._decoder = FrameDecoder(
            message_limit=context.message_limit, deflate=accepted.deflate is not None
        )
        self._window_bits = accepted.deflate.server_window_bits if accepted.deflate else 0
        self._events: list[frames.Event | None] = _NONE
        self._ended: tuple[int, str] | None = None
        self._state = _State.CONNECTING
        self._close_by = NEVER
        self._is_awaited = False
        self._is_heard = False
        self._is_peer_done = False
        self._is_pinged = False
        self._is_reading = False
        self._partial = 0
        self._small_full_at = 0.0
        self._unyielded = 0
        self.slot = 0
        self.due_at = NEVER
        if early:
            self._take(early)

    def __repr__(self) -> str:
        return f"<WebSocketConnection {self._state.name} {self._link!r}>"

    # The extension.

    @property
    def queued_bytes(self) -> int:
        """Encoded bytes that the kernel has not taken yet."""
        return self._link.queued_bytes

    @property
    def blocked_since(self) -> float | None:
        """The time (trio's) since which the kernel has taken nothing, or None where nothing is queued."""
        return self._link.blocked_since

    @staticmethod
    def encode_text(payload: bytes) -> bytes:
        """Return a text frame, the same for every connection; ``payload`` is UTF-8."""
        return frames.encode_text(payload)

    def offer(self, wire: bytes) -> None:
        """Say encoded frames without waiting: the socket takes them now, or they are queued in order."""
        if self._state is _State.OPEN:
            self._link.offer(wire)

    def evict(self, code: int, reason: str) -> None:
        """End the connection: what is queued is dropped, the close code is said if it can be, in bounds.

        The application is told ``websocket.disconnect`` at once.
        """
        if self._state is _State.OPEN:
            self._link.forget_queued()
            self._say_close(code, reason)
        elif self._state is not _State.CLOSING:
            self._link.abort()
        if self._ended is None:
            self._ended = (code, reason)
        self._wake()

    @property
    def on_excess(self) -> Callable[[], None] | None:
        """What is called where all clients together have too much waiting, and this one most."""
        return self._link.on_excess

    @on_excess.setter
    def on_excess(self, ended: Callable[[], None] | None) -> None:
        self._link.on_excess = ended

    async def drained(self, below: int) -> None:
        """Wait until fewer than ``below`` bytes are queued, or the connection has ended."""
        await self._link.drained(below)

    async def moved(self) -> None:
        """Wait until some of what is queued was taken or dropped, or the connection has ended."""
        await self._link.moved()

    # What the application calls.

    async def receive(self) -> dict[str, Any]:
        """Return the next message, or the end. Cancelled, it has taken none."""
        if not self._is_awaited:
            self._is_awaited = True
            return {"type": "websocket.connect"}
        while True:
            while self._events:
                self._unyielded += 1
                if self._unyielded % BREATH == 0:
                    await trio.lowlevel.checkpoint()
                event = self._events.pop()
                if isinstance(event, Text):
                    return {"type": "websocket.receive", "text": event.text, "bytes": None}
                if isinstance(event, Binary):
                    return {"type": "websocket.receive", "text": None, "bytes": event.data}
                await self._on_control(event)
            if self._ended is not None:
                code, reason = self._ended
                return {"type": "websocket.disconnect", "code": code, "reason": reason}
            self._events = _NONE
            self._is_reading = True
            try:
                data = await self._link.receive()
            except trio.ClosedResourceError:
                self._on_woken()
            else:
                self._on_data(data)
            finally:
                self._is_reading = False

    async def send(self, message: dict[str, Any]) -> None:
        """Accept, refuse, say something or close."""
        kind = message["type"]
        if kind == "websocket.send":
            if self._state is not _State.OPEN or self._link.is_closed:
                self._require_open()
            text = message.get("text")
            if text is not None:
                self._link.offer(self._encoded(frames.TEXT, text.encode()))
            else:
                self._link.offer(self._encoded(frames.BINARY, message["bytes"]))
        elif kind == "websocket.accept":
            self._accept(message.get("subprotocol"), message.get("headers") or ())
        elif kind == "websocket.close":
            self._close(message.get("code", NORMAL), message.get("reason") or "")
        elif kind == "websocket.http.response.start":
            self._refuse(message["status"], message.get("headers") or ())
        elif kind == "websocket.http.response.body":
            assert self._encoder is not None  # noqa: S101 - only an accepted handshake forgets it
            self._link.offer(
                self._encoder.data(message.get("body", b""), more=message.get("more_body", False))
            )
        else:
            raise RuntimeError(f"There is no {kind} to a WebSocket.")
        await self._breathe()

    def _encoded(self, opcode: int, payload: bytes) -> bytes:
        if self._window_bits and len(payload) >= self._context.deflate_from:
            return frames.encode_deflated(opcode, payload, window_bits=self._window_bits)
        return frames.encode(opcode, payload)

    async def _breathe(self) -> None:
        """Wait where the client takes less than it is given; give others a turn now and then."""
        if self._link.queued_bytes:
            await drain(self._link, self._context)
            if self._link.is_closed:
                raise ClientGoneError("the client takes nothing")
            return
        self._unyielded += 1
        if self._unyielded % BREATH == 0:
            await trio.lowlevel.checkpoint()

    def _require_open(self) -> None:
        if self._state in (_State.CONNECTING, _State.REFUSING):
            raise RuntimeError("The WebSocket has not been accepted.")
        raise ClientGoneError("the client is gone")

    def _accept(self, subprotocol: str | None, headers: Any) -> None:
        if self._state is not _State.CONNECTING or self._accepted is None or self._encoder is None:
            raise RuntimeError("The WebSocket has been answered already.")
        answer = [*self._accepted.headers(subprotocol), *headers]
        self._link.offer(self._encoder.start(101, answer))
        self._state = _State.OPEN
        self._accepted = self._encoder = None
        # Those who came together are not pinged together: from half an interval on, each at its own time.
        self._context.served += 1
        share = 0.5 + self._context.served % 64 / 128
        self._context.arm(self, self._context.now + share * self._context.heartbeat())

    def _refuse(self, status: int, headers: Any) -> None:
        if self._state is not _State.CONNECTING or self._encoder is None:
            raise RuntimeError("The WebSocket has been answered already.")
        self._link.offer(self._encoder.start(status, headers, close=True, date=self._context.date))
        self._state = _State.REFUSING

    def _close(self, code: int, reason: str) -> None:
        if self._state is _State.CONNECTING:
            self._refuse_with(ProblemError("socket_refused", reason or "This WebSocket is not accepted."))
        elif self._state is _State.OPEN:
            self._say_close(code, reason)

    def _refuse_with(self, error: ProblemError) -> None:
        assert self._encoder is not None  # noqa: S101 - there while connecting
        body = error.body()
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
        self._refuse(error.status, headers)
        self._link.offer(self._encoder.data(body, more=False))

    def _say_close(self, code: int, reason: str) -> None:
        """Say our close frame; from now on there is a limit to how long the end takes."""
        self._link.offer(frames.encode_close(code, reason))
        self._state = _State.CLOSING
        self._close_by = self._context.now + self._context.timeouts.close
        self._context.arm(self, self._close_by)

    # What comes.

    def _on_woken(self) -> None:
        """Note the end, where that is why the reading ended."""
        if self._link.is_closed and self._ended is None:
            self._ended = (ABNORMAL, "")

    def _on_data(self, data: bytes) -> None:
        """Take what was read; nothing is the end."""
        if data:
            self._is_heard = True
            self._take(data)
            return
        self._is_peer_done = True
        if self._ended is None:
            self._ended = (ABNORMAL, "")
        if self._state is _State.OPEN:
            self._state = _State.CLOSING

    def _take(self, data: bytes) -> None:
        """Decode; a violation ends the connection once what came before it has been handed on."""
        decoder, now = self._decoder, self._context.now
        limit = self._context.small_frames
        allowed = decoder.allowance = limit.remaining(self._small_full_at, now)
        try:
            events: list[frames.Event | None] = [*decoder.feed(data)]
        except ProtocolViolationError as violation:
            self._on_violation(violation)
            self._note_partial()
            return
        self._note_partial()
        if decoder.allowance != allowed:
            self._small_full_at = limit.after(self._small_full_at, now, allowed - decoder.allowance)
        if decoder.is_failed or decoder.has_more:
            events.append(None)
        events.reverse()
        self._events = events

    @property
    def has_flooded(self) -> bool:
        """Whether it was closed for more small frames than may be sent."""
        return self._decoder.failure == small_frames.TOO_MANY

    def _note_partial(self) -> None:
        """Count what is held of a message that is not whole yet."""
        held, before = self._decoder.partial_bytes, self._partial
        if held != before:
            self._partial = held
            self._context.partial.note(self, before, held)

    def give_up_message(self) -> None:
        """Close the connection: its message takes too long, and others need the room."""
        violation = ProtocolViolationError(
            partial_messages.CLOSE_CODE, "message_given_up", partial_messages.REASON
        )
        self._decoder.fail(violation)
        self._on_violation(violation)
        self._note_partial()
        self._wake()

    def _on_violation(self, violation: ProtocolViolationError) -> None:
        self._context.refused[violation.kind] += 1
        _log.debug("protocol violation", kind=violation.kind, detail=violation.detail)
        if self._state is _State.OPEN:
            self._say_close(violation.close_code, violation.detail)
        if self._ended is None:
            self._ended = (violation.close_code, violation.detail)

    async def _on_control(self, event: Any) -> None:
        if isinstance(event, Ping):
            await self._link.drained(PONGS_HELD)
            # RFC 6455 §5.5.3: one "MAY elect to send a Pong frame for only the most recently processed Ping".
            if not (self._events and isinstance(self._events[-1], Ping)):
                self.offer(frames.encode(frames.PONG, event.payload))
        elif isinstance(event, CloseFrame):
            if self._state is _State.OPEN:
                self._say_close(event.code, "")
            self._is_peer_done = True
            self._ended = (event.code, event.reason)
        elif event is None:
            await trio.lowlevel.checkpoint()
            self._take(b"")  # what had to wait for the messages before it

    # Heartbeats, and the limit on how long an end takes.

    def on_due(self, now: float) -> float | None:
        """Ping, or judge what the last ping has led to; return when to be asked again."""
        link = self._link
        if link.is_closed:
            return None
        if self._state is _State.CLOSING:
            if now < self._close_by:
                return self._close_by
            link.abort()
            return None
        return self._judge_ping(now) if self._is_pinged else self._ping(now)

    def _ping(self, now: float) -> float:
        if self._link.queued_bytes:
            # It is behind: a ping would wait with the rest. Whether it takes anything is judged by the sends.
            return now + self._context.heartbeat()
        self._is_pinged, self._is_heard = True, False
        self._link.offer(PING)
        return now + self._context.heartbeat_timeout()

    def _judge_ping(self, now: float) -> float | None:
        self._is_pinged = False
        if self._is_heard or not self._is_reading or self._link.queued_bytes:
            return now + max(self._context.heartbeat() - self._context.heartbeat_timeout(), 0.0)
        self._context.refused["no_pong"] += 1
        self._link.abort()
        return None

    def _wake(self) -> None:
        if self._is_reading:
            self._link.wake()

    # The connection's task.

    def application(self) -> Awaitable[None]:
        """Return the application's run, which alone has the scope then: it is larger than all else here."""
        scope, self._scope = self._scope, None
        run: Awaitable[None] = self._context.app(scope, self.receive, self.send)
        return run

    async def end(self, *, is_failed: bool) -> None:
        """End the connection in order after the application has ended."""
        self._finish(is_failed=is_failed)
        with trio.move_on_after(self._context.timeouts.close) as ending:
            await self._await_end()
        if ending.cancelled_caught:
            self._link.abort()

    def forget(self) -> None:
        """Have no deadline and hold no message any more."""
        self._context.disarm(self)
        if self._partial:
            self._context.partial.note(self, self._partial, 0)
            self._partial = 0

    def _finish(self, *, is_failed: bool) -> None:
        """Say what the application has left unsaid."""
        if self._state is _State.CONNECTING:
            if is_failed:
                self._refuse_with(
                    ProblemError("internal_error", "The service could not handle this request.")
                )
            else:
                self._refuse_with(ProblemError("socket_refused", "This WebSocket is not accepted."))
        elif self._state is _State.OPEN:
            self._say_close(INTERNAL_ERROR if is_failed else NORMAL, "")

    async def _await_end(self) -> None:
        """Wait until all is said and the other side has answered our close frame, or is gone."""
        link = self._link
        await link.drained(1)
        if self._state is _State.REFUSING or self._decoder.is_failed:
            link.end_output()
        self._is_peer_done |= any(isinstance(event, CloseFrame) for event in self._events)
        while not (link.is_closed or self._is_peer_done):
            try:
                data = await link.receive()
                if not data:
                    return
                if not self._decoder.is_failed:
                    self._is_peer_done = any(
                        isinstance(event, CloseFrame) for event in self._decoder.feed(data)
                    )
            except trio.ClosedResourceError:
                continue
            except ProtocolViolationError:
                link.end_output()  # what comes after our close frame is read so that it arrives, not judged


def shake_hands(head: RequestHead, link: Link, context: ServerContext) -> Accepted | None:
    """Return how to accept the handshake; answer one that is wrong."""
    try:
        return accept(head, deflate=context.deflate)
    except BadHandshakeError as error:
        context.refused[error.kind] += 1
        link.offer(refused_handshake(error, date=context.date))
        return None
