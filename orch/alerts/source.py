"""How Alertmanager responds, and whether alerts arrive at it. Pure."""

from collections.abc import Callable
from typing import Final

from orch.alerts.statistics import SourceState, SourceStatistics
from orch.masking import mask_url

QUIET_AFTER: Final = 900.0
"""Seconds after which the alert that always fires is overdue; it is notified every 5 min."""


class Source:
    """The state of the source of alerts. ``wall`` is passed in.

    The mutable state is that of Alertmanager, since when, and when notifications and the watchdog were seen.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._since = wall()
        self._reason = ""
        self._watchdog: float | None = None
        self._received: float | None = None
        self._looked = wall()
        self.state: SourceState = "unknown"

    @property
    def fault(self) -> str:
        """Why Alertmanager cannot be reached; "": it can, or it is not known yet."""
        return self._reason if self.state == "away" else ""

    def off(self) -> None:
        """Note that no Alertmanager is configured."""
        self._enter("off", "")

    def away(self, reason: str) -> bool:
        """Note that it does not respond; return whether that is new."""
        return self._enter("away", reason)

    def reachable(self, *, has_watchdog: bool) -> bool:
        """Note its list; return whether it is back."""
        was_away = self.state == "away"
        self._enter("reachable", "")
        if has_watchdog:
            self._watchdog = self._wall()
        return was_away

    def received(self, *, has_watchdog: bool) -> None:
        """Note a notification."""
        self._received = self._wall()
        if has_watchdog:
            self._watchdog = self._received

    def statistics(self, url: str) -> SourceStatistics:
        """Return the state for pages."""
        now = self._wall()
        since = self._looked if self._watchdog is None else self._watchdog
        is_used = self.state == "reachable" or self._received is not None
        return SourceStatistics(
            state=self.state,
            since=self._since,
            reason=self._reason,
            url=mask_url(url),
            watchdog=self._watchdog,
            is_quiet=is_used and now - since > QUIET_AFTER,
            received=self._received,
        )

    def _enter(self, state: SourceState, reason: str) -> bool:
        is_new = state != self.state
        if is_new:
            self._since = self._wall()
        self.state, self._reason = state, reason
        return is_new
