"""Short codes that can be spoken, to join a session without its link: their form and their length. Pure.

A code has six characters or more of twenty that are not mistaken for each other, read or heard: no vowels
(codes are not words), no ``0 O 1 I L 2 Z 5 S 8 B``, no ``G``, which looks like 6, and no ``N``, which sounds
like ``M``.

How long a code has to be. Guesses of strangers are limited to :data:`GUESSES` different wrong codes in
:data:`GUESS_WINDOW` seconds, for all addresses and workers together: 14,400 a day. With ``live`` codes of
``n`` characters, someone who guesses at that rate all day finds one of them with a probability of
``live · 14,400 / 20ⁿ``. :func:`code_length` keeps that below :data:`RISK_A_DAY`, one in a thousand:

====  ===============  =====================
``n``  possible codes   live codes at most
====  ===============  =====================
6     64,000,000       4
7     1,280,000,000    88
8     25,600,000,000   1,777
9     512 billion      35,555
====  ===============  =====================

Codes that were created while fewer existed are shorter; of each length there are never more than the table
says, so the bound holds for each length that a stranger may choose to guess.
"""

import unicodedata
from itertools import pairwise
from typing import Final

ALPHABET: Final = "CDFHJKMPQRTVWXY34679"

SHORTEST: Final = 6
LONGEST: Final = 12

#: Different wrong codes that are checked in :data:`GUESS_WINDOW` seconds, for all addresses together.
GUESSES: Final = 100
GUESS_WINDOW: Final = 600.0

#: The probability per day that guessing finds any code.
RISK_A_DAY: Final = 1 / 1000

_DAY: Final = 86_400.0

#: Letters of other alphabets that look like one of ours: people type a code on the keyboard that they have.
_CYRILLIC: Final = "СНКМРТХУ"  # noqa: RUF001 - that they look alike is the point
_GREEK: Final = "ΗΚΜΡΤΧΥ"  # noqa: RUF001 - as above
_LOOK_ALIKES: Final = str.maketrans(_CYRILLIC + _GREEK, "CHKMPTXY" + "HKMPTXY")

#: Characters that people put between the groups of a code.
_SEPARATORS: Final = frozenset(" -–—‐‑_.·/")  # noqa: RUF001 - any hyphen


class CodeError(ValueError):
    """A text cannot be a code; the message is a sentence for the person who typed it."""


def code_length(live: int) -> int:
    """Return the length of a new code where ``live`` codes exist."""
    guesses_a_day = GUESSES * _DAY / GUESS_WINDOW
    length = SHORTEST
    while length < LONGEST and (live + 1) * guesses_a_day > RISK_A_DAY * len(ALPHABET) ** length:
        length += 1
    return length


def read_code(text: str) -> str:
    """Return the code in what a person typed: any case, with spaces or hyphens, on any keyboard.

    Raises :class:`CodeError` if it cannot be a code.
    """
    shown = unicodedata.normalize("NFKC", text).upper().translate(_LOOK_ALIKES)
    code = "".join(_digit(each) for each in shown if each not in _SEPARATORS and not each.isspace())
    if not code:
        raise CodeError("Enter the code of the session.")
    wrong = next((each for each in code if each not in ALPHABET), None)
    if wrong is not None:
        shown_wrong = wrong if wrong.isprintable() else "a control character"
        raise CodeError(f"No code contains {shown_wrong}. Codes have the characters {' '.join(ALPHABET)}.")
    if len(code) < SHORTEST:
        raise CodeError(f"This code is too short: codes have at least {SHORTEST} characters.")
    if len(code) > LONGEST:
        raise CodeError(f"This code is too long: codes have at most {LONGEST} characters.")
    return code


def _digit(character: str) -> str:
    """Return the European digit of a digit of any script; other characters as they are."""
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


def grouped(code: str) -> str:
    """Return a code in groups of three or four characters, as it is shown and spoken: ``K7M-4QX``."""
    groups = -(-len(code) // 4)
    ends = [len(code) * number // groups for number in range(groups + 1)]
    return "-".join(code[start:end] for start, end in pairwise(ends))
