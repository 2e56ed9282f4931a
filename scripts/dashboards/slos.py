"""SLOs: objectives, what is left of their error budgets, and how fast those are spent.

Ratios and budgets are recorded (``monitoring/prometheus/rules/recording.yml``); the alerts read the same.
"""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from msgspec import Struct

from scripts.dashboards.frame import Section, dashboard
from scripts.dashboards.panels import (
    BAD,
    CALM,
    GOOD,
    POOR,
    Series,
    falling,
    figure,
    graph,
    rising,
    rows,
    steps,
)


class Objective(Struct, frozen=True):
    """An objective: its ratio's recorded name, the share that may fail, and the counters it is made of.

    ``by``: the label that tells its series apart. ``bad``, ``every``: counters of failed and of all events.
    """

    title: str
    text: str
    record: str
    by: str
    budget: float
    bad: str
    every: str

    @property
    def legend(self) -> str:
        """How its series are named: by service, or by the objective itself."""
        return "{{service}}" if self.by == "service" else self.title.lower()


OBJECTIVES: Final = (
    Objective(
        "Requests",
        "99.9 % of the requests to a back end do not end with a status of 500 or above.",
        "service:orch_gateway_errors",
        "service",
        0.001,
        'orch_gateway_requests_total{status=~"5.."}',
        "orch_gateway_requests_total",
    ),
    Objective(
        "Captions",
        "99.5 % of the utterances become a caption.",
        "job:orch_captions_lost",
        "job",
        0.005,
        "orch_speech_lost_total",
        "orch_speech_utterances_total",
    ),
    Objective(
        "Latency",
        "95 % of the captions come within 3 s after the end of their speech.",
        "job:orch_captions_late",
        "job",
        0.05,
        "orch_speech_captions_late_total",
        "orch_speech_finals_total",
    ),
    Objective(
        "Recovery",
        "99.5 % of the clients that reconnect get all that they missed.",
        "job:orch_recoveries_refused",
        "job",
        0.005,
        'orch_websocket_recoveries_total{outcome="refused"}',
        "orch_websocket_recoveries_total",
    ),
)


def _budgets() -> Section:
    return "Error budgets of 30 days", [
        *(
            figure(
                f"{each.title}: budget left",
                f"{each.text} 100 %: nothing has failed in 30 days. 0 %: as much has failed as may.",
                (f"{each.record}:budget_left30d", each.legend),
                unit="percentunit",
                limits=falling(0, 0.25),
                width=6,
                height=5,
                decimals=1,
            )
            for each in OBJECTIVES
        ),
        rows(
            "Objectives that can be measured now",
            "Events of the last hour, all and failed. With fewer than 20, an objective's alerts are quiet.",
            (_events("every"), "Events"),
            (_events("bad"), "Failed"),
            names={"objective": "Objective"},
            width=24,
            height=6,
        ),
    ]


def _events(which: str) -> str:
    return " or ".join(
        f'label_replace(sum(increase({getattr(each, which)}[1h])), "objective", "{each.title}", "", "")'
        for each in OBJECTIVES
    )


def _burn(each: Objective) -> Section:
    return f"{each.title}: {each.text[0].lower()}{each.text[1:]}", [
        graph(
            f"{each.title}: how fast the budget is spent",
            "1: it lasts 30 days. Somebody is called above 14.4 (in 1 h and 5 min) or 6 (6 h and 30 min); a "
            "warning comes above 3 (in 1 d and 2 h) or 1 (in 3 d and 6 h).",
            *(_speed(each, window) for window in ("5m", "1h", "6h", "1d", "3d")),
            limits=steps((None, CALM), (1, POOR), (14.4, BAD)),
            width=12,
        ),
        graph(
            f"{each.title}: share that failed",
            "Within the last five minutes.",
            (f"{each.record}:ratio_rate5m", each.legend),
            unit="percentunit",
            limits=rising(each.budget, 14.4 * each.budget),
            width=6,
        ),
        graph(
            f"{each.title}: budget over time",
            "What is left of the error budget of 30 days.",
            (f"clamp_min({each.record}:budget_left30d, 0)", each.legend),
            unit="percentunit",
            limits=steps((None, BAD), (0.25, GOOD)),
            most=1,
            width=6,
        ),
    ]


def _speed(each: Objective, window: str) -> Series:
    return f"{each.record}:ratio_rate{window} / {each.budget:g}", f"{each.legend} {window}"


def build() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "slos",
        "Objectives, what is left of their error budgets of 30 days, and how fast those are spent.",
        [_budgets(), *(_burn(each) for each in OBJECTIVES)],
        since="now-7d",
        refresh="1m",
    )
