"""Writes PCM as a WAV file, as back ends accept it, and floats for audio programs. Pure."""

import struct
from typing import Final

HEADER_BYTES: Final = 44
FLOAT_HEADER_BYTES: Final = 58


def wav(pcm: bytes, sample_rate: int) -> bytes:
    """Return a canonical RIFF/WAVE file of 16-bit little-endian mono ``pcm``; ``sample_rate`` in Hz."""
    return header(len(pcm), sample_rate) + pcm


def canonical_pcm(file: bytes, sample_rate: int) -> bytes | None:
    """Return the PCM of a file in exactly the form that :func:`wav` writes; None for any other."""
    length = len(file) - HEADER_BYTES
    if length <= 0 or length % 2 or file[:HEADER_BYTES] != header(length, sample_rate):
        return None
    return file[HEADER_BYTES:]


def float_header(length: int, sample_rate: int) -> bytes:
    """Return the header of a file with ``length`` bytes of 32-bit little-endian mono floats.

    Files that are not integers have a chunk ``fact`` with the number of samples (Multimedia Programming
    Interface, 1994 revision).
    """
    return struct.pack(
        "<4sI4s4sIHHIIHHH4sII4sI",
        b"RIFF",
        FLOAT_HEADER_BYTES - 8 + length,
        b"WAVE",
        b"fmt ",
        18,  # bytes of this chunk
        3,  # IEEE float
        1,  # channel
        sample_rate,
        sample_rate * 4,
        4,  # bytes a sample
        32,
        0,  # bytes of extension
        b"fact",
        4,
        length // 4,
        b"data",
        length,
    )


def header(length: int, sample_rate: int) -> bytes:
    """Return the header of a file with ``length`` bytes of 16-bit PCM."""
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
