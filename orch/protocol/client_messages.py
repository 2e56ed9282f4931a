"""The messages that clients send. Pure.

The wire format is described in :mod:`orch.protocol.messages`.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from orch.protocol.pipeline_choice import PipelineChoice
from orch.protocol.session_keys import KEY_LENGTH
from orch.protocol.terms import Terms

SessionId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._~-]+$")]
Language = Annotated[str, Meta(min_length=2, max_length=35, pattern=r"^[A-Za-z0-9_-]+$")]
Languages = Annotated[tuple[Language, ...], Meta(max_length=32)]
Name = Annotated[str, Meta(max_length=80)]
Key = Annotated[str, Meta(max_length=KEY_LENGTH)]
SegmentId = Annotated[str, Meta(min_length=1, max_length=128)]
ParticipantId = Annotated[str, Meta(min_length=1, max_length=64)]
Speaking = Literal["everyone", "host"]
"""Who may speak in a session: everyone, or only its owners and those whom they let speak."""
SpeakerLabel = Annotated[str, Meta(min_length=1, max_length=64)]
UNSURE: Final = "?"
"""The label of a line whose speaker is unsure."""
#: Characters of a session's title.
TITLE_LENGTH: Final = 120
Title = Annotated[str, Meta(max_length=TITLE_LENGTH)]
MessageId = Annotated[str, Meta(max_length=128)] | int

#: Seconds: the greatest age of speech when it is sent, and the greatest length of a stream.
LONGEST_AGE: Final = 3_600.0
LONGEST_STREAM: Final = 7 * 86_400.0

#: Characters of a corrected line.
LONGEST_LINE: Final = 4_000


class ClientMessage(Struct, frozen=True, kw_only=True, tag_field="type"):
    """A message from a client."""

    id: MessageId | None = None


class Ping(ClientMessage, frozen=True, tag="ping"):
    """Check the connection; the reply is ``pong``."""


class CreateSession(ClientMessage, frozen=True, tag="create_session"):
    """Create a session and join it as its owner.

    ``languages``: those this participant reads. ``growing``: also translate lines that still grow into them.
    ``terms``: the session's names and terms. ``pipeline``: what its speech passes through, a preset or
    settings.
    """

    session_id: SessionId | None = None
    config: dict[str, Any] = {}
    name: Name | None = None
    languages: Languages = ()
    growing: bool = False
    terms: Terms = ()
    pipeline: PipelineChoice | None = None


class JoinSession(ClientMessage, frozen=True, tag="join_session"):
    """Join a session. A participant may send it again to change name, languages and ``growing``.

    ``key``: the session's speak key or read key, which decides the role; local clients need none.
    ``history``: also send the stored messages. ``recovery_token``: of a participant of this session, who
    joins again as the same one, with the same role, without a key and although the session is locked. If it
    opens nothing, the key decides.
    """

    session_id: SessionId
    key: Key | None = None
    name: Name | None = None
    languages: Languages = ()
    growing: bool = False
    role: Literal["participant", "observer"] = "participant"
    history: bool = False
    recovery_token: Annotated[str, Meta(max_length=200)] | None = None


class LeaveSession(ClientMessage, frozen=True, tag="leave_session"):
    """Leave a session.

    ``end_if_empty``: end the session, if the sender owns it, nothing was said and nobody else ever joined.
    """

    session_id: SessionId
    end_if_empty: bool = False


class RecoverSession(ClientMessage, frozen=True, tag="recover_session"):
    """Return to a session after a lost connection, and receive all messages after ``offset``.

    ``broadcasts_optional``: recover even if some of the missed broadcasts are no longer stored.
    ``growing``: as in ``join_session``; it is not stored.
    """

    session_id: SessionId
    recovery_token: Annotated[str, Meta(max_length=200)] | None = None
    epoch: Annotated[str, Meta(max_length=64)] | None = None
    offset: Annotated[int, Meta(ge=0)] | None = None
    broadcasts_optional: bool = False
    growing: bool = False


class ServiceMessage(ClientMessage, frozen=True, tag="service_message"):
    """Send a request to a back end through the gateway."""

    target_service: Annotated[str, Meta(max_length=128)]
    action: Annotated[str, Meta(max_length=128, pattern=r"^[A-Za-z0-9_./-]+$")]
    session_id: SessionId | None = None
    payload: dict[str, Any] | None = None


class Broadcast(ClientMessage, frozen=True, tag="broadcast"):
    """Send ``data`` to all participants of the session."""

    session_id: SessionId
    data: Raw


class Subscribe(ClientMessage, frozen=True, tag="subscribe"):
    """Receive a topic's state now and after each change."""

    topic: Annotated[str, Meta(max_length=128)]


