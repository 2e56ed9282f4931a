"""Publishes which instances leave the rotation and return to it: as events, and log lines."""

from collections.abc import Callable
from typing import Final

import structlog

from orch.gateway.backends import Backend, IsUsable
from orch.gateway.breaker import State
from orch.gateway.rotation import Change, Rotation, Seen, Step
from orch.telemetry.events import EventLog

log = structlog.get_logger(__name__)

NAMED: Final = 3
"""Other instances that are named."""


class RotationEvents:
    """Looks at each service from time to time. ``label(service, url)``: what an instance is called."""

    def __init__(self, *, events: EventLog, is_usable: IsUsable, label: Callable[[str, str], str]) -> None:
        self._events = events
        self._is_usable = is_usable
        self._label = label
        self._rotations: dict[str, Rotation] = {}

    def see(self, backend: Backend, now: float) -> None:
        """Publish what has changed since the last time."""
        seen = {url: self._seen(backend, url, now) for url in backend.instances}
        for change in self._rotations.setdefault(backend.name, Rotation()).see(seen):
            self._publish(backend.name, change)

    def forget_all_but(self, services: set[str]) -> None:
        """Forget services that are no longer in the settings."""
        self._rotations = {name: each for name, each in self._rotations.items() if name in services}

    def _seen(self, backend: Backend, url: str, now: float) -> Seen:
        instance = backend.instances[url]
        lanes = instance.lanes.values()
        is_usable = self._is_usable(backend.name, url)
        return Seen(
            is_usable=is_usable,
            is_slow=any(lane.slow_start.left(now, backend.slow_start) is not None for lane in lanes),
            is_in=is_usable
            and not instance.is_drained
            and any(not lane.is_ejected(now) and lane.breaker.state is not State.OPEN for lane in lanes),
        )

    def _publish(self, service: str, change: Change) -> None:
        subject = self._label(service, change.url)
        log.info("rotation", service=service, instance=subject, step=change.step.name.lower())
        if change.step is Step.LEFT:
            self._events.record(
                "warn", service, f"{subject} is out of rotation. {self._instead(service, change)}"
            )
        elif change.step is Step.RETURNED:
            self._events.record(
                "info", service, f"{subject} is back in rotation and gets slowly more requests."
            )
        else:
            self._events.record("ok", service, f"{subject} gets its whole share of requests again.")

    def _instead(self, service: str, change: Change) -> str:
        if not change.others:
            return "No other instance gets requests."
        names = [self._label(service, url) for url in change.others[:NAMED]]
        if len(change.others) > NAMED:
            names.append(f"{len(change.others) - NAMED} more")
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        return f"Its requests go to {listed}."
