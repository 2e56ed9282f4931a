"""Frames of a back end as whole messages, and messages as frames of a client. Pure.

For servers that offer applications messages alone, as ASGI has them (Hypercorn).
"""

from typing import Final

from orch.gateway.sockets.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    TEXT,
    TOO_LARGE,
    Violation,
    close_code,
)

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiled wheel for this machine
    from websockets.utils import apply_mask

BUFFERED: Final = 2**20
"""Bytes of a message that is stored until it is complete; as many as the service's own WebSockets take."""
NOT_UTF8: Final = 1007

_LENGTHS: Final = {126: 2, 127: 8}
_TWO_BYTES: Final = 65_536

Message = str | bytes


def frame(message: Message, mask: bytes) -> bytes:
    """Return a message as one frame of a client; ``mask``: four unpredictable bytes (§5.3)."""
    opcode, payload = (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)
    size = len(payload)
    if size < 126:  # noqa: PLR2004 - §5.2
        head = bytes((FIN | opcode, 0x80 | size))
    elif size < _TWO_BYTES:
        head = bytes((FIN | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((FIN | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + mask + apply_mask(payload, mask)


class Assembler:
    """Puts a back end's frames together, which have been checked already.

    The mutable state is the incomplete message, of :data:`BUFFERED` bytes at most, and the rest of its frame.
    """

    def __init__(self) -> None:
        self._message = bytearray()
        self._opcode = 0
        self._left = 0
        self._is_last = False
        self._held = b""
        self.closed: int | None = None
        """The code of the back end's close frame, and then :attr:`reason`."""
        self.reason = ""
        self.violation: Violation | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete. Control frames but closes are left out."""
        out: list[Message] = []
        data = self._held + data
        at = 0
        while (taken := self._take(data, at, out)) and self.violation is None and self.closed is None:
            at += taken
        self._held = data[at:]
        return out

    def _take(self, data: bytes, at: int, out: list[Message]) -> int:
        """Read a part of a payload, a head or a control frame; return its bytes, 0 if more have to come."""
        if self._left:
            piece = data[at : at + self._left]
            self._left -= len(piece)
            self._message += piece
            self._complete(out)
            return len(piece)
        if len(data) - at < 2:  # noqa: PLR2004 - a head's fixed bytes (§5.2)
            return 0
        first, size = data[at], data[at + 1] & 0x7F
        more = _LENGTHS.get(size, 0)
        body = at + 2 + more
        if len(data) < body:
            return 0
        if more:
            size = int.from_bytes(data[at + 2 : body], "big")
        opcode = first & 0x0F
        if opcode < CLOSE:
            self._begin(first, opcode, size, out)
            return body - at
        if len(data) < body + size:
            return 0
        if opcode == CLOSE:
            payload = data[body : body + size]
            self.closed, self.reason = close_code(payload), payload[2:].decode(errors="replace")
        return body + size - at

    def _begin(self, first: int, opcode: int, size: int, out: list[Message]) -> None:
        if opcode != CONTINUATION:
            self._opcode = opcode
        if len(self._message) + size > BUFFERED:
            self.violation = Violation(
                TOO_LARGE, f"Over this server, a message of a back end can have {BUFFERED} bytes at most."
            )
            return
        self._left, self._is_last = size, first >= FIN
        self._complete(out)

    def _complete(self, out: list[Message]) -> None:
        """Return the message, if its last frame is complete."""
        if self._left or not self._is_last:
            return
        payload, self._message = bytes(self._message), bytearray()
        if self._opcode == BINARY:
            out.append(payload)
            return
        try:
            out.append(payload.decode())
        except UnicodeDecodeError:
            self.violation = Violation(NOT_UTF8, "The back end sent text that is not UTF-8.")
