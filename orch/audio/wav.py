"""Writes PCM as a WAV file, as back ends accept it. Pure."""

import struct
from typing import Final

HEADER_BYTES: Final = 44


def wav(pcm: bytes, sample_rate: int) -> bytes:
    """Return a canonical RIFF/WAVE file of 16-bit little-endian mono ``pcm``; ``sample_rate`` in Hz."""
    return _header(len(pcm), sample_rate) + pcm


def canonical_pcm(file: bytes, sample_rate: int) -> bytes | None:
    """Return the PCM of a file in exactly the form that :func:`wav` writes; None for any other."""
    length = len(file) - HEADER_BYTES
    if length <= 0 or length % 2 or file[:HEADER_BYTES] != _header(length, sample_rate):
        return None
    return file[HEADER_BYTES:]


def _header(length: int, sample_rate: int) -> bytes:
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        HEADER_BYTES - 8 + length,
        b"WAVE",
        b"fmt ",
        16,  # bytes of this chunk
        1,  # PCM
        1,  # channel
        sample_rate,
        sample_rate * 2,
        2,  # bytes a sample
        16,
        b"data",
        length,
    )
