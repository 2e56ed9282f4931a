"""Follows the frames of a WebSocket (RFC 6455 §5) without changing or storing them. Pure.

Data frames are passed on as the bytes that arrived, masked or compressed as they are, however long they are:
only their heads are read. Control frames, of 125 bytes at most, are passed on one by one, so that they can be
recognised, and others be inserted before and after them.
"""

from typing import Final, NamedTuple

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

FIN: Final = 0x80
_RSV1: Final = 0x40
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
CONTROL_LIMIT: Final = 125
_LENGTHS: Final = {126: 2, 127: 8}
_LEAST_OF_TWO: Final = 126
_LEAST_OF_EIGHT: Final = 65_536

PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005
TOO_LARGE: Final = 1009

SMALL: Final = 1_024
"""Bytes below which a fragment counts as a small frame."""


class Control(NamedTuple):
    """A control frame; ``payload`` is unmasked, ``wire`` what arrived."""

    opcode: int
    payload: bytes
    wire: bytes


class Violation(NamedTuple):
    """What a peer did wrong, with the close code for it."""

    code: int
    detail: str


class FrameScanner:
    """Follows the frames that one side sends.

    ``masked``: whether they must be masked, as those of clients. ``limit``: bytes of one message.
    ``deflate``: permessage-deflate was negotiated, so that the first frame of a message may be marked as
    compressed.

    The mutable state is an incomplete head or control frame, the bytes left of a data frame, and the size of
    the message so far.

    After a :attr:`violation`, or a close frame, nothing more is passed on.
    """

    __slots__ = ("_deflate", "_held", "_is_open", "_left", "_limit", "_masked", "_size", "small", "violation")

    def __init__(self, *, masked: bool, limit: int, deflate: bool = False) -> None:
        self._masked = masked
        self._limit = limit
        self._deflate = deflate
        self._held = b""
        self._left = 0
        self._size = 0
        self._is_open = False
        self.small = 0
        """Control frames (but closes) and small fragments so far."""
        self.violation: Violation | None = None

    def __repr__(self) -> str:
        return f"<FrameScanner {self._left} to come of the frame, {self._size} of the message>"

    @property
    def is_between_frames(self) -> bool:
        """Whether what was passed on so far ends with a frame, so that a control frame may follow."""
        return not self._left

    def feed(self, data: bytes) -> list[bytes | Control]:
        """Return what to pass on of some bytes, in order."""
        if self.violation is not None:
            return []
        data, self._held = self._held + data, b""
        out: list[bytes | Control] = []
        start, at = 0, min(self._left, len(data))
        self._left -= at
        while (head := self._head(data, at)) is not None:
            opcode, body, size = head
            end = body + size
            if opcode < CLOSE:
                if self._refuse(self._begin(data[at], opcode, size)):
                    break
                at = min(end, len(data))
                self._left = end - at
            elif end > len(data):  # a control frame is passed on in one piece
                break
            else:
                if at > start:
                    out.append(data[start:at])
                payload = masked(data[body:end], data[body - 4 : body]) if self._masked else data[body:end]
                self._take_control(Control(opcode, payload, data[at:end]), out)
                start = at = end
        if at > start:
            out.append(data[start:at])
        if self.violation is None:
            self._held = data[at:]
        return out

    def _take_control(self, control: Control, out: list[bytes | Control]) -> None:
        """Add a control frame."""
        if control.opcode != CLOSE:
            self.small += 1
        elif self._refuse(_close_fault(control.payload)):
            return
        else:
            self.violation = _ENDED
        out.append(control)

    def _head(self, data: bytes, at: int) -> tuple[int, int, int] | None:
        """Return opcode, beginning and size of the payload; None if the head is incomplete, or wrong."""
        if len(data) - at < 2 or self.violation is not None:  # noqa: PLR2004 - a head's fixed bytes (§5.2)
            return None
        first, second = data[at], data[at + 1]
        if self._refuse(self._fault(first, second)):
            return None
        size = second & 0x7F
        more = _LENGTHS.get(size, 0)
        body = at + 2 + more + (4 if self._masked else 0)
        if len(data) < body:
            return None
        if more:
            size = int.from_bytes(data[at + 2 : at + 2 + more], "big")
            if self._refuse(_length_fault(size, more)):
                return None
        return first & 0x0F, body, size

    def _refuse(self, fault: str | Violation) -> bool:
        if not fault:
            return False
        self.violation = fault if isinstance(fault, Violation) else Violation(PROTOCOL_ERROR, fault)
        return True

    def _fault(self, first: int, second: int) -> str:
        """Return what is wrong with the first two bytes of a frame, "" if nothing."""
        opcode = first & 0x0F
        if opcode > PONG or BINARY < opcode < CLOSE:
            return f"Opcode {opcode} is reserved."
        if first & _RESERVED and not (
            self._deflate and first & _RESERVED == _RSV1 and opcode in (TEXT, BINARY)
        ):
            # §5.2: "MUST be 0 unless an extension is negotiated"
            return "Reserved bits are set, but no extension was negotiated."
        if (second >= _MASKED) is not self._masked:
            # §5.1, which binds both sides
            return "A client must mask its frames." if self._masked else "A server must not mask its frames."
        if opcode >= CLOSE:
            if first < FIN:
                return "A control frame must not be fragmented."
            if second & 0x7F > CONTROL_LIMIT:
                return "A control frame can have 125 bytes at most."
        return ""

    def _begin(self, first: int, opcode: int, size: int) -> str | Violation:
        """Note a data frame of ``size`` bytes; return what is wrong with it."""
        if (opcode == CONTINUATION) is not self._is_open:
            return (
                "The previous message is incomplete." if self._is_open else "There is no message to continue."
            )
        self._size = size + (self._size if opcode == CONTINUATION else 0)
        if self._size > self._limit:
            return Violation(TOO_LARGE, f"A message can have {self._limit} bytes at most.")
        if size < SMALL and (first < FIN or opcode == CONTINUATION):
            self.small += 1
        self._is_open = first < FIN
        return ""


