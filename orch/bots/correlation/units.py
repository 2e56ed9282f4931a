"""The units by which captions and transcripts are compared. Pure.

A unit is a word without punctuation in one case; in scripts without spaces between words it is a letter with
its marks (:mod:`orch.protocol.words`), as two engines divide such text into different words.
"""

from typing import Final

from orch.protocol.words import is_unspaced, word_spans
from orch.speech.hypotheses import letters_of

STEM: Final = 4
"""Letters in which two longer words must agree to be taken for forms, or for misrecognitions, of one."""
LONG: Final = 5
STEMMED: Final = 0.6
"""What a match of two stems counts, compared with a match of words."""


def units_of(text: str) -> list[str]:
    """Return the units of a text.

    >>> units_of("It's 5 o'clock, Anna!"), units_of("東京へ行く。")
    (['its', '5', 'oclock', 'anna'], ['東', '京', 'へ', '行', 'く'])
    """
    found = (letters_of(text[begin:end]) for begin, end in word_spans(text))
    return [unit for unit in found if unit]


def stem_of(unit: str) -> str | None:
    """Return the beginning of a word that is long enough to be compared by it."""
    return unit[:STEM] if len(unit) >= LONG else None


def weight_of(unit: str) -> float:
    """Return how much a match of this unit proves: short words occur everywhere."""
    if is_unspaced(unit[0]):
        return 0.5
    return (0.35, 0.35, 0.35, 0.6)[len(unit)] if len(unit) < STEM else 1.0
