"""Breaks text into rows of a width in pixels, with the fonts that have its letters, in display order.

What a row begins and ends with is decided as in :mod:`orch.speech.rows`; widths are the real ones.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby
from typing import Final

import regex

from orch.bots.webcam.bidi import in_display_order, is_right_to_left, levels
from orch.bots.webcam.fonts import Face, Fonts, Run, family_of
from orch.speech.rows import clusters, may_begin, may_end

ELLIPSIS: Final = "…"
_BLANK: Final = "□"
_FEWEST_LETTERS: Final = 3
"""Letters of a script that cannot be drawn from which on its name stands for them."""
# Scripts that are written without spaces between words: breaks are between letters. Where words end would
# take a dictionary for each language.
_UNSPACED: Final = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
    r"\u3000-\u303f\uff01-\uff60]"
)
_AFTER: Final = frozenset("-‐–—/\u0f0b")  # noqa: RUF001 (a row may end with these)
_LETTERS: Final = regex.compile(r"[\p{L}\p{N}]")
_NAME: Final = regex.compile(
    r"^(.+?) (?:LETTER|SYLLABLE|DIGIT|VOWEL|SIGN|CHARACTER|IDEOGRAPH|HIEROGLYPH|CONSONANT|MARK|PUNCTUATION)"
)


@dataclass(frozen=True, slots=True)
class Row:
    """Runs, each with its distance from the row's left edge, and the row's width, in pixels.

    start: index of the paragraph's text at which the row begins.
    """

    runs: tuple[tuple[float, Run], ...]
    width: float
    start: int


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text in rows. ``text``: as it is drawn."""

    text: str
    is_right_to_left: bool
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Style:
    """How text is set. size: pixels of an em. language: BCP 47 tag or empty."""

    size: int
    language: str = ""
    is_bold: bool = False


@dataclass(frozen=True, slots=True)
class _Unit:
    """Clusters that are not parted where a row has room for them. ``after_space``: a space precedes them."""

    start: int
    stop: int
    after_space: bool


class _Text:
    """A text with the font and the direction of each of its grapheme clusters, by which places are counted.

    Fonts are chosen once for the whole: what a row measures does not depend on where it begins.
    """

    def __init__(self, text: str, style: Style, fonts: Fonts) -> None:
        family = family_of(text, style.language)
        self.text = drawable(text, family, fonts)
        self.is_right_to_left = is_right_to_left(self.text, style.language)
        self.parts = clusters(self.text)
        self.begins = [0, *accumulate(map(len, self.parts))]
        depths = levels(self.text, self.is_right_to_left)
        self._levels = [depths[at] for at in self.begins[:-1]]
        self._faces = _faces(self.parts, family, style, fonts)
        self._style = style
        self._fonts = fonts

    def runs(self, start: int, stop: int) -> list[Run]:
        """Return some clusters as runs of one font and level each, from left to right."""
        merged: list[tuple[Face, int, str]] = []
        for (face, level), places in groupby(
            range(start, stop), lambda at: (self._faces[at], self._levels[at])
        ):
            if face is not None:
                merged.append((face, level, "".join(self.parts[at] for at in places)))
        ordered = in_display_order(merged, lambda item: item[1])
        size, language = self._style.size, self._style.language
        return [Run(face, size, joined, level % 2 == 1, language) for face, level, joined in ordered]

    def width(self, start: int, stop: int) -> float:
        """Return how far some clusters advance, in pixels."""
        return sum(self._fonts.width(run) for run in self.runs(start, stop))

    def row(self, start: int, stop: int) -> Row:
        """Return some clusters as a row."""
        runs = []
        across = 0.0
        for run in self.runs(start, stop):
            runs.append((across, run))
            across += self._fonts.width(run)
        return Row(tuple(runs), across, self.begins[start])

    def units(self) -> Iterator[_Unit]:
        """Yield words, and parts of those that are written without spaces."""
        start, after_space = 0, False
        for at, part in enumerate(self.parts):
            if part == " ":
                if at > start:
                    yield _Unit(start, at, after_space)
                start, after_space = at + 1, True
            elif at > start and _may_break(self.parts[at - 1], part):
                yield _Unit(start, at, after_space)
                start, after_space = at, False
        if len(self.parts) > start:
            yield _Unit(start, len(self.parts), after_space)

    def fitting(self, width: int) -> Iterator[_Unit]:
        """Yield units; those wider than a row are parted between letters."""
        for unit in self.units():
            if self.width(unit.start, unit.stop) <= width:
                yield unit
                continue
            start, after_space, taken = unit.start, unit.after_space, 0.0
            for at in range(unit.start, unit.stop):
                wide = self.width(at, at + 1)
                if at > start and taken + wide > width:
                    place = self._parting(start, at)
                    yield _Unit(start, place, after_space)
                    start, after_space, taken = place, False, self.width(place, at)
                taken += wide
            yield _Unit(start, unit.stop, after_space)

    def _parting(self, start: int, limit: int) -> int:
        """Return the last place up to a limit at which clusters may be parted."""
        may = (
            at for at in range(limit, start, -1) if may_begin(self.parts[at]) and may_end(self.parts[at - 1])
        )
        return next(may, limit)

    def rows(self, width: int) -> Iterator[Row]:
        """Yield the rows."""
        space = self.width_of_space()
        start = stop = -1
        taken = 0.0
        for unit in self.fitting(width):
            wide = self.width(unit.start, unit.stop)
            gap = space if unit.after_space else 0.0
            if start >= 0 and taken + gap + wide > width:
                yield self.row(start, stop)
                start = -1
            if start < 0:
                start, taken = unit.start, wide
            else:
                taken += gap + wide
            stop = unit.stop
        if start >= 0:
            yield self.row(start, stop)

    def width_of_space(self) -> float:
        """Return the width of the widest space of the text: each font has its own."""
        spaces = (self.width(at, at + 1) for at, part in enumerate(self.parts) if part == " ")
        return max(spaces, default=0.0)


