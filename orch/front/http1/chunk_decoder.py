"""Reads the chunked coding (RFC 9112, 7.1), strictly. Pure.

Not left to llhttp: it does not stop at the end of a message, and the bytes after it are the next request's.
"""

import re
from enum import Enum, auto
from typing import Final

from orch.front.http1.refusals import FAULT, BadRequestError, judge_header_line

SIZE_DIGITS: Final = 15
"""Hexadecimal digits of a chunk's size: less than 2**60, so that no peer's signed 64 bits overflow."""
LINE_BYTES: Final = 1024
"""Bytes of the line with a chunk's size and extensions. Extensions are ignored."""
EXTENSION_BYTES: Final = 16 * 1024
"""Bytes of all extensions of a message (Go's limit): ignored bytes cost as much as others."""

AT_ONCE: Final = 512
"""Small chunks read in one turn: a millisecond or two."""

SMALL: Final = 64
"""Bytes below which a chunk costs more to read than its bytes do."""

_SIZE: Final = re.compile(
    rb"([0-9A-Fa-f]+)"
    rb'(;(?:[\t\x20\x21\x23-\x7e\x80-\xff]|"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*")*)?'
)
"""A quotation ends in its line: one that stays open goes on over the line's end for some parsers, which then
find other chunks than we do (CVE-2026-2332).
"""
_HEXADECIMAL: Final = re.compile(rb"[0-9A-Fa-f]*")

FORBIDDEN_TRAILERS: Final = frozenset(
    {
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields that frame, route or describe a message, which no trailer may (RFC 9110, 6.5.1)."""


class _Part(Enum):
    SIZE = auto()
    DATA = auto()
    END = auto()
    TRAILERS = auto()
    DONE = auto()


class ChunkDecoder:
    """Decodes the body of one chunked message.

    The mutable state is the part that is being read, the bytes still to come of this chunk, and the counts.
    Trailers are checked, counted and dropped: a header that comes after the body has passed no checks.
    """

    __slots__ = (
        "_body_bytes",
        "_extensions",
        "_left",
        "_limit",
        "_part",
        "_trailer_bytes",
        "_trailers",
        "has_more",
        "small",
    )

    def __init__(self, *, body_bytes: int | None, trailer_bytes: int, trailers: int) -> None:
        self._limit = body_bytes
        self._trailer_bytes = trailer_bytes
        self._trailers = trailers
        self._part = _Part.SIZE
        self._left = 0
        self._body_bytes = 0
        self._extensions = 0
        #: Chunks below :data:`SMALL` so far.
        self.small = 0
        self.has_more = False

    @property
    def is_done(self) -> bool:
        """Whether the message has ended."""
        return self._part is _Part.DONE

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """Return the body's bytes in ``data`` and how many bytes of it were used.

        Pass unused bytes again, with more after them; once ``is_done``, they belong to the next message.
        After :data:`AT_ONCE` small chunks it stops and ``has_more`` is true: call again with the unused bytes
        and nothing else. Raises :class:`BadRequestError`.
        """
        most = self.small + AT_ONCE
        self.has_more = False
        pieces = []
        position = 0
        while True:
            if self._part is _Part.SIZE:
                if self.small >= most:
                    self.has_more = True
                    break
                after = self._read_size(data, position)
            elif self._part is _Part.DATA:
                after = min(len(data), position + self._left)
                pieces.append(data[position:after])
                self._left -= after - position
                if not self._left:
                    self._part = _Part.END
            elif self._part is _Part.END:
                after = self._read_end(data, position)
            elif self._part is _Part.TRAILERS:
                after = self._read_trailer(data, position)
            else:
                break
            if after == position:
                break
            position = after
        return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), position

    def _read_size(self, data: bytes, position: int) -> int:
        end = data.find(b"\n", position, position + LINE_BYTES)
        if end < 0:
            if len(data) - position >= LINE_BYTES:
                raise BadRequestError("chunk_extensions_too_large")
            return position
        line = data[position : end - 1]
        if end == position or data[end - 1] != ord("\r"):
            raise BadRequestError("chunk_line_invalid")
        match = _SIZE.fullmatch(line)
        if match is None:
            raise BadRequestError(_judge_size(line))
        digits, extension = match.groups(b"")
        if len(digits) > SIZE_DIGITS:
            raise BadRequestError("chunk_size_too_large")
        self._extensions += len(extension)
        if self._extensions > EXTENSION_BYTES:
            raise BadRequestError("chunk_extensions_too_large")
        self._left = int(digits, 16)
        self._body_bytes += self._left
        self.small += self._left < SMALL
        if self._limit is not None and self._body_bytes > self._limit:
            raise BadRequestError("body_too_large")
        self._part = _Part.DATA if self._left else _Part.TRAILERS
        return end + 1

    def _read_end(self, data: bytes, position: int) -> int:
        end = data[position : position + 2]
        if not b"\r\n".startswith(end):
            raise BadRequestError("chunk_end_invalid")
        if len(end) < 2:  # noqa: PLR2004  # CR LF
            return position
        self._part = _Part.SIZE
        return position + 2

    def _read_trailer(self, data: bytes, position: int) -> int:
        allowed = position + self._trailer_bytes
        end = data.find(b"\n", position, allowed)
        if end < 0:
            if len(data) >= allowed:
                raise BadRequestError("trailers_too_large")
            return position
        if data[position : end + 1] == b"\r\n":
            self._part = _Part.DONE
            return end + 1
        line = data[position : end + 1]
        if FAULT.search(line) or line[:1] in b" \t" or judge_header_line(line):
            raise BadRequestError("trailer_invalid")
        if line.partition(b":")[0].lower() in FORBIDDEN_TRAILERS:
            raise BadRequestError("trailer_forbidden")
        self._trailers -= 1
        self._trailer_bytes -= len(line)
        if self._trailers < 0:
            raise BadRequestError("trailers_too_large")
        return end + 1


def _judge_size(line: bytes) -> str:
    """Name what is wrong with the line of a chunk's size."""
    digits = _HEXADECIMAL.match(line)
    after = line[digits.end() :] if digits else line
    is_sized = len(after) < len(line)
    return "chunk_extension_invalid" if is_sized and after.startswith(b";") else "chunk_size_invalid"
