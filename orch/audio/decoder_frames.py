"""The protocol between the decoding process and the service. Pure.

The process writes frames to its output: one letter, the length in four bytes (big-endian), the content. It
reads hostile files, so its output is validated like any untrusted input.
"""

import json
import math
import struct
from dataclasses import dataclass
from typing import Any, Final

RATE: Final = 16_000

FACTS: Final = b"H"
"""JSON, first and once: :class:`Facts`."""
PCM: Final = b"P"
"""16-bit little-endian mono samples at :data:`RATE`."""
SOUND: Final = b"S"
"""Instead of them: 32-bit little-endian floats, channels interleaved, at the rate of :class:`Facts`."""
END: Final = b"E"
"""JSON, last: :class:`End`."""
FAILURE: Final = b"F"
"""JSON in place of anything else: ``code`` and ``detail`` of a problem."""

MOST_PCM: Final = 65_536
MOST_JSON: Final = 4_096
MOST_RATE: Final = 1_000_000
KINDS: Final = frozenset({FACTS, PCM, SOUND, END, FAILURE})
SAMPLE_BYTES: Final = {PCM: 2, SOUND: 4}
_HEAD: Final = struct.Struct(">cI")
_TEXT: Final = 500
# A complete file may be a little shorter than declared: encoders count their padding.
_SHORT_SECONDS: Final = 0.25
_SHORT_SHARE: Final = 0.01
CODES: Final = frozenset(
    {"not_audio", "empty_audio", "unsupported_sample_rate", "recording_too_costly", "recording_too_long"}
)


class MalformedError(Exception):
    """The bytes are none of the frames above."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a recording declares.

    ``seconds``: its length, None if it is not declared. ``whole``: the length of its audio track if nothing
    is missing, None if unknown. ``track``: the audio track that is read, of ``tracks``, counted from 1.
    ``rate`` (Hz) and ``channels``: of the samples that follow; ``own_rate``: of the file itself.
    """

    format: str
    seconds: float | None
    whole: float | None
    tracks: int
    track: int
    rate: int = RATE
    channels: int = 1
    own_rate: int = RATE


@dataclass(frozen=True, slots=True)
class End:
    """How reading ended. ``damaged_at`` and ``reason``: since where something could not be read, and why.

    ``cut``: the sign that the end of the file is missing. ``limited``: it is longer than allowed.
    """

    damaged_at: float | None = None
    reason: str = ""
    cut: str = ""
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing was read at all."""

    code: str
    detail: str


def shortfall(facts: Facts, end: End, seconds_read: float) -> Failure | None:
    """Return what is missing of a recording that was read to its end; None if nothing is."""
    read = f"{seconds_read:.1f} s of it could be read."
    if end.limited:
        text = f"The recording is longer than {seconds_read:g} s; the rest was not read. Send it in parts."
        return Failure("recording_too_long", text)
    if end.damaged_at is not None:
        text = f"The recording is damaged at {end.damaged_at:.1f} s: {end.reason}. {read}"
    elif end.cut:
        text = f"The recording is damaged: {end.cut}. {read}"
    elif facts.whole is not None and seconds_read < facts.whole * (1 - _SHORT_SHARE) - _SHORT_SECONDS:
        text = f"The recording is damaged: it says that it is {facts.whole:.1f} s long. {read}"
    else:
        return None
    return Failure("not_audio", text)


def pack(kind: bytes, content: bytes) -> bytes:
    """Return a frame."""
    return _HEAD.pack(kind, len(content)) + content


class Frames:
    """Splits incoming bytes into frames. Holds at most one frame more than was fed."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def feed(self, data: bytes) -> None:
        """Add bytes that have arrived."""
        self._waiting += data

    def next(self) -> tuple[bytes, bytes] | None:
        """Return the next frame, None until more has arrived. :class:`MalformedError` where it is none."""
        if len(self._waiting) < _HEAD.size:
            return None
        kind, length = _HEAD.unpack_from(self._waiting)
        if kind not in KINDS or length > (MOST_PCM if kind in {PCM, SOUND} else MOST_JSON):
            raise MalformedError("no such frame")
        if kind in SAMPLE_BYTES and (length % SAMPLE_BYTES[kind] or not length):
            raise MalformedError("half a sample")
        end = _HEAD.size + length
        if len(self._waiting) < end:
            return None
        content = bytes(self._waiting[_HEAD.size : end])
        del self._waiting[:end]
        return kind, content


def facts(content: bytes) -> Facts:
    """Read a frame of facts."""
    given = _fields(
        content, {"format", "seconds", "whole", "tracks", "track", "rate", "channels", "own_rate"}
    )
    return Facts(
        format=_text(given["format"]),
        seconds=_seconds(given["seconds"]),
        whole=_seconds(given["whole"]),
        tracks=_count(given["tracks"]),
        track=_count(given["track"]),
        rate=_count(given["rate"], most=MOST_RATE),
        channels=_count(given["channels"]),
        own_rate=_count(given["own_rate"], most=MOST_RATE),
    )


def end(content: bytes) -> End:
    """Read the last frame."""
    given = _fields(content, {"damaged_at", "reason", "cut", "limited"})
    if not isinstance(given["limited"], bool):
        raise MalformedError("limited")
    return End(
        damaged_at=_seconds(given["damaged_at"]),
        reason=_text(given["reason"]),
        cut=_text(given["cut"]),
        limited=given["limited"],
    )


def failure(content: bytes) -> Failure:
    """Read why nothing was read."""
    given = _fields(content, {"code", "detail"})
    if given["code"] not in CODES:
        raise MalformedError("code")
    return Failure(code=given["code"], detail=_text(given["detail"]))


def _fields(content: bytes, names: set[str]) -> dict[str, Any]:
    try:
        given = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MalformedError("no JSON") from error
    if not isinstance(given, dict) or set(given) != names:
        raise MalformedError("fields")
    return given


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedError("seconds")
    if not math.isfinite(value) or value < 0:
        raise MalformedError("seconds")
    return float(value)


def _count(value: object, *, most: int = 1000) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise MalformedError("count")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise MalformedError("text")
    return "".join(each if each.isprintable() else " " for each in value[:_TEXT])
