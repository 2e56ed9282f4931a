"""Where a clause of a growing line may end, so that it can be translated without what follows. Pure.

A clause ends, after :data:`SHORTEST` words, at punctuation: not at the full stop of an abbreviation or an
initial. All of its words must be settled, and another word must follow in the line, settled or not: an engine
ends each hypothesis with a full stop, wherever its sound ends.

Long clauses are divided, so that readers do not wait for their ends: before a conjunction after
:data:`MIDDLE` words; after :data:`LONGEST` also before a preposition, or else where no article, preposition
or auxiliary would be the last word. Some engines write neither punctuation nor capitals: a line without any
is divided sooner (:data:`EARLIEST`, :data:`UNPUNCTUATED`). Names (two words in a row with capitals) and
numbers are not divided. The words are in :mod:`orch.speech.clause_words`.
"""

import re
from collections.abc import Sequence
from typing import Final

from orch.protocol.words import is_unspaced
from orch.speech.clause_words import ABBREVIATIONS, AND, CONJUNCTIONS, NUMBERS, PREPOSITIONS, UNFINISHED

SHORTEST: Final = 4
"""Words of a clause; a shorter one waits for the next. Characters of scripts without spaces count half."""

MIDDLE: Final = 8
"""Words after which a clause is divided before a conjunction."""

LONGEST: Final = 16
"""Words after which a clause is divided elsewhere."""

EARLIEST: Final = 6
UNPUNCTUATED: Final = 12
"""The same two for an engine that writes no punctuation, which would else end no clause before the final."""

_ENDS: Final = frozenset(
    ".,;:!?\u2026\u2013\u2014\u3002\uff0c\u3001\uff1b\uff1a\uff01\uff1f\u060c\u061b\u061f\u06d4\u0964"
)
_SENTENCE_ENDS: Final = frozenset(".!?\u2026\u3002\uff01\uff1f\u061f\u06d4\u0964")
_OPENING: Final = "\"'\u2018\u201c\u00ab\u00bf\u00a1([\u300c\u300e"
_CLOSING: Final = "\"'\u2019\u201d\u00bb)\\]\u300d\u300f"

_NONE: Final = frozenset[str]()
_HAS_DIGIT: Final = re.compile(r"\d")


def clause_end(
    words: Sequence[str], *, begin: int, settled: int, language: str | None = None, is_paused: bool = False
) -> int | None:
    """Return after how many words of a line its next clause ends; None if it goes on, or may.

    ``words``: of the whole line; the first ``settled`` of them are. The clause begins at word ``begin``.
    ``is_paused``: the speaker has paused after the last word, so that no other must follow it.
    """
    last = min(settled, len(words) if is_paused else len(words) - 1)
    weights = _weights(words, begin, last)
    following = [*words[1:], ""]
    found = [
        at
        for at in range(begin + 1, last + 1)
        if weights[at - 1 - begin] >= SHORTEST
        and is_end(words[at - 1], following[at - 1])
        and not _is_mark(following[at - 1])
    ]
    if found:
        return found[-1]
    divisions = [
        at
        for at in range(begin + 1, min(last + 1, len(words)))
        if not _is_within(words[at - 1], words[at]) and not _is_mark(words[at])
    ]
    code = (language or "").partition("-")[0].lower()
    conjunctions = CONJUNCTIONS.get(code, _NONE)
    is_plain = not any(is_end(word, "") or word != word.lower() for word in words[:-1])
    shortest, longest = (EARLIEST, UNPUNCTUATED) if is_plain else (MIDDLE, LONGEST)
    early = [at for at in divisions if weights[at - 1 - begin] >= shortest]
    before_conjunctions = [at for at in early if _plain(words[at]) in conjunctions]
    if before_conjunctions:
        return before_conjunctions[-1]
    if not early or weights[-1] < longest:
        return None
    unfinished, prepositions = UNFINISHED.get(code, _NONE), PREPOSITIONS.get(code, _NONE)
    finished = [at for at in early if _plain(words[at - 1]) not in unfinished]
    before_prepositions = [at for at in finished if _plain(words[at]) in prepositions]
    return (before_prepositions or finished or early)[-1]


def _weights(words: Sequence[str], begin: int, end: int) -> list[float]:
    """Return how much of a clause has been said after each of its words."""
    found: list[float] = []
    for word in words[begin:end]:
        found.append((found[-1] if found else 0.0) + (0.5 if is_unspaced(word[0]) else 1.0))
    return found


def is_end(word: str, following: str) -> bool:
    """Return whether a word ends with punctuation at which its clause ends."""
    bare = word.rstrip(_CLOSING)
    if bare[-1:] not in _ENDS:
        return False
    if bare[-1] != ".":
        return True
    name = bare.strip(_OPENING).rstrip(".").casefold()
    if len(name) == 1 or name in ABBREVIATIONS:
        return is_unspaced(bare[0])
    return not _plain_start(following).islower()


def is_sentence_end(word: str) -> bool:
    """Return whether the punctuation at which a clause :func:`is_end` ends its sentence, too."""
    return word.rstrip(_CLOSING)[-1:] in _SENTENCE_ENDS


def _is_within(word: str, following: str) -> bool:
    """Return whether a name or a number continues from one word to the next."""
    one, other = word.strip(_OPENING + _CLOSING), following.strip(_OPENING + _CLOSING)
    if one[:1].isupper() and other[:1].isupper():
        return True
    if _HAS_DIGIT.search(one) and _HAS_DIGIT.search(other):
        return True
    numbers = [_plain(each) in NUMBERS for each in (word, following)]
    has_and = [_plain(each) in AND for each in (word, following)]
    # The rest of "two hundred and five" may not be said yet.
    return all(numbers) or (numbers[0] and has_and[1]) or (has_and[0] and numbers[1])


def _is_mark(word: str) -> bool:
    """Return whether a word is punctuation alone, which belongs to the word before it."""
    return word != "" and not any(map(str.isalnum, word))


def _plain(word: str) -> str:
    return word.strip(_OPENING + _CLOSING + ".,;:!?").casefold()


def _plain_start(word: str) -> str:
    return word.lstrip(_OPENING)[:1]
