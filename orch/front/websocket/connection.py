"""One WebSocket as an ASGI application sees it, served in the connection's own task."""

from collections.abc import Awaitable, Mapping
from typing import Any, Final

import structlog
import trio

from orch.front.context import ServerContext
from orch.front.http1.error_responses import refused_handshake
from orch.front.http1.request_parser import RequestHead, ResponseEncoder
from orch.front.link import SENDS_IN_A_ROW, ClientGoneError, Link, drain
from orch.front.scopes import websocket_scope
from orch.front.websocket import frames, partial_messages, small_frames
from orch.front.websocket.frame_decoder import FrameDecoder
from orch.front.websocket.frame_sender import (
    CLOSING,
    CONNECTING,
    OPEN,
    REFUSING,
    TUNNELLED,
    FrameSender,
)
from orch.front.websocket.frames import Binary, CloseFrame, Ping, ProtocolViolationError, Text
from orch.front.websocket.handshake import Accepted, BadHandshakeError, accept
from orch.front.websocket.tunnel import Tunnel
from orch.problems import ProblemError

#: Bytes queued from which on a ping gets no pong yet, and the messages after it wait, too: the client does
#: not read what it is sent.
PONGS_HELD: Final = 65_536
ABNORMAL: Final = 1006
"""The application receives this code if no close frame came (RFC 6455 §7.1.5)."""
NORMAL: Final = 1000
INTERNAL_ERROR: Final = 1011

_NONE: Final[list[frames.Event | None]] = []
"""No messages: one list shared by all connections without any. It is replaced, never changed."""

_log = structlog.get_logger("front")


