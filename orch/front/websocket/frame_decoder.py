"""Decodes the frames of a WebSocket client (RFC 6455 §5). Pure.

The decoder passes over the bytes once; a complete frame is unmasked without another copy. The payload of an
incomplete frame is processed as it comes, so that a wrong length or invalid text is refused before the rest
has come, and a client can make us store no more than one message.
"""

import codecs
import zlib
from typing import Any, Final

from orch.front.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    CONTROL_LIMIT,
    FIN,
    FLUSHED,
    NO_STATUS,
    PING,
    PONG,
    RSV1,
    TEXT,
    Binary,
    CloseFrame,
    Event,
    Ping,
    Pong,
    ProtocolViolationError,
    Text,
    is_close_code,
)
from orch.front.websocket.small_frames import REASON, SMALL, TOO_MANY

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiled wheel for this machine
    from websockets.utils import apply_mask

_RESERVED: Final = 0x70
_MASKED: Final = 0x80

AT_ONCE: Final = 1_024
"""Messages decoded in one call: some milliseconds."""

UNLIMITED: Final = 2**63
"""No limit on small frames."""

_WINDOW: Final = -15
"""Raw deflate with the largest window, which reads what was compressed with any (RFC 7692 §7.1.2)."""

_utf8 = codecs.getincrementaldecoder("utf-8")


