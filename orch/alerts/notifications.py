"""What Alertmanager sends and returns, version 4 of its webhook and version 2 of its API. Pure.

Fields that are not read here are ignored, so that later versions may add some.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, field

from orch.alerts.records import ESCALATION, WATCHDOG, Alert, Sighting, sighting

NOTIFIED: Final = 1_000
"""Alerts in one notification; the configuration sends 200 at most."""

Fingerprint = Annotated[str, Meta(pattern="^[0-9a-f]{1,32}$")]
Texts = dict[str, str]


class NotifiedAlert(Struct, frozen=True, kw_only=True, rename="camel"):
    """An alert in a notification."""

    status: str
    labels: Texts
    fingerprint: Fingerprint
    annotations: Texts = field(default_factory=dict)
    starts_at: datetime
    ends_at: datetime | None = None
    generator_url: str = field(default="", name="generatorURL")


class Notification(Struct, frozen=True, kw_only=True, rename="camel"):
    """A request of Alertmanager's webhook. ``truncated_alerts``: how many alerts it left out."""

    version: str
    alerts: Annotated[tuple[NotifiedAlert, ...], Meta(max_length=NOTIFIED)]
    truncated_alerts: int = 0


class ListedStatus(Struct, frozen=True, kw_only=True, rename="camel"):
    """The state of a listed alert: ``active``, ``suppressed`` or ``unprocessed``, and by what."""

    state: str
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()


class ListedAlert(Struct, frozen=True, kw_only=True, rename="camel"):
    """An alert in the list of ``GET /api/v2/alerts``, which has only those that fire."""

    labels: Texts
    fingerprint: Fingerprint
    status: ListedStatus
    annotations: Texts = field(default_factory=dict)
    starts_at: datetime
    generator_url: str = field(default="", name="generatorURL")


class SilenceMade(Struct, frozen=True, kw_only=True):
    """The response to a new silence."""

    silence_id: Annotated[str, Meta(pattern="^[0-9A-Za-z-]{1,64}$")] = field(name="silenceID")


def is_own(labels: Mapping[str, str]) -> bool:
    """Return whether an alert is the service's own copy of one, or the one that always fires."""
    return labels.get(ESCALATION) == "true" or labels.get("alertname") == WATCHDOG


def notified(notification: Notification) -> tuple[Sighting, ...]:
    """Return what a notification says of alerts, without the service's own copies and the watchdog."""
    return tuple(
        sighting(
            each.fingerprint,
            each.labels,
            each.annotations,
            generator=each.generator_url,
            since=each.starts_at.timestamp(),
            ended=None if each.status != "resolved" else _end(each),
        )
        for each in notification.alerts
        if not is_own(each.labels)
    )


def has_watchdog(alerts: Sequence[NotifiedAlert] | Sequence[ListedAlert]) -> bool:
    """Return whether the alert that always fires is among them, and fires."""
    return any(
        each.labels.get("alertname") == WATCHDOG and getattr(each, "status", "") != "resolved"
        for each in alerts
    )


def listed(alerts: Sequence[ListedAlert]) -> tuple[Sighting, ...]:
    """Return what Alertmanager's list says of alerts, without the service's own copies and the watchdog."""
    return tuple(
        sighting(
            each.fingerprint,
            each.labels,
            each.annotations,
            generator=each.generator_url,
            since=each.starts_at.timestamp(),
            ended=None,
            silenced=bool(each.status.silenced_by),
            inhibited=bool(each.status.inhibited_by),
            silences=each.status.silenced_by,
        )
        for each in alerts
        if not is_own(each.labels)
    )


def _end(alert: NotifiedAlert) -> float:
    began = alert.starts_at.timestamp()
    return began if alert.ends_at is None else max(began, alert.ends_at.timestamp())


# What is sent.


def silence(alert: Alert, *, begins: float, ends: float, by: str, comment: str) -> dict[str, Any]:
    """Return a silence of exactly this alert: each of its labels has to be the same.

    Of a label whose value was cut the beginning has to be the same. Its copy for the receiver ``escalation``
    has the same labels, and one more, so that it is silenced as well.
    """
    return {
        "matchers": [
            {
                "name": name,
                "value": f"(?s:{_quoted(value)}.*)" if name in alert.cut else value,
                "isRegex": name in alert.cut,
                "isEqual": True,
            }
            for name, value in alert.labels.items()
        ],
        "startsAt": _written(begins),
        "endsAt": _written(ends),
        "createdBy": by,
        "comment": comment,
    }


def escalation(alert: Alert, *, waited: float, now: float, lasts: float) -> dict[str, Any]:
    """Return the copy of an alert for the receiver ``escalation``.

    Without a repetition it ends after ``lasts`` seconds; 0: it is over.
    """
    return {
        "labels": {**alert.labels, ESCALATION: "true"},
        "annotations": alert.annotations | {"summary": escalation_summary(alert, waited)},
        "startsAt": _written(min(alert.since, now)),
        "endsAt": _written(now + lasts),
        "generatorURL": alert.generator,
    }


def escalation_summary(alert: Alert, waited: float) -> str:
    """Return the sentence of an escalated alert."""
    summary = alert.annotations.get("summary") or alert.name
    return f"Not acknowledged for {max(1, round(waited / 60))} min: {summary}"


def direct(alert: Alert, *, waited: float, url: str) -> dict[str, Any]:
    """Return a notification about one escalated alert as Alertmanager's webhook would send it."""
    copy = escalation(alert, waited=waited, now=alert.noticed, lasts=0)
    labels, annotations = copy["labels"], copy["annotations"]
    return {
        "version": "4",
        "groupKey": f"escalation:{alert.fingerprint}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": ESCALATION,
        "groupLabels": {name: labels[name] for name in ("alertname", "service") if name in labels},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": url,
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": annotations,
                "startsAt": _written(alert.since),
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": alert.generator,
                "fingerprint": alert.fingerprint,
            }
        ],
    }


_SPECIAL: Final = frozenset("\\.+*?()|[]{}^$")


def _quoted(text: str) -> str:
    """Return a text as a regular expression of Go that it alone matches."""
    return "".join(f"\\{each}" if each in _SPECIAL else each for each in text)


def _written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