class Unsubscribe(ClientMessage, frozen=True, tag="unsubscribe"):
    """Stop receiving a topic."""

    topic: Annotated[str, Meta(max_length=128)]


class AudioStart(ClientMessage, frozen=True, tag="audio_start"):
    """Start a speech stream: binary frames from now on are 16-bit little-endian mono PCM.

    ``sample_rate``: in Hz. ``age``: seconds since the client's first stored sample was recorded. A client
    that sends it stores its speech until it is acknowledged (``audio_status``), so its stream outlives a lost
    connection. ``stream_id``: the stream to continue after a lost connection; the client has stored its
    speech from ``position`` (seconds of that stream) on. ``lost_seconds``: unacknowledged speech before that
    position which the client no longer has. ``diarization``: several people speak into this microphone, and
    the lines should say which. ``pipeline``: what this stream passes through in place of the session's; null:
    nothing.
    """

    session_id: SessionId
    sample_rate: int
    source_language: Language = "auto"
    target_languages: Languages = ()
    age: Annotated[float, Meta(ge=0, le=LONGEST_AGE)] | None = None
    stream_id: Annotated[str, Meta(max_length=64)] | None = None
    position: Annotated[float, Meta(ge=0, le=LONGEST_STREAM)] = 0.0
    lost_seconds: Annotated[float, Meta(ge=0, le=LONGEST_AGE)] = 0.0
    diarization: bool = False
    pipeline: PipelineChoice | UnsetType | None = UNSET


class AudioEnd(ClientMessage, frozen=True, tag="audio_end"):
    """End the speech stream; ``audio_ended`` follows once all of it is transcribed."""


class ReceiveAudio(ClientMessage, frozen=True, tag="receive_audio"):
    """Receive the sound of a meeting that a bot attends, by track, or (``enabled: false``) no longer.

    For those who may speak in the session. ``speaker_audio`` follows while the bot captures sound. It holds
    for the connection: a client that has reconnected sends it again. The reply is ``audio_receiving``.
    """

    session_id: SessionId
    enabled: bool = True


class CancelRecording(ClientMessage, frozen=True, tag="cancel_recording"):
    """Cancel a recording that is being transcribed; its transcript so far stays.

    The session's owner and operators need no ``key``; others send the one that the upload returned.
    """

    session_id: SessionId
    stream_id: Annotated[str, Meta(max_length=64)]
    key: Key | None = None


class NameSpeaker(ClientMessage, frozen=True, tag="name_speaker"):
    """Give a speaker at a shared microphone a name, for everyone; an empty one takes it back."""

    session_id: SessionId
    speaker_label: SpeakerLabel
    name: Name


class SetTerms(ClientMessage, frozen=True, tag="set_terms"):
    """Replace the session's names and terms, from the next utterance on; none: there are no more."""

    session_id: SessionId
    terms: Terms


class SetPipeline(ClientMessage, frozen=True, tag="set_pipeline"):
    """Have the session's speech pass through another pipeline from now on, also while someone speaks.

    For its owner and operators. ``pipeline``: a preset or settings; null: none. The reply is ``pipeline``.
    """

    session_id: SessionId
    pipeline: PipelineChoice | None


