"""Exports a session's transcript as a file: TXT, SubRip, WebVTT, JSON, DOCX. Pure.

Gaps are included in brackets. A :class:`Choice` selects the texts of a line.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import UNSET

from orch.problems import ProblemError
from orch.speech import docx
from orch.speech.cues import Cue, Pace, apart, cues
from orch.speech.lines import HistoryMessage, Line, SessionTranscript, flat, of_history, session_transcript

__all__ = ["FORMATS", "Choice", "File", "Format", "export", "of_history", "session_transcript"]

# Characters that would begin markup in SubRip, and text that would be read as a time.
_MARKUP: Final = re.compile(r"[<&{\\]|--(?=>)")
#: Characters of a title in a file's name.
_NAMED: Final = 40
NOT_TRANSLATED: Final = "[not translated]"


@dataclass(frozen=True, slots=True)
class Choice:
    """The original, translations, or both. A translation alone includes originals in its language.

    ``stream``: only this stream, such as a recording, with its own times.
    """

    original: bool = True
    languages: tuple[str, ...] = ()
    stream: str | None = None

    def of(self, line: Line) -> tuple[str, ...]:
        """Return the selected texts of a line, at least one."""
        if line.error is not None or not self.languages:
            return (line.original(),)
        translated = [self._in(line, language) for language in self.languages]
        found = [text for text in translated if text is not None]
        if self.original:
            return (line.original(), *found)
        return tuple(dict.fromkeys(found)) or (
            (line.original(),) if any(map(line.near, self.languages)) else (NOT_TRANSLATED,)
        )

    def _in(self, line: Line, language: str) -> str | None:
        return None if line.spoken_in(language) else line.translated(language)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class File:
    """A file to download."""

    name: str
    media_type: str
    content: bytes

    @property
    def body(self) -> str:
        """The content as text."""
        return self.content.decode()


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file."""

    extension: str
    media_type: str
    write: Callable[[SessionTranscript, Choice, Pace], str | bytes]


def to_txt(transcript: SessionTranscript, choice: Choice, pace: Pace = iter) -> str:
    """Return a text for readers: time, speaker, words; further texts of a line are indented below it.

    The head has the title, the session, its start and its speakers. A session without captions is an empty
    text.
    """
    rows = []
    for line in pace(transcript.lines):
        first, *more = choice.of(line)
        time, _, _ = stamp(line.start, ".").partition(".")
        rows.append(f"[{time}] {_who(line.transcript.speaker)}{first}")
        rows += [f"    {text}" for text in more]
    return "".join(f"{row}\n" for row in (*(_head(transcript) if rows else ()), *rows))


def _head(transcript: SessionTranscript) -> list[str]:
    speakers = [line.transcript.speaker for line in transcript.lines]
    names = dict.fromkeys(flat(speaker) for speaker in speakers if speaker)
    started = (transcript.started_iso() or "")[: len("2026-01-05T13:22:00")].replace("T", " ")
    return [
        *([f"Title: {flat(transcript.title)}"] if transcript.title else []),
        f"Session: {transcript.session_id}",
        *([f"Started: {started} UTC"] if started else []),
        *([f"Participants: {', '.join(names)}"] if names else []),
        "",
    ]


def to_srt(transcript: SessionTranscript, choice: Choice, pace: Pace = iter) -> str:
    """Return SubRip. No cues overlap, and players read no text as markup."""
    blocks = []
    for number, cue in enumerate(pace(apart(_cues(transcript, choice, pace, is_named=True), pace)), start=1):
        text = _literal("\n".join(cue.rows()))
        blocks.append(f"{number}\n{stamp(cue.start, ',')} --> {stamp(cue.end, ',')}\n{text}\n")
    return "\n".join(blocks)


def to_vtt(transcript: SessionTranscript, choice: Choice, pace: Pace = iter) -> str:
    """Return WebVTT. The speaker is a voice span; cues may overlap, which the format allows."""
    # An arrow would begin the times of a cue.
    title = flat(transcript.title).replace("-->", "→")
    blocks = [f"WEBVTT - {title}\n" if title else "WEBVTT\n"]
    for cue in pace(_cues(transcript, choice, pace, is_named=False)):
        text = _escaped("\n".join(cue.rows()))
        if cue.speaker is not None:
            text = f"<v {_escaped(flat(cue.speaker))}>{text}</v>"
        blocks.append(f"{stamp(cue.start, '.')} --> {stamp(cue.end, '.')}\n{text}\n")
    return "\n".join(blocks)


