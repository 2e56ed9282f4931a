"""The lines of a tape: what a bot observed and was returned by the back ends, in order. Pure.

A tape has all that the pipeline's minutes were given, with the times of the bot's clock, so that a replay
gives the same records: what the page and the sound showed (:mod:`orch.bots.observations`), levels,
transcripts, translations, and the passing of time. Sound itself is for other engines, and for listening.
"""

from typing import Final, Literal

import msgspec
from msgspec import Struct

from orch.bots.observations import (
    CaptionReceived,
    CaptionsSeen,
    ChatSeen,
    ConnectionSeen,
    Layout,
    MarksSeen,
    Over,
    OwnerSeen,
    PeopleSeen,
    PlaceSeen,
    RecordingAnswered,
    Sound,
    SoundLost,
    TrackBegan,
    TrackEnded,
)
from orch.protocol.messages import Transcript, Translation

VERSION: Final = 1


class TapeError(ValueError):
    """A tape cannot be read; the message says where and why."""


class Began(Struct, frozen=True, kw_only=True, tag="began"):
    """The first line. ``started``: of the session, seconds since the epoch; ``own``: the bot's names.

    ``run``, ``next_caption``, ``next_segment``, ``language``: as the minutes of this run were given them.
    """

    version: Literal[1] = VERSION
    session_id: str
    started: float
    own: tuple[str, ...]
    run: str
    next_caption: int = 0
    next_segment: int = 0
    language: str | None = None


class Capturing(Struct, frozen=True, kw_only=True, tag="capturing"):
    """The bot begins or ends to listen."""

    at: float
    is_on: bool


class Ticked(Struct, frozen=True, kw_only=True, tag="ticked"):
    """Time has passed."""

    at: float


class Owned(Struct, frozen=True, kw_only=True, tag="owned"):
    """A channel is a participant's (the meeting's own id), or nobody's any more."""

    at: float
    channel: str
    participant_id: str | None


class Leveled(Struct, frozen=True, kw_only=True, tag="leveled"):
    """The level of a channel at a ``time`` of the session."""

    at: float
    channel: str
    time: float
    dbfs: float


class Transcribed(Struct, frozen=True, kw_only=True, tag="transcribed"):
    """A transcript of a track whose stream began at ``base``, as the gate has left it."""

    at: float
    channel: str
    layout: Layout
    base: float
    message: Transcript


class Translated(Struct, frozen=True, kw_only=True, tag="translated"):
    """A translation of a segment."""

    at: float
    message: Translation


class Disconnected(Struct, frozen=True, kw_only=True, tag="disconnected"):
    """The bot is no longer in the call."""

    at: float


class Finished(Struct, frozen=True, kw_only=True, tag="finished"):
    """The end, after which all is final."""

    at: float


class Missed(Struct, frozen=True, kw_only=True, tag="missed"):
    """Lines that are missing here: the disk was too slow, or the tape is full."""

    lines: int


Line = (
    Began
    | PlaceSeen
    | Over
    | ConnectionSeen
    | PeopleSeen
    | MarksSeen
    | CaptionsSeen
    | CaptionReceived
    | ChatSeen
    | RecordingAnswered
    | OwnerSeen
    | TrackBegan
    | Sound
    | SoundLost
    | TrackEnded
    | Capturing
    | Ticked
    | Owned
    | Leveled
    | Transcribed
    | Translated
    | Disconnected
    | Finished
    | Missed
)

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final[msgspec.json.Decoder[Line]] = msgspec.json.Decoder(Line)


def encode(line: Line) -> bytes:
    """Return a line as JSON, with its end."""
    return _ENCODER.encode(line) + b"\n"


def decode(data: bytes) -> Line:
    """Return the line. Raises :class:`TapeError`."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise TapeError(str(error)) from None
