"""What is settled of a growing utterance, from any back end's hypotheses, and what the final makes of it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.protocol.words import settled_part, word_spans
from orch.speech.agreement import Agreement, final_of, split_at_cut
from orch.speech.hypotheses import letters_of, text_of
from orch.speech.results import TranscribedWord, Transcription


def said(
    text: str, *, last_ends: float, sure: float | None = 0.9, language: str | None = "en"
) -> Transcription:
    """Return a response with a word each half second; the last ends then."""
    words = text.split()
    timed = tuple(
        TranscribedWord(
            word, last_ends - (len(words) - at) * 0.5, last_ends - (len(words) - at - 1) * 0.5, sure
        )
        for at, word in enumerate(words)
    )
    return Transcription(text=text, words=timed, language=language)


def after(*hypotheses: tuple[Transcription, float]) -> Agreement:
    """Return what is settled after these hypotheses, each of so many seconds."""
    agreement = Agreement()
    for transcription, seconds in hypotheses:
        agreement = agreement.revised(transcription, seconds=seconds)
    return agreement


def parts(agreement: Agreement) -> tuple[str, str]:
    """Return the settled text and the growing text."""
    return text_of(agreement.settled), text_of(agreement.growing)


# Revisions.


def test_what_two_hypotheses_agree_on_is_settled() -> None:
    """The rest grows: it is shown, and may still change."""
    agreement = after(
        (said("He was not an", last_ends=2.0), 2.5), (said("He was not a nil", last_ends=2.5), 3)
    )
    assert parts(agreement) == ("He was not", "a nil")
    assert agreement.text == "He was not a nil"
    assert [word.text for word in agreement.words] == ["He", "was", "not", "a", "nil"]


def test_a_first_hypothesis_settles_nothing() -> None:
    assert parts(after((said("He was not", last_ends=1.5), 3.0))) == ("", "He was not")


def test_a_word_that_ends_with_the_sound_is_not_shown() -> None:
    """It may be the beginning of another word; the next hypothesis shows it."""
    assert after((said("had he married a more am", last_ends=4.9), 5.0)).text == "had he married a more"
    assert after((said("had he married", last_ends=4.0), 5.0)).text == "had he married"


def test_agreed_words_are_not_settled_while_they_may_be_cut() -> None:
    agreement = after((said("one two", last_ends=1.0), 1.1), (said("one two", last_ends=1.0), 1.19))
    assert parts(agreement) == ("one", "")
    assert parts(agreement.revised(said("one two", last_ends=1.0), seconds=1.24)) == ("one", "two")


def test_punctuation_and_capitals_of_settled_words_may_change() -> None:
    """A full stop at the end of the sound becomes a comma when the sentence goes on."""
    agreement = after(
        (said("a young man.", last_ends=1.5), 2.0),
        (said("a young man.", last_ends=1.5), 2.5),
        (said("A young man, unless", last_ends=2.0), 3.0),
    )
    assert parts(agreement) == ("A young man,", "unless")


def test_words_are_the_same_however_they_are_divided() -> None:
    agreement = after(
        (said("an ill disposed man", last_ends=2.0), 2.5), (said("an ill-disposed man", last_ends=2.0), 3.0)
    )
    assert parts(agreement) == ("an ill-disposed man", "")


def test_settled_words_stay_when_the_engine_changes_its_mind() -> None:
    """What follows them is taken from the newest hypothesis, where it goes on after the same words."""
    agreement = after(
        (said("Donald Trump has said", last_ends=2.0), 2.5),
        (said("Donald Trump has said", last_ends=2.0), 3.0),
        (said("Don't look Trump has said that today", last_ends=4.0), 4.5),
    )
    assert parts(agreement) == ("Donald Trump has said", "that today")


def test_a_shorter_hypothesis_takes_no_settled_words_back() -> None:
    settled = after((said("one two three", last_ends=1.5), 2.0), (said("one two three", last_ends=1.5), 2.5))
    assert settled.revised(said("one", last_ends=0.5), seconds=3.0).text == "one two three"
    assert settled.revised(Transcription(text=""), seconds=3.0) == settled


def test_without_times_the_last_word_is_held_back() -> None:
    plain = Transcription(text="He was not an ill")
    assert after((plain, 2.0)).text == "He was not an"
    agreement = after((plain, 2.0), (Transcription(text="He was not an ill-disposed young"), 3.0))
    assert parts(agreement) == ("He was not an", "ill-disposed")


def test_an_engine_that_repeats_itself_is_not_shown_until_it_does_so_twice() -> None:
    """Engines loop when the sound ends in the middle of a phrase; people repeat phrases too."""
    loop = "had he married him had he married him had"
    once = after((said(loop, last_ends=4.5), 5.0))
    assert parts(once) == ("", "had he married him")
    assert parts(once.revised(said("had he married a more", last_ends=5.0), seconds=5.5)) == (
        "had he married",
        "a more",
    )
    assert parts(once.revised(said(loop, last_ends=4.5), seconds=5.5)) == (loop, "")
    assert parts(after((said("no no no no", last_ends=2.0), 2.5))) == ("", "no no no no")


def test_scripts_without_spaces_are_settled_by_character() -> None:
    agreement = after(
        (Transcription(text="今日は東京へ行"), 2.0), (Transcription(text="今日は東京に行きます"), 3.0)
    )
    assert parts(agreement) == ("今日は東京", "に行き")
    assert len(agreement.settled) == 5
    assert parts(after((Transcription(text="สวัสดีครับ"), 2.0), (Transcription(text="สวัสดีครับผม"), 3.0)))[0] == (
        "สวัสดีครับ"
    )


def test_hypotheses_in_two_languages_never_agree() -> None:
    english = said("radio video", last_ends=1.0)
    agreement = after((english, 2.0), (replace(english, language="es"), 2.5))
    assert parts(agreement) == ("", "radio video")


def test_another_languages_words_do_not_follow_settled_ones() -> None:
    """Readers keep what they see until the engine returns to the language, or the final decides."""
    english = said("one two three", last_ends=1.5)
    agreement = after(
        (english, 2.0), (english, 2.5), (said("イ ベ ント を", last_ends=2.5, language="ja"), 3.0)
    )
    assert agreement.text == "one two three"


# Finals.

SETTLED = after(
    (said("Donald Trump has said that", last_ends=2.5), 3.0),
    (said("Donald Trump has said that", last_ends=2.5), 3.0),
)


def test_a_final_that_has_the_settled_words_is_published_as_it_is() -> None:
    final = said("Donald Trump has said that, today.", last_ends=3.0)
    assert final_of(SETTLED, final, seconds=3.5).transcription is final
    assert not final_of(SETTLED, final, seconds=3.5).corrects


def test_a_final_keeps_settled_words_where_it_is_less_sure() -> None:
    """The rest of the final is its own, with all times."""
    final = said("Don't look Trump has said that today", last_ends=3.5, sure=0.6)
    found = final_of(SETTLED, final, seconds=4.0)
    assert found.transcription.text == "Donald Trump has said that today"
    assert " ".join(word.text for word in found.transcription.words) == found.transcription.text
    assert not found.corrects


def test_a_final_that_is_surer_corrects_and_says_so() -> None:
    final = said("Don't look Trump has said that today", last_ends=3.5, sure=0.95)
    found = final_of(SETTLED, final, seconds=4.0)
    assert found.transcription == final
    assert found.corrects


@pytest.mark.parametrize(
    ("settled_sure", "final_sure", "overall", "expected"),
    [
        (None, None, None, "one two three"),
        (None, 0.6, None, "one too three"),
        (0.9, None, None, "one two three"),
        (0.9, None, 0.95, "one too three"),
        (0.9, None, 0.5, "one two three"),
    ],
)
def test_who_states_no_probability_is_not_the_surer_one(
    settled_sure: float | None, final_sure: float | None, overall: float | None, expected: str
) -> None:
    """The final's own confidence counts for words without one; with no figures settled words stay."""
    early = said("one two three", last_ends=1.5, sure=settled_sure)
    late = replace(said("one too three", last_ends=1.5, sure=final_sure), confidence=overall)
    found = final_of(after((early, 2.0), (early, 2.5)), late, seconds=3.0)
    assert found.transcription.text == expected
    assert found.corrects is (expected == "one too three")


