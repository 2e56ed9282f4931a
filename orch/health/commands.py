"""Restarts of back ends, and stops of recoveries, that an operator or another part asks this worker for."""

from collections.abc import Callable, Mapping

from orch.health.watched import WatchedService
from orch.problems import ProblemError
from orch.telemetry.events import Severity


class Commands:
    """Carries them out on this worker's back ends; it has no state of its own.

    ``services``: those that are watched; ``is_running``: whether the branch of health runs.
    """

    def __init__(
        self,
        services: Mapping[str, WatchedService],
        *,
        is_running: Callable[[], bool],
        record: Callable[[WatchedService, Severity, str], None],
        publish: Callable[[], None],
    ) -> None:
        self._services = services
        self._is_running = is_running
        self._record = record
        self._publish = publish

    def restartable(self, service: str) -> list[str]:
        """Return the labels of the instances that are restarted one by one; "": what shares a restarter."""
        restarters = self._known(service).restarters()
        return [one.label if one else "" for one, each in restarters if each.is_restartable] or [""]

    def restart(self, service: str, *, reason: str, is_forced: bool = False, instance: str = "") -> bool:
        """Restart a back end if this worker is responsible. ProblemError: as restart.

        ``instance`` "": what shares the restarter of the service.
        """
        known = self._known(service)
        one = known.named(instance) if instance else None
        restarter = known.restarter if one is None else one.restarter
        if restarter is None or not restarter.is_restartable:
            raise ProblemError(
                "not_restartable",
                f"{service} cannot be restarted from here: it is not a child process and has no "
                "restart_command, and no other hook in its recovery section.",
                service=service,
            )
        if not self._is_running():
            raise ProblemError("service_unavailable", "Health checks are not running.", service=service)
        if not restarter.is_responsible:
            return False
        text = f"Is being restarted. {reason}"
        self._record(known, "info", text if one is None else one.about(text))
        restarter.restart(is_forced=is_forced)
        return True

    def stop_recovery(self, service: str, *, reason: str) -> bool:
        """Stop the recovery of a back end in this worker; return whether there was one.

        ProblemError: unknown_service.
        """
        known = self._known(service)
        active = [(instance, each) for instance, each in known.restarters() if each.is_active]
        for instance, restarter in active:
            text = f"Its recovery was stopped. {reason}"
            self._record(known, "warn", text if instance is None else instance.about(text))
            restarter.stop(reason)
        if active:
            self._publish()
        return bool(active)

    def _known(self, service: str) -> WatchedService:
        known = self._services.get(service)
        if known is None:
            raise ProblemError("unknown_service", f"No service is called {service}.", service=service)
        return known
