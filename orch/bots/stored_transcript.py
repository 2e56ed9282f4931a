"""The stored transcript of a meeting as lines by speaker, for the API and for files. Pure.

An utterance of several speakers is stored once, with the parts of its words that are whose. Where its words
are stored too, each part is a line of its own; else it is one line, of the one who said most of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, Final

import msgspec
from msgspec import Struct

from orch.protocol.messages import Transcript, Translation, Word
from orch.speech.joined_text import joined_text
from orch.speech.lines import Line
from orch.stores import bot_records as records

SHORTEST: Final = 0.001
_Words = list[tuple[str, float, float]]


class LinePart(Struct, frozen=True, kw_only=True):
    """Words ``first`` up to ``end`` (excluded) of an utterance, and who said them; null: withheld.

    ``method``: what the name comes from; ``type``: exact, interpolated or inferred.
    """

    first: int
    end: int
    speaker: str | None
    speaker_id: str | None
    confidence: float
    type: str
    method: str


def part_of(stored: records.Correlation) -> LinePart:
    """Return a stored part."""
    return LinePart(
        first=stored.word_start,
        end=stored.word_end,
        speaker=stored.speaker_name,
        speaker_id=stored.speaker_id,
        confidence=stored.correlation_confidence,
        type=stored.correlation_type,
        method=stored.correlation_method,
    )


def by_utterance(stored: Iterable[records.Correlation]) -> dict[str, tuple[LinePart, ...]]:
    """Return the parts of each utterance, in the order of its words."""
    found: dict[str, list[LinePart]] = {}
    for each in stored:
        found.setdefault(each.inhouse_transcript_id, []).append(part_of(each))
    return {name: tuple(sorted(parts, key=lambda part: part.first)) for name, parts in found.items()}


def words_of(utterance: records.Utterance) -> tuple[Word, ...]:
    """Return the words of an utterance with their times, if they are stored."""
    try:
        words = msgspec.convert(utterance.processing_metadata.get("words", ()), _Words)
    except msgspec.ValidationError:
        return ()
    return tuple(Word(text=text, start=start, end=end) for text, start, end in words)


def segment_of(utterance: records.Utterance) -> str:
    """Return the id of an utterance in messages of the hub; its own where that is not stored."""
    segment: Any = utterance.processing_metadata.get("segment")
    return segment if isinstance(segment, str) else utterance.transcript_id


def lines_of(
    utterance: records.Utterance,
    parts: Sequence[LinePart],
    *,
    started: int,
    translations: Mapping[str, records.Translation] | None = None,
) -> list[Line]:
    """Return the lines of an utterance. ``started``: of the session, epoch ms.

    With ``translations``, by language, it is one line: they translate all of it.
    """
    words = words_of(utterance)
    runs = [] if translations else _runs(parts, len(words))
    if len(runs) < 2:  # noqa: PLR2004 - several speakers
        name = runs[0][0] if runs else (utterance.speaker_name, utterance.speaker_id)
        span = (utterance.start_time, utterance.end_time)
        return [_line(utterance, 0, utterance.transcript_text, span, name, started, translations or {})]
    return [
        _line(
            utterance,
            number,
            joined_text(each.text for each in said).strip(),
            (min(each.start for each in said), max(each.end for each in said)),
            name,
            started,
            {},
        )
        for number, (name, first, end) in enumerate(runs)
        for said in [words[first:end]]
    ]


_Name = tuple[str | None, str | None]


def _runs(parts: Sequence[LinePart], count: int) -> list[tuple[_Name, int, int]]:
    """Return successive words of one speaker; nothing if the parts are not those of ``count`` words."""
    if not parts or parts[0].first != 0 or parts[-1].end != count:
        return []
    if any(one.first >= one.end for one in parts) or any(
        one.end != other.first for one, other in pairwise(parts)
    ):
        return []
    found: list[tuple[_Name, int, int]] = []
    for name, group in groupby(parts, key=lambda part: (part.speaker, part.speaker_id)):
        run = list(group)
        found.append((name, run[0].first, run[-1].end))
    return found


def _line(
    utterance: records.Utterance,
    number: int,
    text: str,
    span: tuple[float, float],
    name: _Name,
    started: int,
    translations: Mapping[str, records.Translation],
) -> Line:
    start, end = span[0], max(span[0] + SHORTEST, span[1])
    transcript = Transcript(
        timestamp=started,
        session_id=utterance.session_id,
        segment_id=f"{segment_of(utterance)}-{number}",
        revision=utterance.revision,
        final=utterance.is_final,
        text=text,
        language=utterance.language_code,
        confidence=utterance.confidence_score,
        start=start,
        end=end,
        stream_started=started,
        speaker=name[0],
        participant_id=name[1],
    )
    translated = {
        language: Translation(
            timestamp=started,
            session_id=utterance.session_id,
            segment_id=transcript.segment_id,
            revision=each.revision,
            target_language=language,
            text=each.translated_text,
            confidence=each.translation_confidence,
        )
        for language, each in translations.items()
    }
    return Line(transcript, round(start * 1000), round(end * 1000), translated)
