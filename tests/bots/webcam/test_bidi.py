"""Expected orders are those of UAX 9, found by its rules by hand; capitals stand for Hebrew letters."""

import pytest

from orch.bots.webcam.bidi import in_display_order, is_right_to_left, levels

ALEF = 0x5D0


def hebrew(text: str) -> str:
    """Return a text with Hebrew letters for capitals."""
    return "".join(chr(ALEF + ord(each) - 65) if "A" <= each <= "Z" else each for each in text)


def shown(text: str) -> str:
    """Return how a paragraph is shown from left to right, capitals for Hebrew letters."""
    real = hebrew(text)
    items = list(zip(text, levels(real, is_right_to_left(real)), strict=True))
    return "".join(letter for letter, _ in in_display_order(items, lambda item: item[1]))


@pytest.mark.parametrize(
    ("text", "display"),
    [
        ("plain text", "plain text"),
        ("he said CAR to me", "he said RAC to me"),
        ("he said CAR BUS to me", "he said SUB RAC to me"),
        ("CAR means car", "means car RAC"),
        ("CAR (car) BUS", "SUB )car( RAC"),  # the engine mirrors the brackets
        ("CAR (BUS) x", "x )SUB( RAC"),
        ("a (CAR) b", "a (RAC) b"),
        ("a (b CAR) d", "a (b RAC) d"),
        ("CAR 123 BUS", "SUB 123 RAC"),
        ("CAR 1,234.50 BUS", "SUB 1,234.50 RAC"),
        ("CAR -5% BUS", "SUB 5%- RAC"),
        ("CAR!", "!RAC"),
        ("car CAR!", "car RAC!"),
        ("CAR 10-12", "10-12 RAC"),
        ("CAR a-1", "a-1 RAC"),
        ("", ""),
        ("123", "123"),
        ("!?", "!?"),
    ],
)
def test_directions_are_ordered_by_the_rules(text: str, display: str) -> None:
    assert shown(text) == display


def test_numbers_after_arabic_letters_are_arabic_numbers() -> None:
    """W2: a hyphen between two of them does not join them, as it does after Hebrew letters."""
    assert levels("\u0627 1-2", right_to_left=True) == [1, 1, 2, 1, 2]
    assert levels("\u05d0 1-2", right_to_left=True) == [1, 1, 2, 2, 2]


def test_a_mark_has_the_level_of_its_letter() -> None:
    """Else it would be drawn on another."""
    assert levels("a\u05d0\u05b0b", right_to_left=False) == [0, 1, 1, 0]
    assert levels("\u05d0\U0001f468\u200d\U0001f469", right_to_left=True) == [1, 1, 1, 1]


def test_the_language_decides_for_a_text_of_both_directions() -> None:
    """An Arabic sentence may begin with a product's name, an English one with an Arabic word."""
    mixed = "Chrome \u0627\u0644 x"
    assert not is_right_to_left(mixed)
    assert is_right_to_left(mixed, "ar-EG")
    assert is_right_to_left(mixed, "pa-Arab-PK")
    assert not is_right_to_left("\u0627 means alif", "en")
    assert is_right_to_left("\u0627 means alif")


def test_letters_of_one_direction_decide_alone() -> None:
    """Whatever the language is said to be."""
    assert not is_right_to_left("12 !", "ar")
    assert not is_right_to_left("English", "ar")
    assert is_right_to_left("12 \u0627", "en")
    assert not is_right_to_left("")


def test_many_brackets_take_no_more_time_than_a_stack_of_them() -> None:
    """BD16's stack is bounded; what is deeper counts as no pair."""
    depth = 5000
    assert len(levels("\u05d0" + "(" * depth + ")" * depth, right_to_left=True)) == 2 * depth + 1
