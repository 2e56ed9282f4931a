"""How long the sound in a request is. Pure."""

from typing import Final

SEARCHED: Final = 16_384
"""Bytes from the beginning in which the file is searched: in a form, its fields come first."""
_LONGEST_HEADER: Final = 4_096


def sound_seconds(body: bytes, length: int | None = None) -> float | None:
    """Return the seconds of sound of a WAV file in a body (alone or in a form); None if there is none.

    ``length``: the bytes of all of the body, if ``body`` is only its beginning.

    RIFF: chunks of a name, a length (32 bits, little-endian) and data; ``fmt`` has the bytes for a second at
    its offset 8. A file that is written as a stream says that its data have 0 or 2³² - 1 bytes; then, and
    where more is promised than has come, what has come counts.
    """
    start = body.find(b"RIFF", 0, SEARCHED)
    if start < 0 or body[start + 8 : start + 12] != b"WAVE":
        return None
    at, rate = start + 12, 0
    while at + 8 <= len(body) and at < start + _LONGEST_HEADER:
        name, size = body[at : at + 4], int.from_bytes(body[at + 4 : at + 8], "little")
        if name == b"fmt " and size >= 16:  # noqa: PLR2004 - the least length of the chunk
            rate = int.from_bytes(body[at + 16 : at + 20], "little")
        if name == b"data":
            left = (len(body) if length is None else length) - at - 8
            size = min(size, left) if size else left
            return size / rate if rate and size else None
        at += 8 + size + size % 2
    return None
