"""What participants are called: readable, and each name once."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.websocket.participants.names import NAME_LENGTH, SILENT_NAMES, Names, clean, folded


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Alice", "Alice"),
        ("  Alice \t B.\r\n", "Alice B."),
        ("Ali\x00ce\x1b[31m", "Ali ce [31m"),
        ("\u202eecilA", "ecilA"),  # would be read from right to left
        ("A\u2066B\u2069", "AB"),
        ("Ann\u2028Bob\u2029", "Ann Bob"),
        ("e\u0301", "é"),
        ("\u200b\u200d\ufeff", ""),
        ("\u3164", ""),  # a letter without a shape
        ("\u2800\u115f", ""),
        ("\u0301\u0302", ""),  # marks on nothing
        ("A" + "\u0301" * 40, "\u00c1" + "\u0301" * 4),
        ("👩\u200d💻", "👩\u200d💻"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("A\u200d\u200d B", "A B"),
        ("\ud800x", "x"),
        ("\ue000\U000e0041tag", "tag"),
    ],
)
def test_a_name_is_cleaned_of_what_is_not_seen_or_moves_other_text(text: str, name: str) -> None:
    """What is left is what readers see; nothing may be left."""
    assert clean(text) == name


@given(st.text(max_size=200))
def test_a_cleaned_name_stays_as_it_is_and_shows_on_one_line(text: str) -> None:
    """Whatever it is made of."""
    name = clean(text)
    assert clean(name) == name
    assert len(name) <= NAME_LENGTH
    categories = {unicodedata.category(each) for each in name} - {"Zs"}
    assert not categories & {"Cc", "Zl", "Zp", "Cs", "Co", "Cn"}
    assert all(each in "\u200c\u200d" for each in name if unicodedata.category(each) == "Cf")


@pytest.mark.parametrize(
    "other", ["alice", "\uff21\uff2c\uff29\uff23\uff25", "Ali ce", "Al\u200dice", "ALICE"]
)
def test_names_that_readers_take_for_the_same_are_the_same(other: str) -> None:
    """Case, width, spaces and invisible characters tell nobody apart."""
    assert folded(other) == folded("Alice")


def test_a_second_one_of_the_name_gets_a_number() -> None:
    """However many there are, and whatever they call themselves."""
    names = Names()
    given_names = [names.take(f"p{number}", "Alice") for number in range(12)]
    assert given_names[:3] == ["Alice", "Alice (2)", "Alice (3)"]
    assert len({folded(name) for name in given_names}) == 12
    assert names.take("x", "Alice (2)") not in given_names
    assert names.take("p1", "Alice") == "Alice (2)"  # asked again, it is the same again
    assert max(len(names.take(f"q{number}", "A" * 80)) for number in range(12)) == NAME_LENGTH


def test_who_falls_silent_keeps_the_name_and_who_leaves_gives_it_back() -> None:
    """So that nobody takes the place of someone whose connection was lost for a moment."""
    names = Names()
    names.take("a", "Alice")
    names.silence("a")
    assert names.take("b", "Alice") == "Alice (2)"
    assert names.take("a", "Alice") == "Alice"
    names.release("a")
    assert names.take("b", "Alice") == "Alice"


def test_names_of_the_silent_are_bounded() -> None:
    """Those who fell silent longest ago lose theirs."""
    names = Names()
    for number in range(SILENT_NAMES + 5):
        names.take(f"p{number}", f"name {number}")
        names.silence(f"p{number}")
    assert len(names) == SILENT_NAMES
    assert names.take("x", "name 0") == "name 0"
