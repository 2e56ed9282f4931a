"""Faults of back ends and of their checks, at a service that no other fault needs."""

import time
from functools import partial
from typing import Final

from tests.monitoring.live.faults import Fault
from tests.monitoring.live.world import World

PATH: Final = "/api/other"


def _usual(world: World) -> None:
    world.calm()
    for engine in (world.one, world.two):
        engine.status, engine.every, engine.delay, engine.health_delay = 200, 1, 0.0, 0.0
        engine.start()


def _ask(world: World) -> None:
    """Request as one of many clients: what fails for one alone may be its own fault."""
    world.translate(PATH, **{"X-Forwarded-For": f"192.0.2.{100 + time.monotonic_ns() % 50}"})


def _fails(world: World) -> None:
    world.one.status = 500
    world.pump(partial(_ask, world), 0.05, threads=3)


def _busy(world: World) -> None:
    """Let it work on requests and not respond to checks meanwhile."""
    for engine in (world.one, world.two):
        engine.delay, engine.health_delay = 0.4, 3.0
    world.pump(partial(_ask, world), 0.02, threads=6)


def _rare_checks(world: World) -> None:
    world.change(orchestration__monitoring__health_check_interval=600)


def _usual_checks(world: World) -> None:
    world.change(orchestration__monitoring__health_check_interval=1)


GATEWAY: Final = (
    Fault("one of two instances answers 500", ("GatewayEjectedMany", "BreakerOpen"), _fails, _usual),
    Fault("instances are too busy for checks", ("BusyNotDead",), _busy, _usual),
    Fault("back ends are no longer checked", ("HealthChecksStopped",), _rare_checks, _usual_checks),
)
