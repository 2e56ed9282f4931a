"""A WAV file around PCM, as back ends take it."""

import struct
from typing import Final

HEADER_BYTES: Final = 44


def wav(pcm: bytes, sample_rate: int) -> bytes:
    """Return a canonical RIFF/WAVE file of 16-bit little-endian mono ``pcm``; ``sample_rate`` in Hz."""
    return (
        struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            b"RIFF",
            HEADER_BYTES - 8 + len(pcm),
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
            len(pcm),
        )
        + pcm
    )
