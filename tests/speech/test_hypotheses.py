"""The words of a hypothesis and their times, whatever the engine makes of them."""

from itertools import pairwise

import pytest

from orch.speech.hypotheses import finished, hypothesis_words, text_of, without_cut_marks
from orch.speech.results import TranscribedWord, Transcription


def timed(*words: tuple[str, float, float]) -> tuple[TranscribedWord, ...]:
    return tuple(TranscribedWord(text, start, end, 0.9) for text, start, end in words)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("How are you", "How are you"),
        ("How are you...", "How are you"),
        ("How are you …", "How are you"),
        ("He said how-", "He said"),
        ("a more m-", "a more"),
        ("He said —", "He said"),
        ("Donald ... ill...", "Donald ... ill"),
        ("...", ""),
        ("Wh-", ""),
        ("well-known", "well-known"),
        ("She left.", "She left."),
        ("東京へ-", "東京"),
        ("今日は…", "今日は"),
    ],
)
def test_the_marks_of_a_cut_are_removed(text: str, shown: str) -> None:
    """An engine's marks of a cut are no words, and half a word is none."""
    assert without_cut_marks(text) == shown


def test_times_belong_to_the_words_of_the_text_whatever_their_spelling() -> None:
    words = timed((" Ill", 0.0, 0.3), ("-disposed", 0.3, 0.8), ("young,", 0.9, 1.2), ("Man", 1.2, 1.5))
    found = hypothesis_words(Transcription(text="«Ill-disposed young man!»", words=words), seconds=2.0)
    assert [(word.text, word.start, word.end) for word in found] == [
        ("«Ill-disposed", 0.0, 0.8),
        ("young", 0.9, 1.2),
        ("man!»", 1.2, 1.5),
    ]
    assert text_of(found) == "«Ill-disposed young man!»"


def test_one_word_of_the_engine_may_be_several_of_the_text() -> None:
    """Engines give Chinese and Japanese in pieces of any length."""
    words = timed(("東京", 0.0, 0.5), ("へ行く", 0.5, 1.1))
    found = hypothesis_words(Transcription(text="東京へ行く。", words=words), seconds=2.0)
    assert [(word.text, word.end) for word in found] == [
        ("東", 0.5),
        ("京", 0.5),
        ("へ", 1.1),
        ("行", 1.1),
        ("く。", 1.1),
    ]


def test_a_word_without_a_time_ends_where_the_next_begins() -> None:
    words = timed(("one", 0.0, 0.4), ("four", 1.5, 1.9))
    found = hypothesis_words(Transcription(text="one two three four five", words=words), seconds=3.0)
    assert [word.end for word in found] == [0.4, 1.5, 1.5, 1.9, None]


@pytest.mark.parametrize(
    "words",
    [
        timed(("one", 7.0, 7.4), ("two", 7.5, 8.0)),
        timed(("one", 2.0, 2.4), ("two", 0.5, 1.0)),
        (TranscribedWord("one", 1.0, 0.5, None),),
        timed(("ichi", 0.0, 0.4), ("ni", 0.5, 1.0)),
    ],
    ids=["after the end", "backwards", "negative", "another script"],
)
def test_times_that_cannot_be_are_ignored(words: tuple[TranscribedWord, ...]) -> None:
    found = hypothesis_words(Transcription(text="one two", words=words), seconds=3.0)
    assert [(word.text, word.end) for word in found] == [("one", None), ("two", None)]


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("one", 0), ("one two three", 2), ("東京へ行く", 3), ("สวัสดี", 2)]
)
def test_without_times_the_last_word_is_unfinished(text: str, expected: int) -> None:
    """In a script without spaces the last two characters are."""
    words = hypothesis_words(Transcription(text=text), seconds=3.0)
    assert finished(words, seconds=3.0, margin=0.3) == expected


def test_words_that_end_in_time_are_finished() -> None:
    words = timed(("one", 0.0, 0.4), ("two", 1.0, 1.6), ("three", 1.7, 1.95))
    found = hypothesis_words(Transcription(text="one two three", words=words), seconds=2.0)
    assert finished(found, seconds=2.0, margin=0.3) == 2
    assert finished(found, seconds=2.3, margin=0.3) == 3


def test_words_that_all_end_with_the_sound_are_not_held_back_for_ever() -> None:
    """Some engines give each word the times of its whole segment."""
    text = "one two three four five six"
    words = timed(*[(word, 0.0, 5.0) for word in text.split()])
    found = hypothesis_words(Transcription(text=text, words=words), seconds=5.0)
    assert finished(found, seconds=5.0, margin=0.3) == 3


def test_words_of_two_texts_stay_apart() -> None:
    one = hypothesis_words(Transcription(text="He said 東"), seconds=1.0)
    other = hypothesis_words(Transcription(text="京 no"), seconds=1.0)
    for first, second in pairwise([one, other, one, other]):
        assert len(hypothesis_words(Transcription(text=text_of((*first, *second))), seconds=1.0)) == 5
    assert text_of((*one, *other)) == "He said 東京 no"
    assert text_of((*other, *one)) == "京 no He said 東"
