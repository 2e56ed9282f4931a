"""Ranks what may have caused a group of anomalies. Pure.

A candidate is something that happened shortly before, or a pattern of the figures themselves. It counts for
more the nearer before the beginning it was, and the more of what moved depends on it. What happened after the
beginning is a consequence and no cause, beyond the minute or two that a resolution of five leaves open.
"""

from collections.abc import Collection, Iterable, Mapping
from math import exp
from typing import Final, NamedTuple

from orch.analytics.anomalies.anomaly import Anomaly, Kind
from orch.analytics.anomalies.groups import Group
from orch.analytics.anomalies.reasons import name_of
from orch.analytics.insights.alert_evidence import SeenAlert, near
from orch.analytics.insights.graph import AREAS, PROCESS, Graph
from orch.analytics.insights.happenings import Happening, What
from orch.analytics.insights.insight import Cause
from orch.analytics.insights.steps import STEPS, CauseKind
from orch.analytics.series import Figure

BEFORE: Final = 3_600.0
"""Seconds before the beginning in which a happening may be a cause."""

AFTER: Final = 300.0
"""The same after it, as a beginning is known to a sample, and a failure is noticed a little later."""

FADES: Final = 900.0
"""Seconds in which what a happening counts for falls to a third."""

SHOWN: Final = 3
"""Causes of an insight at most."""

LEAST: Final = 0.15
"""Share below which a cause is not shown."""

UNKNOWN_WEIGHT: Final = 0.5
"""What "none of these" counts for, so that a weak candidate alone is not certain."""

ALERTED: Final = 1.0
"""What an alert about the same back end adds to a cause: Prometheus has seen it too."""

_OF_HAPPENING: Final[Mapping[What, tuple[CauseKind, float]]] = {
    What.START: (CauseKind.START, 2.0),
    What.SETTINGS: (CauseKind.SETTINGS, 2.5),
    What.COMMAND: (CauseKind.COMMAND, 2.0),
    What.INCIDENT: (CauseKind.INCIDENT, 3.0),
    What.BACK_END: (CauseKind.BACK_END, 2.5),
    What.DISCOVERY: (CauseKind.DISCOVERY, 1.5),
    What.BRANCH: (CauseKind.BRANCH, 3.0),
    What.SHORTAGE: (CauseKind.SHORTAGE, 3.0),
    What.STANDSTILL: (CauseKind.STANDSTILL, 3.0),
    What.STORE: (CauseKind.STORE, 3.0),
}

USE: Final = frozenset(
    {
        "connections",
        "connections_opened",
        "sessions",
        "streams",
        "requests",
        "responses",
        "messages_in",
        "messages_out",
        "utterances",
        "words",
        "translations",
        "service_requests",
        "route_requests",
        "front_connections",
    }
)
"""Figures of how much the service is used."""

_PATTERNS: Final[tuple[tuple[CauseKind, float, frozenset[str]], ...]] = (
    (CauseKind.BACK_END_SLOW, 2.0, frozenset({"service_p95_ms", "check_p95_ms", "translation_p95_ms"})),
    (
        CauseKind.BACK_END_ERRORS,
        2.0,
        frozenset({"service_errors", "checks_failed", "speech_refused", "translation_failures"}),
    ),
    (
        CauseKind.STORE,
        1.5,
        frozenset({"store_p95_ms", "store_failures", "store_waiting", "bot_store_waiting"}),
    ),
    (
        CauseKind.SATURATED,
        1.5,
        frozenset(
            {"overload_used", "overload_refused", "loop_lag_p95_ms", "cpu", "in_use", "requests_in_progress"}
        ),
    ),
    (CauseKind.CLIENTS, 1.5, frozenset({"problems", "wrong_tokens", "auth_failures", "rate_limited"})),
)
"""Figures whose rise is itself a cause of others."""

_GROWING: Final = frozenset({"memory_bytes", "open_files", "tasks", "queued_bytes", "browsers_bytes"})


_FAILURES: Final = frozenset({CauseKind.BACK_END, CauseKind.INCIDENT, CauseKind.DISCOVERY})
_SYMPTOMS: Final = frozenset({CauseKind.BACK_END_SLOW, CauseKind.BACK_END_ERRORS})


class Candidate(NamedTuple):
    """A possible cause, the node that it is about, and what it counts for."""

    kind: CauseKind
    node: str
    name: str
    text: str
    weight: float
    happening: Happening | None = None
    anomaly: Anomaly | None = None