class FrameDecoder:
    """Decodes the frames of a client into messages. One for each connection.

    ``message_limit``: bytes of one message, and so of one frame (close code 1009); a compressed message is
    inflated to that size at most. ``deflate``: permessage-deflate without context takeover was negotiated.

    :attr:`allowance` is the number of control frames and small fragments that may still come (close code
    1008). It is decreased here and set by the owner, which has the clock
    (:mod:`orch.front.websocket.small_frames`).

    The mutable state is the incomplete head or control frame, and the incomplete message with its current
    frame.

    Messages before a violation are returned first; then :attr:`is_failed` is true and the next call raises
    the violation. Nothing is read after a close frame (§5.5.1). One call returns :data:`AT_ONCE` messages at
    most, so that other tasks can run; :attr:`has_more` is true then, and the next call continues.
    """

    __slots__ = (
        "_failure",
        "_has_more",
        "_inflate",
        "_is_closed",
        "_is_deflate_agreed",
        "_is_last",
        "_limit",
        "_mask",
        "_message",
        "_missing",
        "_opcode",
        "_pending",
        "_text",
        "allowance",
    )

    def __init__(self, *, message_limit: int = 2**20, deflate: bool = False) -> None:
        self._is_deflate_agreed = deflate
        self._inflate: Any = None
        self._limit = message_limit
        self._pending = b""
        self._message: bytearray | None = None
        self._opcode = 0
        self._text: codecs.IncrementalDecoder | None = None
        self._missing = 0
        self._mask = b""
        self._is_last = False
        self._is_closed = False
        self._has_more = False
        self._failure: ProtocolViolationError | None = None
        self.allowance = UNLIMITED

    def __repr__(self) -> str:
        under_way = "nothing" if self._message is None else f"{len(self._message)} bytes"
        return f"<FrameDecoder {under_way} stored, {self._missing} to come of the frame>"

    @property
    def is_failed(self) -> bool:
        """Whether the next call raises."""
        return self._failure is not None

    @property
    def failure(self) -> str:
        """The kind of the violation; empty if there was none."""
        return "" if self._failure is None else self._failure.kind

    @property
    def has_more(self) -> bool:
        """Whether there may be more messages in the bytes: call again, with more bytes or none."""
        return self._has_more

    @property
    def partial_bytes(self) -> int:
        """How many bytes are stored of an incomplete message."""
        return 0 if self._message is None else len(self._message)

    def fail(self, violation: ProtocolViolationError) -> None:
        """Stop decoding and drop the incomplete message: the next call raises ``violation``."""
        self._failure = violation
        self._message = self._text = self._inflate = None

    def feed(self, data: bytes) -> list[Event]:
        """Return the messages that ``data`` completes; raise ProtocolViolationError."""
        if self._failure is not None:
            raise self._failure
        if self._pending:
            data = self._pending + data
            self._pending = b""
        events: list[Event] = []
        try:
            self._read(data, events)
        except ProtocolViolationError as violation:
            self.fail(violation)
            if not events:
                raise
        return events

    def _read(self, data: bytes, events: list[Event]) -> None:  # noqa: C901, PLR0912, PLR0915 - one pass, no calls for a small frame
        """Read frames from ``data``; store an incomplete head or control frame for the next call."""
        at, end = 0, len(data)
        if self._missing:
            at = min(self._missing, end)
            self._take(data[:at], events)
        self._has_more = False
        while end - at >= 2 and not self._is_closed:  # noqa: PLR2004 - a head's fixed bytes (§5.2)
            if len(events) >= AT_ONCE:
                self._has_more = True
                break
            first, second = data[at], data[at + 1]
            opcode = first & 0x0F
            self._check_head(first, second, opcode)
            size = second & 0x7F
            body = at + 6
            if size == 126:  # noqa: PLR2004 - §5.2: two bytes of length follow
                body = at + 8
                if end < at + 4:
                    break
                size = int.from_bytes(data[at + 2 : at + 4], "big")
                if size <= CONTROL_LIMIT:
                    raise ProtocolViolationError(
                        1002, "length_not_minimal", f"{size} bytes need no longer length."
                    )
            elif size == 127:  # noqa: PLR2004 - §5.2: eight bytes of length follow
                body = at + 14
                if end < at + 10:
                    break
                size = _long(data[at + 2 : at + 10])
            if opcode < CLOSE and size + len(self._message or b"") > self._limit:
                raise ProtocolViolationError(
                    1009, "message_too_large", f"A message can have {self._limit} bytes at most."
                )
            if end < body:
                break
            mask = data[body - 4 : body]
            at = body + size
            if opcode >= CLOSE:
                if at > end:
                    at = body - 6
                    break
                if opcode != CLOSE:
                    self._weigh()
                events.append(self._control(opcode, apply_mask(data[body:at], mask)))
            elif at <= end and first & (FIN | RSV1) == FIN and opcode and self._message is None:
                events.append(_message(opcode, apply_mask(data[body:at], mask)))
            else:
                if size < SMALL and (first < FIN or not opcode):
                    self._weigh()
                if first & RSV1:
                    self._inflate = zlib.decompressobj(wbits=_WINDOW)
                self._begin(opcode, size, mask, is_last=first >= FIN)
                at = min(at, end)
                self._take(data[body:at], events)
        if not self._is_closed:
            self._pending = data[at:]

    def _check_head(self, first: int, second: int, opcode: int) -> None:  # noqa: C901 - a list of rules
        """Raise if a client may not send a frame with these first two bytes now."""
        if first & _RESERVED and not (
            self._is_deflate_agreed and first & _RESERVED == RSV1 and opcode in (TEXT, BINARY)
        ):
            # §5.2: "MUST be 0 unless an extension is negotiated"
            raise ProtocolViolationError(
                1002, "reserved_bits", "Reserved bits are set, but no extension was negotiated."
            )
        if second < _MASKED:
            # §5.1: "The server MUST close the connection upon receiving a frame that is not masked."
            raise ProtocolViolationError(1002, "not_masked", "A client must mask its frames.")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise ProtocolViolationError(1002, "reserved_opcode", f"Opcode {opcode} is reserved.")
            if first < FIN:
                raise ProtocolViolationError(
                    1002, "fragmented_control", "A control frame must not be fragmented."
                )
            if second & 0x7F > CONTROL_LIMIT:
                raise ProtocolViolationError(
                    1002, "control_too_large", "A control frame can have 125 bytes at most."
                )
        elif opcode > BINARY:
            raise ProtocolViolationError(1002, "reserved_opcode", f"Opcode {opcode} is reserved.")
        elif opcode == CONTINUATION:
            if self._message is None:
                raise ProtocolViolationError(1002, "nothing_to_continue", "There is no message to continue.")
        elif self._message is not None:
            raise ProtocolViolationError(1002, "message_interrupted", "The previous message is incomplete.")

    def _weigh(self) -> None:
        """Count a control frame or small fragment."""
        self.allowance -= 1
        if self.allowance < 0:
            # §7.4.1: 1008 is for "a message that violates its policy" if no other code fits.
            raise ProtocolViolationError(1008, TOO_MANY, REASON)

    def _control(self, opcode: int, payload: bytes) -> Event:
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong(payload)
        close = _close(payload)
        self._is_closed = True
        self._message = self._text = self._inflate = None
        return close

    def _begin(self, opcode: int, size: int, mask: bytes, *, is_last: bool) -> None:
        """Begin a data frame that is incomplete, or a fragment of a message."""
        if self._message is None:
            self._message = bytearray()
            self._opcode = opcode
            self._text = _utf8() if opcode == TEXT else None
        self._missing, self._mask, self._is_last = size, mask, is_last

    def _take(self, masked: bytes, events: list[Event]) -> None:
        """Add bytes of the current data frame to the message."""
        assert self._message is not None  # noqa: S101 - _begin has made it
        size = len(masked)
        self._missing -= size
        if size:
            payload = apply_mask(masked, self._mask)
            turn = size % 4
            self._mask = self._mask[turn:] + self._mask[:turn]
            self._add(payload)
        if self._missing or not self._is_last:
            return
        if self._inflate is not None:
            self._add(FLUSHED)
            self._inflate = None
        if self._text is not None:
            _check_text(self._text, b"", is_whole=True)
        message, self._message, self._text = bytes(self._message), None, None
        events.append(_message(self._opcode, message))

    def _add(self, payload: bytes) -> None:
        """Add a payload to the message, inflated if it is compressed."""
        assert self._message is not None  # noqa: S101 - _begin has made it
        if self._inflate is not None:
            payload = self._inflated(payload)
        self._message += payload
        if self._text is not None:
            _check_text(self._text, payload, is_whole=False)

    def _inflated(self, payload: bytes) -> bytes:
        """Return ``payload`` inflated; raise before it exceeds the message limit."""
        room = self._limit - len(self._message or b"")
        try:
            inflated: bytes = self._inflate.decompress(payload, room + 1)
        except zlib.error as error:
            raise ProtocolViolationError(
                1007, "not_deflate", "The compressed message cannot be read."
            ) from error
        if len(inflated) > room:
            if self._text is not None:  # the first fault is reported, however the bytes were divided
                _check_text(self._text, inflated[:room], is_whole=False)
            raise ProtocolViolationError(
                1009, "message_too_large", f"A message can have {self._limit} bytes at most."
            )
        if self._inflate.unused_data.strip(b"\x00\xff"):
            raise ProtocolViolationError(
                1007, "not_deflate", "There is data after the end of the compressed message."
            )
        return inflated


