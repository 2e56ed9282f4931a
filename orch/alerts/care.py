"""Silences what is acknowledged in Alertmanager, and escalates what nobody has acknowledged.

For the worker that holds the lease; an acknowledgement is silenced at once by the worker that received it.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from typing import Final

import structlog
import trio
from msgspec.structs import replace

from orch.alerts import notifications, rules
from orch.alerts.alertmanager import Alertmanager, AlertmanagerError
from orch.alerts.counts import Counts
from orch.alerts.planned import SERVICE
from orch.alerts.records import Alert, shown_text
from orch.alerts.shelf import Change, Shelf
from orch.settings.source import SettingsSource
from orch.telemetry.events import Severity

ESCALATION_LASTS: Final = 300.0
"""Seconds after which Alertmanager ends an escalation that is not repeated: this service is down then."""

MADE_WITHIN: Final = 15.0
"""Seconds within which the worker that received an acknowledgement makes its silence, or stores why not."""

TRY_AGAIN: Final = 60.0
"""Seconds between two repetitions of an escalation, or attempts. Alertmanager notifies every 30 min."""

_log = structlog.get_logger("alerts")


class Care:
    """Silences and escalates alerts. ``change`` changes a stored one; ``record`` records an event.

    ``is_planned``: whether a service is in maintenance, whose alerts are not escalated.

    The mutable state is when each escalation was last attempted, by Trio's clock, and which copies
    Alertmanager has. Both are bounded by the stored alerts.
    """

    def __init__(
        self,
        *,
        settings: SettingsSource,
        peer: Alertmanager,
        shelf: Shelf,
        change: Callable[[str, Change], Awaitable[Alert | None]],
        counts: Counts,
        record: Callable[[Severity, str], None],
        wall: Callable[[], float],
        is_planned: Callable[[str], bool] = lambda _service: False,
    ) -> None:
        self._settings = settings
        self._peer = peer
        self._shelf = shelf
        self._change = change
        self._counts = counts
        self._record = record
        self._wall = wall
        self._is_planned = is_planned
        self._attempted: dict[str, float] = {}
        self._copies: set[str] = set()

    async def care_for(self, alert: Alert, *, is_reachable: bool) -> None:
        """Make up for silences of an alert, escalate it if that is due, and end an escalation.

        ``is_reachable``: whether Alertmanager responded lately. ProblemError: store_unavailable.
        """
        now = self._wall()
        if self._peer.is_configured and is_reachable:
            await self.end_silences(alert)
            given = alert.acknowledgement
            is_missing = given is not None and not given.silence and alert.is_firing and now < given.until
            # The worker that received an acknowledgement makes its silence; this one makes up for that.
            if given is not None and is_missing and (given.fault or not now < given.at + MADE_WITHIN):
                await self.silence(alert.fingerprint)
        after = self._settings.current.orchestration.alerts.escalate_after
        is_planned = self._is_planned(alert.labels.get(SERVICE, ""))
        if not is_planned and rules.is_escalation_due(alert, now, after):
            await self._escalate(alert)
            return
        self._attempted.pop(alert.fingerprint, None)
        if alert.fingerprint in self._copies:
            await self._end_copy(alert)

    def forget(self, fingerprints: set[str]) -> None:
        """Forget alerts that are no longer stored: all that are not in ``fingerprints``."""
        self._copies &= fingerprints
        self._attempted = {name: at for name, at in self._attempted.items() if name in fingerprints}

    async def end_silences(self, alert: Alert) -> None:
        """End the silences of acknowledgements that were withdrawn or replaced."""
        for silence in alert.surplus_silences:
            try:
                await self._peer.end_silence(silence)
            except AlertmanagerError as error:
                _log.warning("silence not ended", silence=silence, reason=error.reason)
                return
            await self._change(alert.fingerprint, partial(_without_silence, silence=silence))

    async def silence(self, fingerprint: str) -> Alert | None:
        """Make the silence of an acknowledgement; store its id, or why there is none. Returns the alert."""
        alert = self._shelf.alerts.get(fingerprint)
        if alert is None or alert.acknowledgement is None:
            return alert
        given = alert.acknowledgement
        comment = f"Acknowledged: {given.comment}" if given.comment else "Acknowledged."
        made, fault = "", ""
        try:
            made = await self._peer.silence(
                notifications.silence(alert, begins=given.at, ends=given.until, by=given.by, comment=comment)
            )
        except AlertmanagerError as error:
            fault = error.reason
        self._counts.acknowledgements["silenced" if made else "failed"] += 1

        def store(found: Alert | None) -> Alert | None:
            if found is None:
                return None
            current = found.acknowledgement
            if current is None or current.at != given.at or current.silence:
                # Withdrawn, given again, or silenced by another worker meanwhile.
                return replace(found, surplus_silences=(*found.surplus_silences, made)) if made else found
            at = self._wall() if made else 0.0
            return replace(found, acknowledgement=replace(current, silence=made, made=at, fault=fault))

        return await self._change(fingerprint, store)

    async def _escalate(self, alert: Alert) -> None:
        clock = trio.current_time()
        if clock - self._attempted.get(alert.fingerprint, -inf) < TRY_AGAIN:
            return
        self._attempted[alert.fingerprint] = clock
        now = self._wall()
        waited = rules.waited(alert, now)
        fault = ""
        try:
            copy = notifications.escalation(alert, waited=waited, now=now, lasts=ESCALATION_LASTS)
            await self._peer.post([copy])
            self._copies.add(alert.fingerprint)
        except AlertmanagerError as error:
            fault = error.reason
        if alert.escalated is not None:
            return
        if fault:
            fault = await self._send_directly(alert, waited, fault)
        self._counts.escalations["failed" if fault else "sent"] += 1
        name = shown_text(alert.name)
        if not fault:
            minutes = max(1, round(waited / 60))
            self._record("bad", f"{name} was escalated: nobody has acknowledged it for {minutes} min.")
            _log.warning("alert escalated", alert=name, fingerprint=alert.fingerprint)
        elif alert.escalation_fault != fault:
            self._record("bad", f"{name} cannot be escalated: {fault}")
            _log.error("alert not escalated", alert=name, fingerprint=alert.fingerprint, reason=fault)
        await self._change(
            alert.fingerprint,
            lambda found: found and replace(found, escalated=None if fault else now, escalation_fault=fault),
        )

    async def _send_directly(self, alert: Alert, waited: float, fault: str) -> str:
        """Send an escalation past Alertmanager, where the settings name a URL; return the reason why not."""
        orchestration = self._settings.current.orchestration
        if not orchestration.alerts.escalation_url:
            return fault
        try:
            await self._peer.send(
                orchestration.alerts.escalation_url,
                notifications.direct(alert, waited=waited, url=orchestration.frontend.public_url),
            )
        except AlertmanagerError as error:
            return f"{fault} {error.reason}"
        return ""

    async def _end_copy(self, alert: Alert) -> None:
        """End the copy of an alert that is over or acknowledged. One that is not ended expires."""
        self._copies.discard(alert.fingerprint)
        copy = notifications.escalation(alert, waited=0, now=self._wall(), lasts=0)
        try:
            await self._peer.post([copy])
        except AlertmanagerError as error:
            _log.warning("escalation not ended, it expires", alert=alert.name, reason=error.reason)


def _without_silence(alert: Alert | None, *, silence: str) -> Alert | None:
    if alert is None or silence not in alert.surplus_silences:
        return alert
    left = tuple(each for each in alert.surplus_silences if each != silence)
    return replace(alert, surplus_silences=left)
