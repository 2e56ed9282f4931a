"""The messages about a meeting that a bot attends, in the session of its captions. Pure.

What is said is in ``transcript`` and ``translation``, as in any session. ``at``, ``start`` and ``end`` here
are seconds from the start of the bot's session; speakers have the same ``speaker_id`` in all messages and in
the bot's transcript.
"""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from orch.protocol.server_messages import ServerMessage

ParticipantEvent = Literal[
    "join", "leave", "update", "speech_on", "speech_off", "screenshare_on", "screenshare_off"
]
"""``update``: another name."""

NameSource = Literal["captions", "marks", "track", "owner", "person", "none"]
"""What a name comes from: the meeting's captions, speaking marks, the track's usual speaker, the page that
names the track's owner, a person; nothing, for a withheld name."""


class MeetingParticipant(ServerMessage, frozen=True, tag="meeting_participant"):
    """Something happened to a participant of the meeting. Stored in the history."""

    session_id: str
    event: ParticipantEvent
    speaker_id: str
    name: str
    at: float
    offset: int | UnsetType = UNSET


class MeetingChat(ServerMessage, frozen=True, tag="meeting_chat"):
    """Somebody wrote in the meeting's chat. Stored in the history.

    ``private``: to the bot alone; ``own``: the bot itself wrote it.
    """

    session_id: str
    message_id: str
    text: str
    sender: str
    at: float
    speaker_id: str | None = None
    private: bool = False
    own: bool = False
    offset: int | UnsetType = UNSET


class MeetingCaption(ServerMessage, frozen=True, tag="meeting_caption"):
    """A caption that the meeting itself shows: a later ``revision`` of ``caption_id`` replaces the earlier.

    The times are those of its arrival. One that still grows is not stored and has no ``offset``; an empty
    ``text``: its words were another caption's.
    """

    session_id: str
    caption_id: str
    revision: int
    final: bool
    text: str
    speaker: str
    speaker_id: str
    start: float
    end: float
    language: str | None = None
    offset: int | UnsetType = UNSET


class AttributedWords(Struct, frozen=True, kw_only=True):
    """Words ``first`` to ``last`` (from 0, both included) of a segment, and who said them; null: withheld."""

    first: int
    last: int
    speaker: str | None
    speaker_id: str | None
    confidence: float
    source: NameSource


class Attribution(ServerMessage, frozen=True, tag="attribution"):
    """Who said a segment of the meeting's transcript is known by now, or is another. Stored in the history.

    ``parts`` are all of the segment's words; ``speaker``: who said most of them, null while that is withheld.
    A later ``revision`` replaces the earlier. ``revised``: a name that was shown is replaced or withdrawn.
    """

    session_id: str
    segment_id: str
    revision: int
    speaker: str | None
    speaker_id: str | None
    parts: tuple[AttributedWords, ...]
    revised: bool = False
    offset: int | UnsetType = UNSET


class SpeakerAudio(ServerMessage, frozen=True, tag="speaker_audio"):
    """Sound of one track of the meeting, for clients that sent ``receive_audio``. Not stored.

    ``data``: base64 of 16-bit little-endian mono samples. ``first``: the number of its first sample from the
    track's begin: where it is higher than expected, samples are missing. ``speaker``: who speaks, if known.
    """

    session_id: str
    track: str
    first: int
    at: float
    data: bytes
    sample_rate: int = 16_000
    speaker: str | None = None
    speaker_id: str | None = None


class AudioReceiving(ServerMessage, frozen=True, tag="audio_receiving"):
    """The reply to ``receive_audio``: whether ``speaker_audio`` of the session is sent from now on."""

    session_id: str
    enabled: bool


MeetingMessage = MeetingParticipant | MeetingChat | MeetingCaption | Attribution
"""Those with an ``offset``."""
