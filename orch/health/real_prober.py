"""Sends real requests to instances, each in a task of its own."""

from collections.abc import Callable
from typing import Final, Never

import httpx2
import structlog
import trio

from orch.health.check_response import in_words
from orch.health.probes import LARGEST_ANSWER, addressed, failure
from orch.health.real_requests import MakeRealRequest, RealRequest, pause
from orch.health.verdict import State
from orch.health.watched import WatchedInstance, WorkOf
from orch.masking import mask_url
from orch.settings import Service
from orch.settings.addresses import read_address
from orch.settings.source import SettingsSource
from orch.shortages import own_shortage
from orch.telemetry.boundaries import Boundary

log = structlog.get_logger("health")

LOOK: Final = 1.0
"""Seconds between two looks at the settings, and at the other work of an instance that is due."""

_REACHABLE: Final = frozenset({State.HEALTHY, State.DEGRADED, State.BUSY})


class RealProber:
    """Sends real requests. What they show is :attr:`WatchedInstance.real_fault`, which checks take up."""

    def __init__(
        self,
        *,
        settings: SettingsSource,
        make: Callable[[], MakeRealRequest],
        work_of: WorkOf,
        jitter: Callable[[], float],
        boundary: Boundary,
    ) -> None:
        self._settings = settings
        self._make = make
        self._work_of = work_of
        self._jitter = jitter
        self._boundary = boundary

    async def watch(self, instance: WatchedInstance, client: httpx2.AsyncClient) -> Never:
        """Send real requests to an instance at the interval of the settings, until cancelled."""
        planned, due = 0.0, 0.0
        while True:
            service = self._settings.current.services.get(instance.service.name)
            interval, now = 0.0 if service is None else service.probe.real_interval, trio.current_time()
            if interval != planned:
                planned, due = interval, now + pause(interval, is_first=True, jitter=self._jitter())
            if service is None or not interval:
                instance.real_fault = ""
                await trio.sleep(LOOK)
                continue
            if now < due or not self._is_free(instance):
                await trio.sleep(LOOK if now >= due else min(due - now, LOOK))
                continue
            due = now + pause(interval, is_first=False, jitter=self._jitter())
            with self._boundary.item(service=instance.service.name, instance=instance.shown):
                await self._send(instance, client, service)

    def _is_free(self, instance: WatchedInstance) -> bool:
        """Return whether it can be asked: it is up, has nothing to do, and is not in maintenance."""
        service = instance.service
        is_up = instance.verdict.state in _REACHABLE and service.maintenance is None
        return is_up and not self._work_of(service.name, instance.url).in_flight

    async def _send(self, instance: WatchedInstance, client: httpx2.AsyncClient, service: Service) -> None:
        request = self._make()(instance.service.name, service)
        if request is None:
            await trio.lowlevel.checkpoint()
            return
        generation, fault = instance.generation, f"no response in {in_words(service.probe.real_timeout)}"
        instance.asked_at = trio.current_time()
        try:
            with trio.move_on_after(service.probe.real_timeout):
                fault = await _exchange(client, service, instance.url, request)
        finally:
            instance.asked_at = None
        if generation != instance.generation or fault == instance.real_fault:
            return  # it was restarted meanwhile, or nothing has changed
        instance.real_fault = fault
        log.info("real request", service=instance.service.name, instance=instance.shown, fault=fault)
        instance.nudge()


async def _exchange(client: httpx2.AsyncClient, service: Service, url: str, request: RealRequest) -> str:
    """Send a request; return why it failed, in words, or "". A shortage of this process is no failure."""
    try:
        address = read_address(url)
        headers = request.headers
        if address.authorization is not None and not any(name == b"authorization" for name, _ in headers):
            headers = ((b"authorization", address.authorization), *headers)
        place, options = addressed(service, address, request.path, headers)
        body = bytearray()
        async with client.stream(request.method, place, content=request.body, **options) as response:
            async for part in response.aiter_bytes():
                body += part[: LARGEST_ANSWER - len(body)]
        received = tuple((name.lower(), value) for name, value in response.headers.raw)
        return request.read(response.status_code, received, bytes(body))
    except Exception as error:
        seen = failure(error)
        if own_shortage(error) is not None or seen.shortage is not None:
            return ""
        if not isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | OSError):
            log.exception("real request failed", instance=mask_url(url))
        return "; ".join(seen.reasons)
