"""What bots captured as the API returns it, made of the store's records. Pure."""

from typing import Any

from msgspec import Struct

from orch.bots.stored_timeline import SpeakerSpans
from orch.bots.stored_transcript import LinePart, segment_of, words_of
from orch.protocol.messages import Word
from orch.stores import bot_records as records


class BotTranscriptLine(Struct, frozen=True, kw_only=True):
    """An utterance, and who said most of it; null: withheld. Times: seconds from the session's start.

    ``segment``: its id in the messages of the hub. ``parts``: whose its words are, where that was decided.
    """

    index: int
    segment: str
    revision: int
    is_final: bool
    text: str
    start: float
    end: float
    speaker: str | None
    speaker_id: str | None
    language: str | None
    confidence: float | None
    words: tuple[Word, ...]
    parts: tuple[LinePart, ...]
    translations: dict[str, str]


class BotTranscriptPage(Struct, frozen=True, kw_only=True):
    """A page of a transcript. ``next``: the value of ``after`` for the next page; null: this is the last one.

    ``started``: of the session, seconds since the epoch. A bot that is in its meeting has more later.
    """

    bot_id: str
    session_id: str
    started: float | None
    lines: tuple[BotTranscriptLine, ...]
    next: int | None


class TranslatedLine(Struct, frozen=True, kw_only=True):
    """A translated utterance. ``index``: of the line of the transcript."""

    index: int
    text: str
    start: float
    end: float
    speaker: str | None
    speaker_id: str | None
    source_language: str | None
    confidence: float | None
    revision: int


class TranslationsPage(Struct, frozen=True, kw_only=True):
    """A page of translations, by time."""

    bot_id: str
    session_id: str
    language: str
    lines: tuple[TranslatedLine, ...]
    next: str | None


class BotTimeline(Struct, frozen=True, kw_only=True):
    """Who was there, spoke and presented when: seconds from ``started``. ``ended``: of the session.

    ``is_complete``: false: there were more events than are returned.
    """

    bot_id: str
    session_id: str
    started: float | None
    ended: float | None
    is_complete: bool
    speakers: tuple[SpeakerSpans, ...]


class NamedWords(Struct, frozen=True, kw_only=True):
    """Words ``first`` up to ``end`` (excluded) of the line ``index``, and who said them; null: withheld.

    ``caption``: the caption that the name comes from, if one. ``offset``: seconds by which captions are late.
    """

    index: int
    first: int
    end: int
    start_time: float
    end_time: float
    speaker: str | None
    speaker_id: str | None
    confidence: float
    type: str
    method: str
    offset: float | None
    revision: int


class NameChange(Struct, frozen=True, kw_only=True):
    """A change of the name of words. ``was_shown``: someone may have seen the old name.

    A name of null: it was, or is now, withheld. ``at``: seconds since the epoch.
    """

    index: int
    first: int
    end: int
    at: float
    method: str
    was_shown: bool
    old_speaker: str | None
    old_speaker_id: str | None
    old_confidence: float | None
    new_speaker: str | None
    new_speaker_id: str | None
    new_confidence: float | None


class CorrelationsPage(Struct, frozen=True, kw_only=True):
    """A page of names, or of their changes, and the quality of all of them."""

    bot_id: str
    session_id: str
    quality: dict[str, Any]
    names: tuple[NamedWords, ...] = ()
    revisions: tuple[NameChange, ...] = ()
    next: str | None = None


class BotEvent(Struct, frozen=True, kw_only=True):
    """Something that happened to the bot or in the meeting. ``at``: seconds since the epoch."""

    event_id: str
    event_type: str
    event_subtype: str | None
    at: float
    severity: str
    source_component: str
    event_data: dict[str, Any]


class ConsentEntry(Struct, frozen=True, kw_only=True):
    """An entry of the consent log. ``statement``: what was announced, or replied."""

    action: str
    at: float
    participant: str | None
    language: str | None
    statement: str


class BotEventsPage(Struct, frozen=True, kw_only=True):
    """A page of events; with the first page, the consent log."""

    bot_id: str
    session_id: str
    events: tuple[BotEvent, ...]
    next: str | None
    consents: tuple[ConsentEntry, ...] = ()


def transcript_line(
    each: records.Utterance, parts: tuple[LinePart, ...], translations: dict[str, str]
) -> BotTranscriptLine:
    """Return an utterance as a line."""
    return BotTranscriptLine(
        index=each.segment_index,
        segment=segment_of(each),
        revision=each.revision,
        is_final=each.is_final,
        text=each.transcript_text,
        start=each.start_time,
        end=each.end_time,
        speaker=each.speaker_name,
        speaker_id=each.speaker_id,
        language=each.language_code,
        confidence=each.confidence_score,
        words=words_of(each),
        parts=parts,
        translations=translations,
    )


def translated_line(each: records.Translation) -> TranslatedLine:
    """Return a translation as a line."""
    return TranslatedLine(
        index=_index(each.source_transcript_id),
        text=each.translated_text,
        start=each.start_time,
        end=each.end_time,
        speaker=each.speaker_name,
        speaker_id=each.speaker_id,
        source_language=each.source_language,
        confidence=each.translation_confidence,
        revision=each.revision,
    )


def _index(transcript_id: str) -> int:
    """Return the index in an utterance's id."""
    number = transcript_id.rpartition("/")[2]
    return int(number) if number.isascii() and number.isdecimal() else -1


def named_words(each: records.Correlation) -> NamedWords:
    """Return a part of an utterance."""
    return NamedWords(
        index=_index(each.inhouse_transcript_id),
        first=each.word_start,
        end=each.word_end,
        start_time=each.start_time,
        end_time=each.end_time,
        speaker=each.speaker_name,
        speaker_id=each.speaker_id,
        confidence=each.correlation_confidence,
        type=each.correlation_type,
        method=each.correlation_method,
        offset=each.timing_offset,
        revision=each.revision,
    )


def name_change(each: records.NameRevision) -> NameChange:
    """Return a change of a name."""
    return NameChange(
        index=_index(each.transcript_id),
        first=each.word_start,
        end=each.word_end,
        at=each.at,
        method=each.method,
        was_shown=each.was_shown,
        old_speaker=each.old_speaker_name,
        old_speaker_id=each.old_speaker_id,
        old_confidence=each.old_confidence,
        new_speaker=each.new_speaker_name,
        new_speaker_id=each.new_speaker_id,
        new_confidence=each.new_confidence,
    )


def bot_event(each: records.SessionEvent) -> BotEvent:
    """Return an event."""
    return BotEvent(
        event_id=each.event_id,
        event_type=each.event_type,
        event_subtype=each.event_subtype,
        at=each.at,
        severity=each.severity,
        source_component=each.source_component,
        event_data=dict(each.event_data),
    )


def consent_entry(each: records.Consent) -> ConsentEntry:
    """Return an entry of the consent log."""
    return ConsentEntry(
        action=each.action,
        at=each.at,
        participant=each.participant_name,
        language=each.language_code,
        statement=each.statement,
    )
