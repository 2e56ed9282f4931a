"""Lines as subtitles: at most two rows a language, wrapped, each for its share of the time. Pure.

A row has 42 columns at most (the BBC and Netflix give 37 to 42); letters of East Asian width take two. A
line that needs more than two rows becomes several cues; they change where the engine says the word begins,
else in proportion to the letters.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from orch.speech.lines import Line

COLUMNS: Final = 42
ROWS: Final = 2


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown from ``start`` to ``end`` (ms). ``texts``: the rows, one tuple a language."""

    start: int
    end: int
    texts: tuple[tuple[str, ...], ...]
    speaker: str | None = None

    def rows(self) -> tuple[str, ...]:
        """Return all rows, of one language after the other."""
        return tuple(row for text in self.texts for row in text)


def width(text: str) -> int:
    """Return the columns that text takes."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def wrap(text: str, columns: int = COLUMNS) -> tuple[str, ...]:
    """Break text into rows at spaces; what is longer than a row, and has none, between letters."""
    rows: list[str] = []
    row = ""
    for word in text.split():
        if row and width(row) + 1 + width(word) <= columns:
            row += " " + word
            continue
        if row:
            rows.append(row)
        *full, row = _pieces(word, columns)
        rows += full
    return (*rows, row) if row else tuple(rows)


def _pieces(word: str, columns: int) -> list[str]:
    """Cut a word that is longer than a row; a mark stays with its letter."""
    pieces = [""]
    for letter in word:
        if width(pieces[-1]) + width(letter) > columns:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def parts(text: str, count: int) -> tuple[str, ...]:
    """Divide text into ``count`` parts of about the same width, at spaces where there are enough.

    Joined with what stood between them, they are the text; where it is too short, the last ones are empty.
    """
    words = text.split()
    glue = " "
    if len(words) < count:
        words, glue = _letters("".join(words) if len(words) == 1 else text), ""
    total = sum(width(word) for word in words)
    divided: list[list[str]] = [[] for _ in range(count)]
    so_far = 0
    for word in words:
        # A word belongs to the part that its middle falls into.
        middle = so_far + width(word) / 2
        divided[min(count - 1, int(middle * count / max(1, total)))].append(word)
        so_far += width(word)
    return tuple(glue.join(part).strip() for part in divided)


def _letters(text: str) -> list[str]:
    """Return the letters of a text, each with the marks that belong to it."""
    letters: list[str] = []
    for letter in text:
        if letters and unicodedata.combining(letter):
            letters[-1] += letter
        else:
            letters.append(letter)
    return letters


def cues(line: Line, texts: Sequence[str], *, name: str = "") -> list[Cue]:
    """Return a line's cues; ``texts``: what is shown of it, the original or translations or both.

    ``name``: who speaks, as the first row should say it, if it should.
    """
    texts = [" ".join(filter(None, (name, texts[0]))), *texts[1:]]
    speaker = line.transcript.speaker
    count = 1
    while True:
        divided = [parts(text, count) for text in texts]
        if (
            all(len(wrap(part)) <= ROWS for text in divided for part in text)
            or count >= line.end - line.start
        ):
            break
        count += 1
    changes = _changes(line, divided[0], name)
    return [
        Cue(start, end, tuple(wrap(text[index]) for text in divided if text[index]), speaker)
        for index, (start, end) in enumerate(pairwise(changes))
        if any(text[index] for text in divided)
    ]


def _changes(line: Line, divided: Sequence[str], name: str) -> list[int]:
    """Return when each part begins, and when the last one ends; each at least 1 ms after the one before."""
    count = len(divided)
    length = line.end - line.start
    widths = [max(1, width(part)) for part in divided]
    at = [line.start + round(length * sofar / sum(widths)) for sofar in accumulate(widths, initial=0)]
    before = len(name.split())
    written = [len(part.split()) for part in divided]
    is_original = " ".join(divided) == " ".join(filter(None, (name, line.original())))
    if is_original and sum(written) - before == len(line.words):
        stream = line.start - round(line.transcript.start * 1000)
        firsts = list(accumulate(written, initial=0))[1:-1]
        at[1:-1] = [stream + round(line.words[max(0, first - before)].start * 1000) for first in firsts]
    for index in range(1, count):
        at[index] = min(max(at[index], at[index - 1] + 1), line.end - (count - index))
    return at


def apart(overlapping: Iterable[Cue]) -> list[Cue]:
    """Return cues that do not overlap: players of SubRip stack those that do in any order, or drop one.

    While two people speak, one cue has the rows of both, each begun by a dash. Who stops or starts changes
    the cue, so that every row is there from its start to its end.
    """
    waiting = sorted(overlapping, key=lambda cue: cue.start)
    moments = sorted({moment for cue in waiting for moment in (cue.start, cue.end)})
    flat: list[Cue] = []
    active: list[Cue] = []
    position = 0
    for start, end in pairwise(moments):
        while position < len(waiting) and waiting[position].start <= start:
            active.append(waiting[position])
            position += 1
        active = [cue for cue in active if cue.end > start]
        if len(active) == 1:
            flat.append(Cue(start, end, active[0].texts, active[0].speaker))
        elif active:
            texts = tuple(_dashed(cue.rows()) for cue in active)
            flat.append(Cue(start, end, texts))
    return flat


def _dashed(rows: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(("- " if index == 0 else "") + row for index, row in enumerate(rows))