def _long(encoded: bytes) -> int:
    """Return a length of eight bytes (§5.2: "the most significant bit MUST be 0", and minimal)."""
    size = int.from_bytes(encoded, "big")
    if size >> 63:
        raise ProtocolViolationError(1002, "length_too_large", "The first bit of a length must be 0.")
    if size < 0x10000:  # noqa: PLR2004 - what two bytes hold
        raise ProtocolViolationError(1002, "length_not_minimal", f"{size} bytes need no longer length.")
    return size


def _message(opcode: int, payload: bytes) -> Text | Binary:
    if opcode == BINARY:
        return Binary(payload)
    try:
        return Text(payload.decode())
    except UnicodeDecodeError as error:
        raise _not_utf8() from error


def _check_text(decoder: codecs.IncrementalDecoder, payload: bytes, *, is_whole: bool) -> None:
    try:
        decoder.decode(payload, is_whole)
    except UnicodeDecodeError as error:
        raise _not_utf8() from error


def _not_utf8() -> ProtocolViolationError:
    return ProtocolViolationError(1007, "not_utf8", "Text must be UTF-8.")


def _close(payload: bytes) -> CloseFrame:
    """Return the payload of a close frame, decoded (§5.5.1)."""
    if not payload:
        return CloseFrame(NO_STATUS, "")
    if len(payload) == 1:
        raise ProtocolViolationError(1002, "close_too_short", "A close code must have two bytes.")
    code = int.from_bytes(payload[:2], "big")
    if not is_close_code(code):
        raise ProtocolViolationError(1002, "close_code", f"{code} is not a valid code in a close frame.")
    try:
        return CloseFrame(code, payload[2:].decode())
    except UnicodeDecodeError as error:
        raise _not_utf8() from error
