"""Which recordings are read, told by their first bytes. Pure.

What a file is called and what its sender says it is, is not looked at. Only containers that hold sound
themselves are here: a playlist, or anything else that could name further files to open, is not.
"""

from typing import Final

HEAD_BYTES: Final = 16

# FFmpeg's demuxers, by what stands at which place.
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

_SYNC: Final = 0xFF
_ID3_HEADER: Final = 10


def id3_length(head: bytes) -> int:
    """Return the bytes of an ID3v2 tag at the beginning (header included), 0 where there is none.

    ID3v2.4 §3.1: the size is 28 bits in four bytes of seven, without the header; a footer adds ten more.
    """
    if len(head) < _ID3_HEADER or head[:3] != b"ID3" or any(byte & 0x80 for byte in head[6:10]):
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte
    return size + _ID3_HEADER + (_ID3_HEADER if head[5] & 0x10 else 0)


def container(head: bytes) -> str | None:
    """Return FFmpeg's name of the demuxer for what begins with ``head``, or None: it is no recording we read.

    At least :data:`HEAD_BYTES` should be given where the file has them. Behind an ID3v2 tag, give what
    follows the tag.
    """
    for name, at, mark, second_at, second in _MAGIC:
        if head[at : at + len(mark)] == mark and head[second_at : second_at + len(second)] == second:
            return name
    return _mpeg(head)


def _mpeg(head: bytes) -> str | None:
    """Tell MPEG audio from its frame header: eleven bits set, then version and layer (ISO 11172-3 §2.4.1.3).

    ADTS (AAC) has layer 00 with twelve bits set; layers 01 and 10 are III and II, 11 is I, which nobody
    uses and UTF-16's mark looks like. 1111 as bit rate and 11 as sampling rate are forbidden, so are
    version 01 and, in ADTS, sampling frequency indices above 12.
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
