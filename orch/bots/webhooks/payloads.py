"""The bodies of webhooks: one envelope, and one shape of ``data`` for each trigger. Pure.

The envelope is ``{idempotency_key, bot_id, bot_metadata, trigger, timestamp, sequence, data}``: Attendee's
fields, and two of our own. ``timestamp`` is when the event happened (RFC 3339, milliseconds, UTC), which may
be long before it is delivered. ``sequence`` grows with each event of one bot, or of one calendar, by one or
more; retried deliveries arrive out of order, and it says so. Events of a calendar have ``calendar_id`` in
place of ``bot_id`` and ``bot_metadata``.

Times within a meeting are seconds from the session's start. A field that is not known is null, not left out,
so that a receiver sees one shape for each trigger.
"""

import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

LARGEST: Final = 262_144
"""Bytes of a body. The specification recommends under 20 kB, which all but odd events have."""

LARGEST_METADATA: Final = 16_384
"""Bytes of a bot's metadata as JSON; it is part of each of its webhooks."""

_LAST_YEAR: Final = 253_402_300_799.0
"""Seconds since the epoch of the end of the year 9999."""


class PayloadError(ValueError):
    """Content that cannot be sent; the message says what was expected."""


class Trigger(StrEnum):
    """The events that an endpoint can subscribe to."""

    STATE_CHANGE = "bot.state_change"
    TRANSCRIPT = "transcript.update"
    CHAT_MESSAGES = "chat_messages.update"
    JOIN_LEAVE = "participant_events.join_leave"
    SPEECH_START_STOP = "participant_events.speech_start_stop"
    TRANSLATION = "translation.update"
    ATTRIBUTION = "attribution.revised"
    CALENDAR_EVENTS = "calendar.events_update"
    CALENDAR_STATE = "calendar.state_change"


class StateChange(Struct, frozen=True, kw_only=True):
    """A bot is in another state. ``reason`` and ``stage``: why and where it ended, else null."""

    old_state: str | None
    new_state: str
    reason: str | None = None
    stage: str | None = None
    sentence: str | None = None


class Word(Struct, frozen=True, kw_only=True):
    """One word of a transcript and its time. ``speaker_name``: null where it is not known well enough."""

    text: str
    start: float
    end: float
    speaker_name: str | None = None


class Transcript(Struct, frozen=True, kw_only=True):
    """A segment of the transcript, final or one of its revisions.

    ``confidence``: of the recognition, 0 to 1; ``speaker_confidence``: of the name.
    """

    segment_id: str
    revision: int
    is_final: bool
    text: str
    language: str | None
    start: float
    end: float
    speaker_id: str | None = None
    speaker_name: str | None = None
    speaker_confidence: float | None = None
    confidence: float | None = None
    words: tuple[Word, ...] = ()


class Translation(Struct, frozen=True, kw_only=True):
    """A translation of a segment."""

    segment_id: str
    revision: int
    is_final: bool
    text: str
    source_language: str | None
    target_language: str
    start: float
    end: float
    speaker_id: str | None = None
    speaker_name: str | None = None


class ChatMessage(Struct, frozen=True, kw_only=True):
    """A message in the meeting's chat. ``to``: everyone, or the bot alone."""

    message_id: str
    text: str
    sender_id: str | None
    sender_name: str | None
    to: Literal["everyone", "only_bot"]
    at: float


class Participant(Struct, frozen=True, kw_only=True):
    """A participant joined or left, or started or stopped speaking."""

    participant_id: str
    participant_name: str
    event_type: Literal["join", "leave", "speech_start", "speech_stop"]
    at: float
    participant_is_host: bool | None = None


class RevisedName(Struct, frozen=True, kw_only=True):
    """Words ``first_word`` to ``last_word`` (from 0, inclusive) of a segment have another name."""

    first_word: int
    last_word: int
    old_name: str | None
    new_name: str | None
    confidence: float | None


class Attribution(Struct, frozen=True, kw_only=True):
    """Who said a segment was decided again after it had been published. ``reason``: for the audit trail."""

    segment_id: str
    revision: int
    changes: tuple[RevisedName, ...]
    reason: str


class CalendarEvents(Struct, frozen=True, kw_only=True):
    """What a calendar's last reading changed: the ids of bots."""

    scheduled: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()


class CalendarState(Struct, frozen=True, kw_only=True):
    """A calendar can be read again, or no longer. ``reason``: a sentence, null while it can."""

    state: Literal["connected", "failing"]
    reason: str | None = None
    last_read_at: str | None = None


Data = (
    StateChange
    | Transcript
    | Translation
    | ChatMessage
    | Participant
    | Attribution
    | CalendarEvents
    | CalendarState
)

