"""Logs: how many lines of which level and source there are, the failures, and a search in all of them."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, TextBoxVariable

from scripts.dashboards.frame import WORKER, Section, choice, dashboard
from scripts.dashboards.panels import (
    BAD,
    LOKI,
    UP_DOWN,
    figure,
    graph,
    log_graph,
    log_lines,
    rising,
    timeline,
)
from scripts.dashboards.queries import RATE, increase, rate, share

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


def _pipeline() -> Section:
    return "How lines get here", [
        graph(
            "Lines that were logged",
            "By level, a second, as the service counts them. Compare them with what is stored.",
            (rate("orch_log_lines_total", "level"), "{{level}}"),
            unit="cps",
            stacked=True,
        ),
        graph(
            "Lines that were not written",
            "Of the log and of the audit log, within the shown range: the disk is full, for example.",
            (increase("orch_log_write_failures_total"), "log"),
            (increase("orch_audit_write_failures_total"), "audit log"),
            limits=rising(1, 1),
        ),
        graph(
            "Lines that Alloy has sent",
            "A second. None while the service runs: lines wait in their files, or are lost.",
            (f"sum(rate(loki_write_sent_entries_total[{RATE}]))", "sent"),
            unit="cps",
        ),
        graph(
            "Requests to Loki that failed",
            "Share with a status of 500 or above, by route.",
            (
                share(
                    "sum by (route) "
                    f'(rate(loki_request_duration_seconds_count{{status_code=~"5.."}}[{RATE}]))',
                    f"sum by (route) (rate(loki_request_duration_seconds_count[{RATE}]))",
                ),
                "{{route}}",
            ),
            unit="percentunit",
            limits=rising(0.05, 0.1),
        ),
        figure(
            "Last deletion of old lines",
            "Loki deletes lines after 7 days. Never: its retention is off, and its disk fills.",
            ("max(loki_compactor_apply_retention_last_successful_run_timestamp_seconds) * 1000", ""),
            unit="dateTimeFromNow",
            words={0.0: ("never", BAD)},
            width=8,
            height=8,
            line=False,
        ),
        timeline(
            "Loki and Alloy",
            "Whether they respond to Prometheus.",
            ('min by (job) (up{job=~"loki|alloy"})', "{{job}}"),
            words=UP_DOWN,
            width=8,
        ),
    ]


def build() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "logs",
        "How many lines there are, the failures, and a search by source, level, request, session and text.",
        [_amounts(), _lines(), _pipeline()],
        variables=[
            choice(*WORKER),
            # Loki refuses a query of which no matcher requires anything.
            choice("source", "Source", "label_values(service)", source=LOKI, every=".+"),
            choice("level", "Level", "label_values(level)", source=LOKI),
            TextBoxVariable("request").label("Request"),
            TextBoxVariable("session").label("Session"),
            TextBoxVariable("search").label("Text (regular expression)"),
        ],
        sources=("loki", "prometheus"),
        since="now-1h",
    )