class Typesetter:
    """Sets text with some fonts; remembers the latest."""

    def __init__(self, fonts: Fonts) -> None:
        self._fonts = fonts
        self.paragraph = lru_cache(256)(self._paragraph)
        self.fitted = lru_cache(256)(self._fitted)
        self.last_rows = lru_cache(256)(self._last_rows)

    def _paragraph(self, text: str, style: Style, width: int) -> Paragraph:
        """Set text in rows that are at most ``width`` pixels wide, unless one letter is wider."""
        found = _Text(text, style, self._fonts)
        return Paragraph(found.text, found.is_right_to_left, tuple(found.rows(width)))

    def _fitted(self, text: str, style: Style, width: int) -> Paragraph:
        """Set text in one row; what does not fit is cut off at its end and replaced by an ellipsis."""
        whole = self._in_one_row(text, style)
        if not whole.rows or whole.rows[0].width <= width:
            return whole
        parts = clusters(whole.text)
        low, high = 0, len(parts) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._in_one_row(_cut(parts, middle), style).rows[0].width <= width:
                low = middle
            else:
                high = middle - 1
        return self._in_one_row(_cut(parts, low), style)

    def _in_one_row(self, text: str, style: Style) -> Paragraph:
        found = _Text(text, style, self._fonts)
        rows = (found.row(0, len(found.parts)),) if found.parts else ()
        return Paragraph(found.text, found.is_right_to_left, rows)

    def _last_rows(self, text: str, style: Style, width: int, count: int) -> Paragraph:
        """Set text in ``count`` rows at most: its end, after an ellipsis, where it is longer."""
        whole = self.paragraph(text, style, width)
        if len(whole.rows) <= count:
            return whole
        rest = whole.text[whole.rows[-count].start :]
        while True:
            set_rest = _Text(ELLIPSIS + rest, style, self._fonts)
            rows = tuple(set_rest.rows(width))
            if len(rows) <= count:
                return Paragraph(set_rest.text, set_rest.is_right_to_left, rows)
            # The ellipsis makes the first row longer; what follows it leaves, a unit at a time.
            following = list(_Text(rest, style, self._fonts).units())[1:]
            rest = "".join(clusters(rest)[following[0].start if following else 1 :])


def _cut(parts: list[str], count: int) -> str:
    return "".join(parts[:count]).rstrip() + ELLIPSIS


def _faces(parts: list[str], family: str, style: Style, fonts: Fonts) -> list[Face | None]:
    """Return the font of each cluster; punctuation has that of the letter before it, if that has it."""
    found: list[Face | None] = []
    letters: Face | None = None
    for part in parts:
        if fonts.continues(letters, part):
            found.append(letters)
            continue
        face = fonts.face_of(part, family, style.is_bold)
        found.append(face)
        if _LETTERS.match(part):
            letters = face
    return found


def drawable(text: str, family: str, fonts: Fonts) -> str:
    """Return text with what no font has replaced: by the script's name in brackets, or by boxes.

    Marks that no font has are left out; the letter that they stand on is drawn.
    """
    found: list[str] = []
    for name, group in groupby(clusters(text), lambda cluster: _missing(cluster, family, fonts)):
        parts = list(group)
        if name is None:
            found += parts
        elif name and sum(_LETTERS.match(part) is not None for part in parts) >= _FEWEST_LETTERS:
            found.append(f"[{name}]")
        else:
            found += [_substitute(part, family, fonts) for part in parts]
    return "".join(found)


def _missing(cluster: str, family: str, fonts: Fonts) -> str | None:
    """Return the script's name of a cluster that cannot be drawn, or empty; None if it can be drawn."""
    if fonts.face_of(cluster, family) is not None:
        return None
    if fonts.face_of(cluster[0], family) is not None:
        return ""
    match = _NAME.match(unicodedata.name(cluster[0], ""))
    return match[1].title() if match and not match[1].startswith("CJK") else ""


def _substitute(cluster: str, family: str, fonts: Fonts) -> str:
    if fonts.face_of(cluster[0], family) is None:
        return _BLANK
    return "".join(each for each in cluster if fonts.face_of(each, family) is not None)


def _may_break(before: str, after: str) -> bool:
    """Return whether a row may end between two clusters of a word."""
    if not (may_end(before) and may_begin(after)):
        return False
    if before in _AFTER:
        return _LETTERS.match(after) is not None
    return _UNSPACED.match(before) is not None or _UNSPACED.match(after) is not None
