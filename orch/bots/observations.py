"""What a bot observes of its meeting, from the page and from its sound. Pure.

The adapter and the media socket produce these; the bot's pipeline consumes them in order; a tape of them, one
JSON object a line, can be replayed to the same result. ``at`` is in seconds from the session's start, on the
bot's clock; sound's own times are in samples.
"""

from enum import StrEnum, auto
from typing import Literal

from msgspec import Struct

from orch.bots.caption_blocks import Block, Message
from orch.bots.ends import EndReason

Layout = Literal["own", "rotating", "mixed"]
"""Whose sound a track has: one participant's, that of several in turn, everybody's."""


class Place(StrEnum):
    """Where the page shows that the bot is."""

    DOOR = auto()
    LOBBY = auto()
    CALL = auto()


class PlaceSeen(Struct, frozen=True, kw_only=True, tag="place"):
    """The bot is somewhere else than before."""

    at: float
    place: Place


class Over(Struct, frozen=True, kw_only=True, tag="over"):
    """The page shows that the bot's stay is over, or that it cannot begin. ``detail``: what was seen."""

    at: float
    reason: EndReason
    detail: str = ""


class ConnectionSeen(Struct, frozen=True, kw_only=True, tag="connection"):
    """The page has lost its connection to the meeting, and connects again by itself, or has it back."""

    at: float
    is_up: bool


class Person(Struct, frozen=True, kw_only=True):
    """A participant. ``id``: the meeting's own, the same as long as the participant is there."""

    id: str
    name: str
    is_self: bool = False
    is_presenting: bool = False


class PeopleSeen(Struct, frozen=True, kw_only=True, tag="people"):
    """The list of participants has changed. None: it cannot be read now."""

    at: float
    people: tuple[Person, ...] | None


class MarksSeen(Struct, frozen=True, kw_only=True, tag="marks"):
    """Other participants are marked as speaking: the ids of all who are now."""

    at: float
    speaking: tuple[str, ...]


class CaptionsSeen(Struct, frozen=True, kw_only=True, tag="captions"):
    """The captions on the page have changed: all blocks, in the page's order."""

    at: float
    blocks: tuple[Block, ...]


class CaptionReceived(Struct, frozen=True, kw_only=True, tag="caption"):
    """A caption has arrived on the data channel. Its device is the participant's id."""

    at: float
    message: Message


class ChatSeen(Struct, frozen=True, kw_only=True, tag="chat"):
    """Somebody has written in the chat. ``id``: the message's; ``is_own``: the bot itself, as ``sender``."""

    at: float
    id: str
    sender: str
    text: str
    sender_id: str | None = None
    is_private: bool = False
    is_own: bool = False


class RecordingAnswered(Struct, frozen=True, kw_only=True, tag="recording"):
    """The host has allowed the recording, or refused or withdrawn it."""

    at: float
    is_allowed: bool
    by: str = ""


class OwnerSeen(Struct, frozen=True, kw_only=True, tag="owner"):
    """The page shows that a track's sound is a participant's; None: no longer."""

    at: float
    track: str
    participant_id: str | None


class TrackBegan(Struct, frozen=True, kw_only=True, tag="track_began"):
    """A track of remote sound is there.

    Observed again, with another layout, when that is known better; the track goes on. ``track``: the id of
    the page's MediaStreamTrack.
    """

    at: float
    track: str
    layout: Layout


class Sound(Struct, frozen=True, kw_only=True, tag="sound"):
    """Sound of a track: 16-bit little-endian mono at 16 kHz.

    ``at``: when its last sample was captured, which is some 50 ms before it arrives.
    ``first``: the number of its first sample, counted from the track's begin with the lost ones included.
    """

    at: float
    track: str
    first: int
    pcm: bytes


class SoundLost(Struct, frozen=True, kw_only=True, tag="sound_lost"):
    """Samples of a track are missing between page and service."""

    at: float
    track: str
    first: int
    samples: int


class TrackEnded(Struct, frozen=True, kw_only=True, tag="track_ended"):
    """A track has ended."""

    at: float
    track: str


PageObservation = (
    PlaceSeen
    | Over
    | ConnectionSeen
    | PeopleSeen
    | MarksSeen
    | CaptionsSeen
    | CaptionReceived
    | ChatSeen
    | RecordingAnswered
    | OwnerSeen
)
"""What the adapter observes."""

SoundObservation = TrackBegan | Sound | SoundLost | TrackEnded
"""What the media socket observes."""

Observation = PageObservation | SoundObservation
