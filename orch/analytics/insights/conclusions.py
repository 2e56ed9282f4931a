"""Writes insights from groups of anomalies and from what happened, and decides which are shown. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from orch.analytics.anomalies.anomaly import Anomaly, Kind
from orch.analytics.anomalies.groups import Group
from orch.analytics.anomalies.reasons import reason
from orch.analytics.insights.alert_evidence import SeenAlert, near
from orch.analytics.insights.causes import AFTER, BEFORE, rank
from orch.analytics.insights.graph import Graph
from orch.analytics.insights.happenings import Happening, What
from orch.analytics.insights.insight import SEVERITIES, Cause, Evidence, Insight, Severity
from orch.analytics.insights.steps import STEPS, UNKNOWN, CauseKind
from orch.analytics.series import Figure

DAY: Final = 86_400.0

EVIDENCE: Final = 8
"""Facts of an insight at most: the strongest anomalies, and what happened."""

ALERTS: Final = 3
"""Of them, alerts at most: those that began last."""

SURE: Final = 1.3
"""How far beyond its limit a single anomaly is shown at once."""

PATIENCE: Final = 1_800.0
"""Seconds after which a single anomaly that is no stronger is shown, too."""

_SERIOUS: Final = {
    What.INCIDENT: CauseKind.INCIDENT,
    What.BRANCH: CauseKind.BRANCH,
    What.SHORTAGE: CauseKind.SHORTAGE,
    What.STORE: CauseKind.STORE,
    What.STANDSTILL: CauseKind.STANDSTILL,
}
"""What is worth an insight without an anomaly."""


def conclude(
    groups: Iterable[Group],
    happened: Sequence[Happening],
    graph: Graph,
    figures: Mapping[str, Figure],
    alerts: Sequence[SeenAlert] = (),
) -> tuple[Insight, ...]:
    """Return the insights, in the order of their beginning.

    Alerts make no insight by themselves: the page of alerts has them. Anomalies of series that are in
    ``figures`` no more are left out.
    """
    found: list[Insight] = []
    explained: set[Happening] = set()
    for group in groups:
        known = tuple(each for each in group.anomalies if each.key in figures)
        if not known:
            continue
        insight, used = _of_group(Group(anomalies=known), happened, graph, figures, alerts)
        explained.update(used)
        found.append(insight)
    found += [
        _of_happening(each, happened, alerts)
        for each in happened
        if _is_serious(each) and each not in explained
    ]
    return tuple(sorted(found, key=lambda each: each.began))


def _of_group(
    group: Group,
    happened: Sequence[Happening],
    graph: Graph,
    figures: Mapping[str, Figure],
    alerts: Sequence[SeenAlert],
) -> tuple[Insight, list[Happening]]:
    causes = rank(group, happened, graph, figures, alerts)
    lately = [each for each in happened if -AFTER <= group.began - each.at <= BEFORE]
    used = [each for each in lately if _is_of(each, causes)]
    strongest = sorted(group.anomalies, key=lambda each: -_weight(each, figures[each.key]))
    nodes = {graph.node_of(figures[each.key]) for each in group.anomalies}
    sighted = [
        each
        for each in alerts
        if near(each, group.began) and any(graph.are_related(each.node, of) for of in nodes)
    ][-ALERTS:]
    facts = [
        Evidence(text=f"{reason(each, figures[each.key])}.", at=each.began, key=each.key)
        for each in strongest[: EVIDENCE - min(len(used), 3) - len(sighted)]
    ]
    facts += [Evidence(text=each.text, at=each.at) for each in used[-3:]]
    facts += [Evidence(text=each.text, at=each.at) for each in sighted]
    step = STEPS[CauseKind(causes[0].cause)] if causes else UNKNOWN
    subject = causes[0].subject if causes else graph.node_of(figures[strongest[0].key])
    insight = Insight(
        identity=group.identity,
        severity=_with_alerts(_severity(group, figures), sighted),
        subject=subject,
        title=_title(strongest, figures, causes),
        causes=causes,
        evidence=tuple(sorted(facts, key=lambda each: each.at)),
        next_step=step.next_step(subject or "the service"),
        keys=tuple(dict.fromkeys(each.key for each in strongest)),
        began=group.began,
        until=group.until,
        is_open=group.is_open,
    )
    return insight, used


def _is_of(happening: Happening, causes: Iterable[Cause]) -> bool:
    text = {(cause.cause, cause.subject) for cause in causes}
    return not happening.is_over and (happening.what.value, happening.subject) in text


def _is_bad(anomaly: Anomaly, figure: Figure) -> bool:
    """Return whether an anomaly is for the worse, as far as that is known of the figure."""
    if not figure.worse:
        return False
    return figure.worse == "both" or not anomaly.direction or anomaly.direction == figure.worse


def _weight(anomaly: Anomaly, figure: Figure) -> float:
    return anomaly.strength * (2.0 if _is_bad(anomaly, figure) else 1.0)


def _severity(group: Group, figures: Mapping[str, Figure]) -> Severity:
    bad = [each for each in group.anomalies if _is_bad(each, figures[each.key])]
    if not bad or not _is_certain(group, figures):
        return "info"
    lasts = group.until - group.began
    if len(bad) >= 3 or (max(each.strength for each in bad) >= 2 and lasts >= PATIENCE):  # noqa: PLR2004
        return "bad"
    return "warn"


def _with_alerts(severity: Severity, alerts: Sequence[SeenAlert]) -> Severity:
    """Return a severity that is not below what alerts say: what Prometheus sees too is no chance."""
    if not alerts:
        return severity
    of_alerts: Severity = "bad" if any(each.is_critical for each in alerts) else "warn"
    return max(severity, of_alerts, key=SEVERITIES.index)


def _title(strongest: Sequence[Anomaly], figures: Mapping[str, Figure], causes: Sequence[Cause]) -> str:
    first = reason(strongest[0], figures[strongest[0].key])
    others = len({each.key for each in strongest}) - 1
    also = "" if not others else f", with {others} other {'figure' if others == 1 else 'figures'}"
    if not causes:
        return f"{first}{also}."
    certainty = "Probably: " if causes[0].share >= 0.5 else "Possibly: "  # noqa: PLR2004 - more likely than not
    return f"{first}{also}. {certainty}{causes[0].text[:1].lower()}{causes[0].text[1:]}."


def _is_serious(happening: Happening) -> bool:
    return happening.what in _SERIOUS and not happening.is_over


def _of_happening(
    happening: Happening, happened: Iterable[Happening], alerts: Sequence[SeenAlert]
) -> Insight:
    kind = _SERIOUS[happening.what]
    over = [
        each.at
        for each in happened
        if each.is_over
        and each.at >= happening.at
        and (each.what, each.subject) == (happening.what, happening.subject)
    ]
    until = min(over, default=None)
    is_moment = happening.what in {What.STANDSTILL, What.BRANCH}
    subject = happening.subject
    step = STEPS[kind]
    node = "stores" if happening.what is What.STORE else subject
    sighted = [each for each in alerts if node and each.node == node and near(each, happening.at)][-ALERTS:]
    cause = Cause(
        cause=kind, subject=subject, text=step.text.format(subject=subject or "the service"), share=1.0
    )
    return Insight(
        identity=f"{kind}:{subject}@{happening.at:.0f}",
        severity="warn" if happening.what is What.STANDSTILL else "bad",
        subject=subject,
        title=f"{cause.text}: {happening.text}",
        causes=(cause,),
        evidence=(
            Evidence(text=happening.text, at=happening.at),
            *(Evidence(text=each.text, at=each.at) for each in sighted),
        ),
        next_step=step.next_step(subject or "the service"),
        keys=(),
        began=happening.at,
        until=happening.at if until is None else until,
        is_open=until is None and not is_moment,
    )


def shown(insights: Iterable[Insight]) -> tuple[Insight, ...]:
    """Return those that an operator should see: the worst of the open ones first, then the newest.

    Left out are what is not for the worse, and a single anomaly that is short and barely beyond its limit.
    What has the same cause and subject as one of the day before is that one again, counted in ``times``.
    """
    merged: list[Insight] = []
    for insight in sorted(insights, key=lambda each: each.began):
        if insight.severity == "info":
            continue
        same = [i for i, each in enumerate(merged) if _is_same(each, insight)]
        if not same:
            merged.append(insight)
        else:
            merged[same[-1]] = _joined(merged[same[-1]], insight)
    return tuple(
        sorted(merged, key=lambda each: (not each.is_open, -SEVERITIES.index(each.severity), -each.began))
    )


def _is_same(one: Insight, other: Insight) -> bool:
    return one.likely == other.likely and other.began - one.until <= DAY


def _joined(before: Insight, latest: Insight) -> Insight:
    facts = (*before.evidence[: EVIDENCE // 2], *latest.evidence)
    return replace(
        latest,
        identity=before.identity,
        severity=max(before.severity, latest.severity, key=SEVERITIES.index),
        evidence=facts[-EVIDENCE:],
        keys=tuple(dict.fromkeys((*latest.keys, *before.keys))),
        began=before.began,
        until=max(before.until, latest.until),
        is_open=before.is_open or latest.is_open,
        times=before.times + 1,
    )


def _is_certain(group: Group, figures: Mapping[str, Figure]) -> bool:
    """Return whether a group is more than one weak and short anomaly: what is worth an insight."""
    known = [each for each in group.anomalies if each.key in figures]
    if len({each.key for each in known}) > 1:
        return True
    return any(
        each.strength >= SURE or each.until - each.began >= PATIENCE or each.kind in {Kind.STUCK, Kind.SILENT}
        for each in known
    )
