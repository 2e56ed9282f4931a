"""What two heads have in common that differ only in the values of some headers. Pure.

A client that sends a trace, or an id, with each request sends otherwise the same head. Where all bytes around
such values are those of a head that was read before, and the values are plain text, the head would be read in
the same way: nothing else in it depends on them, neither framing nor routing.
"""

from collections.abc import Collection
from typing import Final

from msgspec import Struct

from orch.repeats import VARYING

_LONGEST: Final = 1024
"""Bytes of a value that differs."""
_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_SPACE: Final = 0x20


class HeadPattern(Struct, frozen=True):
    """A head with gaps. ``pieces``: the bytes around them, one more than there are gaps.

    ``places``: which of the headers each gap is the value of; ``names``: their names in lower case, each
    once.
    """

    pieces: tuple[bytes, ...]
    places: tuple[int, ...]
    names: tuple[bytes, ...]

    def match(self, data: bytes) -> tuple[int, tuple[bytes, ...]] | None:
        """Return where a head ends that ``data`` begins with, and the values in its gaps; None: another."""
        pieces = self.pieces
        if not data.startswith(pieces[0]):
            return None
        at = len(pieces[0])
        values: list[bytes] = []
        for piece in pieces[1:]:
            end = data.find(b"\r", at, at + _LONGEST)
            if end < 0 or not data.startswith(piece, end):
                return None
            value = data[at:end]
            # White space at its ends is no part of a value; an empty one is another thing than a short one.
            if not value or value.translate(None, _PRINTABLE) or value[0] == _SPACE or value[-1] == _SPACE:
                return None
            values.append(value)
            at = end + len(piece)
        return at, tuple(values)


def pattern_of(block: bytes, varying: Collection[bytes] = VARYING) -> HeadPattern:
    """Return the pattern of a head, its empty line included, which was read: with a gap for each ``varying``.

    Without any gap, if one of them is there twice.
    """
    pieces: list[bytes] = []
    places: list[int] = []
    names: list[bytes] = []
    begin = at = 0
    for number, line in enumerate(block.split(b"\r\n")):
        name, _, value = line.partition(b":")
        lower = name.lower()
        # With white space behind it, which hardly anybody sends, a value may not differ.
        if number and lower in varying and (text := value.strip(b" \t")) and value.endswith(text):
            if lower in names:
                return HeadPattern((block,), (), ())
            gap = at + len(line) - len(text)
            pieces.append(block[begin:gap])
            begin = gap + len(text)
            places.append(number - 1)
            names.append(lower)
        at += len(line) + 2
    pieces.append(block[begin:])
    return HeadPattern(tuple(pieces), tuple(places), tuple(names))
