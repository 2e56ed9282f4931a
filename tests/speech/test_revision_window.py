"""Which part of a long utterance a revision sends, and what its text becomes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.speech.agreement import Agreement
from orch.speech.hypotheses import HypothesisWord, hypothesis_words, text_of
from orch.speech.results import TranscribedWord, Transcription
from orch.speech.revision_window import LEAD, LEAST, LONGEST, OVERLAP, WHOLE, RevisionWindow


def said(text: str, *, begin: float = 0.0) -> Transcription:
    """Return a response with a word each half second."""
    timed = tuple(
        TranscribedWord(word, begin + at * 0.5, begin + at * 0.5 + 0.5, 0.9)
        for at, word in enumerate(text.split())
    )
    return Transcription(text=text, words=timed, language="en")


def settled(text: str) -> Agreement:
    """Return an agreement on a text with a word each half second."""
    words = hypothesis_words(said(text), seconds=len(text.split()) * 0.5 + 1)
    return Agreement(settled=words, language="en")


LONG = settled("one two three four five six. Seven eight nine, ten eleven twelve")  # 6 s


def test_a_short_utterance_is_sent_whole() -> None:
    assert WHOLE.moved(LONG, seconds=LONGEST) == WHOLE


def test_a_long_one_is_sent_from_the_beginning_of_a_sentence() -> None:
    assert WHOLE.moved(LONG, seconds=8.5) == RevisionWindow(6, 3.0 - LEAD)


def test_else_from_the_beginning_of_a_phrase() -> None:
    agreement = settled("one two three four, five six seven eight nine ten eleven twelve")
    assert WHOLE.moved(agreement, seconds=8.5) == RevisionWindow(4, 2.0 - LEAD)


def test_else_from_the_last_word_that_leaves_enough() -> None:
    agreement = settled("one two three four five six seven eight nine ten eleven twelve thirteen fourteen")
    assert WHOLE.moved(agreement, seconds=8.5) == RevisionWindow(9, 4.5 - LEAD)


def test_a_window_stays_until_it_is_too_long() -> None:
    window = RevisionWindow(6, 2.9)
    assert window.moved(LONG, seconds=2.9 + LONGEST) is window


@pytest.mark.parametrize("text", ["", "one", "one two three"])
def test_without_enough_settled_words_all_is_sent(text: str) -> None:
    assert WHOLE.moved(settled(text), seconds=12.0) == WHOLE


def test_an_engine_without_times_is_sent_all() -> None:
    words = tuple(replace(word, start=None, end=None) for word in LONG.settled)
    assert WHOLE.moved(replace(LONG, settled=words), seconds=12.0) == WHOLE


def test_a_window_whose_settled_words_have_gone_is_given_up() -> None:
    assert RevisionWindow(6, 2.9).moved(settled("one two"), seconds=9.0) == WHOLE
    assert RevisionWindow(6, 2.9).joined(settled("one two"), said("three"), seconds=9.0).text == ""


def test_the_settled_words_are_put_in_front() -> None:
    """Times count from the utterance's beginning; a capital of the window's own beginning is removed."""
    agreement = settled("one two three four, five six seven eight")
    window = RevisionWindow(4, 1.9)
    joined = window.joined(agreement, said("Five six seven eight nine", begin=0.1), seconds=9.0)
    assert joined.text == "one two three four, five six seven eight nine"
    assert [word.text for word in joined.words] == joined.text.replace("five", "Five").split()
    assert [word.start for word in joined.words][3:6] == [1.5, 2.0, 2.5]
    revised = agreement.revised(joined, seconds=9.0)
    assert revised.text == joined.text
    assert text_of(revised.settled) == "one two three four, five six seven eight"


def test_another_first_word_is_an_opinion_of_its_own() -> None:
    joined = RevisionWindow(4, 1.9).joined(LONG, said("Hive six. seven eight", begin=0.1), seconds=9.0)
    assert joined.text == "one two three four Hive six. seven eight"


def test_unspaced_scripts_stay_unspaced() -> None:
    words = tuple(
        HypothesisWord(letter, is_apart=False, letters=letter, start=at * 0.5, end=at * 0.5 + 0.5)
        for at, letter in enumerate("今日は良い天気です")
    )
    agreement = Agreement(settled=words, language="ja")
    heard = Transcription(
        text="天気ですね", words=(TranscribedWord("天気ですね", 0.1, 2.0, 0.9),), language="ja"
    )
    joined = RevisionWindow(5, 2.4).joined(agreement, heard, seconds=6.0)
    assert joined.text == "今日は良い天気ですね"


@pytest.mark.parametrize("text", ["", "  "])
def test_nothing_recognised_in_a_window_says_nothing_of_what_is_settled(text: str) -> None:
    joined = RevisionWindow(6, 2.9).joined(LONG, Transcription(text=text), seconds=9.0)
    assert LONG.revised(joined, seconds=9.0) is LONG


def test_a_whole_request_is_left_as_it_is() -> None:
    heard = said("one two")
    assert WHOLE.joined(LONG, heard, seconds=9.0) is heard


@given(
    words=st.lists(st.sampled_from(["one", "two,", "three.", "four"]), max_size=60),
    lengths=st.lists(st.floats(0.0, 40.0), max_size=8),
)
def test_a_window_never_loses_a_settled_word(words: list[str], lengths: list[float]) -> None:
    """It begins before enough settled words, moves forwards only, and what comes out begins with them."""
    agreement = settled(" ".join(words))
    window = WHOLE
    for seconds in sorted(lengths):
        before, window = window, window.moved(agreement, seconds=seconds)
        assert (window.count, window.seconds) >= (before.count, before.seconds)
        if window != before:
            assert len(words) - window.count >= OVERLAP
            assert seconds - window.seconds >= LEAST
        joined = window.joined(agreement, said("something else", begin=0.1), seconds=max(seconds, 31.0))
        assert joined.text.split()[: window.count] == words[: window.count]


def test_an_abbreviation_ends_no_sentence() -> None:
    agreement = settled("one two. Three four five six Mr. Eight nine ten eleven twelve")
    assert WHOLE.moved(agreement, seconds=9.0) == RevisionWindow(2, 1.0 - LEAD)
