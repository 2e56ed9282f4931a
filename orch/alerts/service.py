"""Follows the alerts: receives, reads, stores, silences and escalates them.

Nothing here decides: :mod:`orch.alerts.rules` does. Any worker receives a notification or an acknowledgement
and stores it; of several workers the one that holds the lease ``alerts`` compares with Alertmanager's list,
makes up silences that could not be made, and escalates. The others read what is stored.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from math import ceil, inf
from typing import Final, Literal, Never

import structlog
import trio
from msgspec.structs import replace

from orch.access.addresses import group
from orch.access.wrong_tokens import WrongTokens
from orch.alerts import notifications, rules, statistics
from orch.alerts.alertmanager import Alertmanager, AlertmanagerError
from orch.alerts.care import Care
from orch.alerts.counts import Counts
from orch.alerts.maintenance_silences import MaintenanceSilences
from orch.alerts.notifications import Notification
from orch.alerts.planned import SERVICE
from orch.alerts.records import Acknowledgement, Alert, Sighting, shown_text
from orch.alerts.shelf import Shelf
from orch.alerts.source import Source
from orch.alerts.statistics import AlertShown, AlertsStatistics
from orch.cluster.lease import Leases
from orch.problems import ProblemError
from orch.settings.source import SettingsSource
from orch.stores.protocols import DocumentStore
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog, Severity
from orch.telemetry.names.alerts import ALERTMANAGER_UP, ALERTS_ACTIVE, ALERTS_DROPPED
from orch.telemetry.names.metric import Reading

READ_AGAIN: Final = 5.0
"""Seconds after which alerts are read again where other workers may have changed them."""

STORE_WITHIN: Final = 10.0
"""Seconds that one look may wait for the store."""

_TONES: Final[Mapping[str, Severity]] = {"critical": "bad", "info": "info"}
"""How an alert that begins to fire is shown among the events, by severity; others are warnings."""

_log = structlog.get_logger("alerts")


class AlertService:
    """The alerts of this installation.

    The mutable state is what was last read or written (:class:`Shelf`), how Alertmanager responds
    (:class:`Source`), since when its list lacks an alert, and counts.

    Error handling: while Alertmanager is away, notifications, acknowledgements and the page go on; silences
    and escalations are made up for. While the store is away, alerts are shown from memory, and a notification
    is answered with 503, so that Alertmanager repeats it.
    """

    def __init__(
        self,
        *,
        settings: SettingsSource,
        documents: DocumentStore,
        events: EventLog,
        wall: Callable[[], float],
        touch: Callable[[], None] = lambda: None,
        leases: Leases | None = None,
        alertmanager: Alertmanager | None = None,
    ) -> None:
        self._settings = settings
        self._events = events
        self._wall = wall
        self._touch = touch
        self.announce: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        """Called after a change has been stored: other workers read the alerts again."""
        self._lease = (leases or Leases()).lease("alerts")
        self._shelf = Shelf(documents, wall)
        self._peer = alertmanager or Alertmanager(
            lambda: settings.current.orchestration.alerts.alertmanager_url
        )
        self._wrong = WrongTokens()
        self._source = Source(wall)
        self._missing: dict[str, float] = {}
        self._wake = trio.Event()
        self._changed = trio.Event()
        self._is_loaded = False
        self._read_at = self._polled_at = -inf
        self.boundary = Boundary("alerts")
        self.counts = Counts()
        self._maintenance = MaintenanceSilences(
            settings=settings, peer=self._peer, record=self._record, wall=wall
        )
        self._care = Care(
            settings=settings,
            peer=self._peer,
            shelf=self._shelf,
            change=self._change,
            counts=self.counts,
            record=self._record,
            wall=wall,
            is_planned=self._maintenance.is_on,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Follow the alerts until cancelled."""
        async with self._peer.open(), trio.open_nursery() as nursery:
            nursery.start_soon(self._lease.hold, _hold)
            nursery.start_soon(self._announce)
            task_status.started()
            while True:
                self._wake = trio.Event()
                await self._look()
                interval = self._settings.current.orchestration.alerts.poll_interval
                with trio.move_on_after(min(READ_AGAIN, interval)):
                    await self._wake.wait()

    async def _announce(self) -> Never:
        """Have other workers read the alerts again after changes: once for all that happened meanwhile."""
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            with self.boundary.item(step="announcement"):
                await self.announce()

    def read_again(self) -> None:
        """Read the alerts again soon: another worker has changed one."""
        self._read_at = -inf
        self._wake.set()

    # --- looking --------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        with self.boundary.item(step="store"):
            try:
                with trio.fail_after(STORE_WITHIN):
                    await self._read()
            except (ProblemError, trio.TooSlowError) as error:
                # The store itself shows and logs that it is away; what was not done is done by a later look.
                _log.debug("alerts wait for the store", reason=str(error))
        now = trio.current_time()
        interval = self._settings.current.orchestration.alerts.poll_interval
        is_due = now - self._polled_at >= interval or self._maintenance.is_due
        if self._peer.is_configured and is_due:
            self._polled_at = now
            with self.boundary.item(step="Alertmanager"):
                await self._poll()
            with self.boundary.item(step="maintenance"):
                if await self._maintenance.look(acts=self._lease.is_held, fault=self._source.fault):
                    self._polled_at = -inf  # the list was asked for before
                    self._touch()
        elif not self._peer.is_configured:
            self._source.off()
        if self._lease.is_held and self._is_loaded:
            self._care.forget(set(self._shelf.alerts))
            for alert in tuple(self._shelf.alerts.values()):
                with self.boundary.item(step="alert", fingerprint=alert.fingerprint):
                    try:
                        await self._care.care_for(alert, is_reachable=self._source.state == "reachable")
                    except ProblemError as error:
                        _log.debug("an alert waits for the store", reason=error.detail)

    async def _read(self) -> None:
        now = trio.current_time()
        if not self._is_loaded or (self._lease.is_shared and now - self._read_at >= READ_AGAIN):
            await self._shelf.load()
            self._read_at = now
            self._is_loaded = True
            self._touch()
        await self._shelf.flush()
        await self._shelf.drop_old()

    async def _poll(self) -> None:
        try:
            found = await self._peer.alerts()
        except AlertmanagerError as error:
            if self._source.away(error.reason):
                self._record("warn", f"Alertmanager is away: {error.reason}")
                _log.warning("Alertmanager is away", reason=error.reason)
            self._touch()
            return
        if self._source.reachable(has_watchdog=notifications.has_watchdog(found)):
            self._record("ok", "Alertmanager can be reached again.")
        self._touch()
        if not (self._lease.is_held and self._is_loaded):
            return
        seen = notifications.listed(found)
        try:
            for each in seen:
                await self._note(each)
            await self._end_missing(seen)
        except ProblemError as error:
            _log.debug("the list of alerts waits for the store", reason=error.detail)

    async def _end_missing(self, seen: tuple[Sighting, ...]) -> None:
        now = self._wall()
        self._missing = rules.missing(tuple(self._shelf.alerts.values()), seen, self._missing, now)
        for fingerprint, since in tuple(self._missing.items()):
            if now - since >= rules.MISSING_FOR:
                await self._change(fingerprint, lambda alert: alert and rules.ended(alert, now))

    async def _note(self, seen: Sighting) -> None:
        known = self._shelf.alerts.get(seen.fingerprint)
        if known is not None and rules.is_only_reworded(known, rules.noticed(known, seen, self._wall())):
            # The figures in a summary change at every evaluation: that is not worth a write each time.
            self._shelf.remember(replace(known, annotations=seen.annotations))
            return
        await self._change(seen.fingerprint, lambda alert: rules.noticed(alert, seen, self._wall()))

    async def _change(self, fingerprint: str, change: Callable[[Alert | None], Alert | None]) -> Alert | None:
        try:
            before, after = await self._shelf.change(fingerprint, change)
        finally:
            self._touch()
        if after is not None and after is not before:
            self._report(before, after)
            self._changed.set()
        return after

    def _report(self, before: Alert | None, after: Alert) -> None:
        """Record the event of a change."""
        name = shown_text(after.name)
        summary = shown_text(after.annotations.get("summary", ""))
        text = f"{name}: {summary}" if summary else name
        is_new = before is None or (after.is_firing and not before.is_firing)
        if is_new and after.is_firing:
            self._record(_TONES.get(after.severity, "warn"), text)
        elif before is not None and before.is_firing and not after.is_firing:
            self._record("ok", f"{name} is over.")
        elif (
            before is not None
            and before.acknowledgement is not None
            and before.acknowledgement.silence
            and after.acknowledgement is None
            and before.acknowledgement.silence not in after.surplus_silences
        ):
            self._record("info", f"{name} is acknowledged no more: its silence was ended in Alertmanager.")

    # --- what comes in --------------------------------------------------------------------------------------

    def require_token(self, given: str | None, address: str) -> None:
        """Raise ``token_required`` or ``rate_limited`` unless this is the webhook's token."""
        token = self._settings.current.orchestration.alerts.webhook_token
        key, now = group(address), trio.current_time()
        if given is not None and token:
            if (wait := self._wrong.wait(key, now)) > 0:
                self.counts.refused["unauthorized"] += 1
                raise ProblemError(
                    "rate_limited",
                    "Too many wrong tokens came from this address.",
                    headers={"Retry-After": str(ceil(wait))},
                )
            if hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
                self._wrong.right_token(key)
                return
            self._wrong.wrong_token(key, now)
            _log.warning("wrong token of the alert webhook", address=address)
        self.counts.refused["unauthorized"] += 1
        raise ProblemError(
            "token_required",
            "Alerts are accepted from operators, or with the webhook's token "
            "(orchestration.alerts.webhook_token) as the password of basic authentication.",
            headers={"WWW-Authenticate": 'Basic realm="alerts"'},
        )

    def count_refused(self, reason: Literal["invalid", "too_large"]) -> None:
        """Count a notification that could not be read."""
        self.counts.refused[reason] += 1

    async def receive(self, notification: Notification) -> int:
        """Store what a notification says; return how many alerts it has. ProblemError: store_unavailable."""
        self._source.received(has_watchdog=notifications.has_watchdog(notification.alerts))
        seen = notifications.notified(notification)
        for each in seen:
            await self._change(each.fingerprint, partial(rules.noticed, seen=each, now=self._wall()))
            self.counts.received["firing" if each.ended is None else "resolved"] += 1
        if notification.truncated_alerts:
            _log.warning("notification left alerts out", alerts=notification.truncated_alerts)
            self._polled_at = -inf  # the list has them
            self._wake.set()
        self._touch()
        return len(seen)

    # --- what operators do ----------------------------------------------------------------------------------

    async def acknowledge(
        self, fingerprint: str, *, by: str, comment: str = "", seconds: float | None = None
    ) -> AlertShown:
        """Acknowledge an alert: it is not escalated, and Alertmanager notifies nobody for a while.

        The acknowledgement is stored first, so that it holds while Alertmanager is away; then the silence is
        made, or made up for later. ProblemError: unknown_alert, alert_over, store_unavailable.
        """
        self._require(fingerprint, is_firing=True)
        now = self._wall()
        lasts = seconds or self._settings.current.orchestration.alerts.acknowledge_for
        given = Acknowledgement(at=now, until=now + lasts, by=by, comment=comment)
        alert = await self._change(fingerprint, lambda found: found and rules.acknowledged(found, given))
        if alert is not None and self._peer.is_configured:
            alert = await self._care.silence(fingerprint)
            self._polled_at = -inf  # a list that came meanwhile has its silence as somebody else's
        if alert is None:
            raise _unknown(fingerprint)
        self._record("info", f"{shown_text(alert.name)} was acknowledged by {by}.")
        self._wake.set()
        return self._shown(alert)

    async def withdraw(self, fingerprint: str, *, by: str) -> AlertShown:
        """Withdraw an acknowledgement, and end its silence.

        ProblemError: unknown_alert, store_unavailable.
        """
        if self._require(fingerprint).acknowledgement is None:
            return self.alert(fingerprint)
        alert = await self._change(fingerprint, lambda found: found and rules.withdrawn(found))
        if alert is None:
            raise _unknown(fingerprint)
        if self._peer.is_configured:
            await self._care.end_silences(alert)
            self._polled_at = -inf  # a list that was asked for before has the silence
        self._record("info", f"The acknowledgement of {shown_text(alert.name)} was withdrawn by {by}.")
        self._wake.set()
        return self.alert(fingerprint)

    def _require(self, fingerprint: str, *, is_firing: bool = False) -> Alert:
        found = self._shelf.alerts.get(fingerprint)
        if found is None:
            raise _unknown(fingerprint)
        if is_firing and not found.is_firing:
            raise ProblemError(
                "alert_over", f"{shown_text(found.name)} is over: there is nothing to acknowledge."
            )
        return found

    # --- what is shown --------------------------------------------------------------------------------------

    def alert(self, fingerprint: str) -> AlertShown:
        """Return an alert. ProblemError: unknown_alert."""
        return self._shown(self._require(fingerprint))

    def alerts(self) -> tuple[AlertShown, ...]:
        """Return all stored alerts, those first that somebody should look at."""
        return tuple(self._shown(each) for each in rules.in_order(self._shelf.alerts.values(), self._wall()))

    def statistics(self) -> AlertsStatistics:
        """Return the state of alerts for pages: :data:`~orch.alerts.statistics.SHOWN` of them."""
        now, settings = self._wall(), self._settings.current.orchestration.alerts
        found = statistics.recent(tuple(self._shelf.alerts.values()), now)
        firing = statistics.counted(found, now)
        return AlertsStatistics(
            now=now,
            firing=firing,
            unacknowledged=sum(firing.values()),
            total=len(found),
            alerts=tuple(replace(self._shown(each), labels={}) for each in found[: statistics.SHOWN]),
            source=self._source.statistics(settings.alertmanager_url),
            escalate_after=settings.escalate_after,
            acknowledge_for=settings.acknowledge_for,
            dropped=self._shelf.dropped,
            maintenance=self._maintenance.shown(),
        )

    def _shown(self, alert: Alert) -> AlertShown:
        after = self._settings.current.orchestration.alerts.escalate_after
        return statistics.shown(
            alert,
            self._wall(),
            escalate_after=0 if self._maintenance.is_on(alert.labels.get(SERVICE, "")) else after,
            is_configured=self._peer.is_configured,
        )

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield from self.boundary.readings()
        firing = dict.fromkeys((*rules.SEVERITIES, "none"), 0)
        for each in self._shelf.alerts.values():
            if each.is_firing:
                firing[each.severity if each.severity in firing else "none"] += 1
        yield from (Reading(ALERTS_ACTIVE, number, (severity,)) for severity, number in firing.items())
        yield from self.counts.readings()
        yield Reading(ALERTS_DROPPED, self._shelf.dropped)
        if self._source.state in ("reachable", "away"):
            yield Reading(ALERTMANAGER_UP, self._source.state == "reachable")

    def _record(self, severity: Severity, text: str) -> None:
        self._events.record(severity, "alerts", text)


def _unknown(fingerprint: str) -> ProblemError:
    return ProblemError("unknown_alert", f"No alert has the fingerprint {fingerprint}.")


async def _hold(_fence: int) -> Never:
    await trio.sleep_forever()
    raise AssertionError