SHAPES: Final[dict[Trigger, type[Struct]]] = {
    Trigger.STATE_CHANGE: StateChange,
    Trigger.TRANSCRIPT: Transcript,
    Trigger.CHAT_MESSAGES: ChatMessage,
    Trigger.JOIN_LEAVE: Participant,
    Trigger.SPEECH_START_STOP: Participant,
    Trigger.TRANSLATION: Translation,
    Trigger.ATTRIBUTION: Attribution,
    Trigger.CALENDAR_EVENTS: CalendarEvents,
    Trigger.CALENDAR_STATE: CalendarState,
}
"""The shape of ``data`` of each trigger."""

_PARTICIPANT_EVENTS: Final = {
    Trigger.JOIN_LEAVE: frozenset({"join", "leave"}),
    Trigger.SPEECH_START_STOP: frozenset({"speech_start", "speech_stop"}),
}

_encoder: Final = msgspec.json.Encoder()


class Bot(Struct, frozen=True, kw_only=True):
    """The bot that an event is about. ``metadata``: what its creator gave, a JSON object."""

    bot_id: str
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


class Calendar(Struct, frozen=True, kw_only=True):
    """The calendar that an event is about."""

    calendar_id: str


class Event(Struct, frozen=True, kw_only=True):
    """What happened to a bot or a calendar. ``at``: seconds since the epoch."""

    idempotency_key: str
    about: Bot | Calendar
    trigger: Trigger
    at: float
    sequence: int
    data: Data


def encode(event: Event) -> bytes:
    """Return the body: JSON without spaces, the same bytes for the same event.

    PayloadError: the data is not that of the trigger, has a number that JSON has no form for, or the body has
    more than :data:`LARGEST` bytes.
    """
    trigger, data = event.trigger, event.data
    shape = SHAPES[trigger]
    if not isinstance(data, shape):
        raise PayloadError(f"{trigger}: expected {shape.__name__}, got {type(data).__name__}")
    if isinstance(data, Participant) and data.event_type not in _PARTICIPANT_EVENTS[trigger]:
        raise PayloadError(f"{trigger}: got the event {data.event_type}")
    about: dict[str, Any]
    if isinstance(event.about, Calendar):
        if not trigger.startswith("calendar."):
            raise PayloadError(f"{trigger}: expected a bot, got a calendar")
        about = {"calendar_id": event.about.calendar_id}
    else:
        if trigger.startswith("calendar."):
            raise PayloadError(f"{trigger}: expected a calendar, got a bot")
        about = {"bot_id": event.about.bot_id, "bot_metadata": event.about.metadata}
    _check_numbers(data)
    document = {
        "idempotency_key": event.idempotency_key,
        **about,
        "trigger": trigger,
        "timestamp": timestamp(event.at),
        "sequence": event.sequence,
        "data": data,
    }
    try:
        body = _encoder.encode(document)
    except UnicodeEncodeError:  # a page's text may have half of a character of UTF-16
        body = _encoder.encode({**document, "data": _whole(msgspec.to_builtins(data))})
    if len(body) > LARGEST:
        raise PayloadError(f"{trigger}: expected at most {LARGEST} bytes, got {len(body)}")
    return body


def timestamp(at: float) -> str:
    """Return seconds since the epoch as RFC 3339 with milliseconds, in UTC. PayloadError: no such date."""
    if not 0 <= at <= _LAST_YEAR:
        raise PayloadError(f"expected a time between 1970 and 9999, got {at}")
    milliseconds = math.floor(at * 1000)
    whole = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(tzinfo=None)
    return f"{whole.isoformat()}.{milliseconds % 1000:03d}Z"


def read_metadata(document: Any) -> msgspec.Raw:
    """Return a bot's metadata, which must be a JSON object of at most :data:`LARGEST_METADATA` bytes.

    PayloadError: it is something else. Fields and their order are kept.
    """
    if not isinstance(document, dict):
        raise PayloadError("metadata: expected a JSON object")
    try:
        encoded = _encoder.encode(document)
    except (TypeError, ValueError, RecursionError):
        raise PayloadError("metadata: expected a JSON object") from None
    if len(encoded) > LARGEST_METADATA:
        size = len(encoded)
        raise PayloadError(f"metadata: expected at most {LARGEST_METADATA} bytes of JSON, got {size}")
    return msgspec.Raw(encoded)


def _whole(value: Any) -> Any:
    """Return a value with U+FFFD for each lone surrogate of its texts."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(each) for each in value]
    return value


def _check_numbers(value: Any) -> None:
    """Refuse what is not finite: it would be encoded as null, which means that it is not known."""
    if isinstance(value, float) and not math.isfinite(value):
        raise PayloadError(f"expected a finite number, got {value}")
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            _check_numbers(getattr(value, name))
    elif isinstance(value, tuple):
        for each in value:
            _check_numbers(each)
