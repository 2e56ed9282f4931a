from hypothesis import given
from hypothesis import strategies as st

from orch.sandbox.engines.neural import ALPHABET
from orch.sandbox.engines.sentences import MOST_WORDS, divided, is_in_capitals, simplified, without_capitals


@given(st.text(alphabet="aB .,!?\n\t\"'", max_size=80))
def test_the_parts_of_a_text_are_the_text(text: str) -> None:
    assert "".join(divided(text)) == text


@given(st.lists(st.sampled_from(("word", "word,", "end.")), max_size=300))
def test_no_part_is_longer_than_the_limit(words: list[str]) -> None:
    assert all(len(part.split()) <= MOST_WORDS for part in divided(" ".join(words)))


def test_a_text_is_divided_into_lines_and_sentences() -> None:
    text = "Dr. J. Smith left at 10 a.m. on Monday. Who? “Me.” (And you!) He paid 3.50\nand  then"
    assert divided(text) == [
        "Dr. J. Smith left at 10 a.m. on Monday.",
        " Who?",
        " “Me.”",
        " (And you!)",
        " He paid 3.50",
        "\nand  then",
    ]


def test_speech_without_punctuation_is_cut_after_a_comma_or_at_the_limit() -> None:
    words = ["word"] * (MOST_WORDS + 10)
    assert [len(part.split()) for part in divided(" ".join(words))] == [MOST_WORDS, 10]
    words[30] = "word,"
    assert [len(part.split()) for part in divided(" ".join(words))] == [31, MOST_WORDS + 10 - 31]


def test_a_text_is_written_with_the_characters_of_the_model() -> None:
    text = "“Às vezes…” — naïve coöperation, ¿qué? São Paulo"
    assert simplified(text, ALPHABET) == '"às vezes..." - naive cooperation, qué? São Paulo'


def test_names_keep_their_accents() -> None:
    """Without its accents a name is another name; it is protected as it is."""
    assert simplified("Łukasz, “Müller” 日本語 😀", ALPHABET) == 'Łukasz, "Müller" 日本語 😀'


def test_a_sentence_in_capitals_is_recognised() -> None:
    """An abbreviation, alone or among other words, and scripts without capitals are none."""
    for text in ("HELLO WORLD", "I AM 5, ÀS VEZES!", "THE [0] END"):
        assert is_in_capitals(text)
    for text in ("USA", "OK", "I A B", "NASA launched", "Hello World", "日本 東京", "3 50", ""):
        assert not is_in_capitals(text)


def test_a_sentence_in_capitals_is_written_as_usual() -> None:
    """The word "I" stays, as in English; so do the numbers of protected words."""
    assert without_capitals("HELLO [0] WORLD") == "Hello [0] world"
    assert without_capitals("«WHAT I DO, I'M») 3D") == "«What I do, I'm») 3d"
    assert without_capitals("") == ""


@given(st.text(alphabet="aB Ié.,!?[0]\n\t\"'", max_size=80))
def test_only_the_case_of_letters_changes(text: str) -> None:
    assert without_capitals(text).lower() == text.lower()
