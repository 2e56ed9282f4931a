"""Codes that can be spoken: what is accepted as one, how long they are, and how they are shown."""

import pytest

from orch.protocol.identifiers import new_join_code
from orch.protocol.join_codes import (
    ALPHABET,
    GUESS_WINDOW,
    GUESSES,
    LONGEST,
    RISK_A_DAY,
    SHORTEST,
    CodeError,
    code_length,
    grouped,
    read_code,
)


def test_the_alphabet_has_no_characters_that_are_mistaken_for_each_other() -> None:
    """Neither read nor heard; and no vowels, so that no code is a word."""
    assert len(set(ALPHABET)) == len(ALPHABET) == 20
    assert not set(ALPHABET) & set("AEIOU0O1IL2Z5S8BNG")


@pytest.mark.parametrize(
    "typed",
    [
        "K7M4QX",
        "k7m4qx",
        " K7M-4QX ",
        "k7m 4qx\n",
        "K7M\N{EN DASH}4QX",
        "K7M\N{NON-BREAKING HYPHEN}4QX",
        "K.7.M.4.Q.X",
        "\N{FULLWIDTH LATIN CAPITAL LETTER K}7M4QX",
        "K\N{ARABIC-INDIC DIGIT SEVEN}M\N{ARABIC-INDIC DIGIT FOUR}QX",
        "K\N{DEVANAGARI DIGIT SEVEN}M4QX",
        "\N{CYRILLIC SMALL LETTER KA}7\N{CYRILLIC CAPITAL LETTER EM}4Q\N{CYRILLIC SMALL LETTER HA}",
        "\N{GREEK CAPITAL LETTER KAPPA}7\N{GREEK CAPITAL LETTER MU}4Q\N{GREEK CAPITAL LETTER CHI}",
    ],
)
def test_a_code_is_read_as_people_type_it(typed: str) -> None:
    """In any case, with separators, on keyboards of other scripts."""
    assert read_code(typed) == "K7M4QX"


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "Enter the code"),
        (" - ", "Enter the code"),
        ("K7M4Q", "too short"),
        ("K7M4QX" * 3, "too long"),
        ("K7M4Q0", "No code contains 0"),
        ("K7M4QO", "No code contains O"),
        ("https://example.org/join", "No code contains"),
        ("K7M\x004QX", "a control character"),
        ("K7M4Q\N{PILE OF POO}", "No code contains"),
    ],
)
def test_what_cannot_be_a_code_is_refused_with_the_reason(typed: str, reason: str) -> None:
    """So that a typing error is found before it is counted as a guess."""
    with pytest.raises(CodeError, match=reason):
        read_code(typed)


@pytest.mark.parametrize("length", range(SHORTEST, LONGEST + 1))
def test_a_new_code_reads_back_from_how_it_is_shown(length: int) -> None:
    """In groups of three or four."""
    code = new_join_code(length)
    assert len(code) == length
    assert read_code(grouped(code)) == code
    assert {len(group) for group in grouped(code).split("-")} <= {3, 4}


@pytest.mark.parametrize(
    ("live", "length"),
    [(0, 6), (3, 6), (4, 7), (87, 7), (88, 8), (1_776, 8), (1_777, 9), (10**30, LONGEST)],
)
def test_codes_are_longer_where_more_exist(live: int, length: int) -> None:
    """At the limits of the table in the module."""
    assert code_length(live) == length


def test_guessing_all_day_rarely_finds_a_code() -> None:
    """However many codes exist, with the length that the next one gets."""
    guesses_a_day = GUESSES * 86_400 / GUESS_WINDOW
    for live in (0, 3, 4, 50, 88, 1_000, 20_000):
        risk = (live + 1) * guesses_a_day / len(ALPHABET) ** code_length(live)
        assert risk <= RISK_A_DAY