_ENDED: Final = Violation(PROTOCOL_ERROR, "There are bytes after a close frame.")
"""Never sent: RFC 6455 §5.5.1 has what follows a close frame ignored."""


def _length_fault(size: int, coded: int) -> str:
    if size >> 63:
        return "The first bit of a length must be 0."
    if size < (_LEAST_OF_TWO if coded == 2 else _LEAST_OF_EIGHT):  # noqa: PLR2004 - §5.2: in two bytes or eight
        return f"{size} bytes need no longer length."
    return ""


def _close_fault(payload: bytes) -> str:
    if len(payload) == 1:
        return "A close code must have two bytes."
    if payload and not is_close_code(int.from_bytes(payload[:2], "big")):
        return f"{int.from_bytes(payload[:2], 'big')} is not a valid code in a close frame."
    return ""


def is_close_code(code: int) -> bool:
    """Return whether a close frame may contain ``code`` (§7.4 and the IANA registry)."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))  # noqa: PLR2004 - the RFC's ranges


def close_code(payload: bytes) -> int:
    """Return the code in a close frame, 1005 if it has none."""
    return int.from_bytes(payload[:2], "big") if payload else NO_STATUS


def control(opcode: int, payload: bytes, mask: bytes = b"") -> bytes:
    """Return a control frame. ``mask``: four bytes towards a server, none towards a client."""
    if not mask:
        return bytes((FIN | opcode, len(payload))) + payload
    return bytes((FIN | opcode, _MASKED | len(payload))) + mask + masked(payload, mask)


def close_payload(code: int, reason: str = "") -> bytes:
    """Return the payload of a close frame; ``reason`` is cut to 123 bytes (§5.5)."""
    if code == NO_STATUS:
        return b""
    words = reason.encode()[: CONTROL_LIMIT - 2].decode(errors="ignore").encode()
    return code.to_bytes(2, "big") + words


def masked(payload: bytes, mask: bytes) -> bytes:
    """Return a short payload masked, or unmasked (§5.3)."""
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