def rank(
    group: Group,
    happenings: Iterable[Happening],
    graph: Graph,
    figures: Mapping[str, Figure],
    alerts: Collection[SeenAlert] = (),
) -> tuple[Cause, ...]:
    """Return the likeliest causes, the likeliest first; none if nothing is known."""
    candidates = [
        *_happened(group, happenings, graph, figures),
        *_patterns(group, graph, figures),
        *_beneath(group, alerts, graph, figures),
    ]
    best: dict[tuple[CauseKind, str], Candidate] = {}
    for each in candidates:
        known = best.get((each.kind, each.name))
        if known is None or each.weight > known.weight:
            best[each.kind, each.name] = each
    of_alerts = {each.node for each in alerts if near(each, group.began)}
    supported = [
        each._replace(weight=each.weight + ALERTED * (each.node in of_alerts and each.node not in AREAS))
        for each in _supported(best.values())
    ]
    ordered = sorted(supported, key=lambda each: -each.weight)
    whole = sum(each.weight for each in ordered) + UNKNOWN_WEIGHT
    return tuple(
        Cause(cause=each.kind, subject=each.name, text=each.text, share=round(each.weight / whole, 2))
        for each in ordered[:SHOWN]
        if each.weight / whole >= LEAST
    )


def _supported(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates, with each pattern of a service added to what happened to that service.

    That it is slow is no rival of its failure, but evidence for it.
    """
    found = list(candidates)
    events = [each for each in found if each.kind in _FAILURES]
    for pattern in [each for each in found if each.kind in _SYMPTOMS]:
        of_it = [each for each in events if each.node == pattern.node]
        if of_it:
            first = max(of_it, key=lambda each: each.weight)
            found[found.index(first)] = first._replace(weight=first.weight + pattern.weight)
            found.remove(pattern)
            events = [each for each in found if each.kind in _FAILURES]
    return found


def _nodes(group: Group, graph: Graph, figures: Mapping[str, Figure]) -> list[str]:
    return [graph.node_of(figures[each.key]) for each in group.anomalies]


def _coverage(node: str, nodes: Collection[str], graph: Graph) -> float:
    """Return the share of what moved that depends on a node."""
    return sum(graph.is_below(node, of) for of in nodes) / len(nodes)


def _happened(
    group: Group, happenings: Iterable[Happening], graph: Graph, figures: Mapping[str, Figure]
) -> Iterable[Candidate]:
    nodes = _nodes(group, graph, figures)
    for each in happenings:
        before = group.began - each.at
        if each.is_over or not -AFTER <= before <= BEFORE:
            continue
        kind, weight = _OF_HAPPENING[each.what]
        node = each.subject if each.subject in graph.depends else PROCESS
        coverage = 1.0 if not each.subject else _coverage(node, nodes, graph)
        weight *= exp(-abs(before) / FADES) * (0.1 + 0.9 * coverage)
        text = STEPS[kind].text.format(subject=each.subject or "the service")
        yield Candidate(kind, node, each.subject, text, weight, happening=each)


def _beneath(
    group: Group, alerts: Iterable[SeenAlert], graph: Graph, figures: Mapping[str, Figure]
) -> Iterable[Candidate]:
    """Yield the alerts about what the service runs on, where what moved depends on it."""
    nodes = _nodes(group, graph, figures)
    for each in alerts:
        if not each.subject or not near(each, group.began):
            continue
        coverage = _coverage(each.node, nodes, graph)
        weight = 3.0 * exp(-abs(group.began - each.at) / FADES) * coverage
        text = STEPS[CauseKind.BENEATH].text.format(subject=each.name)
        yield Candidate(CauseKind.BENEATH, each.node, each.name, text, weight)


def _patterns(group: Group, graph: Graph, figures: Mapping[str, Figure]) -> Iterable[Candidate]:
    nodes = _nodes(group, graph, figures)
    used = [each for each in group.anomalies if figures[each.key].name in USE and each.direction]
    for anomaly in group.anomalies:
        figure = figures[anomaly.key]
        node = graph.node_of(figure)
        if anomaly.kind in {Kind.SILENT, Kind.STUCK}:
            yield _of_figure(CauseKind.NO_FIGURES, node, figure, anomaly, 1.0)
            continue
        for kind, weight, names in _PATTERNS:
            if figure.name in names and anomaly.direction != "down":
                share = _coverage(node, nodes, graph)
                yield _of_figure(kind, node, figure, anomaly, weight * (0.2 + 0.8 * share))
        if figure.name in _GROWING and anomaly.direction == "up" and not used:
            yield _of_figure(CauseKind.GROWTH, node, figure, anomaly, 1.5)
    for kind, direction in ((CauseKind.LOAD, "up"), (CauseKind.NO_LOAD, "down")):
        of_use = [each for each in used if each.direction == direction]
        if of_use:
            first = of_use[0]
            weight = 3.0 * len(of_use) / len(group.anomalies)
            yield Candidate(kind, "", "", STEPS[kind].text, weight, anomaly=first)


def _of_figure(kind: CauseKind, node: str, figure: Figure, anomaly: Anomaly, weight: float) -> Candidate:
    is_shared = kind in {CauseKind.STORE, CauseKind.SATURATED, CauseKind.CLIENTS}
    name = "" if is_shared else name_of(figure) if kind in {CauseKind.GROWTH, CauseKind.NO_FIGURES} else node
    return Candidate(kind, node, name, STEPS[kind].text.format(subject=name), weight, anomaly=anomaly)
