import pytest

from orch.speech.results import TranscribedWord, Transcription
from orch.speech.revisions import stable_part


def heard(text: str, *, last_ends: float) -> Transcription:
    """Return a response with a word each half second; the last ends then."""
    said = text.split()
    words = tuple(
        TranscribedWord(word, last_ends - (len(said) - at) * 0.5, last_ends - (len(said) - at - 1) * 0.5, 0.9)
        for at, word in enumerate(said)
    )
    return Transcription(text=text, words=words)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("How are you", "How are you"),
        ("How are you...", "How are you"),
        ("How are you …", "How are you"),
        ("He said how-", "He said"),
        ("a more m-", "a more"),
        ("He said —", "He said"),
        ("...", ""),
        ("Wh-", ""),
        ("well-known", "well-known"),
        ("She left.", "She left."),
    ],
)
def test_what_the_clock_has_cut_is_not_shown(text: str, shown: str) -> None:
    """An engine's marks of a cut are no words, and half a word is none."""
    assert stable_part(Transcription(text=text), seconds=5).text == shown


def test_a_word_that_may_go_on_is_held_back() -> None:
    """It ends with the sound; the next revision or the final shows it."""
    growing = stable_part(heard("had he married a more am", last_ends=4.9), seconds=5.0)
    assert growing.text == "had he married a more"
    assert [word.text for word in growing.words] == ["had", "he", "married", "a", "more"]


def test_a_word_that_a_pause_follows_is_shown() -> None:
    growing = stable_part(heard("had he married a more amiable woman", last_ends=4.0), seconds=5.0)
    assert growing.text == "had he married a more amiable woman"


def test_punctuation_at_the_end_goes_with_its_word() -> None:
    words = heard("yes of course", last_ends=1.95)
    assert (
        stable_part(Transcription(text="Yes, of course!", words=words.words), seconds=2.0).text == "Yes, of"
    )


def test_a_text_that_does_not_end_in_its_last_word_stays_whole() -> None:
    """Some engines write the words in another script or case than the text."""
    words = heard("ichi ni", last_ends=1.95).words
    assert stable_part(Transcription(text="一二", words=words), seconds=2.0).text == "一二"
