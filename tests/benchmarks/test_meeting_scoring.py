"""The figures of a bot in a scripted meeting count what they say they count."""

from math import inf, isnan

import pytest

from benchmarks.meeting_scoring import (
    NotedWord,
    Score,
    delays,
    next_changes,
    percentile,
    score_captions,
    score_words,
)
from orch.sandbox.meeting.speech_times import SpokenWord
from orch.sandbox.meeting.truth import TrueParticipant, TrueUtterance, Truth


def said(
    who: str, begin: float, *words: str, captions: tuple[str, ...] | None = None, channel: int | None = 0
) -> TrueUtterance:
    """Return an utterance of words of half a second each."""
    return TrueUtterance(
        number=1,
        who=who,
        name=who.title(),
        clip="c",
        begin=begin,
        end=begin + len(words) / 2,
        channel=channel,
        words=tuple(SpokenWord(word, begin + at / 2, begin + at / 2 + 0.5) for at, word in enumerate(words)),
        captions=(" ".join(words),) if captions is None else captions,
        captioned_as=(who,),
    )


def meeting(*utterances: TrueUtterance, interface: tuple[str, ...] = ()) -> Truth:
    return Truth(
        meeting="m",
        seed=1,
        language="en",
        participants=tuple(TrueParticipant(each, each.title(), ((0, None),)) for each in ("ana", "bo")),
        utterances=utterances,
        interface_texts=interface,
        leaked_marks=0,
        seconds=60,
    )


def word(text: str, start: float, name: str | None = None, *, sure: bool = False) -> NotedWord:
    return NotedWord(text, start, start + 0.4, name, sure)


def test_a_word_has_the_name_of_who_spoke_at_its_time() -> None:
    truth = meeting(said("ana", 1, "good", "morning"), said("bo", 5, "hello"))
    words = [
        word("good", 1.1, "Ana"),
        word("mourning", 1.6, "Bo", sure=True),
        word("hello", 5.0, "Ana"),
        word("hum", 9.0, "Ana", sure=True),
        word("yes", 5.2),
    ]
    score = score_words(truth, words)
    assert (score.spoken, score.noted, score.named, score.right) == (3, 4, 3, 1)
    assert (score.sure_wrong, score.made_up, score.ambiguous) == (1, 1, 0)
    assert score.rightness == pytest.approx(1 / 3)
    assert score.coverage == pytest.approx(3 / 4)
    assert score.wrong_for_sure == pytest.approx(1 / 4)


def test_where_two_speak_the_text_tells_who() -> None:
    truth = meeting(said("ana", 1, "good", "morning"), said("bo", 1, "see", "morning"))
    words = [
        word("see", 1.0, "Bo"),
        word("good", 1.0, "Bo"),
        word("morning", 1.5, "Bo"),
        word("x", 1.0, "Bo"),
    ]
    score = score_words(truth, words)
    assert (score.noted, score.right, score.ambiguous) == (2, 1, 2)


def test_what_was_not_transmitted_was_not_spoken() -> None:
    score = score_words(meeting(said("ana", 1, "good", channel=None)), [word("good", 1.0, "Ana")])
    assert (score.spoken, score.made_up) == (0, 1)


def test_scores_are_added() -> None:
    truth = meeting(said("ana", 1, "good"))
    once = score_words(truth, [word("good", 1.0, "Ana")])
    assert (once + once).right == 2
    assert Score().rightness == Score().coverage == Score().revision == Score().wrong_for_sure == 0


def test_a_staircase_is_counted_as_duplicates() -> None:
    truth = meeting(said("ana", 1, "good", "morning", "everybody"), said("bo", 5, "good"))
    exact = score_captions(truth, [("Ana", "Good morning, everybody."), ("Bo", "Good")])
    assert (exact.captioned, exact.duplicates, exact.lost) == (4, 0, 0)
    stairs = [("Ana", "Good"), ("Ana", "Good morning"), ("Ana", "Good morning everybody"), ("Bo", "good")]
    assert score_captions(truth, stairs).duplicates == 3
    assert score_captions(truth, [*stairs[2:], ("Bo", "good")]).duplicates == 1
    assert score_captions(truth, stairs[2:3]).lost == 1


def test_a_caption_under_a_wrong_name_is_too_many_there_and_missing_here() -> None:
    truth = meeting(said("ana", 1, "good", "morning"))
    score = score_captions(truth, [("Bo", "good morning")])
    assert (score.duplicates, score.lost) == (2, 2)


def test_another_spelling_is_no_duplicate_and_no_loss() -> None:
    score = score_captions(meeting(said("ana", 1, "good", "morning")), [("Ana", "good mourning")])
    assert (score.duplicates, score.lost) == (0, 0)


def test_texts_of_the_interface_are_counted() -> None:
    truth = meeting(said("ana", 1, "good"), interface=("You are muted",))
    assert score_captions(truth, [("Ana", "good"), ("", "You are muted!")]).interface == 1
    assert score_captions(truth, [("Ana", "good")]).interface == 0


def test_delays_are_from_the_text_in_the_page_to_its_first_arrival_after_it() -> None:
    shown = [("Good", 10.0), ("Good morning", 10.5), ("Yes.", 20.0), ("never", 30.0)]
    received = [("yes", 11.0), ("good", 10.2), ("Good morning,", 10.6), ("yes", 20.25)]
    assert delays(shown, received) == pytest.approx([0.2, 0.1, 0.25])


def test_the_next_change_after_an_event() -> None:
    assert next_changes([1.0, 5.0, 9.0], [1.25, 0.5, 7.5], within=2) == pytest.approx([0.25, inf, inf])


def test_percentiles() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(range(1, 101), 0.95) == 95
    assert percentile([7], 0.95) == 7
    assert isnan(percentile([], 0.95))
