"""What alerts say about insights: they are evidence, and some are about what a cause lies in. Pure.

An alert about a back end is a symptom, which others than this service have seen too. One about the machine,
Redis or PostgreSQL is about what no figure here measures, and so may be the cause itself.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from orch.alerts.statistics import AlertShown
from orch.analytics.insights.graph import AREAS, PROCESS, Graph

EARLY: Final = 300.0
LATE: Final = 1_800.0
"""Seconds that an alert may fire before and after an insight begins: rules wait for up to half an hour."""

TEXT: Final = 300

_BENEATH: Final = {"redis": "stores", "postgres": "stores", "host": PROCESS, "containers": PROCESS}
"""What alerts with these services are about."""

_STATES: Final = frozenset({"firing", "acknowledged", "resolved"})
"""Others are expected (silenced), or follow from another alert (inhibited)."""


class SeenAlert(Struct, frozen=True, kw_only=True):
    """An alert, as insights use it. ``at``: when it began to fire; ``ended``: None while it does.

    ``node``: what it is about in the graph. ``subject``: what is named as the cause, "" if it is no cause.
    """

    at: float
    ended: float | None
    node: str
    subject: str
    name: str
    text: str
    is_critical: bool


def seen_alerts(alerts: Iterable[AlertShown], graph: Graph) -> tuple[SeenAlert, ...]:
    """Return the alerts that are about something in the graph, in the order of time.

    Left out are notices, and what is expected or follows from another alert.
    """
    found = []
    for each in alerts:
        node = _node_of(each, graph)
        if node is None or each.severity == "info" or each.state not in _STATES:
            continue
        summary = f": {each.summary}" if each.summary else ""
        found.append(
            SeenAlert(
                at=each.since,
                ended=each.ended,
                node=node,
                subject=each.service if each.service in _BENEATH else "",
                name=each.name,
                text=f"Alert {each.name}{summary}"[:TEXT],
                is_critical=each.severity == "critical",
            )
        )
    return tuple(sorted(found, key=lambda each: each.at))


def _node_of(alert: AlertShown, graph: Graph) -> str | None:
    if alert.service in _BENEATH:
        return _BENEATH[alert.service]
    if alert.service in graph.depends:
        return alert.service
    area = alert.labels.get("area", "")
    return area if area in AREAS else None


def near(alert: SeenAlert, began: float) -> bool:
    """Return whether an alert began to fire when an insight could have made it."""
    return -EARLY <= alert.at - began <= LATE
