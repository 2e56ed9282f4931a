"""The page writes the same files as the service: both are held to tests/data/exports/."""

import json
from pathlib import Path

import pytest

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
