"""The records of bot sessions: lives of bots, what they captured, webhooks. Pure.

Names of fields are those of the columns. Wall-clock times (``at``, ``since``, ``…_at``, ``join_time``) are
seconds since the epoch, exact to a microsecond; ``start_time`` and ``end_time`` of what was said are seconds
from the session's start. Confidences are between 0 and 1. States, reasons and stages are the words of
:mod:`orch.bots`, which the store does not interpret.

Everything captured has an id that its session and its place determine, or that its creator chose once; so a
record that is stored twice is stored once.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, Literal

from msgspec import Struct, field

JSON = Mapping[str, Any]
SourceType = Literal["google_meet", "whisper_service", "manual"]
CorrelationType = Literal["exact", "interpolated", "inferred"]
Severity = Literal["debug", "info", "warning", "error"]
ConsentAction = Literal["announced", "granted", "refused", "withdrawn", "opted_out"]
EvidenceKind = Literal["screenshot", "dom", "log"]
WebhookState = Literal["pending", "delivered", "failed"]

_FIRST_YEAR: Final = -62_135_596_800.0
_LAST_YEAR: Final = 253_402_300_800.0
"""Seconds since the epoch that a wall-clock time may have: the years 1 to 9999."""


class RefusedRecordError(ValueError):
    """A record that cannot be stored, whatever the state of the store; the message says why."""


class Life(Struct, frozen=True, kw_only=True):
    """The life of a bot, as of ``revision``.

    ``due_at``: when a scheduled bot starts. ``queued_at``: since when it waits for a place. ``place``: its
    number among the bots that run; ``owner`` runs it until ``lease_until``. ``ended_at``: it has ended, and
    has neither place nor owner. ``leave_requested_at``: it shall leave, whichever worker received the
    request. ``data_deleted_at``: nothing captured is stored for it. ``settings``: what was asked
    for; ``metadata``: what the requester wants returned.
    """

    bot_id: str
    session_id: str
    state: str
    since: float
    requested_at: float
    revision: int = 1
    idempotency_key: str | None = None
    due_at: float | None = None
    queued_at: float | None = None
    place: int | None = None
    placed_at: float | None = None
    admitted_at: float | None = None
    ended_at: float | None = None
    recoveries: int = 0
    lost_to: str | None = None
    was_paused: bool = False
    reason: str | None = None
    stage: str | None = None
    owner: str | None = None
    lease_until: float | None = None
    leave_requested_at: float | None = None
    data_deleted_at: float | None = None
    name: str = ""
    meeting_url: str = ""
    settings: JSON = field(default_factory=dict)
    metadata: JSON = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_times(self, wall=("since", "requested_at", "due_at", "queued_at", "ended_at"))


class BotSession(Struct, frozen=True, kw_only=True):
    """A session of a bot in a meeting. ``at``: when it was stored."""

    session_id: str
    bot_id: str
    status: str
    at: float
    meeting_id: str | None = None
    meeting_title: str | None = None
    meeting_uri: str | None = None
    google_meet_space_id: str | None = None
    conference_record_id: str | None = None
    end_reason: str | None = None
    end_stage: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    participant_count: int = 0
    target_languages: tuple[str, ...] = ()
    session_metadata: JSON = field(default_factory=dict)
    performance_stats: JSON = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_times(self, wall=("at", "start_time", "end_time"))


class AudioFile(Struct, frozen=True, kw_only=True, tag="audio_file"):
    """A recorded file. ``file_hash``: SHA-256, hexadecimal."""

    file_id: str
    session_id: str
    file_path: str
    file_name: str
    file_size: int
    file_format: str
    duration_seconds: float
    sample_rate: int
    channels: int
    chunk_start_time: float
    chunk_end_time: float
    file_hash: str
    at: float
    audio_quality_score: float | None = None
    processing_status: str = "complete"
    metadata: JSON = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_times(self, span=("chunk_start_time", "chunk_end_time"))


class Utterance(Struct, frozen=True, kw_only=True, tag="utterance"):
    """One utterance, as of ``revision``; the highest one is stored, and of equal ones the last.

    ``segment_index``: its number among those of its source in the session.
    """

    session_id: str
    source_type: SourceType
    segment_index: int
    transcript_text: str
    start_time: float
    end_time: float
    at: float
    revision: int = 1
    is_final: bool = True
    language_code: str | None = None
    speaker_id: str | None = None
    speaker_name: str | None = None
    confidence_score: float | None = None
    audio_file_id: str | None = None
    google_transcript_entry_id: str | None = None
    processing_metadata: JSON = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_times(self)

    @property
    def transcript_id(self) -> str:
        """Its id, by which translations and correlations name it."""
        return transcript_id(self.session_id, self.source_type, self.segment_index)

    @property
    def word_count(self) -> int:
        """Words that are separated by white space."""
        return len(self.transcript_text.split())


def transcript_id(session_id: str, source_type: SourceType, segment_index: int) -> str:
    """Return the id of an utterance."""
    return f"{session_id}/{source_type}/{segment_index}"


class Translation(Struct, frozen=True, kw_only=True, tag="translation"):
    """An utterance in another language; ``revision`` is the one of the utterance that was translated."""

    session_id: str
    source_transcript_id: str
    translated_text: str
    target_language: str
    start_time: float
    end_time: float
    at: float
    revision: int = 1
    source_language: str | None = None
    translation_confidence: float | None = None
    translation_service: str | None = None
    speaker_id: str | None = None
    speaker_name: str | None = None
    processing_metadata: JSON = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_times(self)

    @property
    def translation_id(self) -> str:
        """Its id."""
        return f"{self.source_transcript_id}/{self.target_language}"


class Correlation(Struct, frozen=True, kw_only=True, tag="correlation"):
    """Whose words ``word_start`` up to ``word_end`` of an own transcript are.

    An utterance of several speakers has several parts, numbered from 0. The parts of a later revision
    replace all parts of the earlier ones. ``speaker_id`` is None where the name is withheld.
    """

    session_id: str
    inhouse_transcript_id: str
    word_start: int
    word_end: int
    correlation_confidence: float
    correlation_type: CorrelationType
    correlation_method: str
    start_time: float
    end_time: float
    at: float
    revision: int = 1
    part: int = 0
    google_transcript_id: str | None = None
    timing_offset: float | None = None
    speaker_id: str | None = None
    speaker_name: str | None = None
    correlation_metadata: JSON = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_times(self)

    @property
    def correlation_id(self) -> str:
        """Its id."""
        return f"{self.inhouse_transcript_id}/{self.part}"


class NameRevision(Struct, frozen=True, kw_only=True, tag="name_revision"):
    """A change of who is said to have spoken these words; ``was_shown``: someone may have seen the old name.

    An id of None: the name was, or is now, withheld.
    """

    revision_id: str
    session_id: str
    transcript_id: str
    word_start: int
    word_end: int
    method: str
    was_shown: bool
    at: float
    old_speaker_id: str | None = None
    old_speaker_name: str | None = None
    new_speaker_id: str | None = None
    new_speaker_name: str | None = None
    old_confidence: float | None = None
    new_confidence: float | None = None

    def __post_init__(self) -> None:
        check_times(self)


class Participant(Struct, frozen=True, kw_only=True, tag="participant"):
    """A participant of the meeting; stored again, it replaces what was stored."""

    participant_id: str
    session_id: str
    display_name: str
    at: float
    google_participant_id: str | None = None
    email: str | None = None
    join_time: float | None = None
    leave_time: float | None = None
    total_speaking_time: float = 0.0
    participant_metadata: JSON = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_times(self, wall=("at", "join_time", "leave_time"))


class SessionEvent(Struct, frozen=True, kw_only=True, tag="event"):
    """Something that happened to the bot or in the meeting."""

    event_id: str
    session_id: str
    event_type: str
    at: float
    source_component: str
    event_subtype: str | None = None
    event_data: JSON = field(default_factory=dict)
    severity: Severity = "info"

    def __post_init__(self) -> None:
        check_times(self)


class Consent(Struct, frozen=True, kw_only=True, tag="consent"):
    """An entry of the consent log. ``statement``: what was announced, or written in reply."""

    consent_id: str
    session_id: str
    action: ConsentAction
    at: float
    participant_id: str | None = None
    participant_name: str | None = None
    language_code: str | None = None
    statement: str = ""

    def __post_init__(self) -> None:
        check_times(self)


class EvidenceFile(Struct, frozen=True, kw_only=True, tag="evidence_file"):
    """A file that shows what the bot saw when it failed."""

    file_id: str
    session_id: str
    kind: EvidenceKind
    file_path: str
    file_size: int
    file_hash: str
    at: float

    def __post_init__(self) -> None:
        check_times(self)


Captured = (
    AudioFile
    | Utterance
    | Translation
    | Correlation
    | NameRevision
    | Participant
    | SessionEvent
    | Consent
    | EvidenceFile
)
"""What a bot captures: stored in batches, in order, and spooled while the store is away."""


class Written(Struct, frozen=True):
    """The result of a batch: how many records were stored, and the sessions for which nothing is stored.

    Those were never created, or their data was deleted.
    """

    stored: int
    refused_sessions: frozenset[str] = frozenset()


class SessionStatistics(Struct, frozen=True, kw_only=True):
    """The figures of a session that has ended. Durations in seconds, sizes in bytes.

    ``correlation_success_rate``: words with a name / words, of its own transcripts; None without any.
    """

    session_id: str
    computed_at: float
    total_duration: float | None
    total_participants: int
    unique_speakers: int
    total_audio_files: int
    total_audio_duration: float
    total_audio_size: int
    total_transcripts: int
    total_transcript_words: int
    total_translations: int
    translation_languages: tuple[str, ...]
    correlation_success_rate: float | None
    average_correlation_confidence: float | None
    quality_metrics: JSON = field(default_factory=dict)


class WebhookDelivery(Struct, frozen=True, kw_only=True):
    """A webhook to send to one endpoint. ``body`` is sent as it is, with ``message_id`` as ``webhook-id``.

    It is about a bot or about a calendar. ``sequence``: the order of those about it. ``attempts``: how many
    were made since it was stored, or last redelivered by hand, the first of them at ``first_at``. ``due_at``:
    when it is sent next, None unless it is ``pending``.
    """

    delivery_id: str
    message_id: str
    bot_id: str | None
    endpoint_id: str
    sequence: int
    trigger: str
    body: bytes
    at: float
    state: WebhookState = "pending"
    attempts: int = 0
    first_at: float | None = None
    due_at: float | None = None
    claimed_until: float | None = None
    calendar_id: str | None = None


class WebhookAttempt(Struct, frozen=True, kw_only=True):
    """One attempt to send a webhook, begun at ``at``: what was sent where, and the outcome.

    ``method``, ``url``, ``address``: None if nothing was sent. ``status``: None without a response.
    ``fault``: the kind of fault, or ""; ``reason``: a sentence for people. ``duration`` in seconds.
    """

    delivery_id: str
    number: int
    at: float
    duration: float
    method: str | None = None
    url: str | None = None
    address: str | None = None
    request_headers: tuple[tuple[str, str], ...] = ()
    status: int | None = None
    response: bytes = b""
    fault: str = ""
    reason: str = ""

    @property
    def attempt_id(self) -> str:
        """Its id."""
        return f"{self.delivery_id}/{self.at!r}"


class WebhookEndpoint(Struct, frozen=True, kw_only=True):
    """An endpoint to which nothing is sent: for ever since ``disabled_at``, or until ``rests_until``."""

    endpoint_id: str
    disabled_at: float | None = None
    disabled_reason: str = ""
    rests_until: float | None = None


class Subscription(Struct, frozen=True, kw_only=True):
    """An endpoint that a program has registered, and the triggers of the events that are sent there.

    ``secret``: the one that signs; ``replaced_secrets``: former ones, the latest first, each with the time
    until which it signs too. ``at``: when it was registered.
    """

    endpoint_id: str
    url: str
    triggers: tuple[str, ...]
    secret: str
    at: float
    description: str = ""
    replaced_secrets: tuple[tuple[str, float], ...] = ()

    def __repr__(self) -> str:
        return f"<Subscription {self.endpoint_id} to {', '.join(self.triggers)}>"


class Prunable(StrEnum):
    """What is stored for a number of days of its own.

    ``SESSION``: everything about it, the bot's life and its webhooks too.
    """

    AUDIO = "audio"
    TRANSCRIPT = "transcript"
    EVIDENCE = "evidence"
    DELIVERY = "delivery"
    SESSION = "session"


def check_times(
    record: Struct, *, wall: tuple[str, ...] = ("at",), span: tuple[str, str] | None = None
) -> None:
    """Raise :class:`RefusedRecordError` for a number that no engine stores as it is.

    That is one that is not finite or does not fit into 64 bits, a wall-clock time outside of the years 1 to
    9999, and an end before the start. ``span``: names of the start and the end.
    """
    for name, value in _numbers(record):
        if not -(2**63) <= value < 2**63:
            raise RefusedRecordError(f"{name} is not a finite number of 64 bits")
        if name in wall and not _FIRST_YEAR <= value < _LAST_YEAR:
            raise RefusedRecordError(f"{name} is no time in seconds since the epoch: {value}")
    begin, end = (getattr(record, name, None) for name in span or ("start_time", "end_time"))
    if begin is not None and end is not None and end < begin:
        raise RefusedRecordError(f"it ends before it begins: {begin} to {end}")


def _numbers(record: Struct) -> Iterator[tuple[str, float]]:
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, float | int):
            yield name, value