class CorrectLine(ClientMessage, frozen=True, tag="correct_line"):
    """Replace the text of a final line for everyone; for the session's owner and operators.

    ``offset``: that of the ``transcript`` to correct. The reply is the corrected ``transcript``, with this
    message's ``id``.
    """

    session_id: SessionId
    segment_id: SegmentId
    offset: Annotated[int, Meta(ge=1)]
    text: Annotated[str, Meta(max_length=LONGEST_LINE)]


class DeleteLine(ClientMessage, frozen=True, tag="delete_line"):
    """Delete a final line for everyone; for the session's owner and operators. The fields of CorrectLine."""

    session_id: SessionId
    segment_id: SegmentId
    offset: Annotated[int, Meta(ge=1)]


class TitleSession(ClientMessage, frozen=True, tag="title_session"):
    """Give the session a title, for everyone; an empty one removes it. For its owner and operators."""

    session_id: SessionId
    title: Title


class SetSession(ClientMessage, frozen=True, tag="set_session"):
    """Lock or unlock a session, and decide who may speak; for its owner and operators.

    The reply is ``moderation``. ``locked``: nobody new can join. ``speaking``: ``host`` mutes everyone except
    owners, until the host lets them speak. What is not given stays.
    """

    session_id: SessionId
    locked: bool | None = None
    speaking: Speaking | None = None


class MuteParticipant(ClientMessage, frozen=True, tag="mute_participant"):
    """Mute a participant, or let them speak (``muted: false``); for the owner and operators.

    Without ``participant_id``: mute all who are in the session now and may speak, except owners. The reply is
    ``moderation``.
    """

    session_id: SessionId
    participant_id: ParticipantId | None = None
    muted: bool = True


class Unmute(ClientMessage, frozen=True, tag="unmute"):
    """Take back that the host has muted the sender, if the host allows it. The reply is ``moderation``."""

    session_id: SessionId


class RemoveParticipant(ClientMessage, frozen=True, tag="remove_participant"):
    """Remove a participant from a session; for its owner and operators. The reply is ``moderation``.

    ``new_keys``: also replace the session's keys, as ``new_keys`` does, so that they cannot join again with
    the link that they have.
    """

    session_id: SessionId
    participant_id: ParticipantId
    new_keys: bool = False


class RenameParticipant(ClientMessage, frozen=True, tag="rename_participant"):
    """Give another participant a name, also in earlier lines; for the owner and operators.

    The reply is ``moderation``; ``participant_renamed`` goes to everyone.
    """

    session_id: SessionId
    participant_id: ParticipantId
    name: Name


class NewKeys(ClientMessage, frozen=True, tag="new_keys"):
    """Replace a session's keys: former links and codes stop; for the owner and operators.

    Participants stay, and receive the keys that they may pass on (``session_keys``); the sender's is the
    reply.
    """

    session_id: SessionId


class EndSession(ClientMessage, frozen=True, tag="end_session"):
    """End a session for everyone; for its owner and operators.

    No more speech is accepted. The reply is ``moderation`` with ``ending``; ``session_left`` follows for
    everyone once the last words are transcribed, or after some seconds.
    """

    session_id: SessionId


class TestMessage(ClientMessage, frozen=True, tag="test_message"):
    """Receive the same message back, with all its fields."""


AnyClientMessage = (
    Ping
    | CreateSession
    | JoinSession
    | LeaveSession
    | RecoverSession
    | ServiceMessage
    | Broadcast
    | Subscribe
    | Unsubscribe
    | AudioStart
    | AudioEnd
    | CancelRecording
    | ReceiveAudio
    | NameSpeaker
    | SetTerms
    | SetPipeline
    | CorrectLine
    | DeleteLine
    | TitleSession
    | SetSession
    | MuteParticipant
    | Unmute
    | RemoveParticipant
    | RenameParticipant
    | NewKeys
    | EndSession
    | TestMessage
)
