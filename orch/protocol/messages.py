"""The wire: what a client may send and what it is sent, one struct a message. Pure.

Text frames hold one flat JSON object; ``type`` says which. Client messages may carry ``id``; the answer
carries the same. Server messages carry ``timestamp``, milliseconds since the epoch. Session messages carry
``offset``, one higher each time within an ``epoch``; what carries none (a revision that a final will replace,
presence, progress) is not kept and not recovered.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from orch.protocol.session_keys import KEY_LENGTH, GivenKeys

SessionId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._~-]+$")]
Language = Annotated[str, Meta(min_length=2, max_length=35, pattern=r"^[A-Za-z0-9_-]+$")]
Languages = Annotated[tuple[Language, ...], Meta(max_length=32)]
Name = Annotated[str, Meta(max_length=80)]
Key = Annotated[str, Meta(max_length=KEY_LENGTH)]
MessageId = Annotated[str, Meta(max_length=128)] | int

#: Seconds: how old speech may be when it is sent, and how long one stream may last.
LONGEST_AGE: Final = 3_600.0
LONGEST_STREAM: Final = 7 * 86_400.0

Role = Literal["owner", "participant", "observer"]
Change = Literal["joined", "left", "silent"]


class ClientMessage(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What a client may send."""

    id: MessageId | None = None


class Ping(ClientMessage, frozen=True, tag="ping"):
    """Answered by ``pong``."""


class CreateSession(ClientMessage, frozen=True, tag="create_session"):
    """Begin a session and be in it, as its owner. ``languages``: what this participant reads."""

    session_id: SessionId | None = None
    config: dict[str, Any] = {}
    name: Name | None = None
    languages: Languages = ()


class JoinSession(ClientMessage, frozen=True, tag="join_session"):
    """Be in a session. Sent again by one who is in it, it changes name and languages.

    ``key``: one of the session's two; it decides whether one may speak. From this machine none is needed.

    ``history``: also send what the session keeps of what was said before.
    """

    session_id: SessionId
    key: Key | None = None
    name: Name | None = None
    languages: Languages = ()
    role: Literal["participant", "observer"] = "participant"
    history: bool = False


class LeaveSession(ClientMessage, frozen=True, tag="leave_session"):
    """Be in a session no more.

    ``end_if_empty``: its owner wants it ended where nothing was said in it and nobody else is or was there.
    """

    session_id: SessionId
    end_if_empty: bool = False


class RecoverSession(ClientMessage, frozen=True, tag="recover_session"):
    """Be in a session again after a lost connection, and be sent all that was missed after ``offset``.

    ``broadcasts_optional``: also where some of the missed broadcasts are no longer stored.
    """

    session_id: SessionId
    recovery_token: Annotated[str, Meta(max_length=200)] | None = None
    epoch: Annotated[str, Meta(max_length=64)] | None = None
    offset: Annotated[int, Meta(ge=0)] | None = None
    broadcasts_optional: bool = False


class ServiceMessage(ClientMessage, frozen=True, tag="service_message"):
    """Ask a back end, through the gateway."""

    target_service: Annotated[str, Meta(max_length=128)]
    action: Annotated[str, Meta(max_length=128, pattern=r"^[A-Za-z0-9_./-]+$")]
    session_id: SessionId | None = None
    payload: dict[str, Any] | None = None


class Broadcast(ClientMessage, frozen=True, tag="broadcast"):
    """Say ``data`` to all in the session."""

    session_id: SessionId
    data: Raw


class Subscribe(ClientMessage, frozen=True, tag="subscribe"):
    """Be sent a topic's state now and whenever it changes."""

    topic: Annotated[str, Meta(max_length=128)]


class Unsubscribe(ClientMessage, frozen=True, tag="unsubscribe"):
    """Be sent the topic no more."""

    topic: Annotated[str, Meta(max_length=128)]


