"""Lines as subtitles: at most two rows for each language, wrapped, each for its share of the time. Pure.

A row has 42 columns at most (the BBC and Netflix allow 37 to 42); orch.speech.rows breaks them. A line that
needs more than two rows becomes several cues, which change at the word times that the engine reported, else
in proportion to the letters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, repeat
from typing import Final, Protocol, TypeVar

from orch.speech.lines import Line
from orch.speech.rows import COLUMNS, Pieces, clusters, parts, width, wrap

__all__ = ["COLUMNS", "ROWS", "Cue", "Pace", "apart", "cues", "parts", "width", "wrap"]

_Item = TypeVar("_Item")

ROWS: Final = 2
_ROOM: Final = ROWS * (COLUMNS + 1)
"""Columns that a cue's text has at most, with the spaces before its rows, which are not shown."""
_SHARE: Final = 8
"""Columns of a short text in one cue, at least."""
_NAME: Final = 26
"""Maximum columns of a name with its colon."""
AT_ONCE: Final = 16
"""Maximum number of cues shown together; beyond it the oldest end."""
SHORT: Final = 1500
"""Minimum time between changes while several people speak (ms), so that readers do not lose their place."""


class Pace(Protocol):
    """Iterates like ``iter``. Between items it may yield to other work, or raise to stop."""

    def __call__(self, items: Iterable[_Item], /) -> Iterable[_Item]:
        """Return the same items."""
        ...


@dataclass(frozen=True, slots=True)
class Cue:
    """The text shown from ``start`` to ``end`` (ms). ``texts``: the rows, a tuple for each language."""

    start: int
    end: int
    texts: tuple[tuple[str, ...], ...]
    speaker: str | None = None

    def rows(self) -> tuple[str, ...]:
        """Return all rows, one language after another."""
        return tuple(row for text in self.texts for row in text)


def cues(line: Line, texts: Sequence[str], *, name: str = "") -> list[Cue]:
    """Return a line's cues; ``texts``: what is shown of it, the original or translations or both.

    ``name``: the speaker's name for the first row, if it should have one. The longest text decides the number
    of cues. Shorter ones are spread over them, but not into single words.
    """
    laid = [_Laid(text, name if index == 0 else "", line) for index, text in enumerate(texts)]
    count = max(len(text.parts) for text in laid)
    leading = next(index for index, text in enumerate(laid) if len(text.parts) == count)
    changes = _changes(line, laid[leading], is_original=leading == 0)
    spread = [text.over(count) for text in laid]
    return [
        Cue(start, end, shown, line.transcript.speaker)
        for index, (start, end) in enumerate(pairwise(changes))
        if (shown := tuple(rows for text in spread if (rows := text[index])))
    ]


