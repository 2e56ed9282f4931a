"""The protocol between the service and a process that runs pipelines for live streams. Pure.

Both directions carry frames: one letter, the number of a stream and the length in four bytes each
(big-endian), the content. The order of a stream's frames is that of its sound. A process serves several
streams; frames of different streams wait for each other only in their turn.
"""

import struct
from typing import Final

import msgspec
from msgspec import Struct

from orch.audio.decoder_frames import MalformedError

# To the process.
OPEN: Final = b"O"
"""JSON, first of a stream: :class:`Opening`."""
BLOCK: Final = b"B"
"""16-bit little-endian mono samples."""
CHANGE: Final = b"C"
"""JSON: other settings, as exported."""
FLUSH: Final = b"L"
"""No more sound: return what is still inside, then :data:`FLUSHED`. The stream is gone after it."""
CLOSE: Final = b"X"
"""Forget the stream."""

# From the process.
OPENED: Final = b"R"
"""JSON, first of a stream: its latency in samples."""
PCM: Final = b"P"
"""16-bit little-endian mono samples: output sample n belongs to input sample n."""
FLUSHED: Final = b"E"
"""Everything of the stream was returned."""
FAILED: Final = b"F"
"""Text: why the stream's pipeline cannot go on; of stream 0: why the process cannot."""

TO_HOST: Final = frozenset({OPEN, BLOCK, CHANGE, FLUSH, CLOSE})
FROM_HOST: Final = frozenset({OPENED, PCM, FLUSHED, FAILED})

MOST_BYTES: Final = 65_536
"""Bytes of one frame's content."""
_HEAD: Final = struct.Struct(">cII")


class Opening(Struct, frozen=True, kw_only=True):
    """How a stream begins. ``settings``: as exported. ``joins``: it was unprocessed up to here.

    Then its first samples leave as they came, and the stages fade in.
    """

    sample_rate: int
    settings: msgspec.Raw
    joins: bool = False


def pack(kind: bytes, stream: int, content: bytes = b"") -> bytes:
    """Return a frame."""
    return _HEAD.pack(kind, stream, len(content)) + content


class StreamFrames:
    """Splits incoming bytes into frames of the ``kinds``. Holds at most one frame more than was fed."""

    def __init__(self, kinds: frozenset[bytes]) -> None:
        self._kinds = kinds
        self._waiting = bytearray()

    def feed(self, data: bytes) -> None:
        """Add bytes that have arrived."""
        self._waiting += data

    def next(self) -> tuple[bytes, int, bytes] | None:
        """Return the next frame: kind, stream, content; None until more has arrived.

        Raises :class:`~orch.audio.decoder_frames.MalformedError` where it is none.
        """
        if len(self._waiting) < _HEAD.size:
            return None
        kind, stream, length = _HEAD.unpack_from(self._waiting)
        if kind not in self._kinds or length > MOST_BYTES:
            raise MalformedError("no such frame")
        if kind in (BLOCK, PCM) and length % 2:
            raise MalformedError("half a sample")
        end = _HEAD.size + length
        if len(self._waiting) < end:
            return None
        content = bytes(self._waiting[_HEAD.size : end])
        del self._waiting[:end]
        return kind, stream, content