class AudioStart(ClientMessage, frozen=True, tag="audio_start"):
    """Binary frames from now on are speech: 16-bit little-endian mono PCM at ``sample_rate`` Hz.

    ``age``: how many seconds ago the first sample that the client offers was recorded. A client that gives
    it stores what is not acknowledged (``audio_status``), so its stream outlives a lost connection.
    ``stream_id``: the stream to continue after a lost connection, whose speech the client stores from
    ``position`` (seconds of that stream) on. ``lost_seconds``: speech right before that which it does not
    store any more and which was never acknowledged.
    """

    session_id: SessionId
    sample_rate: int
    source_language: Language = "auto"
    target_languages: Languages = ()
    age: Annotated[float, Meta(ge=0, le=LONGEST_AGE)] | None = None
    stream_id: Annotated[str, Meta(max_length=64)] | None = None
    position: Annotated[float, Meta(ge=0, le=LONGEST_STREAM)] = 0.0
    lost_seconds: Annotated[float, Meta(ge=0, le=LONGEST_AGE)] = 0.0


class AudioEnd(ClientMessage, frozen=True, tag="audio_end"):
    """The speech has ended; ``audio_ended`` follows once all of it is written down."""


class CancelRecording(ClientMessage, frozen=True, tag="cancel_recording"):
    """Cancel a recording that is being read; what was written of it stays.

    The session's owner and operators need no ``key``; others show the one that the upload was answered with.
    """

    session_id: SessionId
    stream_id: Annotated[str, Meta(max_length=64)]
    key: Key | None = None


class TestMessage(ClientMessage, frozen=True, tag="test_message"):
    """Sent back as it came; whatever fields it has are kept."""


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
    | TestMessage
)


