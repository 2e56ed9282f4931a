"""Breaks text into rows of a given width. Pure.

Counted and never split are grapheme clusters (Unicode's UAX 29): a letter with its marks, a joined emoji.
static/js/models/text-rows.js has the same rules; tests hold both to the same cases. The time is proportional
to the text.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate, pairwise
from operator import add
from typing import Final, Self

import regex

COLUMNS: Final = 42

# Unicode's East Asian Width W and F, by blocks, and the letters of flags.
_WIDE: Final = regex.compile(
    r"[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3"
    r"\uf900-\ufaff\ufe0f\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6"
    r"\U0001f1e6-\U0001f1ff\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f900-\U0001f9ff\U0001fa70-\U0001faff"
    r"\U00020000-\U0003fffd]"
)
_INVISIBLE: Final = regex.compile(r"[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+")
_LETTER: Final = regex.compile(r"\p{L}")
_CLUSTER: Final = regex.compile(r"\X")
# Letters, digits and punctuation that are clusters of one column: most text in the Latin, Greek and Cyrillic
# scripts. Not included: marks, format characters, symbols that may be wide.
_PLAIN: Final = re.compile(
    r"[\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u052f\u1e00-\u1fff\u2010-\u2027\u2030-\u205e]*"
)

# Characters that no row begins with: marks, Thai and Lao vowels written after their letter, closing
# punctuation, small kana.
_NOT_FIRST: Final = regex.compile(
    r"[\p{M}\u200d\p{Pe}\p{Pf}\u0e30\u0e32\u0e33\u0e45\u0e46\u0e2f\u0eb0\u0eb2\u0eb3\u0ec6\u17d4-\u17d6\u104a\u104b"
    r"!%,.:;?\u2026\u2030\u3001\u3002\u3005\u303b\u309d\u309e\u30a0\u30fb-\u30fe"
    r"\u3041\u3043\u3045\u3047\u3049\u3063\u3083\u3085\u3087\u308e\u3095\u3096"
    r"\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7\u30ee\u30f5\u30f6\u31f0-\u31ff"
    r"\uff01\uff05\uff0c\uff0e\uff1a\uff1b\uff1f\uff61\uff64\uff65\uff67-\uff70\uff9e\uff9f"
    r"\u0964\u0965\u060c\u061b\u061f\u06d4]"
)
# Characters that no row ends with: opening punctuation, Thai and Lao vowels written before their letter.
_NOT_LAST: Final = regex.compile(
    r"[\p{Ps}\p{Pi}\u0e40-\u0e44\u0ec0-\u0ec4$\u00a1\u00a3\u00a5\u00bf\uff04\uffe1\uffe5]"
)
_WORD: Final = 100
"""Maximum letters of a word whose width is cached."""
_TOGETHER: Final = 8
"""Maximum clusters that stay in one row: a long run of dots must be broken somewhere."""


def clusters(text: str) -> list[str]:
    """Return the grapheme clusters of a text."""
    found: list[str] = list(text) if is_plain(text) else _CLUSTER.findall(text)
    return found


@lru_cache(maxsize=8192)
def _letter(cluster: str) -> tuple[int, bool, bool]:
    """Return a cluster's width, and whether a row may begin and may end with it."""
    begins = _NOT_FIRST.match(cluster) is None
    ends = _NOT_LAST.match(cluster) is None
    if _INVISIBLE.fullmatch(cluster):
        return 0, begins, ends
    return 2 if _WIDE.search(cluster) or len(_LETTER.findall(cluster)) > 1 else 1, begins, ends


def may_begin(cluster: str) -> bool:
    """Return whether a row may begin with a cluster: not with closing punctuation or a vowel sign."""
    return _letter(cluster)[1]


def may_end(cluster: str) -> bool:
    """Return whether a row may end with a cluster: not with opening punctuation."""
    return _letter(cluster)[2]


def width(text: str) -> int:
    """Return the columns that text takes; a cluster takes two at most."""
    return len(text) if is_plain(text) else _width(text)


def is_plain(text: str) -> bool:
    """Return whether each character of a text is a cluster of one column."""
    return text.isascii() or _PLAIN.fullmatch(text) is not None


@lru_cache(maxsize=8192)
def _width_of_word(text: str) -> int:
    return sum(_letter(cluster)[0] for cluster in _CLUSTER.findall(text))


def _width(text: str) -> int:
    # A long text is unlikely to occur again, and is not cached.
    return _width_of_word(text) if len(text) < _WORD else _width_of_word.__wrapped__(text)


