"""A meeting's record as JSON, SubRip, WebVTT and text. Pure.

Subtitles and text are written by the writers of sessions (:mod:`orch.speech.exports`): cues of at most two
rows of 42 columns, times to the millisecond, speakers as voice spans in WebVTT, no cues that overlap in
SubRip. A *line* is successive words of one speaker in a segment. Times count from the start of the meeting's
audio.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from orch.bots.correlation.events import Change
from orch.bots.correlation.record import NamedSegment, NamedWord, Record
from orch.protocol.messages import Transcript
from orch.speech.exports import Choice, to_srt, to_txt, to_vtt
from orch.speech.joined_text import joined_text
from orch.speech.lines import Line, SessionTranscript

SHORTEST: Final = 0.001


def session_of(record: Record, *, session_id: str, title: str = "", started: int = 0) -> SessionTranscript:
    """Return the record as a session's lines, by time. ``started``: of the audio, epoch ms."""
    lines = []
    for segment in record.segments.values():
        for number, words in enumerate(_by_speaker(segment.words)):
            lines.append(_line(segment, number, words, session_id, started))
    lines.sort(key=lambda line: line.start)
    return SessionTranscript(session_id, tuple(lines), started if lines else None, title)


def _by_speaker(words: Iterable[NamedWord]) -> list[list[NamedWord]]:
    """Return runs of words with one name; a withheld name is a run of its own."""
    return [list(run) for _, run in groupby(words, key=lambda each: each.name)]


def _line(
    segment: NamedSegment, number: int, words: Sequence[NamedWord], session_id: str, started: int
) -> Line:
    name = words[0].name
    start = min(each.word.start for each in words)
    end = max(start + SHORTEST, *(each.word.end for each in words))
    transcript = Transcript(
        timestamp=started,
        session_id=session_id,
        segment_id=f"{segment.segment_id}-{number}",
        revision=1,
        final=True,
        text=joined_text(each.word.text for each in words).strip(),
        language=None,
        confidence=round(min(each.confidence for each in words), 3),
        start=start,
        end=end,
        stream_started=started,
        speaker=None if name is None else name.name,
        participant_id=None if name is None else name.participant_id,
        words=tuple(each.word for each in words),
    )
    return Line(transcript, round(start * 1000), round(end * 1000), {})


def to_json(record: Record, *, session_id: str, title: str = "", started: int = 0) -> str:
    """Return every word with its name, confidence and source, the audit trail, and the delays."""
    statistics = record.statistics
    document: dict[str, Any] = {
        "session_id": session_id,
        "title": title or None,
        "started": started or None,
        "segments": [
            {
                "segment_id": segment.segment_id,
                "channel": segment.channel,
                "words": [_word(each) for each in segment.words],
            }
            for segment in sorted(record.segments.values(), key=_start)
        ],
        "revisions": [_change(each) for each in record.changes],
        "delays": None
        if statistics is None
        else {
            kind: {
                "seconds": round(estimate.offset, 3),
                "drift_ppm": round(estimate.drift * 1e6, 1),
                "spread": round(estimate.spread, 3),
                "samples": estimate.samples,
            }
            for kind, estimate in (("captions", statistics.captions), ("marks", statistics.marks))
        },
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _start(segment: NamedSegment) -> float:
    return min((each.word.start for each in segment.words), default=0.0)


def _word(each: NamedWord) -> dict[str, Any]:
    return {
        "text": each.word.text,
        "start": round(each.word.start, 3),
        "end": round(each.word.end, 3),
        "speaker": None if each.name is None else each.name.name,
        "participant_id": None if each.name is None else each.name.participant_id,
        "confidence": round(each.confidence, 3),
        "source": each.source,
        "type": each.kind,
    }


def _change(change: Change) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(change)
    return document | {"at": round(change.at, 3), "confidence": round(change.confidence, 3)}


def _session(write: Callable[[SessionTranscript, Choice], str]) -> Callable[..., str]:
    def written(record: Record, *, session_id: str, title: str = "", started: int = 0) -> str:
        return write(session_of(record, session_id=session_id, title=title, started=started), Choice())

    return written


FORMATS: Final[dict[str, Callable[..., str]]] = {
    "json": to_json,
    "srt": _session(to_srt),
    "vtt": _session(to_vtt),
    "txt": _session(to_txt),
}


def export(record: Record, kind: str, *, session_id: str, title: str = "", started: int = 0) -> str:
    """Return the record as ``json``, ``srt``, ``vtt`` or ``txt``. KeyError for anything else."""
    return FORMATS[kind](record, session_id=session_id, title=title, started=started)
