"""Begins and ends the maintenance of services."""

from collections.abc import Callable, Sequence

from orch.health.feed import HealthFeed
from orch.health.flapping import Flapping
from orch.health.health_events import MaintenanceChanged
from orch.health.maintenance import Maintenance, current
from orch.health.verdict import State, Verdict
from orch.health.watched import WatchedService
from orch.health.words import maintenance_in_words
from orch.settings.probe_structs import MaintenanceWindow
from orch.telemetry.events import Severity
from orch.telemetry.metrics import Metrics


class Upkeep:
    """During maintenance the instances are not judged, and nothing is restarted by itself."""

    def __init__(
        self,
        *,
        metrics: Metrics,
        feed: HealthFeed,
        wall: Callable[[], float],
        record: Callable[[WatchedService, Severity, str], None],
        review: Callable[[WatchedService], None],
    ) -> None:
        self._metrics = metrics
        self._feed = feed
        self._wall = wall
        self._record = record
        self._review = review

    def review(self, service: WatchedService, windows: Sequence[MaintenanceWindow]) -> None:
        """Begin or end the maintenance of a service, if its time has come."""
        if not windows and service.maintenance is None:
            return
        window, before = current(windows, self._wall()), service.maintenance
        shown = window or before
        if window == before or shown is None:
            return
        service.maintenance = window
        if window is None or before is None:
            self._turn(service, window)
        self._record(service, "info", maintenance_in_words(window, shown))
        self._feed.publish(
            MaintenanceChanged(
                at=self._wall(),
                service=service.name,
                is_on=window is not None,
                title=shown.title,
                until=shown.until,
            )
        )
        self._review(service)

    def _turn(self, service: WatchedService, window: Maintenance | None) -> None:
        """Forget what is known of the instances, and suspend or resume recovery."""
        reasons = ("not checked yet",) if window is None else (window.words,)
        for instance in service.instances.values():
            instance.verdict = Verdict(since=self._wall(), reasons=reasons)
            instance.flapping = Flapping()
            self._metrics.service_state(service.name, instance.shown, str(State.UNKNOWN))
            instance.nudge()
        for _, restarter in service.restarters():
            if window is None:
                restarter.resume()
            else:
                restarter.suspend()