def to_json(transcript: SessionTranscript, choice: Choice, pace: Pace = iter) -> str:
    """Return all fields of each line; times in seconds from ``started``."""
    document = {
        "session_id": transcript.session_id,
        "title": transcript.title or None,
        "started": transcript.started_iso(),
        "lines": [_members(line, choice) for line in pace(transcript.lines)],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def to_docx(transcript: SessionTranscript, choice: Choice, pace: Pace = iter) -> bytes:
    """Return a Word document for readers, with what :func:`to_txt` has."""
    head = _head(transcript)[:-1] if transcript.lines else []
    # The heading is the title, else the session.
    rows = head[1:]
    return docx.to_docx(transcript, choice.of, rows, pace)


FORMATS: Final = {
    "txt": Format("txt", "text/plain; charset=utf-8", to_txt),
    "srt": Format("srt", "application/x-subrip; charset=utf-8", to_srt),
    "vtt": Format("vtt", "text/vtt; charset=utf-8", to_vtt),
    "json": Format("json", "application/json", to_json),
    "docx": Format("docx", docx.MEDIA_TYPE, to_docx),
}


def format_of(kind: str) -> Format:
    """Return a kind of file, a key of :data:`FORMATS`; ProblemError ``invalid_request`` for any other."""
    form = FORMATS.get(kind)
    if form is None:
        raise ProblemError(
            "invalid_request", f"format is {kind!r}; it must be one of {', '.join(FORMATS)}.", path="format"
        )
    return form


def export(
    messages: Iterable[HistoryMessage],
    *,
    kind: str,
    session_id: str,
    title: str = "",
    choice: Choice | None = None,
    pace: Pace = iter,
) -> File:
    """Return the file. Raises ``invalid_request`` for an unknown kind, ``not_found`` for an unknown stream.

    ``pace`` iterates over messages, lines and cues, of which a long session has many.
    """
    form = format_of(kind)
    choice = choice or Choice()
    transcript = session_transcript(pace(messages), session_id=session_id, stream=choice.stream, title=title)
    name = session_id
    if choice.stream is not None:
        if transcript.started is None:
            raise ProblemError(
                "not_found", f"This session has no transcript of a stream {choice.stream[:128]}."
            )
        name = f"{session_id}-{choice.stream}"
    written = form.write(transcript, choice, pace)
    content = written.encode() if isinstance(written, str) else written
    return File(f"{_named(title) or 'translation'}-{name}.{form.extension}", form.media_type, content)


def _named(title: str) -> str:
    """Return a title for a file's name: its letters and digits, with a hyphen for all between them."""
    kept = (each if unicodedata.category(each)[0] in "LMN" else " " for each in title)
    return "-".join("".join(kept).split())[:_NAMED].rstrip("-")


def stamp(milliseconds: int, mark: str) -> str:
    """Return hours:minutes:seconds with ``mark`` before the three digits of the milliseconds."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{rest:03}"


def _cues(transcript: SessionTranscript, choice: Choice, pace: Pace, *, is_named: bool) -> list[Cue]:
    """Return all cues by their start; ``is_named``: the first text of a line begins with the speaker."""
    found = []
    for line in pace(transcript.lines):
        first, *more = choice.of(line)
        who = _who(line.transcript.speaker).strip() if is_named else ""
        found += cues(line, (first, *more), name=who)
    return sorted(found, key=lambda cue: cue.start)


def _who(speaker: str | None) -> str:
    return f"{flat(speaker)}: " if speaker else ""


def _literal(text: str) -> str:
    """Return text that SubRip players show unchanged, although the format has no escaping.

    They interpret HTML's tags and entities, and ASS's ``{…}`` and backslash codes. An invisible word joiner
    is inserted where those would begin. libass hides a pair of braces unless a backslash precedes it.
    """
    return _MARKUP.sub(_joined, text)


def _joined(found: re.Match[str]) -> str:
    mark = found[0]
    return (r"\{" if mark == "{" else mark) + "\u2060"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _members(line: Line, choice: Choice) -> dict[str, Any]:
    transcript = line.transcript
    wanted = choice.languages or tuple(line.translations)
    return {
        "segment_id": transcript.segment_id,
        "start": line.start / 1000,
        "end": line.end / 1000,
        "speaker": transcript.speaker,
        "participant_id": transcript.participant_id,
        **({} if transcript.speaker_label is UNSET else {"speaker_label": transcript.speaker_label}),
        "language": transcript.language,
        "text": transcript.text if choice.original or not choice.languages else None,
        "confidence": transcript.confidence,
        "words": transcript.words,
        "error": line.error,
        "translations": {
            language: {
                "text": translation.text,
                "confidence": translation.confidence,
                "error": translation.error,
            }
            for language, translation in sorted(line.translations.items())
            if language in wanted
        },
    }
