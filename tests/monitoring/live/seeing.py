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

#: Fires because nothing can be sent to Alertmanager.
UNHEARD: Final = "PrometheusNotConnectedToAlertmanager"

_WAITS: Final = {rule.name: rule.pending > 0 for rule in alerts()}


class Sight(Struct):
    """What was seen of an alert: seconds from the fault until it fired, from its end until it resolved."""

    alert: str
    fault: str
    pending: bool = False
    fired: float | None = None
    notified: bool = False
    resolved: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of it was seen; an alert that does not wait is not pending."""
        was_pending = self.pending or not _WAITS[self.alert]
        was_notified = self.notified or self.alert == UNHEARD
        return was_pending and was_notified and self.fired is not None and self.resolved is not None


def see(
    world: World, fault: Fault, *, fire_limit: float = FIRE_LIMIT, resolve_limit: float = RESOLVE_LIMIT
) -> Sequence[Sight]:
    """Inject a fault, watch its alerts, heal it, and watch them resolve."""
    sights = {name: Sight(name, fault.name) for name in fault.alerts}
    began = time.monotonic()
    try:
        fault.inject(world)
        while time.monotonic() - began < fire_limit and not all(
            sight.fired is not None and (sight.notified or sight.alert == UNHEARD)
            for sight in sights.values()
        ):
            _look(world, sights, began)
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
    return list(sights.values())


def _look(world: World, sights: dict[str, Sight], began: float) -> None:
    states = world.watch.look()
    notified = world.watch.notified()
    for name, sight in sights.items():
        state = states.get(name)
        if state == "firing" and sight.fired is None:
            sight.fired = round(time.monotonic() - began, 1)
            sight.pending = world.watch.was_pending(name)
        sight.notified = sight.notified or name in notified
