import doctest

import pytest

from orch.bots import caption_words, interface_texts
from orch.bots.caption_words import clean, join_words, split_words, weight, word_keys
from orch.bots.interface_texts import INTERFACE_TEXTS, SELF_NAMES, is_own, spoken_text

LANGUAGES = {"en", "es", "de", "fr", "pt", "it", "ja", "zh", "ko", "ar", "ru", "hi"}


@pytest.mark.parametrize("module", [caption_words, interface_texts])
def test_the_examples_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_each_language_has_texts_and_names() -> None:
    assert set(INTERFACE_TEXTS) >= LANGUAGES
    assert set(SELF_NAMES) == LANGUAGES


@pytest.mark.parametrize("language", sorted(INTERFACE_TEXTS))
def test_interface_texts_are_no_speech_alone_or_behind_an_icon(language: str) -> None:
    for text in INTERFACE_TEXTS[language]:
        assert spoken_text(text) == ""
        assert spoken_text(f"\u200f{text.upper()}.") == ""
        assert spoken_text(f"arrow_downward{text}") == ""
        assert spoken_text(f"Ok then. arrow_downward {text}") == "Ok then."


@pytest.mark.parametrize(
    "text", ["", " … ", "👍", "closed_caption_off", "mic", "\u200b", "some_unknown_icon"]
)
def test_texts_without_a_word_and_icons_are_no_speech(text: str) -> None:
    assert spoken_text(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Close.",
        "Please jump to bottom of the page",
        "We set snake_case names",
        "字幕をオンにするのは簡単です",
        "42",
    ],
)
def test_speech_about_the_interface_is_speech(text: str) -> None:
    assert spoken_text(text) == text


def test_the_bots_name_is_compared_without_case_and_directional_marks() -> None:
    assert is_own("\u200ebot (live)", ("Bot (live)",))
    assert not is_own("You", ("Bot",))


@pytest.mark.parametrize(
    "text",
    [
        "¿Qué tal? ¡Bien!",
        "don't well-known 3.5 at 12:30",
        "สวัสดีครับ ผม",
        "مرحباً بكم (جميعا)",
        "カーソル「はい」。",
        "하나 둘",
    ],
)
def test_words_put_together_are_the_text(text: str) -> None:
    words = split_words(clean(text))
    assert "".join(words) == text
    assert "".join(join_words([words[:1], words[1:]])) == text
    assert all(word_keys(words))


def test_letters_of_scripts_without_blanks_count_half() -> None:
    assert weight(word_keys(split_words("我想 go"))) == 2
