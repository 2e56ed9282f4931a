"""Reads the length that a file declares, and whether a part of it is missing.

FFmpeg estimates a length from the bit rate if a file declares none, and takes a truncated file for a whole
one. Here only the file's own declarations count.

Pure. It reads by a function that it is given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orch.audio.containers import mpeg_frame

ReadAt = Callable[[int, int], bytes]
"""Returns up to so many bytes from a place."""

#: Programs that write to a pipe do not know the size and write the largest there is.
_UNKNOWN_FROM: Final = 2**30
# WAVE's format tags: PCM, float, A-law and µ-law have as many bytes for each sample.
_EXTENSIBLE: Final = b"\xfe\xff"
_UNCOMPRESSED: Final = frozenset({b"\x01\x00", b"\x03\x00", b"\x06\x00", b"\x07\x00"})
_PAGE_HEAD: Final = 27
_BOS: Final = 2
_EOS: Final = 4
_MIDDLE: Final = "it ends in the middle of a page"
_BOXES: Final = 10_000
_CHUNKS: Final = 1_000
_FLAC_HEAD: Final = 26
_ELEMENTS: Final = 2_000_000
_SEGMENT: Final = b"\x18\x53\x80\x67"
_OPENED_ELEMENTS: Final = frozenset({_SEGMENT, b"\x1f\x43\xb6\x75"})  # the segment and its clusters
# Elements allowed in a segment and in a cluster (RFC 9559 section 5), and EBML's own: header, CRC-32, Void.
_KNOWN_ELEMENTS: Final = _OPENED_ELEMENTS | {
    bytes.fromhex(name)
    for name in [
        "1a45dfa3",
        "bf",
        "ec",
        "114d9b74",
        "1549a966",
        "1654ae6b",
        "1c53bb6b",
        "1941a469",
        "1043a770",
        "1254c367",
        "e7",
        "5854",
        "a7",
        "ab",
        "a3",
        "a0",
        "af",
        "55",
    ]
}


@dataclass(frozen=True, slots=True)
class Length:
    """A file's declared length. ``seconds`` may be None. ``cut``: the sign that the end is missing."""

    seconds: float | None = None
    cut: str | None = None


def declared(  # noqa: PLR0911 - one for each format
    name: str, read: ReadAt, size: int, *, begin: int = 0
) -> Length | None:
    """Return the declared length of a file of FFmpeg's format ``name``; None: use its tracks instead.

    ``begin``: where the sound begins, behind tags and junk.
    """
    match name:
        case "mp3":
            return _mp3(read, begin)
        case "aac" | "amr":
            return Length()
        case "wav":
            return _wav(read, size)
        case "aiff":
            return _outer(read, size, "big")
        case "flac":
            return _flac(read, begin)
        case "ogg":
            return _ogg(read, size)
        case "mov":
            return _boxes(read, size)
        case "matroska":
            return _matroska(read, size)
        case _:
            return None


def _mp3(read: ReadAt, begin: int) -> Length:
    """Xing or Info behind the side information, VBRI at its fixed place: the number of frames."""
    head = read(begin, 4)
    frame = mpeg_frame(head)
    if frame is None:
        return Length()
    is_one = head[1] >> 3 & 3 == 3  # noqa: PLR2004 - MPEG version 1
    is_mono = head[3] >> 6 == 3  # noqa: PLR2004 - the channel mode
    side = (17 if is_mono else 32) if is_one else (9 if is_mono else 17)
    xing = read(begin + 4 + side, 12)
    if xing[:4] in (b"Xing", b"Info") and len(xing) == 12 and xing[7] & 1:  # noqa: PLR2004 - the flag: frames are given
        frames = int.from_bytes(xing[8:12], "big")
    else:
        vbri = read(begin + 36, 18)
        if vbri[:4] != b"VBRI" or len(vbri) < 18:  # noqa: PLR2004 - its header
            return Length()
        frames = int.from_bytes(vbri[14:18], "big")
    return Length(seconds=frames * frame.samples / frame.rate)


def _wav(read: ReadAt, size: int) -> Length | None:
    """Compute the length of a WAV file from the chunks ``data`` and ``fmt``.

    For compressed audio that is only an average: there the samples in ``fact`` count.
    """
    at, per_second, rate, samples, is_compressed = 12, 0, 0, 0, False
    for _ in range(_CHUNKS):
        head = read(at, 8)
        if len(head) < 8:  # noqa: PLR2004 - a chunk's head
            return None
        length = int.from_bytes(head[4:8], "little")
        if head[:4] == b"fmt ":
            tag, rate = read(at + 8, 2), int.from_bytes(read(at + 12, 4), "little")
            per_second = int.from_bytes(read(at + 16, 4), "little")
            is_compressed = (read(at + 32, 2) if tag == _EXTENSIBLE else tag) not in _UNCOMPRESSED
        if head[:4] == b"fact":
            samples = int.from_bytes(read(at + 8, 4), "little")
        if head[:4] == b"data":
            if length >= _UNKNOWN_FROM or length == 0 or not per_second:
                return None
            missing = at + 8 + length - size
            cut = f"{missing} bytes of its sound are missing" if missing > 0 else None
            if is_compressed:
                is_known = rate > 0 and 0 < samples < _UNKNOWN_FROM
                return Length(seconds=samples / rate if is_known else None, cut=cut)
            return Length(seconds=length / per_second, cut=cut)
        at += 8 + length + length % 2
    return None


