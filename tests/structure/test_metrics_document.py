"""``docs/metrics.md`` is the table of metrics, and what uses them is found also through recording rules."""

from orch.telemetry.names import NAMES
from scripts.metrics_document import DOCUMENT, document, expressions, uses


def test_the_document_is_what_the_script_writes() -> None:
    """With the alerts and panels of each metric; otherwise: make metrics."""
    assert DOCUMENT.read_text(encoding="utf-8") == document()


def test_every_metric_is_used() -> None:
    """One that no alert and no panel shows costs something and helps nobody."""
    users = uses(expressions())
    assert [name.name for name in NAMES if not users[name.name]] == []


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