class WebSocketConnection(FrameSender):
    """One WebSocket, as the application receives and sends its messages.

    The mutable state, beside that of the :class:`FrameSender`, is the messages of the last read that the
    application has not received yet, and whether the client has ended.

    Nothing is read before the application asks for it; while the application is busy, the client need not
    answer pings. Of pings in a row only the newest gets a pong.
    """

    __slots__ = (
        "_accepted",
        "_decoder",
        "_early",
        "_encoder",
        "_events",
        "_is_awaited",
        "_is_peer_done",
        "_partial",
        "_scope",
        "_small_full_at",
        "_unyielded",
        "_window_bits",
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
        super().__init__(link, context)
        self._scope: dict[str, Any] | None = websocket_scope(
            head, accepted.subprotocols, self, self.tunnel, base
        )
        self._accepted: Accepted | None = accepted
        self._encoder: ResponseEncoder | None = ResponseEncoder(head)
        self._decoder = FrameDecoder(
            message_limit=context.limits.message, deflate=accepted.deflate is not None
        )
        self._window_bits = accepted.deflate.server_window_bits if accepted.deflate else 0
        self._events: list[frames.Event | None] = _NONE
        self._is_awaited = False
        self._is_peer_done = False
        self._partial = 0
        self._small_full_at = 0.0
        self._unyielded = 0
        self._early = early
        if early:
            self._decode(early)

    # What the application calls.

    async def receive(self) -> dict[str, Any]:
        """Return the next message, or ``websocket.disconnect``. Cancelled, it loses none."""
        if not self._is_awaited:
            self._is_awaited = True
            return {"type": "websocket.connect"}
        while True:
            while self._events:
                self._unyielded += 1
                if self._unyielded % SENDS_IN_A_ROW == 0:
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
        """Accept the handshake or refuse it, send a message, or close."""
        kind = message["type"]
        if kind == "websocket.send":
            if self._state is not OPEN or self._link.is_closed:
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
            raise RuntimeError(f"{kind} is not an ASGI message for a WebSocket.")
        await self._pace()

    def tunnel(self) -> Tunnel:
        """Return the connection for an application that reads and writes the frames itself."""
        if self._state is not CONNECTING or self._encoder is None:
            raise RuntimeError("The WebSocket has been answered already.")
        return Tunnel(
            self._link,
            self._context,
            self._encoder,
            self._early,
            on_begin=self._hand_over,
            on_finish=self._peer_done,
        )

    def _hand_over(self) -> None:
        """Leave the connection to the application, with all that has come."""
        self._state = TUNNELLED
        self._accepted = self._encoder = None
        self._events, self._early = _NONE, b""
        self._decoder = FrameDecoder()
        self._note_partial()

    def _peer_done(self) -> None:
        self._is_peer_done = True

    def _encoded(self, opcode: int, payload: bytes) -> bytes:
        if self._window_bits and len(payload) >= self._context.deflate_from:
            return frames.encode_deflated(opcode, payload, window_bits=self._window_bits)
        return frames.encode(opcode, payload)

    async def _pace(self) -> None:
        """Wait while the client reads too slowly; let other tasks run now and then."""
        if self._link.queued_bytes:
            await drain(self._link, self._context)
            if self._link.is_closed:
                raise ClientGoneError("the client reads nothing")
            return
        self._unyielded += 1
        if self._unyielded % SENDS_IN_A_ROW == 0:
            await trio.lowlevel.checkpoint()

    def _require_open(self) -> None:
        if self._state in (CONNECTING, REFUSING):
            raise RuntimeError("The WebSocket has not been accepted.")
        raise ClientGoneError("the client has disconnected")

    def _accept(self, subprotocol: str | None, headers: Any) -> None:
        if self._state is not CONNECTING or self._accepted is None or self._encoder is None:
            raise RuntimeError("The WebSocket has been answered already.")
        answer = [*self._accepted.headers(subprotocol), *headers]
        self._link.offer(self._encoder.start(101, answer))
        self._state = OPEN
        self._accepted = self._encoder = None
        self._early = b""
        # Clients that connect together are not pinged together: the first ping comes after 0.5 to 1 interval.
        self._context.served += 1
        share = 0.5 + self._context.served % 64 / 128
        self._context.arm(self, self._context.now + share * self._context.heartbeat())

    def _refuse(self, status: int, headers: Any) -> None:
        if self._state is not CONNECTING or self._encoder is None:
            raise RuntimeError("The WebSocket has been answered already.")
        self._link.offer(self._encoder.start(status, headers, close=True, date=self._context.date))
        self._state = REFUSING

    def _close(self, code: int, reason: str) -> None:
        if self._state is CONNECTING:
            self._refuse_with(ProblemError("socket_refused", reason or "This WebSocket is not accepted."))
        elif self._state is OPEN:
            self._send_close(code, reason)

    def _refuse_with(self, error: ProblemError) -> None:
        assert self._encoder is not None  # noqa: S101 - there while connecting
        body = error.body()
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
        self._refuse(error.status, headers)
        self._link.offer(self._encoder.data(body, more=False))

    # Receiving.

    def _on_woken(self) -> None:
        """Note the end of the connection, if reading was woken by it."""
        if self._link.is_closed and self._ended is None:
            self._ended = (ABNORMAL, "")

    def _on_data(self, data: bytes) -> None:
        """Decode the bytes that were read; none means the end of the stream."""
        if data:
            self._has_received = True
            self._decode(data)
            return
        self._is_peer_done = True
        if self._ended is None:
            self._ended = (ABNORMAL, "")
        if self._state is OPEN:
            self._state = CLOSING

    def _decode(self, data: bytes) -> None:
        """Decode bytes; a violation ends the connection after the messages before it were received."""
        decoder, now = self._decoder, self._context.now
        limit = self._context.limits.small_frames
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
        """Whether it was closed for exceeding the limit of small frames."""
        return self._decoder.failure == small_frames.TOO_MANY

    def _note_partial(self) -> None:
        """Count the bytes stored of an incomplete message."""
        held, before = self._decoder.partial_bytes, self._partial
        if held != before:
            self._partial = held
            self._context.partial.note(self, before, held)

    def give_up_message(self) -> None:
        """Close the connection: its message has been incomplete for too long, and memory is short."""
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
        if self._state is OPEN:
            self._send_close(violation.close_code, violation.detail)
        if self._ended is None:
            self._ended = (violation.close_code, violation.detail)

    async def _on_control(self, event: Any) -> None:
        if isinstance(event, Ping):
            await self._link.drained(PONGS_HELD)
            # RFC 6455 §5.5.3: one "MAY elect to send a Pong frame for only the most recently processed Ping".
            if not (self._events and isinstance(self._events[-1], Ping)):
                self.offer(frames.encode(frames.PONG, event.payload))
        elif isinstance(event, CloseFrame):
            if self._state is OPEN:
                self._send_close(event.code, "")
            self._is_peer_done = True
            self._ended = (event.code, event.reason)
        elif event is None:
            await trio.lowlevel.checkpoint()
            self._decode(b"")  # the violation, which waited for the messages before it

    # The task of the connection.

    def application(self) -> Awaitable[None]:
        """Return the application's coroutine, and drop the scope here: it is the largest object."""
        scope, self._scope = self._scope, None
        run: Awaitable[None] = self._context.app(scope, self.receive, self.send)
        return run

    async def end(self, *, is_failed: bool) -> None:
        """End the connection in order, after the application has returned."""
        self._finish(is_failed=is_failed)
        with trio.move_on_after(self._context.timeouts.close) as ending:
            await self._await_end()
        if ending.cancelled_caught:
            self._link.abort()

    def forget(self) -> None:
        """Remove the deadline, and free the bytes of an incomplete message."""
        self._context.disarm(self)
        if self._partial:
            self._context.partial.note(self, self._partial, 0)
            self._partial = 0

    def _finish(self, *, is_failed: bool) -> None:
        """Finish the response or send the close frame if the application did not."""
        if self._state is CONNECTING:
            if is_failed:
                self._refuse_with(
                    ProblemError("internal_error", "The service could not handle this request.")
                )
            else:
                self._refuse_with(ProblemError("socket_refused", "This WebSocket is not accepted."))
        elif self._state is OPEN:
            self._send_close(INTERNAL_ERROR if is_failed else NORMAL, "")
        elif self._state is TUNNELLED and is_failed:
            self._link.abort()

    async def _await_end(self) -> None:
        """Wait until everything is sent and the client has answered our close frame or disconnected."""
        link = self._link
        await link.drained(1)
        if self._state in (REFUSING, TUNNELLED) or self._decoder.is_failed:
            link.end_output()
        self._is_peer_done |= any(isinstance(event, CloseFrame) for event in self._events)
        while not (link.is_closed or self._is_peer_done):
            try:
                data = await link.receive()
                if not data:
                    return
                if not (self._decoder.is_failed or self._state is TUNNELLED):
                    self._is_peer_done = any(
                        isinstance(event, CloseFrame) for event in self._decoder.feed(data)
                    )
            except trio.ClosedResourceError:
                continue
            except ProtocolViolationError:
                link.end_output()  # bytes after our close frame are read and ignored, so that it arrives


def shake_hands(head: RequestHead, link: Link, context: ServerContext) -> Accepted | None:
    """Return how to accept the handshake, or send a refusal and return None."""
    try:
        return accept(head, deflate=context.deflate)
    except BadHandshakeError as error:
        context.refused[error.kind] += 1
        link.offer(refused_handshake(error, date=context.date))
        return None