class ServerMessage(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What a client is sent."""

    timestamp: int
    id: MessageId | UnsetType = UNSET


class Participant(Struct, frozen=True, kw_only=True):
    """Someone in a session.

    A message names a hundred at most (``PARTICIPANTS_LISTED`` in ``roster.py``): owners, participants,
    observers, of these whoever came first; whoever speaks and whom it answers in any case.
    ``participant_count`` beside such a list says how many there are.
    """

    participant_id: str
    name: str
    role: Role
    languages: tuple[str, ...] = ()
    speaking: bool = False

    def described(self) -> "Participant":
        """Return what others see: of someone on another worker, what that one tells."""
        return self


class Connected(ServerMessage, frozen=True, tag="connected"):
    """The first message. Intervals in seconds."""

    connection_id: str
    server_time: int
    ping_interval: float
    recovery_window: float


class Pong(ServerMessage, frozen=True, tag="pong"):
    """The answer to ``ping``."""


class SessionCreated(ServerMessage, frozen=True, tag="session_created"):
    """The session exists and the client is in it. The token is its own, for ``recover_session``.

    ``keys``: what links to the session carry, for those who are to speak and for those who are to read.
    """

    session_id: str
    participant_id: str
    recovery_token: str
    epoch: str
    offset: int
    config: dict[str, Any]
    participants: tuple[Participant, ...]
    participant_count: int
    keys: GivenKeys | UnsetType = UNSET
    role: Role | UnsetType = UNSET


class SessionJoined(ServerMessage, frozen=True, tag="session_joined"):
    """The client is in the session, as ``role``.

    ``participant_count``: null while another worker has yet to send who is in the session there; ``presence``
    follows.

    ``keys``: those it may hand on; ``speak`` is there only for one who may speak.
    ``messages`` (where ``history`` was asked for): what is stored up to ``offset``, in order. ``complete``:
    no caption is missing from it; ``broadcasts_complete``: no broadcast is either. ``more``: it is the first
    part, the others follow as ``session_history``; ``offset`` is where this one ends.
    """

    session_id: str
    participant_id: str
    recovery_token: str
    epoch: str
    offset: int
    config: dict[str, Any]
    participants: tuple[Participant, ...]
    participant_count: int | None
    keys: GivenKeys | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    messages: tuple[Raw, ...] | UnsetType = UNSET
    complete: bool | UnsetType = UNSET
    broadcasts_complete: bool | UnsetType = UNSET
    more: bool | UnsetType = UNSET


class SessionHistory(ServerMessage, frozen=True, tag="session_history"):
    """Another part of the history that a join or a recovery asked for: all after ``after`` up to ``offset``.

    Each is sent once the client has taken the one before; what is said meanwhile comes between them.
    ``complete``: no caption between the two offsets is missing; ``broadcasts_complete``: no broadcast is
    either. ``more``: another part follows.
    ``reason``, of the last part: why the rest is not sent. ``history_expired``: a message that was missed has
    been dropped since, so this is no recovery. ``store_unavailable``, ``internal_error``: ask again.
    """

    session_id: str
    epoch: str
    after: int
    offset: int
    messages: tuple[Raw, ...]
    complete: bool
    more: bool
    broadcasts_complete: bool = True
    reason: str | UnsetType = UNSET


class SessionLeft(ServerMessage, frozen=True, tag="session_left"):
    """The client is in the session no more.

    ``lost``: nobody ended it, but the store no longer has it, or not all that was said in it.
    """

    session_id: str
    reason: Literal["left", "ended", "expired", "lost"] = "left"


class SessionRecovered(ServerMessage, frozen=True, tag="session_recovered"):
    """All that was missed, in order, or an honest ``false``.

    ``more``: these are the first messages of what was missed, up to ``offset``; the others follow as
    ``session_history``. It is recovered with the last of those, unless that carries a ``reason``.
    ``broadcasts_complete``: false only for one who asked with ``broadcasts_optional``, where broadcasts that
    were missed, and nothing else, are no longer stored.
    ``reason`` where ``recovered`` is false: ``unknown_session``, ``token_required``, ``wrong_token``,
    ``epoch_changed``, ``history_expired``, ``offset_unknown``, ``recovery_disabled``.
    """

    session_id: str
    recovered: bool
    reason: str | UnsetType = UNSET
    participant_id: str | UnsetType = UNSET
    keys: GivenKeys | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    epoch: str | UnsetType = UNSET
    offset: int | UnsetType = UNSET
    participants: tuple[Participant, ...] | UnsetType = UNSET
    participant_count: int | UnsetType | None = UNSET
    messages: tuple[Raw, ...] | UnsetType = UNSET
    broadcasts_complete: bool | UnsetType = UNSET
    more: bool | UnsetType = UNSET


class ServiceResponse(ServerMessage, frozen=True, tag="service_response"):
    """What a back end answered; ``status`` is its HTTP status."""

    source_service: str
    action: str
    status: int
    data: Raw
    session_id: str | UnsetType = UNSET


class SessionMessage(ServerMessage, frozen=True, tag="session_message"):
    """A ``broadcast``. ``sender`` is a participant_id."""

    session_id: str
    sender: str
    data: Raw
    offset: int | UnsetType = UNSET


class PresenceChange(Struct, frozen=True, kw_only=True):
    """What has become of someone.

    ``left``: by their own will, for good. ``silent``: their connection was lost; they may return with their
    token, and then have ``joined`` again.
    """

    participant_id: str
    name: str
    role: Role
    change: Change


class Presence(ServerMessage, frozen=True, tag="presence"):
    """Who is in the session now, and what has changed since it was last told. Not kept.

    A client that was behind may miss ``changes``, and of a crowd not all are named; ``participants`` and
    ``participant_count`` always say how it is now.
    """

    session_id: str
    participants: tuple[Participant, ...]
    participant_count: int
    changes: tuple[PresenceChange, ...] = ()


class Subscribed(ServerMessage, frozen=True, tag="subscribed"):
    """The answer to ``subscribe``; ``update`` follows."""

    topic: str


class Unsubscribed(ServerMessage, frozen=True, tag="unsubscribed"):
    """The answer to ``unsubscribe``."""

    topic: str


class Update(ServerMessage, frozen=True, tag="update"):
    """A topic's whole state."""

    topic: str
    data: Raw


class AudioStarted(ServerMessage, frozen=True, tag="audio_started"):
    """The service listens. ``stream_id`` begins every ``segment_id`` of this stream.

    Where the client asked to continue a stream: it sends what it stores from ``position`` on, in seconds of
    the stream it asked for. ``received_seconds``: where that is in this stream, which is the same one
    (``continued``) or a new one.
    """

    session_id: str
    stream_id: str
    continued: bool = False
    position: float | UnsetType = UNSET
    received_seconds: float = 0.0


class AudioEnded(ServerMessage, frozen=True, tag="audio_ended"):
    """All of the stream that could be written down is. ``seconds``: heard; ``lost_seconds``: given up.

    ``speech_seconds``: those of them in which words were heard. Of a recording: which of its sound tracks was
    read (``track``, counted from 1), of how many (``tracks``), and whether it was cancelled.
    """

    session_id: str
    stream_id: str
    seconds: float
    lost_seconds: float
    speech_seconds: float = 0.0
    tracks: int | None = None
    track: int | None = None
    cancelled: bool = False


class RecordingCancelled(ServerMessage, frozen=True, tag="recording_cancelled"):
    """The answer to ``cancel_recording``; ``audio_ended`` with ``cancelled`` follows to all."""

    session_id: str
    stream_id: str


class AudioStatus(ServerMessage, frozen=True, tag="audio_status"):
    """How far the stream is; not kept. To all when it changes, at most once a second.

    It is the acknowledgement: ``received_seconds`` of the stream have arrived, from its first sample on, and
    what came before ``settled_seconds`` is transcribed and published, or given up. The speaker gets one each
    second while audio arrives.
    """

    session_id: str
    stream_id: str
    waiting_seconds: float
    revisions_dropped: int
    speaking: bool
    waiting_for: str | None
    received_seconds: float = 0.0
    settled_seconds: float = 0.0


class CaptionError(Struct, frozen=True, kw_only=True):
    """Why there is no text (yet): a code of ``problems.py``, a sentence. ``final``: there will be none."""

    code: str
    detail: str
    service: str
    final: bool = False


class Word(Struct, frozen=True, kw_only=True):
    """A word as the engine heard it: seconds from ``audio_start``, confidence from the engine or null."""

    text: str
    start: float
    end: float
    confidence: float | None = None


class Transcript(ServerMessage, frozen=True, tag="transcript"):
    """What was said. Seconds count from the stream's first sample, at ``stream_started`` (epoch ms).

    A later ``revision`` of one ``segment_id`` replaces the earlier. ``confidence`` is the engine's, or null.
    With ``error``, ``text`` is empty: a gap, marked. ``recording``: it is said in a recording, whose seconds
    are those of the file.
    """

    session_id: str
    segment_id: str
    revision: int
    final: bool
    text: str
    language: str | None
    confidence: float | None
    start: float
    end: float
    stream_started: int
    speaker: str | None = None
    participant_id: str | None = None
    words: tuple[Word, ...] = ()
    error: CaptionError | None = None
    recording: bool | UnsetType = UNSET
    offset: int | UnsetType = UNSET


class ParticipantRenamed(ServerMessage, frozen=True, tag="participant_renamed"):
    """Someone has another name, from now on and for what they said before. Kept in the history."""

    session_id: str
    participant_id: str
    name: str
    offset: int | UnsetType = UNSET


class Translation(ServerMessage, frozen=True, tag="translation"):
    """What was said, in another language. ``revision`` is the transcript's."""

    session_id: str
    segment_id: str
    revision: int
    target_language: str
    text: str
    confidence: float | None
    error: CaptionError | None = None
    offset: int | UnsetType = UNSET


class SystemAnnouncement(ServerMessage, frozen=True, tag="system_announcement"):
    """Said to every connection.

    ``state``: it is about the service itself, which is ``degraded`` until it says ``restored``.
    """

    message: str
    state: Literal["degraded", "restored"] | UnsetType = UNSET


class Closing(ServerMessage, frozen=True, tag="closing"):
    """The service is about to close this connection. ``reconnect_after``: seconds to wait first."""

    reason: str
    reconnect_after: float


class Error(ServerMessage, frozen=True, tag="error"):
    """What was sent cannot be carried out; the connection stays open. ``code`` is from ``problems.py``.

    ``session_id``, ``stream_id``: the speech or recording that it is about, where it is about one. Without
    ``id`` that is how a client knows which of its streams is meant.
    """

    code: str
    detail: str
    session_id: str | UnsetType = UNSET
    stream_id: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    service: str | UnsetType = UNSET


_ENCODER = msgspec.json.Encoder()


def encode(message: Struct) -> bytes:
    """Return the text frame."""
    return _ENCODER.encode(message)
