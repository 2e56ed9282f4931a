"""The lines of a transcript, one for each utterance, from a session's stored messages. Pure.

Times are milliseconds from the start of the session's first stream: an utterance's ``stream_started`` plus
its ``start``, minus the earliest ``stream_started``.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import UNSET, Struct

from orch.protocol.messages import (
    Attribution,
    CaptionError,
    ParticipantRenamed,
    SpeakerIdentified,
    SpeakerNamed,
    Transcript,
    Translation,
    Word,
)
from orch.speech.languages import closest, is_near, is_same
from orch.speech.speaker_names import speaker_name

# Control characters that are no white space.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")


@dataclass(frozen=True, slots=True)
class Line:
    """An utterance in its last version: ``final`` text, or a gap with its ``error``."""

    transcript: Transcript
    start: int
    end: int
    translations: Mapping[str, Translation]

    @property
    def error(self) -> CaptionError | None:
        """Why there is no text, if there is none."""
        return self.transcript.error

    @property
    def words(self) -> tuple[Word, ...]:
        """The words, if the engine gave their times; these count from the stream's start."""
        return self.transcript.words

    def original(self) -> str:
        """Return the text, or the reason of a gap in brackets; in one row."""
        return f"[{flat(self.error.detail)}]" if self.error is not None else flat(self.transcript.text)

    def translated(self, language: str) -> str | None:
        """Return the translation, also for another region's code of the language; None if there is none."""
        code = closest(language, tuple(self.translations))
        found = None if code is None else self.translations[code]
        return None if found is None or found.error is not None else flat(found.text) or None

    def near(self, language: str) -> bool:
        """Return whether it was spoken in this language, in any script."""
        return self.transcript.language is not None and is_near(self.transcript.language, language)

    def spoken_in(self, language: str) -> bool:
        """Return whether it was spoken in this language."""
        return self.transcript.language is not None and is_same(self.transcript.language, language)


