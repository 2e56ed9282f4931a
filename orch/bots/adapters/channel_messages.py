"""The captions that arrive on a meeting's data channel. Pure.

The page's script passes each message on: a text, or bytes as Base64.

- The sandbox sends a text: JSON with ``segment``, ``version``, ``device`` and ``text``.
- Google Meet sends bytes, as public projects have read them: a protocol buffer, compressed by gzip or not,
  whose field 1 is the caption: 1 device, 2 number of the message, 3 its version, 6 (formerly 4) its text. A
  message without field 1 keeps the connection open. The number of its language has no public meaning.
"""

import zlib
from base64 import b64decode
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from orch.bots.caption_blocks import LONGEST, LONGEST_NAME, Message

LARGEST: Final = 64 * 1024
"""Bytes of a message after decompression."""

_GZIP: Final = b"\x1f\x8b"
_MOST_FIELDS: Final = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DEVICE, _NUMBER, _VERSION, _FORMER_TEXT, _TEXT = 1, 2, 3, 4, 6
_LONGEST_VARINT: Final = 10


class _Passed(Struct, frozen=True):
    """What the page's script sends. ``lost``: messages of the last second that were too many."""

    text: str = ""
    bytes: str = ""
    lost: int = 0


class _Caption(Struct, frozen=True):
    segment: int | str
    device: str
    text: str
    version: int = 0
    language: str | None = None


_PASSED: Final[msgspec.json.Decoder[_Passed]] = msgspec.json.Decoder(_Passed)
_CAPTION: Final[msgspec.json.Decoder[_Caption]] = msgspec.json.Decoder(_Caption)


def decode_message(passed: str) -> Message | None:
    """Return the caption of what the page's script sent; None if it is none."""
    sent = _decoded(_PASSED, passed)
    if sent is None:
        return None
    found = _decoded(_CAPTION, sent.text) if sent.text else _from_bytes(sent.bytes)
    if found is None or not found.device or not found.text:
        return None
    return Message(
        device=found.device[:LONGEST_NAME],
        id=str(found.segment)[:LONGEST_NAME],
        text=found.text[-LONGEST:],
        version=found.version,
        language=found.language[:LONGEST_NAME] if found.language else None,
    )


def _decoded(decoder: msgspec.json.Decoder[Any], text: str) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _from_bytes(encoded: str) -> _Caption | None:
    try:
        data = b64decode(encoded, validate=True)
        if data.startswith(_GZIP):
            data = zlib.decompressobj(wbits=31).decompress(data, LARGEST)
        caption = dict(_fields(data)).get(1)
        if not isinstance(caption, bytes):
            return None
        fields = dict(_fields(caption))
        text = fields.get(_TEXT) or fields.get(_FORMER_TEXT)
        device, number, version = (fields.get(each) for each in (_DEVICE, _NUMBER, _VERSION))
        if not (isinstance(text, bytes) and isinstance(device, bytes) and isinstance(number, int)):
            return None
        return _Caption(
            segment=number,
            device=device.decode().removeprefix("@"),
            text=text.decode(),
            version=version if isinstance(version, int) else 0,
        )
    except (ValueError, zlib.error):
        return None


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a protocol buffer: number and value. ValueError: it is none."""
    place = 0
    for _ in range(_MOST_FIELDS):
        if place >= len(data):
            return
        tag, place = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = _varint(data, place)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind}")
        if place + length > len(data):
            raise ValueError("the message is cut")
        yield number, data[place : place + length]
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(data[place : place + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return value, place + shift + 1
    raise ValueError("a number is cut")
