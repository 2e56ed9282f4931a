"""Sends warm-up requests to instances that are cold, or that had nothing to do for long."""

from collections.abc import Callable
from typing import Final

import structlog
import trio

from orch.gateway.backends import Backend, Backends
from orch.gateway.connection import Request, UpstreamError
from orch.gateway.flows import Flow
from orch.gateway.http1 import UnsendableError
from orch.gateway.instance import Instance
from orch.gateway.request_body import RequestBody
from orch.settings import Service
from orch.settings.credentials import own_headers, with_query
from orch.settings.source import SettingsSource
from orch.telemetry.boundaries import Boundary

LOOK: Final = 0.5
"""Seconds between two looks at what is cold."""
_FIRST_ERROR: Final = 400

log = structlog.get_logger("warm-up")


class Warming:
    """One warm-up at a time for each instance; they use a connection of the captions' flow."""

    def __init__(
        self,
        backends: Backends,
        *,
        settings: SettingsSource,
        is_usable: Callable[[str, str], bool],
        boundary: Boundary,
    ) -> None:
        self._backends = backends
        self._settings = settings
        self._is_usable = is_usable
        self._boundary = boundary

    async def run(self) -> None:
        """Warm up whatever is cold, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                with self._boundary.item(step="warm-up"):
                    self._start(nursery)
                await trio.sleep(LOOK)

    def _start(self, nursery: trio.Nursery) -> None:
        now = trio.current_time()
        services = self._settings.current.services
        for backend in self._backends:
            service = services.get(backend.name)
            is_on = service is not None and bool(service.warm_up.path)
            for instance in backend.instances.values():
                instance.warmth.is_on = is_on
                if (
                    service is not None
                    and is_on
                    and instance.warmth.see(
                        now,
                        is_alive=self._is_usable(backend.name, instance.url),
                        has_requests=instance.attempts(now) > 0,
                        every=service.warm_up.every,
                    )
                ):
                    nursery.start_soon(self._warm_up, backend, instance, service)

    async def _warm_up(self, backend: Backend, instance: Instance, service: Service) -> None:
        problem = "it was not completed"
        try:
            with self._boundary.item(service=backend.name, instance=instance.shown):
                problem = await _send(instance, service)
                if problem:
                    log.warning(
                        "warm-up failed", service=backend.name, instance=instance.shown, reason=problem
                    )
        finally:
            now = trio.current_time()
            if instance.warmth.ended(now, problem, every=service.warm_up.every):
                for lane in instance.lanes.values():
                    lane.slow_start.begin(now)


async def _send(instance: Instance, service: Service) -> str:
    """Send the request and read its response; return what went wrong, or ""."""
    warm_up = service.warm_up
    headers = [*own_headers(service)]
    if warm_up.body:
        headers.append((b"content-type", warm_up.content_type.encode("latin-1", "replace")))
    request = Request(
        method="POST" if warm_up.body else "GET",
        target=with_query(service, warm_up.path),
        headers=tuple(headers),
        body=RequestBody(warm_up.body.encode()),
    )
    try:
        with trio.fail_after(warm_up.timeout):
            async with instance.lanes[Flow.CAPTIONS].upstream.exchange(request) as response:
                while await response.receive():
                    continue
    except trio.TooSlowError:
        return f"no response within {warm_up.timeout:g} s"
    except (UpstreamError, UnsendableError) as error:
        return str(error)
    return f"it responded with {response.status}" if response.status >= _FIRST_ERROR else ""
