"""The page writes the same files as the service: both are held to tests/data/exports/."""

import json
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
import regex

from orch.speech.cues import parts, width, wrap
from orch.speech.exports import Choice, export, of_history

SHARED = Path(__file__).parents[1] / "data" / "exports"


@pytest.mark.parametrize("kind", ["txt", "srt", "vtt", "json"])
def test_the_service_writes_what_the_page_writes(kind: str) -> None:
    """tests/js/exports.test.js compares the browser's side with the same files."""
    messages = json.loads((SHARED / "messages.json").read_text(encoding="utf-8"))
    history = of_history([json.dumps(message).encode() for message in messages])
    choice = Choice(original=True, languages=("es",))
    written = export(history, kind=kind, session_id="budget-7f3k", choice=choice)
    assert written.body == (SHARED / f"expected.{kind}").read_text(encoding="utf-8")


TEXTS: dict[str, str] = json.loads((SHARED / "texts.json").read_text(encoding="utf-8"))
BROKEN: dict[str, dict[str, list[list[str]]]] = json.loads(
    (SHARED / "texts.broken.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("script", TEXTS)
def test_text_of_any_script_is_broken_where_the_page_breaks_it(script: str) -> None:
    """tests/js/exports.test.js compares the browser's side with the same rows and parts."""
    text = TEXTS[script]
    assert {
        "rows": [list(wrap(text, columns)) for columns in (42, 21, 7)],
        "parts": [list(parts(text, count)) for count in (2, 3, 7)],
    } == BROKEN[script]


NOT_FIRST = "\u200d\ufe0f🏽ะาำๅະາຳ。、」ー\uff0c\uff01”ょっ"
NOT_LAST = "\u200d「\uff08“เแโใไເແໂໃໄ"


@pytest.mark.parametrize("script", TEXTS)
@pytest.mark.parametrize("columns", range(12, 43))
def test_no_row_begins_or_ends_within_a_letter(script: str, columns: int) -> None:
    """Nor does one begin with what closes, or end with what opens."""
    text = TEXTS[script]
    rows = wrap(text, columns)
    assert "".join("".join(rows).split()) == "".join(text.split())
    assert all(0 < width(row) <= columns for row in rows)
    for before, row in pairwise(rows):
        assert script == "dots" or row[0] not in NOT_FIRST
        assert unicodedata.category(row[0])[0] != "M"
        assert before[-1] not in NOT_LAST
        assert len(regex.findall(r"\X", before + row)) == sum(
            len(regex.findall(r"\X", part)) for part in (before, row)
        )
