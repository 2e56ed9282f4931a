"""Builds the traces of a process: off, or with a collector."""

import os
from collections.abc import Callable, Mapping

import structlog

from orch.cluster.workers import Worker
from orch.masking import mask_url
from orch.settings import SettingsError
from orch.settings.extras import EXPORTER, HOW_TO_INSTALL, find_extras_faults, has_package
from orch.settings.source import SettingsSource
from orch.telemetry.events import EventLog
from orch.telemetry.process_readings import installed_version
from orch.telemetry.traces.address import SERVICE_NAME, Destination, destination, is_usable
from orch.telemetry.traces.collector import OtlpCollector
from orch.telemetry.traces.service import Traces

_log = structlog.get_logger("traces")


def build(
    settings: SettingsSource,
    worker: Worker,
    events: EventLog,
    wall: Callable[[], float],
    environ: Mapping[str, str] = os.environ,
) -> Traces:
    """Build them. Raises SettingsError if the settings name a collector, and the package is missing.

    If only the environment does, which may be meant for other programs, traces are off and the log says so.
    """
    given = settings.current.orchestration.traces
    if faults := find_extras_faults(settings.current):
        raise SettingsError(faults)
    found = destination(given.endpoint, environ)
    if found is not None and (why := _obstacle(found)):
        _log.warning("traces are off", variable=found.variable, reason=why)
        events.record("warn", "traces", f"Traces are off: {found.variable} is set, but {why}.")
        found = None
    collector = None
    if found is not None:
        _log.info("traces are exported", endpoint=mask_url(found.url))
        collector = OtlpCollector(
            found.url,
            headers=given.headers,
            timeout=given.timeout,
            resource={
                "service.name": environ.get(SERVICE_NAME, "").strip() or "orchestration",
                "service.version": installed_version(),
                "service.instance.id": worker.name,
                "host.name": worker.host or "",
            },
        )
    return Traces(
        collector,
        events=events,
        wall=wall,
        endpoint="" if found is None else found.url,
        queue=given.queue,
        ratio=lambda: settings.current.orchestration.traces.sample_ratio,
        callers_per_second=lambda: settings.current.orchestration.traces.callers_per_second,
    )


def _obstacle(found: Destination) -> str:
    """Return why a collector cannot be used, which the environment names; "" if it can."""
    if not found.variable:
        return ""
    if not is_usable(found.url):
        return "it is no http or https address"
    return "" if has_package(EXPORTER) else f"the package is missing: {HOW_TO_INSTALL}"
