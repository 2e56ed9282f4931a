"""WebSocket messages, and their frames as a server sends them (RFC 6455 §5). Pure."""

import zlib
from typing import Final

from msgspec import Struct

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

FIN: Final = 0x80
RSV1: Final = 0x40
CONTROL_LIMIT: Final = 125
"""Bytes of a control frame's payload (§5.5), and the largest length that fits the second byte (§5.2)."""

_SENDABLE: Final = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))
"""Close codes below 3000 that a frame may contain (§7.4.1 and the IANA registry)."""

NO_STATUS: Final = 1005
"""The code of a close frame without one; no frame contains it (§7.4.1)."""

FLUSHED: Final = b"\x00\x00\xff\xff"
"""The last bytes of a flushed deflate block, which are not sent (RFC 7692 §7.2.1)."""


class Text(Struct, frozen=True, gc=False):
    """A complete text message."""

    text: str


class Binary(Struct, frozen=True, gc=False):
    """A complete binary message."""

    data: bytes


class Ping(Struct, frozen=True, gc=False):
    """To be answered with a pong of the same payload (§5.5.2)."""

    payload: bytes


class Pong(Struct, frozen=True, gc=False):
    """A response to a ping, or unsolicited (§5.5.3)."""

    payload: bytes


class CloseFrame(Struct, frozen=True, gc=False):
    """The last frame of the peer. ``code`` is 1005 if it contains none."""

    code: int
    reason: str


Event = Text | Binary | Ping | Pong | CloseFrame


class ProtocolViolationError(Exception):
    """The peer broke the protocol: the connection is closed with ``close_code`` (1002, 1007, 1008 or 1009).

    ``kind`` is one stable word, to be counted; ``detail`` says what was wrong.
    """

    def __init__(self, close_code: int, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.close_code = close_code
        self.kind = kind
        self.detail = detail


def is_close_code(code: int) -> bool:
    """Return whether a close frame may contain ``code`` (§7.4)."""
    return code in _SENDABLE or 3000 <= code <= 4999  # noqa: PLR2004 - the RFC's ranges for libraries and applications


def encode(opcode: int, payload: bytes, *, compressed: bool = False) -> bytes:
    """Return a frame as a server sends it: not fragmented, not masked (§5.1)."""
    first = FIN | opcode | (RSV1 if compressed else 0)
    size = len(payload)
    if size <= CONTROL_LIMIT:
        return bytes((first, size)) + payload
    if size < 0x10000:  # noqa: PLR2004 - what two bytes hold (§5.2)
        return bytes((first, 126, size >> 8, size & 0xFF)) + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def encode_deflated(opcode: int, payload: bytes, *, window_bits: int = 15) -> bytes:
    """Return a compressed frame (RFC 7692 §7.2.1), for a client that has agreed to permessage-deflate.

    ``window_bits``: the base-2 logarithm of the window's size in bytes, 9 to 15. Each message is compressed
    by itself: a window stored for each client would cost more memory than it saves bytes.
    """
    deflate = zlib.compressobj(wbits=-window_bits)
    data = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return encode(opcode, data.removesuffix(FLUSHED), compressed=True)


def encode_text(payload: bytes) -> bytes:
    """Return a text frame; ``payload`` is UTF-8."""
    return encode(TEXT, payload)


def encode_close(code: int, reason: str = "") -> bytes:
    """Return a close frame; ``reason`` is cut to 123 bytes (§5.5)."""
    if code == NO_STATUS:
        return encode(CLOSE, b"")
    if not is_close_code(code):
        raise ValueError(f"{code} is not a valid code in a close frame")
    words = reason.encode()
    if len(words) > CONTROL_LIMIT - 2:
        words = words[: CONTROL_LIMIT - 2].decode(errors="ignore").encode()
    return encode(CLOSE, code.to_bytes(2, "big") + words)
