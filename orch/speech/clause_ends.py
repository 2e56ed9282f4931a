"""Where a clause of a growing line may end, so that it can be translated without what follows. Pure.

A clause ends, after :data:`SHORTEST` words, at punctuation: not at the full stop of an abbreviation or an
initial. All of its words must be settled, and another word must follow in the line, settled or not: an engine
ends each hypothesis with a full stop, wherever its sound ends.

Long clauses are divided, so that readers do not wait for their ends: before a conjunction after
:data:`MIDDLE` words, or else after :data:`LONGEST`. Some engines write no punctuation at all: a line without
any is divided before a conjunction after :data:`EARLIEST` words, or else after :data:`UNPUNCTUATED`. Neither
divides a name (two words in a row with capitals) or a number.
"""

import re
from collections.abc import Sequence
from typing import Final

from orch.protocol.words import is_unspaced

SHORTEST: Final = 4
"""Words of a clause; a shorter one waits for the next. Characters of scripts without spaces count half."""

MIDDLE: Final = 8
"""Words after which a clause is divided before a conjunction."""

EARLIEST: Final = 6
"""The same in a line without punctuation."""

LONGEST: Final = 20
"""Words without punctuation after which a clause is divided in a line that has some elsewhere."""

UNPUNCTUATED: Final = 12
"""Words after which a clause is divided in a line that has none: its engine may never write any."""

_ENDS: Final = frozenset(
    ".,;:!?\u2026\u2013\u2014\u3002\uff0c\u3001\uff1b\uff1a\uff01\uff1f\u060c\u061b\u061f\u06d4\u0964"
)
_OPENING: Final = "\"'\u2018\u201c\u00ab\u00bf\u00a1([\u300c\u300e"
_CLOSING: Final = "\"'\u2019\u201d\u00bb)\\]\u300d\u300f"

_ABBREVIATIONS: Final = frozenset(
    "mr mrs ms dr st prof sr sra srta dra mme mlle hr fr no nr approx vs gen col rev hon jr av ave".split()
)
"""Words whose full stop ends nothing, in the languages of :data:`_CONJUNCTIONS`."""

_CONJUNCTIONS: Final = {
    "en": frozenset(
        "and but or because although though while when where which who whose if unless until whereas".split()
    ),
    "es": frozenset("y e pero o porque aunque mientras cuando donde quien si sino pues".split()),
    "pt": frozenset("e mas ou porque embora enquanto quando onde quem pois por\u00e9m".split()),
    "fr": frozenset("et mais ou parce car quand lorsque o\u00f9 qui si tandis puisque donc".split()),
    "de": frozenset("und aber oder denn weil obwohl w\u00e4hrend wenn wo dass sondern damit".split()),
    "it": frozenset("e ma o perch\u00e9 mentre quando dove se poich\u00e9 anche".split()),
}
"""By language: words that begin a clause which can be translated alone. Not those that are more often others
("that", "que": also a pronoun), since a clause that ends there has no end."""

_NUMBERS: Final = frozenset(
    (
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand "
        "million billion point "
        "uno dos tres cuatro cinco seis siete ocho nueve diez veinte treinta cuarenta cincuenta sesenta "
        "setenta ochenta noventa cien ciento mil "
        "um dois tr\u00eas quatro sete oito nove dez vinte trinta quarenta cinquenta sessenta oitenta cem cento "
        "un deux trois cinq sept huit neuf dix vingt trente quarante cinquante soixante cent mille "
        "eins zwei drei vier f\u00fcnf sechs sieben acht neun zehn zwanzig drei\u00dfig vierzig hundert tausend"
    ).split()
)
_HAS_DIGIT: Final = re.compile(r"\d")


def clause_end(words: Sequence[str], *, begin: int, settled: int, language: str | None = None) -> int | None:
    """Return after how many words of a line its next clause ends; None if it goes on, or may.

    ``words``: of the whole line, of which ``settled`` are. The clause begins at word ``begin``.
    """
    last = min(settled, len(words) - 1)  # a word must follow
    weights = _weights(words, begin, last)
    found = [
        index + 1
        for index in range(begin, last)
        if weights[index - begin] >= SHORTEST and is_end(words[index], words[index + 1])
    ]
    if found:
        return found[-1]
    is_unpunctuated = not any(is_end(word, "") for word in words[:-1])
    shortest = EARLIEST if is_unpunctuated else MIDDLE
    longest = UNPUNCTUATED if is_unpunctuated else LONGEST
    conjunctions = _CONJUNCTIONS.get((language or "").partition("-")[0].lower(), frozenset[str]())
    dividable = [at for at in range(begin + 1, last + 1) if not _is_within(words[at - 1], words[at])]
    before_conjunctions = [
        at for at in dividable if weights[at - 1 - begin] >= shortest and _plain(words[at]) in conjunctions
    ]
    if before_conjunctions:
        return before_conjunctions[-1]
    if weights and weights[-1] >= longest and dividable:
        return dividable[-1]
    return None


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
    if len(name) == 1 or name in _ABBREVIATIONS:
        return is_unspaced(bare[0])
    return not _plain_start(following).islower()


def _is_within(word: str, following: str) -> bool:
    """Return whether a name or a number continues from one word to the next."""
    one, other = word.strip(_OPENING + _CLOSING), following.strip(_OPENING + _CLOSING)
    if one[:1].isupper() and other[:1].isupper():
        return True
    if _HAS_DIGIT.search(one) and _HAS_DIGIT.search(other):
        return True
    numbers = [_plain(each) in _NUMBERS for each in (word, following)]
    # "and" may be in a number, as in "two hundred and five", whose rest is not said yet.
    return (
        all(numbers)
        or (numbers[0] and _plain(following) in {"and", "y", "e", "et", "und"})
        or (_plain(word) in {"and", "y", "e", "et", "und"} and numbers[1])
    )


def _plain(word: str) -> str:
    return word.strip(_OPENING + _CLOSING + ".,;:!?").casefold()


def _plain_start(word: str) -> str:
    return word.lstrip(_OPENING)[:1]
