"""Counts control frames and small fragments in bytes that a library decodes. Pure.

Hypercorn answers every WebSocket ping, and every HTTP/2 frame that needs an answer, as fast as they come. So
the heads of frames are read here first; payloads are skipped.
"""

from typing import Final

from orch.front.websocket.small_frames import DEFAULT, SMALL

_CONTINUATION: Final = 0x0
_CONTROL: Final = 0x8
_CLOSE: Final = 0x8
_FIN: Final = 0x80
_LENGTHS: Final = {126: 2, 127: 8}

_HTTP2_HEAD: Final = 9
_DATA: Final = 0x0
_HEADERS: Final = 0x1
_WINDOW_UPDATE: Final = 0x8
_END_STREAM: Final = 0x1
_LEAST_DATA: Final = 6
"""Bytes of the shortest frame of a WebSocket (RFC 8441): clients have no use for less in one of HTTP/2."""

WINDOW_UPDATES: Final = 4
"""So many window updates count as one frame: a client sends two for every 32 KB of a large answer."""


class WebSocketMeter:
    """Counts control frames (but closes) and small fragments.

    The mutable state is an incomplete head, and the bytes left of a payload.
    """

    __slots__ = ("_head", "_left")

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    def feed(self, data: bytes) -> int:
        """Return how many begin in ``data``."""
        count = 0
        data, at = self._head + data, min(self._left, len(data))
        self._left -= at
        end = len(data)
        while end - at >= 2:  # noqa: PLR2004 - RFC 6455 §5.2: a head's fixed bytes
            first, size = data[at], data[at + 1] & 0x7F
            body = at + 2 + (4 if data[at + 1] & 0x80 else 0)
            more = _LENGTHS.get(size, 0)
            if more:
                if end < at + 2 + more:
                    break
                size = int.from_bytes(data[at + 2 : at + 2 + more], "big")
                body += more
            if end < body:
                break
            opcode = first & 0x0F
            is_part = opcode == _CONTINUATION or first < _FIN
            count += opcode > _CLOSE or (opcode < _CONTROL and is_part and size < SMALL)
            at = min(body + size, end)
            self._left = body + size - at
        self._head = data[at:]
        return count


class Http2Meter:
    """Counts frames other than requests and data (RFC 9113 §4.1); ``skip`` bytes come before the first.

    The mutable state is an incomplete head, the bytes left of a payload, and the window updates not counted.
    """

    __slots__ = ("_head", "_left", "_updates")

    def __init__(self, *, skip: int = 0) -> None:
        self._head = b""
        self._left = skip
        self._updates = 0

    def feed(self, data: bytes) -> int:
        """Return how many begin in ``data``."""
        count = 0
        data, at = self._head + data, min(self._left, len(data))
        self._left -= at
        end = len(data)
        while end - at >= _HTTP2_HEAD:
            size, kind, flags = int.from_bytes(data[at : at + 3], "big"), data[at + 3], data[at + 4]
            if kind == _WINDOW_UPDATE:
                self._updates += 1
                if self._updates == WINDOW_UPDATES:
                    self._updates = 0
                    count += 1
            elif kind == _DATA:
                count += size < _LEAST_DATA and not flags & _END_STREAM
            elif kind != _HEADERS:
                count += 1
            body = at + _HTTP2_HEAD
            at = min(body + size, end)
            self._left = body + size - at
        self._head = data[at:]
        return count


class Allowance:
    """The frames that one connection may still send. The mutable state is one time."""

    __slots__ = ("_full_at",)

    def __init__(self) -> None:
        self._full_at = 0.0

    def take(self, count: int, now: float) -> bool:
        """Count ``count`` frames; return whether they are within the limit."""
        if not count:
            return True
        is_fine = count <= DEFAULT.remaining(self._full_at, now)
        self._full_at = DEFAULT.after(self._full_at, now, count)
        return is_fine
