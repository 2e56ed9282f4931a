"""A health service with all it needs, and back ends at the network's edge."""

import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import trio

from orch.cluster.lease import Leases
from orch.health.recovery import RecoveryPolicy
from orch.health.restarter import RunChild
from orch.health.service import HealthService
from orch.health.statistics import InstanceStatistics, ServiceStatistics
from orch.processes import Children, ProcessSpec, run_child
from orch.settings import Settings
from orch.telemetry.events import Event, EventLog
from orch.telemetry.metrics import Metrics
from orch.telemetry.pulse import Pulse
from orch.telemetry.shortages import ShortageLog
from orch.telemetry.topics import Topics
from tests.fakes.settings import FakeSettings

BACKEND = Path(__file__).with_name("backend.py")

QUICK_POLICY = RecoveryPolicy(first=0.05, factor=2, longest=0.4, attempts=3, window=60)
"""The default policy's course, twenty times as fast: real seconds are dear."""


def backend(port: int, *options: str) -> ProcessSpec:
    """Return the fake back end as a program to keep running."""
    return ProcessSpec(argv=(sys.executable, str(BACKEND), "--port", str(port), *options))


Answer = Callable[[httpx2.Request], Awaitable[httpx2.Response]]


async def healthy(_request: httpx2.Request) -> httpx2.Response:
    """Answer at once that all is well."""
    return httpx2.Response(200, json={"status": "healthy", "engine": "fake"})


async def refused(request: httpx2.Request) -> httpx2.Response:
    """Fail as a port does at which nothing listens."""
    raise httpx2.ConnectError("all attempts failed", request=request) from ConnectionRefusedError(
        111, "refused"
    )


def short_of(number: int) -> Answer:
    """Fail as a connection does for which this process itself has no room."""

    async def answer(request: httpx2.Request) -> httpx2.Response:
        await trio.lowlevel.checkpoint()
        raise httpx2.ConnectError("all attempts failed", request=request) from OSError(
            number, os.strerror(number)
        )

    return answer


async def silent(_request: httpx2.Request) -> httpx2.Response:
    """Never answer."""
    await trio.sleep_forever()
    raise AssertionError


def answers(status: int, document: Any, *, after: float = 0.0) -> Answer:
    """Answer with ``document`` once ``after`` seconds have passed."""

    async def answer(_request: httpx2.Request) -> httpx2.Response:
        await trio.sleep(after)
        return httpx2.Response(status, json=document)

    return answer


class Network:
    """The network's edge: what answers at which host, and when each was asked (virtual seconds)."""

    def __init__(self, **hosts: Answer) -> None:
        self.hosts = hosts
        self.asked: list[tuple[float, str]] = []
        self.requests: list[httpx2.Request] = []

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append((trio.current_time(), request.url.host))
        self.requests.append(request)
        return await self.hosts[request.url.host](request)

    def times(self, host: str) -> list[float]:
        """Return when ``host`` was asked."""
        return [at for at, asked in self.asked if asked == host]


def children(settings: Settings, processes: Mapping[str, ProcessSpec | Sequence[ProcessSpec]]) -> Children:
    """Return the children of services: a program is the first instance, of several each is the next one."""
    return {
        name: {
            instance.url: spec
            for instance, spec in zip(
                settings.services[name].all_instances(),
                (given,) if isinstance(given, ProcessSpec) else given,
                strict=False,
            )
        }
        for name, given in processes.items()
    }


class Bench:
    """A health service and what it tells."""

    def __init__(
        self,
        *,
        network: Network | None = None,
        processes: Mapping[str, ProcessSpec | Sequence[ProcessSpec]] | None = None,
        policy: RecoveryPolicy | None = None,
        wall: Callable[[], float] | None = None,
        run_child: RunChild = run_child,
        pulse_clock: Callable[[], float] = trio.current_time,
        leases: Leases | None = None,
        **document: Any,
    ) -> None:
        clock = wall or (time.time if network is None else trio.current_time)
        self.settings = FakeSettings(**document)
        self.events = EventLog(wall=clock)
        self.topics = Topics()
        self.metrics = Metrics()
        self.touched: list[str] = []
        self.topics.on_touch = self.touched.append
        self.shortages = ShortageLog(events=self.events, clock=trio.current_time, wall=clock)
        self.pulse = Pulse(events=self.events, wall=clock, clock=pulse_clock)
        self.health = HealthService(
            settings=self.settings,
            events=self.events,
            topics=self.topics,
            metrics=self.metrics,
            wall=clock,
            processes=children(self.settings.current, processes or {}),
            transport=httpx2.MockTransport(network) if network is not None else None,
            policy=policy,
            shortages=self.shortages,
            pulse=self.pulse,
            jitter=lambda: 0.5,
            run_child=run_child,
            leases=leases,
        )
        self._recorded = trio.Event()
        self.events.on_record = self._on_record

    def _on_record(self, _event: Event) -> None:
        self._recorded.set()
        self._recorded = trio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the health branch for the length of the block."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.health.run)
            yield
            nursery.cancel_scope.cancel()

    async def told(self, text: str) -> None:
        """Wait for an event whose text holds ``text``."""
        while not any(text in said for said in self.texts()):
            await self._recorded.wait()

    async def until(self, is_met: Callable[[], bool]) -> None:
        """Wait until a condition is met; it is looked at after each event."""
        while not is_met():
            await self._recorded.wait()

    def texts(self) -> list[str]:
        """Return the events' texts, oldest first."""
        return [event.text for event in reversed(self.events.latest(200))]

    def service(self, name: str = "audio-service") -> ServiceStatistics:
        """Return a service's statistics."""
        return next(service for service in self.health.statistics().services if service.name == name)

    def instance(self, index: int = 0, name: str = "audio-service") -> InstanceStatistics:
        """Return an instance's statistics."""
        return self.service(name).instances[index]
