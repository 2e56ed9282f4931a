"""Injects faults and watches which alerts become pending, fire, reach Alertmanager, and resolve."""

import time
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from tests.monitoring.live.faults import Fault
from tests.monitoring.live.world import World
from tests.monitoring.rule_files import alerts

FIRE_LIMIT: Final = 75.0
RESOLVE_LIMIT: Final = 90.0
CALM_LIMIT: Final = 60.0
"""Seconds that an alert of an earlier fault has to end before the next fault that it is for."""

EVER: Final = 7_200.0
"""Seconds, more than a run takes."""

#: Fires because nothing can be sent to Alertmanager.
UNHEARD: Final = "PrometheusNotConnectedToAlertmanager"

_WAITS: Final = {rule.name: rule.pending > 0 for rule in alerts()}


class Sight(Struct):
    """What was seen of an alert, in seconds.

    ``pended``, ``fired``: from the fault until it was pending (None: it does not wait) and fired;
    ``resolved``: from the fault's end.
    """

    alert: str
    fault: str
    pended: float | None = None
    fired: float | None = None
    notified: bool = False
    resolved: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of it was seen; an alert that does not wait is not pending."""
        was_pending = self.pended is not None or not _WAITS[self.alert]
        was_notified = self.notified or self.alert == UNHEARD
        return was_pending and was_notified and self.fired is not None and self.resolved is not None


def see(
    world: World, fault: Fault, *, fire_limit: float = FIRE_LIMIT, resolve_limit: float = RESOLVE_LIMIT
) -> Sequence[Sight]:
    """Inject a fault, watch its alerts, heal it, and watch them resolve.

    AssertionError: one of its alerts fires before there is a fault.
    """
    if not fault.is_there:
        _calm(world, fault)
    fire_limit = max(fire_limit, fault.fires_within) * world.watch.every
    resolve_limit *= world.watch.every
    sights = {name: Sight(name, fault.name) for name in fault.alerts}
    began, wall = time.monotonic(), time.time()
    try:
        fault.inject(world)
        while time.monotonic() - began < fire_limit and not all(
            sight.fired is not None and (sight.notified or sight.alert == UNHEARD)
            for sight in sights.values()
        ):
            _look(world, sights, began, wall, is_there=fault.is_there)
            time.sleep(0.25)
    finally:
        fault.heal(world)
    healed = time.monotonic()
    while time.monotonic() - healed < resolve_limit and any(
        sight.fired is not None and sight.resolved is None for sight in sights.values()
    ):
        states = world.watch.look()
        for name, sight in sights.items():
            if sight.fired is not None and sight.resolved is None and name not in states:
                sight.resolved = round(time.monotonic() - healed, 1)
        time.sleep(0.25)
    world.calm()
    return list(sights.values())


def _calm(world: World, fault: Fault) -> None:
    """Wait until no alert of the fault is pending or fires: what fires already was raised by another one."""
    began = time.monotonic()
    while early := world.watch.look().keys() & set(fault.alerts):
        assert time.monotonic() - began < CALM_LIMIT * world.watch.every, (
            f"without the fault: {sorted(early)}"
        )
        time.sleep(0.25)


def _look(world: World, sights: dict[str, Sight], began: float, wall: float, *, is_there: bool) -> None:
    """Note what is new. ``is_there``: the alerts may have been pending before this fault was looked at."""
    states = world.watch.look()
    notified = world.watch.notified()
    for name, sight in sights.items():
        state = states.get(name)
        if state == "firing" and sight.fired is None:
            sight.fired = round(time.monotonic() - began, 1)
            if world.watch.was_pending(name, within=EVER if is_there else sight.fired + 2):
                sight.pended = max(0.0, round(world.watch.active_since(name) - wall, 1))
        sight.notified = sight.notified or name in notified