def _units(word: str, columns: int = COLUMNS) -> Iterator[tuple[str, int]]:
    """Split a word into runs of clusters that stay in one row, with their widths."""
    unit: list[str] = []
    taken = 0
    ended = True
    for cluster in clusters(word):
        wide, begins, ends = _letter(cluster)
        if unit and ((begins and ended) or len(unit) >= _TOGETHER or taken + wide > columns):
            yield "".join(unit), taken
            unit, taken = [], 0
        unit.append(cluster)
        taken += wide
        ended = ends
    if unit:
        yield "".join(unit), taken


def _letters(word: str) -> Iterator[tuple[str, int]]:
    return ((cluster, _letter(cluster)[0]) for cluster in clusters(word))


class Pieces:
    """A text in unbreakable pieces: its words, and parts of words that are longer than a row.

    ``texts``: the pieces. ``spaces``: 1 where a space stands before one. ``ends``: the columns, with those
    spaces, before each piece and after the last.
    """

    def __init__(self, texts: list[str], widths: list[int], spaces: list[int]) -> None:
        self.texts = texts
        self.spaces = spaces
        self.ends: list[int] = list(accumulate(map(add, widths, spaces), initial=0))
        self._middles = list(map(add, self.ends, self.ends[1:]))  # doubled, so that they are whole
        self._is_words = all(spaces)

    @classmethod
    def of(cls, text: str, columns: int = COLUMNS) -> Self:
        """Return a text's pieces."""
        words = text.split()
        widths = list(map(len if is_plain(text) else width, words))
        if max(widths, default=0) <= columns:
            return cls(words, widths, [1] * len(words))
        texts: list[str] = []
        spaces: list[int] = []
        taken: list[int] = []
        for word, wide in zip(words, widths, strict=True):
            before = len(texts)
            for piece, columns_of in [(word, wide)] if wide <= columns else _units(word, columns):
                spaces.append(int(len(texts) == before))
                texts.append(piece)
                taken.append(columns_of)
        return cls(texts, taken, spaces)

    def text(self, start: int, stop: int) -> str:
        """Return the text from one piece up to another."""
        if self._is_words:
            return " ".join(self.texts[start:stop])
        joined = zip(self.texts[start:stop], self.spaces[start:stop], strict=True)
        return "".join(f" {text}" if space else text for text, space in joined).removeprefix(" ")

    def width(self, start: int, stop: int) -> int:
        """Return the columns from one piece up to another."""
        if start >= stop:
            return 0
        return self.ends[stop] - self.ends[start] - self.spaces[start]

    def rows(self, start: int, stop: int, *, columns: int = COLUMNS, lead: int = 0) -> list[int]:
        """Return where rows begin, and ``stop``; ``lead`` columns of the first are taken."""
        ends, spaces = self.ends, self.spaces
        found = [start]
        room = columns - lead
        at = start
        while at < stop:
            end = bisect_right(ends, room + ends[at] + spaces[at], at, stop + 1) - 1
            # If nothing fits beside the lead, it gets its own row.
            at = end if end > at or room < columns else at + 1
            found.append(at)
            room = columns
        return found

    def divided(self, count: int, lead: int = 0) -> list[int]:
        """Return where each of ``count`` parts of about the same width begins, and the number of pieces."""
        doubled = 2 * (lead + self.ends[-1])
        # A piece belongs to the part that its middle falls into.
        begins = [
            bisect_left(self._middles, -(-doubled * part // count) - 2 * lead) for part in range(1, count)
        ]
        return [0, *begins, len(self.texts)]

    def finer(self, count: int) -> "Pieces":
        """Return at least ``count`` pieces if possible: words are split if there are too few."""
        found = self
        for cut in (_units, _letters):
            if len(found.texts) < count:
                texts: list[str] = []
                widths: list[int] = []
                spaces: list[int] = []
                for text, space in zip(found.texts, found.spaces, strict=True):
                    before = len(texts)
                    for piece, columns_of in cut(text):
                        spaces.append(space if len(texts) == before else 0)
                        texts.append(piece)
                        widths.append(columns_of)
                found = Pieces(texts, widths, spaces)
        return found


def wrap(text: str, columns: int = COLUMNS) -> tuple[str, ...]:
    """Break text into rows at spaces; words longer than a row between letters.

    A row does not begin with closing punctuation (``。``) or a vowel sign, nor end with opening punctuation
    (``「``).
    """
    pieces = Pieces.of(text, columns)
    return tuple(pieces.text(*row) for row in pairwise(pieces.rows(0, len(pieces.texts), columns=columns)))


def parts(text: str, count: int) -> tuple[str, ...]:
    """Divide text into ``count`` parts of about the same width, at spaces where there are enough.

    Joined with what stood between them, they are the text; where it is too short, some are empty.
    """
    pieces = Pieces.of(text).finer(count)
    return tuple(pieces.text(*part) for part in pairwise(pieces.divided(count)))
