"""Searches the lines of a transcript. Pure.

Case and accents do not matter: "naive" finds "Naïve"; nor do Arabic and Hebrew vowel points. Marks that make
other letters, as in Hindi or Thai, do. ``static/js/models/text-search.js`` has the same rules, and a test
holds both to the same cases.
"""

import re
import unicodedata
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from orch.speech.cues import Pace
from orch.speech.lines import Line, SessionTranscript, flat

QUERY_LENGTH: Final = 200
"""Maximum characters of a query."""
LINES_SHOWN: Final = 20
"""Maximum lines in a result; further ones are counted."""
TEXT_SHOWN: Final = 240
"""Maximum characters of a text in a result: the part around its first match."""

_MARKS: Final = re.compile(
    r"[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u0610-\u061a\u064b-\u065f\u0670]"
)


class FoundLine(Struct, frozen=True, kw_only=True):
    """A line whose original or translation has the query.

    ``start``: seconds from the session's first speech. ``language``: of ``text``; null if it is unknown.
    """

    segment_id: str
    start: float
    speaker: str | None
    language: str | None
    text: str


class Found(Struct, frozen=True, kw_only=True):
    """The lines with a query: the first of them, and the number of all."""

    lines: tuple[FoundLine, ...]
    count: int


def folded(text: str) -> str:
    """Return a text as it is compared: without case and accents, white space as single spaces."""
    plain = text if text.isascii() else _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return " ".join(plain.lower().split())


def search(transcript: SessionTranscript, query: str, pace: Pace = iter) -> Found:
    """Return the lines that have ``query`` in their original or in a translation.

    A line is found once: in its original, else in the first translation that has the query. An empty query
    finds nothing; gaps are not searched.
    """
    wanted = folded(query)
    lines: list[FoundLine] = []
    count = 0
    for line in pace(transcript.lines if wanted else ()):
        found = _in_line(line, wanted)
        if found is None:
            continue
        count += 1
        if len(lines) < LINES_SHOWN:
            lines.append(replace(found, text=_around(found.text, wanted)))
    return Found(lines=tuple(lines), count=count)


def _in_line(line: Line, wanted: str) -> FoundLine | None:
    if line.error is not None:
        return None
    texts = [(line.transcript.language, line.transcript.text)]
    texts += [(code, one.text) for code, one in sorted(line.translations.items()) if one.error is None]
    for language, text in texts:
        if wanted in folded(text):
            return FoundLine(
                segment_id=line.transcript.segment_id,
                start=line.start / 1000,
                speaker=line.transcript.speaker,
                language=language,
                text=flat(text),
            )
    return None


def _around(text: str, wanted: str) -> str:
    """Return the part of a long text around the first match, with an ellipsis where it is cut."""
    if len(text) <= TEXT_SHOWN:
        return text
    # Folding changes the length of few texts, and by little.
    at = max(folded(text).find(wanted), 0)
    start = max(0, min(at - TEXT_SHOWN // 3, len(text) - TEXT_SHOWN))
    part = text[start : start + TEXT_SHOWN].strip()
    return f"{'…' if start else ''}{part}{'…' if start + TEXT_SHOWN < len(text) else ''}"
