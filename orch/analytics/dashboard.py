"""The figures of the Overview page: sampled periodically, stored for a quarter of an hour."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio
from msgspec import Struct

from orch.analytics.route_history import RouteHistories, RouteHistory
from orch.analytics.samples import Samples
from orch.cluster.workers import WorkerInfo, WorkersStatistics
from orch.gateway.statistics import GatewayFlow
from orch.gateway.window import WINDOW
from orch.overload import OverloadStatistics
from orch.speech.statistics import SpeechStatistics
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import Event, EventLog

if TYPE_CHECKING:
    from orch.gateway.service import GatewayService
    from orch.settings.live import LiveSettings
    from orch.speech.service import SpeechService
    from orch.websocket.service import HubService

FIGURES: Final = (
    "requests_per_second",
    "errors_per_second",
    "gateway_p50_ms",
    "gateway_p95_ms",
    "gateway_p99_ms",
    "caption_requests_p95_ms",
    "connections",
    "sessions",
    "messages_out_per_second",
    "caption_p95_ms",
)


class ProcessStatistics(Struct, frozen=True, kw_only=True):
    """What the process uses. ``cpu_share``: of one core, since the last sample; null where unknown."""

    rss_bytes: int | None
    cpu_share: float | None
    open_files: int | None
    tasks: int


class GatewayFigures(Struct, frozen=True, kw_only=True):
    """Requests through the gateway: since the start, in the last minute, and per second."""

    requests: int
    errors: int
    retries: int
    requests_last_minute: int
    errors_last_minute: int
    in_flight: int
    requests_per_second: float
    error_rate: float
    clients: GatewayFlow
    captions: GatewayFlow


class ConnectionFigures(Struct, frozen=True, kw_only=True):
    """WebSocket connections and sessions of all workers."""

    active: int
    unanswered: int
    limit: int
    sessions: int
    evicted: int
    messages_out_per_second: float


class DashboardStatistics(Struct, frozen=True, kw_only=True):
    """The figures of the page. ``series`` has columns, oldest first, null for a gap.

    Connections, sessions and messages are those of all workers, everything else is this worker's; of workers
    that did not reply to the last heartbeat (``connections.unanswered`` of them) the previous figures count.
    ``gateway_p50_ms``, ``gateway_p95_ms`` and ``gateway_p99_ms`` cover only clients' requests: the duration
    of a caption's request mostly depends on the length of the speech.
    """

    uptime: float
    now: float
    interval: float
    series: dict[str, list[float | None]]
    gateway: GatewayFigures
    speech: SpeechStatistics
    connections: ConnectionFigures
    events: tuple[Event, ...]
    process: ProcessStatistics
    overload: OverloadStatistics


class Dashboard:
    """Samples the parts' statistics. The mutable state is the series and the counters of the last sample."""

    def __init__(
        self,
        *,
        settings: "LiveSettings",
        gateway: "GatewayService",
        speech: "SpeechService",
        hub: "HubService",
        workers: Callable[[], WorkersStatistics],
        events: EventLog,
        overload: Callable[[], OverloadStatistics],
        wall: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._speech = speech
        self._hub = hub
        self._workers = workers
        self._events = events
        self._overload = overload
        self._wall = wall
        self._began = wall()
        self._series = Samples(FIGURES)
        self._routes = RouteHistories()
        self._last: tuple[float, int, int, float] | None = None
        self._cpu_share: float | None = None
        self.boundary = Boundary("dashboard")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Sample every ``metrics_collection_interval`` until cancelled."""
        with self.boundary.item():
            self._sample()
        task_status.started()
        while True:
            await trio.sleep(self._interval())
            with self.boundary.item():
                self._sample()

    def _interval(self) -> float:
        return self._settings.current.orchestration.monitoring.metrics_collection_interval

    def _sample(self) -> None:
        gateway, workers = self._gateway.statistics(), self._worker_infos()
        now, cpu = trio.current_time(), time.process_time()
        requests = errors = None
        if self._last is not None:
            then, requests_then, errors_then, cpu_then = self._last
            passed = now - then
            if passed > 0:
                requests = (gateway.requests - requests_then) / passed
                errors = (gateway.errors - errors_then) / passed
                self._cpu_share = (cpu - cpu_then) / passed
        self._last = (now, gateway.requests, gateway.errors, cpu)
        self._series.add(
            self._wall(),
            {
                "requests_per_second": requests,
                "errors_per_second": errors,
                "gateway_p50_ms": gateway.clients.p50_ms,
                "gateway_p95_ms": gateway.clients.p95_ms,
                "gateway_p99_ms": gateway.clients.p99_ms,
                "caption_requests_p95_ms": gateway.captions.p95_ms,
                "connections": sum(brief.connections for brief in workers),
                "sessions": self._hub.sessions,
                "messages_out_per_second": sum(brief.messages_out_per_second for brief in workers),
                "caption_p95_ms": self._speech.statistics().caption_p95_ms,
            },
        )
        self._routes.add(self._wall(), now, gateway)

    def route_history(self, key: str) -> RouteHistory | None:
        """Return the course of a route (its prefix), or of a flow to a service (``captions NAME``)."""
        return self._routes.of(key, interval=self._interval(), window=WINDOW)

    def _worker_infos(self) -> tuple[WorkerInfo, ...]:
        return tuple(each.brief for each in self._workers().workers)

    def statistics(self) -> DashboardStatistics:
        """Return the figures of the Overview page."""
        gateway, workers = self._gateway.statistics(), self._worker_infos()
        return DashboardStatistics(
            uptime=self._wall() - self._began,
            now=self._wall(),
            interval=self._interval(),
            series=self._series.columns(),
            gateway=GatewayFigures(
                requests=gateway.requests,
                errors=gateway.errors,
                retries=gateway.retries,
                requests_last_minute=gateway.requests_last_minute,
                errors_last_minute=gateway.errors_last_minute,
                in_flight=gateway.in_flight,
                requests_per_second=gateway.requests_per_second,
                error_rate=gateway.error_rate,
                clients=gateway.clients,
                captions=gateway.captions,
            ),
            speech=self._speech.statistics(),
            connections=ConnectionFigures(
                active=sum(brief.connections for brief in workers),
                unanswered=sum(not each.answered for each in self._workers().workers),
                limit=sum(brief.limit for brief in workers),
                sessions=self._hub.sessions,
                evicted=sum(brief.evicted for brief in workers),
                messages_out_per_second=sum(brief.messages_out_per_second for brief in workers),
            ),
            events=self._events.latest(),
            process=self._process(),
            overload=self._overload(),
        )

    def _process(self) -> ProcessStatistics:
        return ProcessStatistics(
            rss_bytes=_resident_bytes(),
            cpu_share=self._cpu_share,
            open_files=_open_files(),
            tasks=trio.lowlevel.current_statistics().tasks_living,
        )


def _resident_bytes() -> int | None:
    """Return the resident set size, or None without /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _open_files() -> int | None:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough, and it is called often
    except OSError:
        return None
