"""Starts the tasks that watch the instances of a back end, and those of its recoveries."""

from collections.abc import Awaitable, Callable
from typing import Never

import httpx2
import trio

from orch.health.checker import Checker
from orch.health.watched import WatchedService


def start(
    service: WatchedService, checker: Checker, nursery: trio.Nursery, client: httpx2.AsyncClient
) -> None:
    """Start what does not run yet of a service: checks and restarters."""
    name = service.name
    for instance in service.instances.values():
        if not instance.is_watched:
            instance.is_watched = True
            instance.scope = trio.CancelScope()
            nursery.start_soon(checker.watch, instance, client, name=f"checks {instance.shown}")
        own = instance.restarter
        if own is not None and not instance.is_restarter_run:
            instance.is_restarter_run = True
            instance.restarter_scope = scope = trio.CancelScope()
            nursery.start_soon(_within, scope, own.run, name=f"recovery {name} {instance.label}")
    if not service.is_run:
        service.is_run = True
        service.scope = trio.CancelScope()
        nursery.start_soon(_within, service.scope, service.restarter.run, name=f"recovery {name}")


async def _within(scope: trio.CancelScope, run: Callable[[], Awaitable[Never]]) -> None:
    with scope:
        await run()