def _outer(read: ReadAt, size: int, order: str) -> Length | None:
    """AIFF: one chunk around everything."""
    length = int.from_bytes(read(4, 4), "big" if order == "big" else "little")
    missing = length + 8 - size
    if length >= _UNKNOWN_FROM or missing <= 1:
        return None
    return Length(cut=f"{missing} bytes of it are missing")


def _flac(read: ReadAt, begin: int) -> Length | None:
    """STREAMINFO: 20 bits of sampling rate, then, after 8 bits more, 36 of samples; 0: not known."""
    head = read(begin, _FLAC_HEAD)
    if len(head) < _FLAC_HEAD or head[:4] != b"fLaC":
        return None
    packed = int.from_bytes(head[18:26], "big")
    rate, samples = packed >> 44, packed & (1 << 36) - 1
    return Length(seconds=samples / rate) if rate and samples else Length()


def _ogg(read: ReadAt, size: int) -> Length | None:
    """Every page follows the former, numbered in its stream; one of each is marked as the end."""
    at = 0
    numbers: dict[bytes, int] = {}
    open_streams: set[bytes] = set()
    while at < size:
        head = read(at, _PAGE_HEAD)
        if len(head) < _PAGE_HEAD:
            return Length(cut=_MIDDLE)
        if head[:4] != b"OggS":
            return Length(cut=f"what stands at byte {at} is no part of it")
        table = read(at + _PAGE_HEAD, head[26])
        at += _PAGE_HEAD + len(table) + sum(table)
        if len(table) < head[26] or at > size:
            return Length(cut=_MIDDLE)
        stream, number = head[14:18], int.from_bytes(head[18:22], "little")
        if head[5] & _BOS:
            open_streams.add(stream)
        elif stream in numbers and number != (numbers[stream] + 1) % 2**32:
            return Length(cut=f"pages before byte {at} are missing")
        numbers[stream] = number
        if head[5] & _EOS:
            open_streams.discard(stream)
    return Length(cut="its end is missing") if open_streams else None


def _boxes(read: ReadAt, size: int) -> Length | None:
    """Walk the boxes of an ISO base media or QuickTime file."""
    at = 0
    for _ in range(_BOXES):
        head = read(at, 16)
        if len(head) < 8:  # noqa: PLR2004 - a box's head
            return None
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # noqa: PLR2004 - to the end (0), or nonsense
            return None
        if at + length > size:
            missing = at + length - size
            return Length(cut=f"{missing} bytes of it are missing") if missing < _UNKNOWN_FROM else None
        at += length
    return None


def _matroska(read: ReadAt, size: int) -> Length | None:
    """Walk the elements of an EBML file; their length may be unknown (all bits set: a live recording)."""
    header = _vint(read(4, 8))
    if header is None or header[0] is None:
        return None
    at = 4 + header[1] + header[0]
    for _ in range(_ELEMENTS):
        if at >= size:
            return None
        name, length, inside = _element(read(at, 12))
        if not name or name not in _KNOWN_ELEMENTS:
            return Length(cut=f"what stands at byte {at} is no part of it")
        at += inside
        if name in _OPENED_ELEMENTS:
            if name == _SEGMENT and length is not None and size < at + length < size + _UNKNOWN_FROM:
                return Length(cut=f"{at + length - size} bytes of it are missing")
            continue
        if length is None:
            return None
        at += length
    return None


def _element(data: bytes) -> tuple[bytes, int | None, int]:
    """Return an EBML element's name, its length (None: not known), and the bytes before its content."""
    if not data or not data[0]:
        return b"", None, 0
    width = 9 - data[0].bit_length()
    size = _vint(data[width:])
    if width > 4 or size is None:  # noqa: PLR2004 - a name has four bytes at most
        return b"", None, 0
    return data[:width], size[0], width + size[1]


def _vint(data: bytes) -> tuple[int | None, int] | None:
    """Parse an EBML size (None: unknown); return it and its number of bytes."""
    if not data or not data[0]:
        return None
    width = 9 - data[0].bit_length()
    if len(data) < width:
        return None
    value = int.from_bytes(data[:width], "big") & (1 << 7 * width) - 1
    return (None if value == (1 << 7 * width) - 1 else value), width
