"""The format of what a page and this service send each other. Pure; ``orch/bots/page/wire.js`` is its twin.

Integers are unsigned, everything is little-endian. Sound is 16-bit mono at 16 kHz.

From the page, a binary message is a number, counted up by one from 0 on each connection (4 bytes), then
frames::

    kind 1 byte (1 sound, 2 silence) | 0 1 byte | track 2 bytes | samples 4 bytes
    first 8 bytes (a double: the number of the first sample, counted from the track's begin)
    captured 8 bytes (a double: when the last sample was captured, milliseconds since the epoch)
    sound: the samples

To the page: a picture is kind (1), 0, width and height of the whole frame (2 each), number of rectangles (2),
number of the update (4), then x, y, width, height (2 each) of each rectangle, then their pixels (RGBA) one
after the other. Speech is kind (2), 0, 0 (2), number of the speech (4), samples.

Texts are JSON, see the types.
"""

import struct
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from orch.bots.webcam.canvas import Patch

RATE: Final = 16_000
"""Samples a second."""

LARGEST: Final = 256 * 1024
"""Bytes of a message of the page. It sends at most 64 KiB."""

MOST_TEXT: Final = 16 * 1024
"""Bytes of a text of the page."""

LONGEST: Final = RATE
"""Samples of one frame."""

MOST_TRACKS: Final = 64
"""Tracks of a page at a time. A meeting has three to some twenty."""

_NUMBER: Final = struct.Struct("<I")
_FRAME: Final = struct.Struct("<BBHIdd")
_PICTURE: Final = struct.Struct("<BBHHHI")
_PLACE: Final = struct.Struct("<HHHH")
_SPEECH: Final = struct.Struct("<BBHI")

_SOUND: Final = 1
_SILENCE: Final = 2


class ProtocolError(ValueError):
    """The page sends what the format or the order of things does not allow."""


class Frame(Struct, frozen=True):
    """Samples of one track. ``pcm`` None: silence. ``captured``: seconds since the epoch."""

    track: int
    first: int
    samples: int
    captured: float
    pcm: bytes | None


class Numbered(Struct, frozen=True):
    """A binary message: its number and its frames."""

    number: int
    frames: tuple[Frame, ...]


_Number = Annotated[int, Meta(ge=0, le=0xFFFF)]
_Count = Annotated[int, Meta(ge=0, le=2**48)]
_Id = Annotated[str, Meta(max_length=200)]


class TrackShown(Struct, frozen=True, kw_only=True):
    """A track that the page captures. ``heard``: the samples of it so far, sent or not."""

    number: _Number
    id: _Id
    heard: _Count = 0


class Hello(Struct, frozen=True, kw_only=True, tag="hello"):
    """The first text of a connection. ``page``: drawn by each document."""

    page: Annotated[str, Meta(min_length=1, max_length=64)]
    tracks: Annotated[tuple[TrackShown, ...], Meta(max_length=MOST_TRACKS)] = ()
    camera: bool = False
    microphone: bool = False
    is_silenced: bool = False


class Began(Struct, frozen=True, kw_only=True, tag="began"):
    """A track begins."""

    track: TrackShown


class Ended(Struct, frozen=True, kw_only=True, tag="ended"):
    """A track has ended."""

    number: _Number


class Opened(Struct, frozen=True, kw_only=True, tag="opened"):
    """The meeting's page has opened the bot's camera or microphone."""

    device: Literal["camera", "microphone"]


class Drawn(Struct, frozen=True, kw_only=True, tag="drawn"):
    """An update of the picture is on the camera."""

    number: _Count


class Played(Struct, frozen=True, kw_only=True, tag="played"):
    """So many samples of a speech have been played."""

    number: _Count
    samples: _Count


class Silenced(Struct, frozen=True, kw_only=True, tag="silenced"):
    """The browser does not run the page's sound, or runs it again: then there is none to capture."""

    is_silenced: bool


PageText = Hello | Began | Ended | Opened | Drawn | Played | Silenced
"""What a page sends as text."""

_TEXTS: Final[msgspec.json.Decoder[PageText]] = msgspec.json.Decoder(PageText)


def decode_text(text: str) -> PageText:
    """Return a text of the page. ProtocolError."""
    if len(text) > MOST_TEXT:
        raise ProtocolError("a text is too long")
    try:
        return _TEXTS.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError(f"a text is invalid: {error}") from None


def decode_frames(message: bytes) -> Numbered:
    """Return a binary message of the page. ProtocolError."""
    size = len(message)
    if size < _NUMBER.size or size > LARGEST:
        raise ProtocolError(f"a message has {size} bytes")
    (number,) = _NUMBER.unpack_from(message)
    frames = []
    at = _NUMBER.size
    while at < size:
        if size - at < _FRAME.size:
            raise ProtocolError("a frame is cut off")
        kind, _, track, samples, first, captured = _FRAME.unpack_from(message, at)
        at += _FRAME.size
        # A double beyond 2**53 is no exact count; the comparison also refuses NaN.
        if kind not in (_SOUND, _SILENCE) or not 0 < samples <= LONGEST or not 0 <= first < 2**53:
            raise ProtocolError("a frame is invalid")
        if first != int(first) or not 0 <= captured < 2**53:
            raise ProtocolError("a frame is invalid")
        pcm = None
        if kind == _SOUND:
            pcm = message[at : at + 2 * samples]
            at += 2 * samples
            if at > size:
                raise ProtocolError("a frame is cut off")
        frames.append(Frame(track, int(first), samples, captured / 1000, pcm))
    return Numbered(number, tuple(frames))


def encode_frames(number: int, frames: Sequence[Frame]) -> bytes:
    """Return what a page sends for these frames: the inverse of :func:`decode_frames`."""
    parts = [_NUMBER.pack(number)]
    for each in frames:
        kind = _SILENCE if each.pcm is None else _SOUND
        parts.append(_FRAME.pack(kind, 0, each.track, each.samples, float(each.first), each.captured * 1000))
        if each.pcm is not None:
            parts.append(each.pcm)
    return b"".join(parts)


def encode_picture(number: int, width: int, height: int, patches: Sequence[Patch]) -> bytes:
    """Return an update of a picture of ``width`` times ``height`` pixels."""
    parts = [_PICTURE.pack(1, 0, width, height, len(patches), number)]
    parts += [_PLACE.pack(each.x, each.y, each.width, each.height) for each in patches]
    parts += [each.pixels for each in patches]
    return b"".join(parts)


def encode_speech(number: int, pcm: bytes) -> bytes:
    """Return a part of a speech."""
    return _SPEECH.pack(2, 0, 0, number) + pcm


def encode_hush(number: int) -> str:
    """Return the text that ends a speech at once."""
    return msgspec.json.encode({"type": "hush", "number": number}).decode()
