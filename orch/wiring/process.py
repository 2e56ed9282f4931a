"""The metrics of the process itself: what it uses, its event loop, its disk and its log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from msgspec import Struct

from orch.cluster.workers import Worker
from orch.overload_watch import OverloadWatch
from orch.settings.source import SettingsSource
from orch.shortages import Shortage
from orch.telemetry.disk_space import DiskSpace
from orch.telemetry.logs import log_readings
from orch.telemetry.loop_lag import LoopLag
from orch.telemetry.metrics import Metrics
from orch.telemetry.process_readings import ProcessReadings, WorkerIdentity


class ProcessMetrics(Struct, frozen=True):
    """What measures the process: the lag of its event loop, and the space on its disk."""

    lag: LoopLag
    disk: DiskSpace

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        """Measure the event loop during the block."""
        trio.lowlevel.add_instrument(self.lag)
        try:
            yield
        finally:
            trio.lowlevel.remove_instrument(self.lag)


def build(
    settings: SettingsSource, metrics: Metrics, overload: OverloadWatch, worker: Worker, restarts: int
) -> ProcessMetrics:
    """Build them, read at every scrape. ``restarts``: how often this worker's process was replaced."""
    identity = WorkerIdentity(worker.name, worker.place or 0, restarts)
    process = ProcessReadings(identity, files=lambda: overload.use(Shortage.DESCRIPTORS))
    store = Path(settings.current.session_management.sqlite_path)
    built = ProcessMetrics(LoopLag(), DiskSpace(store.absolute().parent))
    for readings in (process.readings, built.lag.readings, built.disk.readings, log_readings):
        metrics.read_from(readings)
    return built
