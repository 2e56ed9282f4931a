"""The messages that the service sends. Pure.

The wire format is described in :mod:`orch.protocol.messages`.
"""

from typing import Any, Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from orch.protocol.client_messages import MessageId, SpeakerLabel, Speaking
from orch.protocol.session_keys import GivenKeys
from orch.protocol.terms import Terms

Role = Literal["owner", "participant", "observer"]
Change = Literal["joined", "left", "silent"]


class ServerMessage(Struct, frozen=True, kw_only=True, tag_field="type"):
    """A message of the service."""

    timestamp: int
    id: MessageId | UnsetType = UNSET


class Participant(Struct, frozen=True, kw_only=True):
    """A participant of a session.

    A message lists a hundred at most (``PARTICIPANTS_LISTED`` in ``roster.py``): owners, participants,
    observers, within a role the earliest first; active speakers and the receiver of a reply are always
    listed. ``participant_count`` beside the list is the number of all. ``growing``: growing lines are
    translated into this participant's languages. ``muted``: the host has muted them. ``audio``, if they
    receive the raw sound of a meeting's speakers.
    """

    participant_id: str
    name: str
    role: Role
    languages: tuple[str, ...] = ()
    speaking: bool = False
    growing: bool = False
    muted: bool = False
    audio: Literal[True] | UnsetType = UNSET

    def described(self) -> "Participant":
        """Return what other participants see; for a participant of another worker, what that worker sent."""
        return self


class Moderation(Struct, frozen=True, kw_only=True):
    """What the session's host has decided. ``muted``: the receiver's speech is not accepted.

    ``locked``: nobody new can join. ``speaking``: who may speak; with ``everyone`` a muted participant may
    send ``unmute``. ``ending``: the session ends once the last words are transcribed.
    """

    locked: bool = False
    speaking: Speaking = "everyone"
    ending: bool = False
    muted: bool = False


class Connected(ServerMessage, frozen=True, tag="connected"):
    """The first message on a connection. Intervals in seconds."""

    connection_id: str
    server_time: int
    ping_interval: float
    recovery_window: float


class Pong(ServerMessage, frozen=True, tag="pong"):
    """The reply to ``ping``."""


class SessionCreated(ServerMessage, frozen=True, tag="session_created"):
    """The session was created and the client has joined it.

    ``recovery_token``: the client's own, for ``recover_session``. ``keys``: the session's speak key and read
    key, for links. ``title``, ``terms`` (names and terms), ``pipeline`` (a preset's name or settings): the
    session's, omitted if it has none.
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
    title: str | UnsetType = UNSET
    moderation: Moderation | UnsetType = UNSET
    terms: Terms | UnsetType = UNSET
    pipeline: Raw | UnsetType = UNSET


class SessionJoined(ServerMessage, frozen=True, tag="session_joined"):
    """The client has joined the session, as ``role``.

    ``participant_count``: null while another worker has not yet sent its participants; ``presence`` follows.
    ``keys``: those the client may pass on; ``speak`` only if it may speak. ``title``: the session's, if it
    has one. ``terms``: its names and terms, ``pipeline``: a preset's name or settings, for those who may
    speak; omitted if it has none.
    ``messages`` (if ``history`` was requested): the stored messages up to ``offset``, in order. ``complete``:
    no caption is missing; ``broadcasts_complete``: no broadcast is missing. ``more``: this is the first part,
    which ends at ``offset``; the others follow as ``session_history``.
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
    title: str | UnsetType = UNSET
    moderation: Moderation | UnsetType = UNSET
    terms: Terms | UnsetType = UNSET
    pipeline: Raw | UnsetType = UNSET
    messages: tuple[Raw, ...] | UnsetType = UNSET
    complete: bool | UnsetType = UNSET
    broadcasts_complete: bool | UnsetType = UNSET
    more: bool | UnsetType = UNSET


