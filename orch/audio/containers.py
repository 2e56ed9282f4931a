"""Recognises the containers of recordings by their first bytes. Pure.

A file's name and declared type are ignored. Only containers that hold sound themselves are supported: a
playlist, or anything else that could name further files to open, is not.
"""

from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 16
SCANNED_BYTES: Final = 131_072
"""How far behind junk MPEG audio is searched."""

# FFmpeg's demuxers, by their magic bytes and offsets.
_MAGIC: Final = (
    ("wav", 0, b"RIFF", 8, b"WAVE"),
    ("wav", 0, b"RF64", 8, b"WAVE"),
    ("aiff", 0, b"FORM", 8, b"AIFF"),
    ("aiff", 0, b"FORM", 8, b"AIFC"),
    ("flac", 0, b"fLaC", 0, b""),
    ("ogg", 0, b"OggS", 0, b""),
    ("matroska", 0, b"\x1a\x45\xdf\xa3", 0, b""),
    ("mov", 4, b"ftyp", 0, b""),
    ("caf", 0, b"caff", 0, b""),
    ("amr", 0, b"#!AMR", 0, b""),
    ("au", 0, b".snd", 0, b""),
)

# QuickTime before ISO: no ``ftyp``, the file begins with one of these atoms.
_ATOMS: Final = (b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")

_SYNC: Final = 0xFF
_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_AAC_RATES: Final = (
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
)  # fmt: skip
# kbit/s by version (1, or 2 and 2.5) and layer (II, III).
_BIT_RATES: Final = {
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_FRAMES_IN_A_ROW: Final = 4
_APE_HEADER: Final = 32
_ADTS_HEADER: Final = 7
_ID3_HEADER: Final = 10


def id3_length(head: bytes) -> int:
    """Return the size of an ID3v2 tag at the beginning (header included), 0 if there is none.

    ID3v2.4 §3.1: the size is 28 bits in four bytes of seven, without the header; a footer adds ten more.
    """
    if len(head) < _ID3_HEADER or head[:3] != b"ID3" or any(byte & 0x80 for byte in head[6:10]):
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte
    return size + _ID3_HEADER + (_ID3_HEADER if head[5] & 0x10 else 0)


def container(head: bytes) -> str | None:
    """Return FFmpeg's demuxer for a file that begins with ``head``, or None if it is not supported.

    ``head`` should have at least :data:`HEAD_BYTES` if the file has them. For a file with an ID3v2 tag, pass
    what follows the tag.
    """
    for name, at, mark, second_at, second in _MAGIC:
        if head[at : at + len(mark)] == mark and head[second_at : second_at + len(second)] == second:
            return name
    if (head[4:8] in _ATOMS and int.from_bytes(head[:4], "big") >= 8) or head[:8] == b"\0\0\0\1mdat":  # noqa: PLR2004 - an atom's head
        return "mov"
    return _mpeg(head)


def ape_length(head: bytes) -> int:
    """Return the size of an APEv2 tag at the beginning (header included), 0 if there is none."""
    if len(head) < HEAD_BYTES or head[:8] != b"APETAGEX":
        return 0
    return int.from_bytes(head[12:16], "little") + _APE_HEADER


@dataclass(frozen=True, slots=True)
class MpegFrame:
    """The header of an MPEG audio frame: the demuxer, the frame's bytes (0: unknown), samples, Hz."""

    name: str
    size: int
    samples: int
    rate: int


def mpeg_frame(head: bytes) -> MpegFrame | None:
    """Parse a frame header (seven bytes for AAC); None if it is not one."""
    name = _mpeg(head)
    if name is None:
        return None
    if name == "aac":
        if len(head) < _ADTS_HEADER:
            return None
        size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        return MpegFrame("aac", size, 1024 * ((head[6] & 3) + 1), _AAC_RATES[head[2] >> 2 & 0xF])
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    is_one = version == 3  # noqa: PLR2004 - MPEG version 1
    rate = _RATES[version][head[2] >> 2 & 3]
    samples = 1152 if is_one or layer == 2 else 576  # noqa: PLR2004 - layer II
    bits = 1000 * _BIT_RATES[is_one, layer][head[2] >> 4]
    return MpegFrame("mp3", samples // 8 * bits // rate + (head[2] >> 1 & 1) if bits else 0, samples, rate)


def find_mpeg(data: bytes) -> tuple[str, int] | None:
    """Find MPEG audio behind other bytes (zeros, junk, half a frame): its demuxer, and its offset.

    Several frames must follow one another, each as long as its header says, with the same sampling rate.
    """
    at = data.find(b"\xff")
    while at >= 0:
        first = mpeg_frame(data[at : at + 7])
        if first is not None and first.size and _follow(data, at, first):
            return first.name, at
        at = data.find(b"\xff", at + 1)
    return None


def _follow(data: bytes, at: int, first: MpegFrame) -> bool:
    frame: MpegFrame | None = first
    for _ in range(_FRAMES_IN_A_ROW - 1):
        assert frame is not None  # noqa: S101 - checked below
        at += frame.size
        frame = mpeg_frame(data[at : at + 7])
        if frame is None or not frame.size or (frame.name, frame.rate) != (first.name, first.rate):
            return False
    return True


def _mpeg(head: bytes) -> str | None:
    """Recognise MPEG audio by its frame header: eleven bits set, then version and layer.

    ISO 11172-3 §2.4.1.3. ADTS (AAC) has layer 00 with twelve bits set; layers 01 and 10 are III and II; 11 is
    I, which is unused and looks like UTF-16's byte order mark. 1111 as bit rate and 11 as sampling rate are
    forbidden, so are version 01 and, in ADTS, sampling frequency indices above 12.
    """
    if len(head) < 4 or head[0] != _SYNC or head[1] & 0xE0 != 0xE0:  # noqa: PLR2004 - bits of the header
        return None
    layer = head[1] >> 1 & 3
    if layer == 0:
        is_adts = head[1] & 0xF0 == 0xF0 and (head[2] >> 2 & 0xF) <= 12  # noqa: PLR2004 - bits of the header
        return "aac" if is_adts else None
    if layer == 3 or head[1] >> 3 & 3 == 1 or head[2] >> 4 == 0xF or head[2] >> 2 & 3 == 3:  # noqa: PLR2004 - the same
        return None
    return "mp3"
