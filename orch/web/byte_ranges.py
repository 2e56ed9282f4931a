"""Which bytes of a file a request wants (RFC 9110 §14). Pure."""

import re
from typing import Final

from msgspec import Struct

_RANGES: Final = re.compile(r"bytes\s*=\s*(.*)", re.IGNORECASE)
_ONE: Final = re.compile(r"([0-9]{0,18})\s*-\s*([0-9]{0,18})")


class ByteRange(Struct, frozen=True):
    """Bytes ``begin`` up to ``end`` (excluded) of a file."""

    begin: int
    end: int

    @property
    def length(self) -> int:
        """How many they are."""
        return self.end - self.begin

    def of(self, size: int) -> str:
        """Return the value of ``Content-Range``."""
        return f"bytes {self.begin}-{self.end - 1}/{size}"


class UnsatisfiableError(ValueError):
    """No byte that was requested exists: the response is 416."""


def read_range(header: str | None, size: int) -> ByteRange | None:
    """Return the requested range of a file of ``size`` bytes; None: the whole file.

    Several ranges at once, other units and what is no range are ignored, as the RFC allows: the file is sent
    whole.

    >>> read_range("bytes=-5", 10)
    ByteRange(5, 10)
    """
    found = _RANGES.fullmatch(header.strip()) if header else None
    one = _ONE.fullmatch(found[1].strip()) if found else None
    if one is None or one[0].strip() == "-":
        return None
    first, last = one[1], one[2]
    if not first:
        wanted = int(last)
        if not wanted or not size:
            raise UnsatisfiableError
        return ByteRange(max(0, size - wanted), size)
    begin = int(first)
    end = min(size, int(last) + 1) if last else size
    if last and int(last) < begin:
        return None
    if begin >= size:
        raise UnsatisfiableError
    return ByteRange(begin, end)