class SessionHistory(ServerMessage, frozen=True, tag="session_history"):
    """A further part of the requested history: the messages after ``after`` up to ``offset``.

    Each part is sent once the client has read the one before; live messages may arrive between them.
    ``complete``: no caption between the two offsets is missing; ``broadcasts_complete``: no broadcast is
    missing. ``more``: another part follows.
    ``reason``, in the last part: why the rest is not sent. ``history_expired``: a missed message has been
    dropped meanwhile, so the recovery failed. ``store_unavailable``, ``internal_error``: request it again.
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
    """The client is no longer in the session.

    ``lost``: nobody ended the session, but the store has lost it or part of its history. ``removed``: its
    host has removed this participant. ``by_host``, of ``ended``: its host has ended it.
    """

    session_id: str
    reason: Literal["left", "ended", "expired", "lost", "removed"] = "left"
    by_host: bool | UnsetType = UNSET


class ModerationChanged(ServerMessage, frozen=True, tag="moderation"):
    """What the host has decided has changed, for the receiver; the fields of Moderation. Not stored.

    Also the reply to the requests of hosts, when they have been carried out.
    """

    session_id: str
    locked: bool
    speaking: Speaking
    ending: bool
    muted: bool


class SessionKeys(ServerMessage, frozen=True, tag="session_keys"):
    """The session has new keys: those that the receiver may pass on. Former ones open nothing."""

    session_id: str
    keys: GivenKeys


class SessionRecovered(ServerMessage, frozen=True, tag="session_recovered"):
    """The result of a recovery: all missed messages in order, or ``recovered: false`` with a reason.

    ``more``: these are the first of the missed messages, up to ``offset``; the others follow as
    ``session_history``, and the recovery succeeds with the last of those, unless that carries a ``reason``.
    ``broadcasts_complete``: false only if the client sent ``broadcasts_optional``, and some missed
    broadcasts, but no captions, are no longer stored. ``title``: the session's, if it has one. ``terms``,
    ``pipeline`` as in ``session_joined``, also if there are none (null).
    ``reason`` if ``recovered`` is false: ``unknown_session``, ``token_required``, ``wrong_token``,
    ``epoch_changed``, ``history_expired``, ``offset_unknown``, ``recovery_disabled``; by the host:
    ``removed``, ``ended``.
    """

    session_id: str
    recovered: bool
    reason: str | UnsetType = UNSET
    participant_id: str | UnsetType = UNSET
    keys: GivenKeys | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    title: str | UnsetType = UNSET
    terms: Terms | UnsetType = UNSET
    pipeline: Raw | UnsetType = UNSET
    epoch: str | UnsetType = UNSET
    offset: int | UnsetType = UNSET
    participants: tuple[Participant, ...] | UnsetType = UNSET
    participant_count: int | UnsetType | None = UNSET
    moderation: Moderation | UnsetType = UNSET
    messages: tuple[Raw, ...] | UnsetType = UNSET
    broadcasts_complete: bool | UnsetType = UNSET
    more: bool | UnsetType = UNSET


class ServiceResponse(ServerMessage, frozen=True, tag="service_response"):
    """A back end's response; ``status`` is its HTTP status."""

    source_service: str
    action: str
    status: int
    data: Raw
    session_id: str | UnsetType = UNSET


class SessionMessage(ServerMessage, frozen=True, tag="session_message"):
    """A participant's ``broadcast``. ``sender`` is a participant_id."""

    session_id: str
    sender: str
    data: Raw
    offset: int | UnsetType = UNSET


class PresenceChange(Struct, frozen=True, kw_only=True):
    """A participant who joined, left or lost the connection.

    ``left``: for good, at their own request. ``silent``: the connection was lost; a participant who returns
    with the recovery token has ``joined`` again.
    """

    participant_id: str
    name: str
    role: Role
    change: Change


class Presence(ServerMessage, frozen=True, tag="presence"):
    """The session's participants now, and the changes since the previous ``presence``. Not stored.

    A slow client may miss ``changes``, and not all of many participants are listed; ``participants`` and
    ``participant_count`` are always current.
    """

    session_id: str
    participants: tuple[Participant, ...]
    participant_count: int
    changes: tuple[PresenceChange, ...] = ()


