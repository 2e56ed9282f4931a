"""Silences the alerts of back ends in Alertmanager during their maintenance windows.

:mod:`orch.alerts.planned` decides. Every worker compares the windows that are on with Alertmanager's list, so
that its pages say how things are; the one with the lease makes and ends silences.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import structlog

from orch.alerts import planned
from orch.alerts.alertmanager import Alertmanager, AlertmanagerError
from orch.alerts.planned import MaintenanceShown, SilenceState, Window
from orch.health.maintenance import current
from orch.settings.source import SettingsSource
from orch.telemetry.events import Severity

ENDED: Final = 200
"""Ids that are known of silences that were ended here."""

_log = structlog.get_logger("alerts")


class MaintenanceSilences:
    """The silences of maintenance windows.

    ``record`` records an event. The mutable state: what is known of each window's silence, those that were
    ended here (the latest :data:`ENDED`), and whether Alertmanager may have some that are over.
    """

    def __init__(
        self,
        *,
        settings: SettingsSource,
        peer: Alertmanager,
        record: Callable[[Severity, str], None],
        wall: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._peer = peer
        self._record = record
        self._wall = wall
        self._states: dict[Window, tuple[SilenceState, str]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._is_settled = False

    def windows(self) -> tuple[Window, ...]:
        """Return the windows that are on."""
        return planned.windows(self._settings.current.services, self._wall())

    def is_on(self, service: str) -> bool:
        """Return whether a service is in a window: its alerts are expected, and are not escalated."""
        known = self._settings.current.services.get(service)
        return known is not None and current(known.maintenance, self._wall()) is not None

    @property
    def is_due(self) -> bool:
        """Whether a silence has to be made or ended, as far as is known here."""
        return {*self.windows()} != self._states.keys()

    async def look(self, *, acts: bool, fault: str = "") -> bool:
        """Compare windows and silences; return whether what is shown has changed.

        ``acts``: make and end silences too. ``fault``: why Alertmanager is away, which is then not asked.
        Raises nothing but Cancelled: why something could not be done is
        shown, and it is tried again at the next look.
        """
        on = self.windows()
        if not on and not self._states and self._is_settled:
            return False
        before = self._states
        try:
            if fault:
                raise AlertmanagerError(fault)  # noqa: TRY301 - the same as if it were asked
            plan = planned.decide(on, await self._peer.silences(), ended=self._ended)
            states = {each: self._state_of(each, plan) for each in on}
            if acts:
                for window in plan.make:
                    states[window] = await self._make(window)
                for silence in plan.end:
                    await self._end(silence)
            self._is_settled = acts or not plan.end
        except AlertmanagerError as error:
            self._is_settled = False
            # What was made stays made: Alertmanager has it on disk.
            known = {each: before.get(each, ("waiting", ""))[0] for each in on}
            states = {
                each: (state, error.reason if state == "waiting" else "") for each, state in known.items()
            }
        self._report(before, states)
        self._states = states
        return states != before

    @staticmethod
    def _state_of(window: Window, plan: planned.Plan) -> tuple[SilenceState, str]:
        if window in plan.make:
            return "waiting", ""
        return ("withdrawn" if window.service in plan.withdrawn else "made"), ""

    async def _make(self, window: Window) -> tuple[SilenceState, str]:
        try:
            name = await self._peer.silence(planned.silence(window, self._wall()))
        except AlertmanagerError as error:
            _log.warning("maintenance not silenced", service=window.service, reason=error.reason)
            return "waiting", error.reason
        _log.info("maintenance silenced", service=window.service, silence=name, until=window.until)
        return "made", ""

    async def _end(self, silence: str) -> None:
        await self._peer.end_silence(silence)
        _log.info("silence of maintenance ended", silence=silence)
        self._ended[silence] = None
        while len(self._ended) > ENDED:
            self._ended.popitem(last=False)

    def _report(
        self,
        before: dict[Window, tuple[SilenceState, str]],
        after: dict[Window, tuple[SilenceState, str]],
    ) -> None:
        for window, (state, fault) in after.items():
            was, former = before.get(window, ("", ""))
            name = window.service
            if state == "made" and was != "made":
                self._record("info", f"Alerts of {name} are silenced while it is in maintenance.")
            elif state == "withdrawn" and was != "withdrawn":
                self._record(
                    "info", f"Alerts of {name} notify people: the silence of its maintenance was ended."
                )
            elif state == "waiting" and fault and not former:
                self._record("warn", f"Alerts of {name} are not silenced for its maintenance: {fault}")

    def shown(self) -> tuple[MaintenanceShown, ...]:
        """Return the windows that are on, for pages."""
        found = []
        for each in self.windows():
            state, fault = self._states.get(each, ("waiting", ""))
            found.append(
                MaintenanceShown(
                    service=each.service,
                    title=each.title,
                    until=each.until,
                    silence=state if self._peer.is_configured else "none",
                    fault=fault,
                )
            )
        return tuple(found)
