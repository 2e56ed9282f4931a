"""Insights of a quiet service: how many are shown a day, though nothing is wrong.

The service has 40 series without a fault, five of each nature; it is started once a week, and its settings
are changed on each working day. The series are independent of each other, so that nothing groups their false
alarms but chance; those of a real service move together.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from benchmarks.analytics_series import MONDAY, NATURES
from orch.analytics.anomalies.anomaly import Anomaly
from orch.analytics.anomalies.groups import group
from orch.analytics.insights.conclusions import conclude, shown
from orch.analytics.insights.graph import graph_of
from orch.analytics.insights.happenings import Happening, What
from orch.analytics.series import Figure

DAY: Final = 86_400.0
OF_SERVICE: Final = 5
"""Seeds whose series make a service."""

SERVICES: Final = ("audio-service", "translation-service", "speech-2", "speech-3", "speech-4")

NAMES: Final = {
    "requests": ("service_requests", "gateway", "both", True),
    "latency": ("service_p95_ms", "gateway", "up", True),
    "connections": ("connections", "websocket", "both", False),
    "memory": ("memory_bytes", "process", "up", False),
    "processor": ("cpu", "process", "up", False),
    "errors": ("service_errors", "gateway", "up", True),
    "queue": ("queue", "gateway", "up", True),
    "bots": ("bots", "bots", "", False),
}
"""For each nature, the figure that it stands for, its area, what is worse, and whether services have it."""


def _figures() -> dict[tuple[str, int], Figure]:
    found = {}
    for nature in NATURES:
        name, area, worse, of_services = NAMES[nature]
        for place, service in enumerate(SERVICES):
            found[nature, place] = Figure(
                name=name if of_services or not place else f"{name}_{place}",
                title=name,
                area=area,
                worse=worse,  # type: ignore[arg-type]  # literals, above
                subject=service if of_services else "",
            )
    return found


def _happened(days: int, begins: float) -> list[Happening]:
    found = []
    for day in range(days):
        at = begins + day * DAY
        if day % 7 == 2:
            text = "Ready at http://localhost:3000."
            found.append(Happening(at=at + 10 * 3_600, what=What.START, subject="", text=text))
        if day % 7 < 5:
            text = "Applied: orchestration.speech."
            found.append(Happening(at=at + 15 * 3_600, what=What.SETTINGS, subject="", text=text))
    return found


def shown_a_day(
    anomalies: Mapping[tuple[str, int], Sequence[Anomaly]], seeds: Sequence[int], *, days: int
) -> tuple[list[float], list[float]]:
    """Return for each service how many insights are shown, and how many are found, a day."""
    figures, graph = _figures(), graph_of([], SERVICES)
    by_key = {figure.key: figure for figure in figures.values()}
    shown_of, found_of = [], []
    for first in range(0, len(seeds) - OF_SERVICE + 1, OF_SERVICE):
        named = [
            replace(each, key=figures[nature, place].key)
            for place, seed in enumerate(seeds[first : first + OF_SERVICE])
            for nature in NATURES
            for each in anomalies[nature, seed]
        ]
        nodes = {key: graph.node_of(figure) for key, figure in by_key.items()}
        groups = group(named, lambda one, other: graph.are_related(nodes[one.key], nodes[other.key]))  # noqa: B023
        insights = conclude(groups, _happened(days, MONDAY + 28 * DAY), graph, by_key)
        shown_of.append(len(shown(insights)) / days)
        found_of.append(len(insights) / days)
    return shown_of, found_of