class Subscribed(ServerMessage, frozen=True, tag="subscribed"):
    """The reply to ``subscribe``; ``update`` follows."""

    topic: str


class Unsubscribed(ServerMessage, frozen=True, tag="unsubscribed"):
    """The reply to ``unsubscribe``."""

    topic: str


class Update(ServerMessage, frozen=True, tag="update"):
    """A topic's complete state."""

    topic: str
    data: Raw


class AudioStarted(ServerMessage, frozen=True, tag="audio_started"):
    """The service receives the stream. ``stream_id`` is the prefix of every ``segment_id`` of this stream.

    If the client asked to continue a stream, it now sends its stored audio from ``position`` on, in seconds
    of the requested stream. ``received_seconds``: the same place in this stream, which is the requested one
    (``continued``) or a new one.
    """

    session_id: str
    stream_id: str
    continued: bool = False
    position: float | UnsetType = UNSET
    received_seconds: float = 0.0


class AudioEnded(ServerMessage, frozen=True, tag="audio_ended"):
    """The stream has ended and is transcribed. ``seconds``: received; ``lost_seconds``: given up.

    ``speech_seconds``: the seconds in which words were recognised. Of a recording: which of its audio tracks
    was read (``track``, from 1), of how many (``tracks``), and whether it was cancelled.
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
    """The reply to ``cancel_recording``; ``audio_ended`` with ``cancelled`` follows for all participants."""

    session_id: str
    stream_id: str


class AudioStatus(ServerMessage, frozen=True, tag="audio_status"):
    """The progress of a stream; not stored. Sent to all participants when it changes, at most once a second.

    It acknowledges audio: ``received_seconds`` of the stream have arrived, counted from its first sample;
    audio before ``settled_seconds`` is transcribed and published, or given up. The speaker receives one each
    second while audio arrives. ``pipeline``: the sound passes through one (``on``), or goes on unprocessed
    because it failed or was too slow (``bypassed``); omitted where none is wanted.
    """

    session_id: str
    stream_id: str
    waiting_seconds: float
    revisions_dropped: int
    speaking: bool
    waiting_for: str | None
    received_seconds: float = 0.0
    settled_seconds: float = 0.0
    pipeline: Literal["on", "bypassed"] | UnsetType = UNSET


class CaptionError(Struct, frozen=True, kw_only=True):
    """Why there is no text yet: a code of ``problems.py`` and a sentence. ``final``: there will be none."""

    code: str
    detail: str
    service: str
    final: bool = False


class Word(Struct, frozen=True, kw_only=True):
    """A recognised word: seconds from ``audio_start``, and the engine's confidence or null."""

    text: str
    start: float
    end: float
    confidence: float | None = None


