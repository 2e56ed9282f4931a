"""Corrected and deleted lines: which may be edited, and what is left of their words."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.protocol.messages import CaptionError, Transcript, Translation, Word
from orch.speech.exports import Choice, export
from orch.speech.line_edits import corrected, deleted, is_editable
from orch.speech.lines import HistoryMessage


def line(text: str, *, words: tuple[Word, ...] = (), **fields: Any) -> Transcript:
    """Return a stored final."""
    plain = Transcript(
        timestamp=0,
        session_id="s",
        segment_id="s1-1",
        revision=4,
        final=True,
        text=text,
        language="en",
        confidence=0.7,
        start=1.0,
        end=4.0,
        stream_started=0,
        speaker="Ann",
        participant_id="p",
        words=words,
        offset=7,
    )
    return msgspec.structs.replace(plain, **fields)


def timed(text: str) -> tuple[Word, ...]:
    """Return words of a second each."""
    return tuple(
        Word(text=word, start=float(at), end=at + 1.0, confidence=0.5)
        for at, word in enumerate(text.split(), start=1)
    )


def away(*, is_final: bool) -> CaptionError:
    return CaptionError(code="speech_lost", detail="Lost.", service="audio-service", final=is_final)


def test_a_corrected_line_is_the_next_version_of_its_segment() -> None:
    edited = corrected(line("Mister Dash would", corrects=True), "  Mister\tDashwood\x00 ")
    assert (edited.segment_id, edited.revision, edited.final) == ("s1-1", 5, True)
    assert (edited.text, edited.edited, edited.confidence) == ("Mister Dashwood", "corrected", None)
    assert edited.offset is msgspec.UNSET
    assert edited.corrects is msgspec.UNSET
    assert edited.speaker == "Ann"


@pytest.mark.parametrize("text", ["", "  ", "\x00\n"])
def test_a_line_is_not_corrected_to_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        corrected(line("One."), text)


def test_a_deleted_line_has_nothing_of_its_text() -> None:
    gone = deleted(line("My number is 12 34.", words=timed("My number is 12 34.")))
    assert (gone.revision, gone.final, gone.text, gone.words, gone.edited) == (5, True, "", (), "deleted")
    assert b"12" not in msgspec.json.encode(gone)


def test_unchanged_words_keep_their_times_and_new_ones_share_those_they_replace() -> None:
    edited = corrected(line("he Dash would go", words=timed("he Dash would go")), "He Dashwood will go")
    assert [(word.text, word.start, word.end) for word in edited.words] == [
        ("He", 1.0, 2.0),
        ("Dashwood", 2.0, pytest.approx(2 + 2 * 8 / 12, abs=1e-3)),
        ("will", pytest.approx(2 + 2 * 8 / 12, abs=1e-3), 4.0),
        ("go", 4.0, 5.0),
    ]
    assert [word.confidence for word in edited.words] == [0.5, None, None, 0.5]


@given(st.text(min_size=1), st.lists(st.text(alphabet="ab ", min_size=1, max_size=3), max_size=6))
def test_words_of_any_correction_are_in_its_text_and_in_order(text: str, spoken: list[str]) -> None:
    """Whatever was said and whatever is written instead."""
    before = line("x", words=timed(" ".join(spoken)))
    try:
        edited = corrected(before, text)
    except ValueError:
        return
    at, latest = 0, 0.0
    for word in edited.words:
        at = edited.text.index(word.text, at) + len(word.text)
        assert latest <= word.start <= word.end
        latest = word.end
    assert bool(edited.words) is bool(before.words)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (line("One."), True),
        (line("One.", edited="corrected"), True),
        (line("One.", final=False), False),
        (line("", edited="deleted"), False),
        (line(""), False),
        (line("", final=False, error=away(is_final=False)), False),
        (line("", final=False, error=away(is_final=True)), True),
    ],
)
def test_only_what_is_final_and_there_may_be_edited(one: Transcript, *, expected: bool) -> None:
    """After a gap that is not final, the line itself may come."""
    assert is_editable(one) is expected


def translation(text: str, *, revision: int) -> Translation:
    return Translation(
        timestamp=0,
        session_id="s",
        segment_id="s1-1",
        revision=revision,
        target_language="es",
        text=text,
        confidence=None,
    )


@pytest.mark.parametrize("kind", ["txt", "srt", "vtt", "json"])
def test_exports_have_the_corrected_text_without_the_translation_of_the_old_one(kind: str) -> None:
    before = line("Mister Dash would.")
    edited = corrected(before, "Mister Dashwood.")
    choice = Choice(languages=("es",))
    history: list[HistoryMessage] = [before, translation("El señor Dash lo haría.", revision=4), edited]
    body = export(history, kind=kind, session_id="s", choice=choice).body
    assert "Mister Dashwood." in body
    assert "Dash would" not in body
    assert "Dash lo haría" not in body
    history.append(translation("El señor Dashwood.", revision=5))
    assert "El señor Dashwood." in export(history, kind=kind, session_id="s", choice=choice).body


@pytest.mark.parametrize("kind", ["txt", "srt", "vtt", "json"])
def test_exports_have_nothing_of_a_deleted_line(kind: str) -> None:
    before = line("My number is 12 34.")
    history: list[HistoryMessage] = [before, translation("Mi número es 12 34.", revision=4), deleted(before)]
    body = export(history, kind=kind, session_id="s", choice=Choice(languages=("es",))).body
    assert "12 34" not in body