@dataclass(frozen=True, slots=True)
class SessionTranscript:
    """All lines, as they were spoken. ``started``: of the first stream, epoch ms; None without any.

    ``title``: the session's; empty: it has none.
    """

    session_id: str
    lines: tuple[Line, ...]
    started: int | None
    title: str = ""

    def started_iso(self) -> str | None:
        """Return when the first stream started, as RFC 3339 in UTC."""
        if self.started is None:
            return None
        at = datetime.fromtimestamp(self.started / 1000, tz=UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Kind(Struct):
    type: str


HistoryMessage = (
    Transcript | Translation | ParticipantRenamed | SpeakerIdentified | SpeakerNamed | Attribution
)

_TYPES: Final[dict[str, type[HistoryMessage]]] = {
    "transcript": Transcript,
    "translation": Translation,
    "participant_renamed": ParticipantRenamed,
    "speaker_identified": SpeakerIdentified,
    "speaker_named": SpeakerNamed,
    "attribution": Attribution,
}


def of_history(messages: Iterable[bytes | msgspec.Raw]) -> list[HistoryMessage]:
    """Return the captions, and what names their speakers, among encoded messages, in order."""
    found: list[HistoryMessage] = []
    for message in messages:
        kind = _TYPES.get(msgspec.json.decode(message, type=_Kind).type)
        if kind is not None:
            found.append(msgspec.json.decode(message, type=kind))
    return found


def session_transcript(
    messages: Iterable[HistoryMessage], *, session_id: str, stream: str | None = None, title: str = ""
) -> SessionTranscript:
    """Return the lines of a transcript; ``messages`` in the order of their offsets.

    Of one utterance the last final text counts, else the last gap; revisions do not. An empty final text is
    not a line. A translation counts if nothing later replaced it: text is not replaced by an error of the
    same revision. A participant's lines all carry the newest name. Those of several people at one microphone
    carry the name that was given to their label, or its number (:mod:`orch.speech.speaker_names`). Those of a
    meeting that a bot attends carry the speaker that was last published.

    The lines of a recording stay together, and recordings follow one another: one that was started while
    another was read begins where that one ends. ``stream``: only this stream, with its own times.
    """
    messages = list(messages)
    speakers = _Speakers.of(messages)
    transcripts: dict[str, Transcript] = {}
    translations: dict[str, dict[str, Translation]] = {}
    for message in messages:
        if isinstance(message, Transcript):
            if _replaces(message, transcripts.get(message.segment_id)):
                transcripts[message.segment_id] = message
        elif isinstance(message, Translation):
            of_segment = translations.setdefault(message.segment_id, {})
            before = of_segment.get(message.target_language)
            if before is None or message.revision > before.revision or message.error is None:
                of_segment[message.target_language] = message
    if stream is not None:
        transcripts = {name: one for name, one in transcripts.items() if stream_of(name) == stream}
    if not transcripts:
        return SessionTranscript(session_id, (), None, title)
    zero = min(transcript.stream_started for transcript in transcripts.values())
    begins = _begins(transcripts, zero)
    lines = []
    for name, transcript in transcripts.items():
        if transcript.error is None and not transcript.text.strip():
            continue
        begin = begins[stream_of(name)]
        start = begin + round(transcript.start * 1000)
        end = max(start + 1, begin + round(transcript.end * 1000))
        named = speakers.applied(transcript)
        lines.append(Line(named, start, end, _current(transcript, translations.get(name, {}))))
    # Python's sort is stable: equal lines keep the order of offsets.
    lines.sort(key=lambda line: (_block(line, begins), line.start))
    return SessionTranscript(session_id, tuple(lines), zero, title)


def _current(transcript: Transcript, translations: Mapping[str, Translation]) -> Mapping[str, Translation]:
    """Return a line's translations; those of a corrected line without the ones of its former text."""
    if transcript.edited is UNSET:
        return translations
    return {code: one for code, one in translations.items() if one.revision >= transcript.revision}


def stream_of(segment_id: str) -> str:
    """Return the stream that an utterance belongs to."""
    return segment_id.rpartition("-")[0]


def _begins(transcripts: Mapping[str, Transcript], zero: int) -> dict[str, int]:
    """Return when each stream begins, ms from ``zero``: recordings one after another, speech when it was."""
    begins: dict[str, int] = {}
    lengths: dict[str, int] = {}
    recordings: dict[str, int] = {}
    for name, transcript in transcripts.items():
        stream = stream_of(name)
        begins.setdefault(stream, transcript.stream_started - zero)
        if transcript.recording is True:
            recordings.setdefault(stream, begins[stream])
            lengths[stream] = max(lengths.get(stream, 0), round(transcript.end * 1000))
    free = 0
    for stream in sorted(recordings, key=lambda each: recordings[each]):
        begins[stream] = max(begins[stream], free)
        free = begins[stream] + lengths[stream]
    return begins


def _block(line: Line, begins: Mapping[str, int]) -> int:
    """Return the sort key of a line: for a recording, its start."""
    is_recording = line.transcript.recording is True
    return begins[stream_of(line.transcript.segment_id)] if is_recording else line.start


@dataclass(frozen=True, slots=True)
class _Speakers:
    """Who speaks: participants' newest names, utterances' labels and the names given to these.

    ``attributed``: the speakers of a meeting's utterances.
    """

    participants: Mapping[str, str]
    labels: Mapping[str, str]
    given: Mapping[str, str]
    attributed: Mapping[str, str | None]

    @classmethod
    def of(cls, messages: Sequence[HistoryMessage]) -> "_Speakers":
        """Return what messages, in order, say of speakers."""
        return cls(
            _names(messages),
            {each.segment_id: each.speaker_label for each in messages if isinstance(each, SpeakerIdentified)},
            {each.speaker_label: each.name for each in messages if isinstance(each, SpeakerNamed)},
            {each.segment_id: each.speaker for each in messages if isinstance(each, Attribution)},
        )

    def applied(self, transcript: Transcript) -> Transcript:
        """Return an utterance with the name that its line shows."""
        label = self.labels.get(transcript.segment_id, transcript.speaker_label)
        if label is not UNSET:
            speaker: str | None = speaker_name(label, self.given)
        elif transcript.segment_id in self.attributed:
            speaker = self.attributed[transcript.segment_id]
        else:
            speaker = self.participants.get(transcript.participant_id or "", transcript.speaker)
        return msgspec.structs.replace(transcript, speaker=speaker, speaker_label=label)


def _names(messages: Iterable[HistoryMessage]) -> dict[str, str]:
    """Return each participant's newest name."""
    names: dict[str, str] = {}
    for message in messages:
        if isinstance(message, ParticipantRenamed):
            names[message.participant_id] = message.name
        elif isinstance(message, Transcript) and message.participant_id is not None and message.speaker:
            names[message.participant_id] = message.speaker
    return names


def _replaces(message: Transcript, before: Transcript | None) -> bool:
    if not message.final and message.error is None:
        return False
    if before is None or message.error is None:
        return True
    return before.error is not None


def flat(text: str) -> str:
    """Return text on one row, without control characters: some of them end a file for players."""
    if text.isprintable():  # no control characters; of all spaces only U+0020
        return text if "  " not in text and text == text.strip() else " ".join(text.split())
    return " ".join(_CONTROLS.sub("", text).split())
