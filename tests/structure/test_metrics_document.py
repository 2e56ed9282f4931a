"""``docs/metrics.md`` is the table of metrics, and what uses them is found also through recording rules."""

import re

from scripts.metrics_document import DOCUMENT, document, uses

_USERS = re.compile(r"[^|]*\|\n")


def without_users(text: str) -> list[str]:
    return [
        _USERS.sub("|\n", line) if line.startswith("| `") else line for line in text.splitlines(keepends=True)
    ]


def test_the_document_is_what_the_script_writes() -> None:
    """Otherwise: make metrics."""
    assert without_users(DOCUMENT.read_text(encoding="utf-8")) == without_users(document())


def test_uses_are_found_by_way_of_recording_rules() -> None:
    """A panel over a recorded series uses the metric that is recorded, also through a second rule."""
    found = uses(
        iter(
            [
                ("a:rate5m", "rate(orch_front_response_seconds_bucket[5m])"),
                ("a:share", "a:rate5m / 2"),
                ("`Slow`", "a:share > 1"),
                ("Front: Panel", "orch_front_response_seconds_count"),
                ("Front: Other", "orch_front_response_seconds_longer"),
            ]
        )
    )
    assert found["orch_front_response_seconds"] == ("Front: Panel", "`Slow`")
    assert found["orch_front_connections"] == ()