class Transcript(ServerMessage, frozen=True, tag="transcript"):
    """A transcribed segment of speech.

    Times in seconds from the stream's first sample, recorded at ``stream_started`` (epoch ms). A later
    ``revision`` of the same ``segment_id`` replaces the earlier one. ``confidence`` is the engine's, or null.
    With ``error``, ``text`` is empty: a marked gap. ``recording``: the speech is in a recording, and the
    times are those of the file.

    ``settled``, of a revision: that many words at the beginning of ``text`` (:mod:`orch.protocol.words`) stay
    while the utterance grows, except their punctuation and capitals; the rest may still change. ``corrects``,
    of a final: it changes words that were settled. ``edited``: the session's owner has corrected the text, or
    deleted the line (then ``text`` is empty).
    ``speaker``: the name of the participant or the recording. ``speaker_label``, of a final: which of several
    people at the same microphone it was, by the back end's label, which holds in the session; ``?``: unsure.
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
    settled: int | UnsetType = UNSET
    corrects: bool | UnsetType = UNSET
    edited: Literal["corrected", "deleted"] | UnsetType = UNSET
    speaker_label: SpeakerLabel | UnsetType = UNSET
    offset: int | UnsetType = UNSET


class SpeakerIdentified(ServerMessage, frozen=True, tag="speaker_identified"):
    """The speaker of an earlier segment is known by now, or is another. Stored in the history."""

    session_id: str
    segment_id: str
    speaker_label: SpeakerLabel
    offset: int | UnsetType = UNSET


class SpeakerNamed(ServerMessage, frozen=True, tag="speaker_named"):
    """The name of a speaker at a shared microphone, for all lines with this label, earlier and later.

    ``participant_id``: who gave it. An empty ``name`` takes it back. Stored in the history.
    """

    session_id: str
    speaker_label: SpeakerLabel
    name: str
    participant_id: str
    offset: int | UnsetType = UNSET


class SessionTitled(ServerMessage, frozen=True, tag="session_titled"):
    """The session has another title; an empty ``title``: none any more. Stored in the history.

    ``participant_id``: who gave it; null: an operator over HTTP.
    """

    session_id: str
    title: str
    participant_id: str | None = None
    offset: int | UnsetType = UNSET


class TermsSet(ServerMessage, frozen=True, tag="terms"):
    """The session's names and terms are others now, for those who may speak.

    ``revision``: how often they were set; the highest one counts. ``participant_id``: who set them.
    """

    session_id: str
    terms: Terms
    revision: int
    participant_id: str | UnsetType = UNSET


class PipelineSet(ServerMessage, frozen=True, tag="pipeline"):
    """The session's speech passes through another pipeline now; for those who may speak.

    ``pipeline``: a preset's name or settings; null: none. ``revision``: how often it was set; the highest one
    counts. ``participant_id``: who set it; omitted: an operator over HTTP.
    """

    session_id: str
    pipeline: Raw
    revision: int
    participant_id: str | UnsetType = UNSET


class ParticipantRenamed(ServerMessage, frozen=True, tag="participant_renamed"):
    """A participant has a new name, which applies to earlier lines too. Stored in the history."""

    session_id: str
    participant_id: str
    name: str
    offset: int | UnsetType = UNSET


class Translation(ServerMessage, frozen=True, tag="translation"):
    """The translation of a segment. ``revision`` is the transcript's.

    ``growing``: it is that of the first ``words`` words of a revision, and is not stored; later ones continue
    it. ``corrects``: the final's does not continue the one that was sent while the line grew.
    """

    session_id: str
    segment_id: str
    revision: int
    target_language: str
    text: str
    confidence: float | None
    error: CaptionError | None = None
    growing: bool | UnsetType = UNSET
    words: int | UnsetType = UNSET
    corrects: bool | UnsetType = UNSET
    offset: int | UnsetType = UNSET


class TranslationUsage(ServerMessage, frozen=True, tag="translation_usage"):
    """How many requests to translate growing lines the session has sent in the last minute; not stored.

    Sent to everyone in the session while there are such requests, every 5 s, and at once when the limit is
    reached or no longer is. ``limit_reached``: clauses wait for the final.
    """

    session_id: str
    used: int
    limit: int
    limit_reached: bool


class SystemAnnouncement(ServerMessage, frozen=True, tag="system_announcement"):
    """An announcement to every connection.

    ``state``: it is about the service itself, which is ``degraded`` until an announcement has ``restored``.
    """

    message: str
    state: Literal["degraded", "restored"] | UnsetType = UNSET


class Closing(ServerMessage, frozen=True, tag="closing"):
    """The service is about to close this connection. ``reconnect_after``: seconds to wait first."""

    reason: str
    reconnect_after: float


class Error(ServerMessage, frozen=True, tag="error"):
    """A request failed; the connection stays open. ``code`` is from ``problems.py``.

    ``session_id``, ``stream_id``: the affected stream or recording, if any; without ``id`` they identify it.
    ``faults``: everything that is wrong with a pipeline's settings, {path, expected} each.
    """

    code: str
    detail: str
    session_id: str | UnsetType = UNSET
    stream_id: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    faults: list[dict[str, str]] | UnsetType = UNSET
    service: str | UnsetType = UNSET
