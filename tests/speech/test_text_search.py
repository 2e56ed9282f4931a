"""Search in a session's lines: what is found, and what of it is returned."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from orch.protocol.messages import CaptionError, Transcript, Translation
from orch.speech.lines import SessionTranscript, session_transcript
from orch.speech.text_search import LINES_SHOWN, TEXT_SHOWN, search

CASES = json.loads((Path(__file__).parents[1] / "data" / "search" / "cases.json").read_text(encoding="utf-8"))


def line(text: str, *, number: int = 0, error: CaptionError | None = None) -> Transcript:
    return Transcript(
        timestamp=0,
        session_id="budget",
        segment_id=f"s-{number}",
        revision=1,
        final=True,
        text=text,
        language="en",
        confidence=None,
        start=float(number),
        end=number + 0.5,
        stream_started=1_700_000_000_000,
        speaker="Ann",
        error=error,
    )


def translation(text: str, *, number: int = 0, error: CaptionError | None = None) -> Translation:
    return Translation(
        timestamp=0,
        session_id="budget",
        segment_id=f"s-{number}",
        revision=1,
        target_language="es",
        text=text,
        confidence=None,
        error=error,
    )


def transcript(*messages: Transcript | Translation) -> SessionTranscript:
    return session_transcript(messages, session_id="budget")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['query']!r} in {case['text']!r}")
def test_case_and_accents_make_no_difference(case: dict[str, Any]) -> None:
    """The same cases as in the browser's search (tests/js/text-search.test.js)."""
    found = search(transcript(line(case["text"])), case["query"])
    assert (found.count == 1) is case["found"]
    assert [each.text for each in found.lines] == ([case["text"]] if case["found"] else [])


def test_a_line_is_found_once_in_its_original_else_in_a_translation() -> None:
    """With its time, its speaker and the language of the text that has the words."""
    lines = transcript(
        line("The budget", number=0),
        translation("El budget", number=0),
        line("Good morning", number=1),
        translation("Sobre el budget", number=1),
        line("Nothing", number=2),
    )
    found = search(lines, "BUDGET")
    assert found.count == 2
    assert [
        (each.segment_id, each.start, each.speaker, each.language, each.text) for each in found.lines
    ] == [
        ("s-0", 0.0, "Ann", "en", "The budget"),
        ("s-1", 1.0, "Ann", "es", "Sobre el budget"),
    ]


def test_gaps_and_failed_translations_are_not_searched() -> None:
    """Their texts are the service's words, not the speakers'."""
    error = CaptionError(code="speech_lost", detail="lost speech", service="audio-service", final=True)
    lines = transcript(
        replace(line("", number=0), error=error), line("x", number=1), translation("", number=1, error=error)
    )
    assert search(lines, "lost").count == 0


def test_the_result_is_bounded() -> None:
    """All lines are counted; of a long text the part around the match is returned."""
    many = transcript(*(line("word", number=number) for number in range(LINES_SHOWN + 5)))
    found = search(many, "word")
    assert (len(found.lines), found.count) == (LINES_SHOWN, LINES_SHOWN + 5)
    [long] = search(transcript(line("before " * 200 + "needle " + "after " * 200)), "needle").lines
    assert "needle" in long.text
    assert len(long.text) <= TEXT_SHOWN + 2
    assert long.text.startswith("…")
    assert long.text.endswith("…")


def test_the_search_pauses_for_the_loop() -> None:
    """Each line goes through the pace that it is given."""
    passed = 0

    def pace(items: Any) -> Any:
        nonlocal passed
        for item in items:
            passed += 1
            yield item

    search(transcript(*(line("word", number=number) for number in range(7))), "word", pace)
    assert passed == 7