def test_settled_words_that_the_final_leaves_out_stay_unless_they_were_improbable() -> None:
    for sure, expected in ((0.9, "one two three four"), (0.3, "one four")):
        early = said("one two three four", last_ends=2.0, sure=sure)
        found = final_of(
            after((early, 2.5), (early, 3.0)), said("one four", last_ends=2.0, sure=0.9), seconds=3.0
        )
        assert found.transcription.text == expected
        assert found.corrects is (expected == "one four")


@pytest.mark.parametrize(
    "final",
    [Transcription(text=""), said("Donald el trompo ha dicho", last_ends=2.5, sure=0.1, language="es")],
)
def test_a_final_without_words_or_in_another_language_replaces_everything(final: Transcription) -> None:
    found = final_of(SETTLED, final, seconds=3.0)
    assert found.transcription is final
    assert found.corrects


# Cuts.


def test_words_after_a_cut_are_carried_over() -> None:
    """What the final of the first part has not is shown in the second, with times from the cut on."""
    shown = after(
        (said("one two three four five six", last_ends=3.0), 3.5),
        (said("one two three four five six", last_ends=3.0), 4.0),
        (said("one two three four five six seven eight", last_ends=4.0), 4.5),
    )
    first, second = split_at_cut(shown, said("one two three four", last_ends=2.0), at=2.0)
    assert parts(first) == ("one two three four", "")
    assert parts(second) == ("five six", "seven eight")
    assert [word.start for word in second.words] == [0.0, 0.5, 1.0, 1.5]
    going_on = second.revised(said("five six seven eight nine", last_ends=2.5), seconds=3.0)
    assert parts(going_on) == ("five six seven eight", "nine")


