"""The stored transcript as lines by speaker."""

from typing import Any

from orch.bots.stored_transcript import by_utterance, lines_of, segment_of, words_of
from orch.stores.bot_records import Correlation, Utterance
from tests.fakes.bot_sessions import correlation, translation, utterance


def spoken(text: str = "Good morning. Hello Ann!", **changes: Any) -> Utterance:
    words = [[word, 1.0 + number, 1.5 + number] for number, word in enumerate(text.split())]
    metadata = {"segment": "7-2", "words": words}
    fields = {"start_time": 1.0, "end_time": 5.0, "speaker_name": "Ann", "processing_metadata": metadata}
    return utterance(0, text, **(fields | changes))


def part(number: int, first: int, end: int, name: str | None) -> Correlation:
    return correlation(
        0, part=number, word_start=first, word_end=end, speaker_name=name, speaker_id=name and name.lower()
    )


def shown(stored: Utterance, *parts: Correlation, **more: Any) -> list[tuple[str | None, str, int, int]]:
    found = by_utterance(parts).get(stored.transcript_id, ())
    return [
        (line.transcript.speaker, line.transcript.text, line.start, line.end)
        for line in lines_of(stored, found, started=1_000, **more)
    ]


def test_an_utterance_of_one_speaker_is_one_line() -> None:
    """With its own text and times, whether it is one part or several of the same name."""
    whole = [("Ann", "Good morning. Hello Ann!", 1_000, 5_000)]
    assert shown(spoken()) == whole
    assert shown(spoken(), part(0, 0, 4, "Ann")) == whole
    assert shown(spoken(), part(1, 2, 4, "Ann"), part(0, 0, 2, "Ann")) == whole


def test_an_utterance_of_several_speakers_is_a_line_for_each() -> None:
    """In the order of its words, with the times of its words; a withheld name is a line of its own."""
    assert shown(spoken(), part(1, 2, 3, "Bob"), part(0, 0, 2, "Ann"), part(2, 3, 4, None)) == [
        ("Ann", "Good morning.", 1_000, 2_500),
        ("Bob", "Hello", 3_000, 3_500),
        (None, "Ann!", 4_000, 4_500),
    ]


def test_parts_that_are_not_those_of_the_words_split_nothing() -> None:
    """A gap, an overlap, words that are not stored: the line is that of the one who said most of it."""
    whole = [("Ann", "Good morning. Hello Ann!", 1_000, 5_000)]
    assert shown(spoken(), part(0, 0, 1, "Ann"), part(1, 2, 4, "Bob")) == whole
    assert shown(spoken(), part(0, 0, 3, "Ann"), part(1, 2, 4, "Bob")) == whole
    assert shown(spoken(), part(0, 0, 2, "Ann"), part(1, 2, 5, "Bob")) == whole
    assert shown(spoken(), part(0, 0, 4, "Ann"), part(1, 4, 4, "Bob")) == whole
    assert shown(spoken(processing_metadata={}), part(0, 0, 2, "Ann"), part(1, 2, 4, "Bob")) == whole
    assert shown(spoken(processing_metadata={"words": [["x"]]}), part(0, 0, 1, "Bob")) == whole


def test_a_translated_utterance_is_one_line() -> None:
    """The translation is of all of it."""
    stored = spoken()
    (line,) = lines_of(
        stored,
        by_utterance([part(0, 0, 2, "Ann"), part(1, 2, 4, "Bob")])[stored.transcript_id],
        started=0,
        translations={"es": translation(0, "¡Buenos días!")},
    )
    assert line.translated("es") == "¡Buenos días!"
    assert line.transcript.text == stored.transcript_text


def test_words_in_scripts_without_spaces_are_joined_without() -> None:
    """As the writers of exports join them."""
    stored = spoken("東 京 へ 行")
    assert shown(stored, part(0, 0, 2, "A"), part(1, 2, 4, "B"))[0][:2] == ("A", "東京")


def test_an_utterance_that_ends_as_it_begins_is_seen_nevertheless() -> None:
    """For a millisecond."""
    assert shown(spoken(end_time=1.0)) == [("Ann", "Good morning. Hello Ann!", 1_000, 1_001)]


def test_an_utterance_names_its_segment_in_the_hub() -> None:
    """Its own id where that is not stored; words that are not stored are none."""
    assert segment_of(spoken()) == "7-2"
    assert segment_of(utterance(3)) == "s1/whisper_service/3"
    assert words_of(utterance(3)) == ()
    assert [word.text for word in words_of(spoken("a b"))] == ["a", "b"]