class _Laid:
    """A text split into as many parts as it needs cues; ``name`` precedes the first."""

    def __init__(self, text: str, name: str, line: Line) -> None:
        self.pieces = Pieces.of(text)
        self._name = _short(name)
        self._lead = width(self._name) + 1 if name else 0
        most = line.end - line.start
        count = max(1, -(-(self._lead + self.pieces.ends[-1]) // _ROOM))
        while True:
            count = min(count, most)
            pieces = self.pieces.finer(count)
            self.parts = list(pairwise(pieces.divided(count, self._lead)))
            self._rows = self._fitted(pieces, self.parts)
            if self._rows or count >= most:
                break
            # In growing steps: a long text is tried a few times, not once for each cue.
            count += 1 + count // 16
        self.pieces = pieces

    def _fitted(self, pieces: Pieces, parts: Iterable[tuple[int, int]]) -> list[list[int]]:
        """Return where the rows of each part begin; nothing, if one of them has too many."""
        found = []
        lead = self._lead
        for start, stop in parts:
            rows = pieces.rows(start, stop, lead=lead)
            if len(rows) > ROWS + 1:
                return []
            found.append(rows)
            lead = 0
        return found

    def texts(self) -> list[str]:
        """Return the text of each part."""
        return [self.pieces.text(*part) for part in self.parts]

    def widths(self) -> list[int]:
        """Return the columns of each part."""
        return [self.pieces.width(*part) for part in self.parts]

    def over(self, count: int) -> list[tuple[str, ...]]:
        """Return the text's rows in each of ``count`` cues; some may have none."""
        pieces, parts, laid = self.pieces, self.parts, self._rows
        most = min(count, (self._lead + pieces.ends[-1]) // max(_SHARE, 2 * self._lead))
        if len(parts) < most:
            finer = pieces.finer(most)
            more = list(pairwise(finer.divided(most, self._lead)))
            if fitted := self._fitted(finer, more):
                pieces, parts, laid = finer, more, fitted
        if not laid:
            leads = (self._lead, *repeat(0, len(parts) - 1))
            laid = [pieces.rows(*part, lead=lead) for part, lead in zip(parts, leads, strict=True)]
        found: list[tuple[str, ...]] = [()] * count
        for index, rows in enumerate(laid):
            shown = list(map(pieces.text, rows, rows[1:]))
            if index == 0 and self._name:
                shown[:1] = [f"{self._name} {''.join(shown[:1])}".rstrip()]
            found[index * count // len(laid)] = tuple(shown)
        return found


def _short(name: str) -> str:
    """Return a name shortened to leave room for the text."""
    if width(name) <= _NAME:
        return name
    kept, taken = [], 0
    for cluster in clusters(name):
        taken += width(cluster)
        if taken > _NAME - 2:
            break
        kept.append(cluster)
    return "".join(kept).rstrip() + "…:"


def _changes(line: Line, laid: _Laid, *, is_original: bool) -> list[int]:
    """Return when each part begins, and when the last one ends; each at least 1 ms after the one before."""
    widths = [max(1, columns) for columns in laid.widths()]
    count = len(widths)
    length = line.end - line.start
    total = sum(widths)
    at = [line.start + round(length * sofar / total) for sofar in accumulate(widths, initial=0)]
    divided = laid.texts() if is_original and line.words else []
    written = [len(part.split()) for part in divided]
    if divided and sum(written) == len(line.words) and " ".join(divided) == line.original():
        stream = line.start - round(line.transcript.start * 1000)
        firsts = list(accumulate(written, initial=0))[1:-1]
        at[1:-1] = [stream + round(line.words[first].start * 1000) for first in firsts]
    for index in range(1, count):
        at[index] = min(max(at[index], at[index - 1] + 1), line.end - (count - index))
    return at


def apart(overlapping: Iterable[Cue], pace: Pace = iter) -> list[Cue]:
    """Return cues that do not overlap: players of SubRip stack those that do in any order, or drop one.

    While two people speak, one cue has the rows of both, each begun by a dash. The cue changes when a speaker
    starts or stops, unless it would last less than :data:`SHORT`: then rows appear or disappear a little
    earlier or later.
    """
    waiting = sorted(overlapping, key=lambda cue: cue.start)
    moments = sorted({moment for cue in waiting for moment in (cue.start, cue.end)})
    spans: list[_Span] = []
    active: list[Cue] = []
    position = 0
    for start, end in pace(pairwise(moments)):
        while position < len(waiting) and waiting[position].start <= start:
            active.append(waiting[position])
            position += 1
        # Each cue is shown at least at its own start; only then it may be removed as one too many.
        begun = [cue for cue in active if cue.start == start]
        carried = [cue for cue in active if cue.start < start < cue.end]
        active = carried[-AT_ONCE:] + begun
        if active:
            spans.append(_Span(start, end, tuple(active)))
    return [span.cue() for span in _steady(spans)]


@dataclass(frozen=True, slots=True)
class _Span:
    """Several cues shown together from ``start`` to ``end`` (ms)."""

    start: int
    end: int
    cues: tuple[Cue, ...]

    def cue(self) -> Cue:
        """Return it as one cue."""
        if len(self.cues) == 1:
            return Cue(self.start, self.end, self.cues[0].texts, self.cues[0].speaker)
        return Cue(self.start, self.end, tuple(_dashed(cue.rows()) for cue in self.cues))

    def has(self, cues: Iterable[Cue]) -> bool:
        """Return whether it shows all of these cues."""
        shown = {id(cue) for cue in self.cues}
        return all(id(cue) in shown for cue in cues)


def _steady(spans: Sequence[_Span]) -> list[_Span]:
    """Return the spans without those, next to one of several cues, that are too short to be read.

    A short one becomes part of the one before, or else of the one after it, where these show all it does; no
    cue is lost by that. However many short ones follow each other, a span is prolonged by less than
    :data:`SHORT` in all, so that no cue stays long after its end.
    """
    steady: list[_Span] = []
    early: int | None = None
    own_end = 0  # of the last of them, before short ones became part of it
    for index, given in enumerate(spans):
        span = given if early is None else _Span(early, given.end, given.cues)
        early = None
        before = steady[-1] if steady and steady[-1].end == span.start else None
        after = spans[index + 1] if index + 1 < len(spans) and spans[index + 1].start == span.end else None
        is_short = span.end - span.start < SHORT
        is_near = span.end - own_end < SHORT
        if is_near and before and max(len(span.cues), len(before.cues)) > 1 and before.has(span.cues):
            steady[-1] = _Span(before.start, span.end, before.cues)
        elif is_short and after and max(len(span.cues), len(after.cues)) > 1 and _go_on(span, before, after):
            early = span.start
        else:
            steady.append(span)
            own_end = span.end
    return steady


def _go_on(span: _Span, before: _Span | None, after: _Span) -> bool:
    """Return whether each cue of a span is also in the next or the previous span."""
    return all(after.has([cue]) or (before is not None and before.has([cue])) for cue in span.cues)


def _dashed(rows: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(("- " if index == 0 else "") + row for index, row in enumerate(rows))