def test_a_word_on_the_cut_is_not_shown_twice() -> None:
    shown = after((said("one two three four", last_ends=2.0), 2.5))
    first, second = split_at_cut(shown, said("one two three", last_ends=1.4), at=1.2)
    assert (first.text, second.text) == ("one two three", "four")


def test_a_cut_without_a_text_is_made_by_time() -> None:
    shown = after((said("one two three four", last_ends=2.0), 2.5))
    first, second = split_at_cut(shown, None, at=1.0)
    assert (first.text, second.text) == ("one two", "three four")


def test_a_cut_without_times_is_made_by_the_text_or_by_its_length() -> None:
    shown = after((Transcription(text="one two three four five six seven eight nine"), 8.0))
    first, second = split_at_cut(shown, Transcription(text="One two three, four five."), at=4.0)
    assert (first.text, second.text) == ("one two three four five", "six seven eight")
    first, second = split_at_cut(shown, None, at=4.0)
    assert first.text.startswith("one two three")
    assert second.text.endswith("six seven eight")


# Anything that a back end may send.

VOCABULARY = (
    "one",
    "two",
    "three",
    "Three,",
    "tree",
    "ill-disposed",
    "ill",
    "disposed",
    "東京",
    "へ",
    "ครับ",
    "—",
    "...",
    "x-",
)
TEXTS = st.lists(st.sampled_from(VOCABULARY), max_size=12).map(" ".join) | st.text(max_size=20)
MOMENTS = st.floats(-2, 20)
PROBABILITIES = st.none() | st.floats(0, 1)


@st.composite
def transcriptions(draw: st.DrawFn) -> Transcription:
    """Return a response with good times, none, or wrong ones, in one of two languages or none."""
    text = " ".join(draw(TEXTS).split())
    kind = draw(st.sampled_from(("good", "none", "wrong", "foreign")))
    words: tuple[TranscribedWord, ...] = ()
    if kind == "good":
        words = said(text, last_ends=len(text.split()) * 0.5, sure=draw(PROBABILITIES)).words
    elif kind == "wrong":
        words = tuple(
            TranscribedWord(word, draw(MOMENTS), draw(MOMENTS), draw(PROBABILITIES)) for word in text.split()
        )
    elif kind == "foreign":
        words = said(draw(TEXTS), last_ends=3.0).words
    return Transcription(
        text=text,
        words=words,
        language=draw(st.sampled_from((None, "en", "en", "en", "ja"))),
        confidence=draw(PROBABILITIES),
    )


HYPOTHESES = st.lists(st.tuples(transcriptions(), st.floats(0.1, 15)), max_size=8)


def letters(words: Sequence[object]) -> list[str]:
    return [word.letters for word in words]  # type: ignore[attr-defined]  # words of a hypothesis


def grown(hypotheses: Sequence[tuple[Transcription, float]]) -> Agreement:
    """Return the state after the hypotheses; settled words are only added to on the way."""
    agreement = Agreement()
    for transcription, seconds in hypotheses:
        before = agreement
        agreement = agreement.revised(transcription, seconds=seconds)
        assert letters(agreement.settled)[: len(before.settled)] == letters(before.settled)
        assert bool(agreement.text) >= bool(before.text), "nothing is taken back altogether"
        # Readers find the settled words by their number alone.
        first, _ = settled_part(agreement.text, len(agreement.settled))
        assert letters_of(first) == "".join(letters(agreement.settled))
        assert len(word_spans(agreement.text)) == len(agreement.shown)
    return agreement


@settings(deadline=None)
@given(hypotheses=HYPOTHESES)
def test_settled_words_are_only_added_to(hypotheses: list[tuple[Transcription, float]]) -> None:
    grown(hypotheses)


@settings(deadline=None)
@given(hypotheses=HYPOTHESES, final=transcriptions(), seconds=st.floats(0.1, 15))
def test_a_final_keeps_every_settled_word_or_says_that_it_corrects(
    hypotheses: list[tuple[Transcription, float]], final: Transcription, seconds: float
) -> None:
    agreement = grown(hypotheses)
    found = final_of(agreement, final, seconds=seconds)
    if not found.corrects:
        # In order, though the final may have heard words between them.
        rest = iter(letters_of(found.transcription.text))
        assert all(letter in rest for letter in "".join(letters(agreement.settled)))
    if not agreement.settled:
        assert found.transcription is final


@settings(deadline=None)
@given(hypotheses=HYPOTHESES, final=st.none() | transcriptions(), at=st.floats(0.1, 15))
def test_at_a_cut_every_shown_word_is_on_one_side(
    hypotheses: list[tuple[Transcription, float]], final: Transcription | None, at: float
) -> None:
    """None vanishes, none is twice, and settled ones stay settled."""
    agreement = grown(hypotheses)
    first, second = split_at_cut(agreement, final, at=at)
    assert letters((*first.shown, *second.shown)) == letters(agreement.shown)
    assert letters((*first.settled, *second.settled)) == letters(agreement.settled)
    assert all(word.start >= 0 for word in second.words)
