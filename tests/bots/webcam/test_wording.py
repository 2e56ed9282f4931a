import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from orch.bots.webcam.wording import LONGEST_NAME, LONGEST_TEXT, cleaned, cleaned_name


def test_text_becomes_one_row_without_invisible_characters() -> None:
    assert cleaned(" one\r\n two\tthree\u2028four ") == "one two three four"
    assert cleaned("a\x00b\ud800c\u200bd\u00ade\ufefff") == "abcdef"


def test_characters_that_change_the_direction_of_others_are_removed() -> None:
    """A name cannot be made to read as another."""
    assert cleaned_name("gpj.\u202eanna\u202c \u2066x\u2069 \u200f!") == "gpj.anna x !"


def test_text_without_a_visible_character_is_empty() -> None:
    assert cleaned("\u200d\ufe0f \u200b") == ""


def test_joiners_and_variation_selectors_stay() -> None:
    """They decide what letters and emoji look like."""
    for text in (
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u2764\ufe0f",
    ):
        assert cleaned(text) == text


def test_marks_that_would_cover_other_rows_are_removed() -> None:
    """Letters that need several marks have them."""
    assert len(cleaned("Z" + "\u0336\u0327\u031b" * 40)) < 10
    for text in ("ệ", "กั้", "क्षि", "שָּׁ"):
        assert cleaned(text) == unicodedata.normalize("NFC", text)


def test_the_end_of_a_long_text_stays_and_a_name_s_beginning() -> None:
    text = cleaned("first " + "word " * 10_000 + "last")
    assert re.fullmatch("….*word last", text)
    assert len(text) <= LONGEST_TEXT + 1
    name = cleaned_name("Anna " + "x" * 10_000)
    assert re.fullmatch("Anna x+…", name)
    assert len(name) <= LONGEST_NAME


@given(st.text(max_size=60))
def test_any_text_is_cleaned_once(text: str) -> None:
    once = cleaned(text)
    assert cleaned(once) == once
    once.encode()
    assert len(once.splitlines()) <= 1
