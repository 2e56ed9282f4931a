"""What pages and the API show of alerts. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct

from orch.alerts import rules
from orch.alerts.planned import MaintenanceShown
from orch.alerts.records import Alert

SHOWN: Final = 50
"""Alerts in the topic; the API has all of them.

Their labels are left out there: with the longest texts an update stays below what may be queued for a client.
"""

RECENTLY: Final = 3_600.0
"""Seconds after its end that an alert is shown among the others in the topic."""

SourceState = Literal["off", "unknown", "reachable", "away"]


class AcknowledgementShown(Struct, frozen=True, kw_only=True):
    """Who takes care of an alert. Times in seconds since the epoch.

    ``silence``: ``made``: Alertmanager notifies nobody until then; ``waiting``: not made yet, for the reason
    ``fault``; ``none``: no Alertmanager is configured.
    """

    at: float
    until: float
    by: str
    comment: str
    silence: Literal["made", "waiting", "none"]
    fault: str


class AlertShown(Struct, frozen=True, kw_only=True):
    """An alert. Times in seconds since the epoch; ``ended``: null while it fires.

    ``state``: ``firing``: somebody should look; ``acknowledged``; ``silenced`` or ``inhibited`` by
    Alertmanager; ``resolved``. ``escalates_at``: when it is escalated unless somebody acknowledges it; null:
    it is not. ``escalated``: when it was; ``escalation_fault``: why it could not be.
    """

    fingerprint: str
    name: str
    severity: str
    service: str
    state: str
    summary: str
    impact: str
    runbook_url: str
    dashboard: str
    query_url: str
    labels: dict[str, str]
    since: float
    ended: float | None
    acknowledgement: AcknowledgementShown | None
    escalates_at: float | None
    escalated: float | None
    escalation_fault: str


class SourceStatistics(Struct, frozen=True, kw_only=True):
    """Where alerts come from: whether Alertmanager can be reached, and whether it gets any.

    ``state``: ``off``: none is configured, and alerts come by notification alone; ``since``: of the state.
    ``watchdog``: when the alert that always fires was last seen; null: never. ``is_quiet``: it is overdue, so
    Prometheus evaluates no rules, or its alerts do not arrive. ``received``: when the last notification came.
    """

    state: SourceState
    since: float
    reason: str
    url: str
    watchdog: float | None
    is_quiet: bool
    received: float | None


class AlertsStatistics(Struct, frozen=True, kw_only=True):
    """The state of alerts: how many of each severity somebody should look at, and the first of them.

    ``unacknowledged``: of all severities. ``total``: how many there are, beyond those listed.
    ``escalate_after``: seconds; 0: none is escalated. ``dropped``: alerts that did not fit. ``maintenance``:
    the back ends whose alerts are silenced while they are in a maintenance window.
    """

    now: float
    firing: dict[str, int]
    unacknowledged: int
    total: int
    alerts: tuple[AlertShown, ...]
    source: SourceStatistics
    escalate_after: float
    acknowledge_for: float
    dropped: int
    maintenance: tuple[MaintenanceShown, ...] = ()


def shown(alert: Alert, now: float, *, escalate_after: float, is_configured: bool) -> AlertShown:
    """Return an alert as pages show it. ``is_configured``: an Alertmanager is, so that there are silences."""
    given = alert.acknowledgement if rules.is_acknowledged(alert, now) else None
    return AlertShown(
        fingerprint=alert.fingerprint,
        name=alert.name,
        severity=alert.severity,
        service=alert.labels.get("service", ""),
        state=rules.state(alert, now),
        summary=alert.annotations.get("summary", ""),
        impact=alert.annotations.get("impact", ""),
        runbook_url=alert.annotations.get("runbook_url", ""),
        dashboard=alert.annotations.get("dashboard", ""),
        query_url=alert.generator,
        labels=alert.labels,
        since=alert.since,
        ended=alert.ended,
        acknowledgement=None
        if given is None
        else AcknowledgementShown(
            at=given.at,
            until=given.until,
            by=given.by,
            comment=given.comment,
            silence="made" if given.silence else "waiting" if is_configured else "none",
            fault=given.fault,
        ),
        escalates_at=None if alert.escalated is not None else rules.escalates_at(alert, now, escalate_after),
        escalated=alert.escalated,
        escalation_fault=alert.escalation_fault,
    )


def counted(alerts: Iterable[Alert], now: float) -> dict[str, int]:
    """Return how many alerts of each severity somebody should look at; an unknown one counts as warning."""
    counts = dict.fromkeys(rules.SEVERITIES, 0)
    for each in alerts:
        if rules.state(each, now) == "firing":
            counts[each.severity if each.severity in counts else "warning"] += 1
    return counts


def recent(alerts: Sequence[Alert], now: float) -> list[Alert]:
    """Return the alerts that fire, and those that ended lately, in the order of :mod:`orch.alerts.rules`."""
    return rules.in_order(
        (each for each in alerts if each.ended is None or now - each.ended <= RECENTLY), now
    )
