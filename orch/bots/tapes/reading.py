"""Reads the lines of a tape. Pure: the bytes come from the caller.

A tape is a sequence of gzip members, so that ``zcat`` shows it. Its end may be missing, where the process was
killed or the disk was full; what came before is read.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from orch.bots.tapes.lines import Began, Line, TapeError, decode

LONGEST: Final = 16 * 2**20
"""Bytes of a line; those of sound have some kilobytes."""

PIECE: Final = 2**18
"""Bytes that are decompressed at once."""

_GZIP: Final = 16 + zlib.MAX_WBITS


class TapeReader:
    """Reads a tape from pieces of it. The mutable state is ``is_cut`` and ``count``.

    ``is_cut``: the end is missing; ``count``: lines so far.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.is_cut = False
        self.count = 0

    def __iter__(self) -> Iterator[Line]:
        """Yield the lines, the first of which is :class:`~orch.bots.tapes.lines.Began`.

        Raises :class:`TapeError`.
        """
        rest = b""
        for data in self._decompressed():
            *whole, rest = (rest + data).split(b"\n")
            for text in whole:
                yield self._line(text)
            if len(rest) > LONGEST:
                raise TapeError(f"line {self.count + 1}: expected at most {LONGEST} bytes")
        self.is_cut = self.is_cut or bool(rest)
        if self.count == 0:
            raise TapeError("expected the lines of a tape, got nothing")

    def _line(self, text: bytes) -> Line:
        self.count += 1
        try:
            line = decode(text)
        except TapeError as error:
            raise TapeError(f"line {self.count}: {error}") from None
        if (self.count == 1) != isinstance(line, Began):
            expected = "expected the begin of a tape" if self.count == 1 else "expected one begin"
            raise TapeError(f"line {self.count}: {expected}")
        return line

    def _decompressed(self) -> Iterator[bytes]:
        member, has_member = zlib.decompressobj(_GZIP), False
        for piece in self._pieces:
            data = piece
            while data:
                has_member = True
                try:
                    yield member.decompress(data, PIECE)
                except zlib.error as error:
                    raise TapeError(f"after line {self.count}: {error}") from None
                data = member.unconsumed_tail
                if member.eof:
                    data = member.unused_data
                    member, has_member = zlib.decompressobj(_GZIP), False
        self.is_cut = has_member
