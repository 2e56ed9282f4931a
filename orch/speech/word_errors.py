"""Compares two texts word by word: alignment and word error rate. Pure.

    WER = (S + D + I) / N

with the fewest substitutions S, deletions D and insertions I that turn the N words of the reference into the
recognised ones (Levenshtein distance over words). Where several alignments need equally few, words are
substituted rather than deleted and inserted. WER exceeds 1 where many words are inserted; it is None for a
reference without a word.

**Normalisation**, of both texts alike: Unicode NFKC, case folded; an apostrophe between letters stays
(``don't``, typographic ones too), all other punctuation and symbols separate words, a hyphen too; each
ideograph and kana is a word of its own, as those scripts have no spaces. Numbers stay as they are: ``20`` and
``twenty`` differ, and so do spellings (``colour``, ``color``).
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

MOST_WORDS: Final = 5_000
"""Of each text: the alignment of two such texts needs 25 MB for a moment."""

#: Ideographs and kana.
_ALONE: Final = re.compile("([\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")
_APOSTROPHES: Final = str.maketrans("\u2019\u02bc\u2018`", "''''")

Kind = Literal["equal", "substituted", "deleted", "inserted"]
_KEEP, _DELETE, _INSERT = 0, 1, 2


class AlignedWord(Struct, frozen=True, kw_only=True):
    """One step of an alignment. ``reference`` is None for an inserted word, ``recognised`` for a deleted."""

    kind: Kind
    reference: str | None
    recognised: str | None


class WordErrors(Struct, frozen=True, kw_only=True):
    """The differences of a recognised text from a reference of ``words`` words.

    ``rate``: the word error rate; None if the reference has no word.
    """

    rate: float | None
    words: int
    substituted: int
    deleted: int
    inserted: int
    alignment: tuple[AlignedWord, ...]


class TooManyWordsError(ValueError):
    """A text has more than :data:`MOST_WORDS` words."""


def words_of(text: str) -> tuple[str, ...]:
    """Return the normalised words of a text."""
    normal = unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)
    plain = "".join(each if each == "'" or _is_of_word(each) else " " for each in normal)
    words = (word.strip("'") for word in _ALONE.sub(r" \1 ", plain).split())
    return tuple(word for word in words if word)


def _is_of_word(character: str) -> bool:
    """Return whether it is a letter, a digit, or a mark on one, as vowels are in many scripts."""
    return character.isalnum() or unicodedata.category(character).startswith("M")


def word_errors(reference: str, recognised: str) -> WordErrors:
    """Compare two texts. Takes some 0.2 s for the longest. TooManyWordsError."""
    wanted, found = words_of(reference), words_of(recognised)
    if max(len(wanted), len(found)) > MOST_WORDS:
        raise TooManyWordsError(f"more than {MOST_WORDS} words")
    steps = tuple(_aligned(wanted, found))
    counts = {
        kind: sum(step.kind == kind for step in steps) for kind in ("substituted", "deleted", "inserted")
    }
    return WordErrors(
        rate=sum(counts.values()) / len(wanted) if wanted else None,
        words=len(wanted),
        alignment=steps,
        **counts,
    )


def _aligned(wanted: Sequence[str], found: Sequence[str]) -> list[AlignedWord]:
    """Walk back through the choices of the cheapest path."""
    choices = _choices(wanted, found)
    steps: list[AlignedWord] = []
    row, column = len(wanted), len(found)
    while row or column:
        choice = choices[row, column]
        if choice == _DELETE:
            row -= 1
            steps.append(AlignedWord(kind="deleted", reference=wanted[row], recognised=None))
        elif choice == _INSERT:
            column -= 1
            steps.append(AlignedWord(kind="inserted", reference=None, recognised=found[column]))
        else:
            row, column = row - 1, column - 1
            kind: Kind = "equal" if wanted[row] == found[column] else "substituted"
            steps.append(AlignedWord(kind=kind, reference=wanted[row], recognised=found[column]))
    return steps[::-1]


def _choices(wanted: Sequence[str], found: Sequence[str]) -> npt.NDArray[np.int8]:
    """Return the last step of the cheapest path to each pair of prefixes, a row for each wanted word.

    A row at a time: insertions along a row are a running minimum of cost minus column.
    """
    numbers = {word: number for number, word in enumerate(dict.fromkeys((*wanted, *found)))}
    rows = [numbers[word] for word in wanted]
    columns = np.array([numbers[word] for word in found], np.int64)
    places = np.arange(len(found) + 1)
    choices = np.full((len(wanted) + 1, len(found) + 1), _INSERT, np.int8)
    costs = places.copy()
    for row, word in enumerate(rows, start=1):
        deleted = costs + 1
        kept = np.concatenate(([np.iinfo(np.int64).max // 2], costs[:-1] + (columns != word)))
        reached = np.minimum(deleted, kept)
        costs = np.minimum.accumulate(reached - places) + places
        choices[row] = np.where(costs == kept, _KEEP, np.where(costs == deleted, _DELETE, _INSERT))
    return choices
