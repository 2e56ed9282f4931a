"""Logs: how many lines of which level and source there are, the failures, and a search in all of them."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, TextBoxVariable

from scripts.dashboards.frame import Section, choice, dashboard
from scripts.dashboards.panels import LOKI, log_graph, log_lines

#: Labels are few: source, level and worker. Ids are structured metadata, which needs no index.
_LINES: Final = '{service=~"$source",level=~"$level"}'
_FAILED: Final = '{service=~"$source",level=~"error|critical"}'


def _amounts() -> Section:
    return "How many lines", [
        log_graph(
            "Lines by level",
            "Lines in each step of the graph.",
            (f"sum by (level) (count_over_time({_LINES}[$__interval]))", "{{level}}"),
        ),
        log_graph(
            "Lines by source",
            "The service and its child processes; back ends of other machines where they are shipped too.",
            (f"sum by (service) (count_over_time({_LINES}[$__interval]))", "{{service}}"),
        ),
        log_graph(
            "Failures by event",
            "The ten most frequent events with the level error or critical.",
            (
                f'topk(10, sum by (event) (count_over_time({_FAILED} | json event="event" [$__interval])))',
                "{{event}}",
            ),
        ),
        log_graph(
            "Bytes by source",
            "Bytes of lines in each step of the graph, before compression.",
            (f"sum by (service) (bytes_over_time({_LINES}[$__interval]))", "{{service}}"),
            unit="bytes",
        ),
    ]


def _lines() -> Section:
    return "Lines", [
        log_lines(
            "Failures",
            "Lines with the level error or critical, newest first.",
            f'{_FAILED} | json event="event" | line_format "{{{{.logger}}}}: {{{{.event}}}}"',
        ),
        log_lines(
            "All lines of a request, connection or session",
            "Give an id above: X-Request-Id of a response, a connection's or a session's.",
            f'{_LINES} | request_id=~"$request.*" | session_id=~"$session.*" |~ `(?i)$search`',
            height=16,
        ),
    ]


def build() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "logs",
        "How many lines there are, the failures, and a search by source, level, request, session and text.",
        [_amounts(), _lines()],
        variables=[
            # Loki refuses a query of which no matcher requires anything.
            choice("source", "Source", "label_values(service)", source=LOKI, every=".+"),
            choice("level", "Level", "label_values(level)", source=LOKI),
            TextBoxVariable("request").label("Request"),
            TextBoxVariable("session").label("Session"),
            TextBoxVariable("search").label("Text (regular expression)"),
        ],
        sources=("loki",),
        since="now-1h",
    )
