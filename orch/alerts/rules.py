"""Decides about alerts: what is new, what is over, who has to be notified, what is shown first. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from orch.alerts.records import STORED, Acknowledgement, Alert, Sighting

SETTLED: Final = 60.0
"""Seconds after which every member of a cluster of Alertmanagers knows a silence."""

ESCALATED: Final = "critical"
"""The severity of alerts that are escalated."""

SEVERITIES: Final = ("critical", "warning", "info")

MISSING_FOR: Final = 180.0
"""Seconds for which Alertmanager's list has to lack an alert that nobody said is over.

An Alertmanager that was restarted has an empty list until Prometheus has sent its alerts again.
"""


def noticed(known: Alert | None, seen: Sighting, now: float) -> Alert:
    """Return an alert as it is after a sighting; ``known`` itself where nothing has changed.

    An alert that fires again is a new one: it has not been escalated, and the time to acknowledge it begins
    again. An acknowledgement that has not expired holds on.

    A notification of the end of an earlier time that the alert fired changes nothing. Nor does the silence of
    an acknowledgement: an alert is ``silenced`` by what others have silenced, so that one whose
    acknowledgement is withdrawn is not shown as silenced until Alertmanager is asked again.
    """
    is_silenced = None if seen.silenced is None else bool(set(seen.silences) - _own_silences(known))
    if known is None or (not known.is_firing and seen.ended is None and seen.since > (known.ended or 0.0)):
        kept = None if known is None or not is_acknowledged(known, now) else known.acknowledgement
        return Alert(
            fingerprint=seen.fingerprint,
            labels=seen.labels,
            annotations=seen.annotations,
            cut=seen.cut,
            generator=seen.generator,
            since=seen.since,
            noticed=now,
            ended=seen.ended,
            silenced=bool(is_silenced),
            inhibited=bool(seen.inhibited),
            acknowledgement=kept,
            surplus_silences=() if known is None else known.surplus_silences,
        )
    if seen.ended is not None and seen.ended < known.since:
        return known
    is_listed = seen.silenced is not None
    if seen.ended is None and not known.is_firing and not is_listed:
        return known  # sent before it ended, and received after that
    changed = replace(
        known,
        annotations=seen.annotations,
        generator=seen.generator,
        ended=None if is_listed else seen.ended if known.ended is None else known.ended,
        silenced=known.silenced if is_silenced is None else is_silenced,
        inhibited=known.inhibited if seen.inhibited is None else seen.inhibited,
    )
    if _is_withdrawn(changed, seen, now):
        changed = replace(changed, acknowledgement=None)
    return known if changed == known else changed


def _own_silences(alert: Alert | None) -> set[str]:
    """Return the silences that acknowledgements of an alert have in Alertmanager."""
    if alert is None:
        return set()
    given = alert.acknowledgement
    return {*alert.surplus_silences, *((given.silence,) if given is not None and given.silence else ())}


def is_only_reworded(known: Alert, after: Alert) -> bool:
    """Return whether nothing but the texts of an alert has changed, which no other worker needs to know."""
    return after is not known and replace(after, annotations=known.annotations) == known


def _is_withdrawn(alert: Alert, seen: Sighting, now: float) -> bool:
    """Return whether the silence of an acknowledgement was ended in Alertmanager itself."""
    given = alert.acknowledgement
    return (
        given is not None
        and bool(given.silence)
        and seen.silenced is not None
        and given.silence not in seen.silences
        and given.made + SETTLED <= now < given.until
    )


def ended(alert: Alert, now: float) -> Alert:
    """Return an alert that is over: Alertmanager does not list it."""
    return replace(alert, ended=max(now, alert.since), silenced=False, inhibited=False)


def is_acknowledged(alert: Alert, now: float) -> bool:
    """Return whether somebody takes care of it now."""
    return alert.acknowledgement is not None and now < alert.acknowledgement.until


def acknowledged(alert: Alert, given: Acknowledgement) -> Alert:
    """Return an alert that somebody takes care of, in place of an earlier acknowledgement."""
    return replace(withdrawn(alert), acknowledgement=given, escalated=None, escalation_fault="")


def withdrawn(alert: Alert) -> Alert:
    """Return an alert that nobody takes care of any more; its silence should be ended."""
    before = alert.acknowledgement
    surplus = alert.surplus_silences
    if before is not None and before.silence and before.silence not in surplus:
        surplus = (*surplus, before.silence)
    return replace(alert, acknowledgement=None, surplus_silences=surplus)


def escalates_at(alert: Alert, now: float, after: float) -> float | None:
    """Return when an alert is escalated unless somebody acknowledges it; None: it is not.

    ``after``: seconds; 0: none is. The time counts from when the service received the alert, so that it was
    there to be acknowledged, or from the end of an acknowledgement. What Alertmanager silences or inhibits is
    known, and waits.
    """
    if not after or not alert.is_firing or alert.severity != ESCALATED:
        return None
    if alert.silenced or alert.inhibited or is_acknowledged(alert, now):
        return None
    given = alert.acknowledgement
    return (alert.noticed if given is None else max(alert.noticed, given.until)) + after


def is_escalation_due(alert: Alert, now: float, after: float) -> bool:
    """Return whether the receiver ``escalation`` should be notified, or notified further."""
    at = escalates_at(alert, now, after)
    return at is not None and at <= now


def waited(alert: Alert, now: float) -> float:
    """Return for how many seconds nobody has acknowledged an alert."""
    given = alert.acknowledgement
    return max(0.0, now - (alert.noticed if given is None else max(alert.noticed, given.until)))


def state(alert: Alert, now: float) -> str:
    """Return the state of an alert in a word: ``firing`` is what somebody should look at."""
    if not alert.is_firing:
        return "resolved"
    if is_acknowledged(alert, now):
        return "acknowledged"
    if alert.inhibited:
        return "inhibited"
    return "silenced" if alert.silenced else "firing"


_ORDER: Final = ("firing", "acknowledged", "silenced", "inhibited", "resolved")


def in_order(alerts: Iterable[Alert], now: float) -> list[Alert]:
    """Return alerts with what somebody should look at first: by state, severity, and the latest first."""
    return sorted(
        alerts,
        key=lambda each: (
            _ORDER.index(state(each, now)),
            rank(each.severity),
            -(each.since if each.ended is None else each.ended),
            each.fingerprint,
        ),
    )


def rank(severity: str) -> int:
    """Return 0 for the worst severity; an unknown one is between ``warning`` and ``info``."""
    return {"critical": 0, "warning": 1, "info": 3}.get(severity, 2)


def surplus(alerts: Mapping[str, Alert], most: int = STORED) -> list[str]:
    """Return the alerts beyond the limit, by fingerprint: those that ended first, then the least severe."""
    too_many = len(alerts) - most
    if too_many <= 0:
        return []
    first = sorted(
        alerts.values(),
        key=lambda each: (
            each.is_firing,
            0.0 if each.ended is None else each.ended,
            -rank(each.severity),
            each.since,
        ),
    )
    return [each.fingerprint for each in first[:too_many]]


def missing(
    alerts: Iterable[Alert], seen: Sequence[Sighting], since: Mapping[str, float], now: float
) -> dict[str, float]:
    """Return the alerts that Alertmanager's list lacks although nobody said that they are over: since when.

    ``since``: what this returned for the list before. Those that are missing for :data:`MISSING_FOR` are
    over.
    """
    there = {each.fingerprint for each in seen}
    lacking = (each.fingerprint for each in alerts if each.is_firing and each.fingerprint not in there)
    return {fingerprint: min(since.get(fingerprint, now), now) for fingerprint in lacking}
