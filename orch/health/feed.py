"""The stream of health events, and those who follow it.

A subscriber that is behind never holds up a check: its queue is bounded, and past the limit its oldest events
are dropped and counted. It then reads the current states from :meth:`HealthService.statistics`.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio

from orch.health.health_events import HealthEvent, RecoveryStep

QUEUED: Final = 1_000
"""Events queued for a subscriber at most, unless it asks for another limit."""

STEPS_STORED: Final = 30
"""Steps of recoveries stored for each service; older ones are dropped."""


class Subscription:
    """The events since :meth:`HealthFeed.subscribe`. ``dropped``: how many were dropped from its queue."""

    def __init__(self, limit: int) -> None:
        self.dropped = 0
        self._queue: deque[HealthEvent] = deque(maxlen=limit)
        self._added = trio.Event()

    def add(self, event: HealthEvent) -> None:
        """Queue an event; the oldest one is dropped if the queue is full."""
        self.dropped += len(self._queue) == self._queue.maxlen
        self._queue.append(event)
        self._added.set()
        self._added = trio.Event()

    async def receive(self) -> HealthEvent:
        """Return the next event, oldest first; wait for one if there is none."""
        await trio.lowlevel.checkpoint()
        while not self._queue:
            await self._added.wait()
        return self._queue.popleft()

    def receive_nowait(self) -> HealthEvent | None:
        """Return the next event, or None if there is none yet."""
        return self._queue.popleft() if self._queue else None


class HealthFeed:
    """Publishes health events. The mutable state is the subscribers, and the latest steps of recoveries."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._steps: dict[str, deque[RecoveryStep]] = {}

    def publish(self, event: HealthEvent) -> None:
        """Queue an event for each subscriber."""
        if isinstance(event, RecoveryStep):
            self._steps.setdefault(event.service, deque(maxlen=STEPS_STORED)).append(event)
        for subscription in self._subscriptions:
            subscription.add(event)

    @contextmanager
    def subscribe(self, *, limit: int = QUEUED) -> Iterator[Subscription]:
        """Follow the events during the block."""
        subscription = Subscription(limit)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def steps(self, service: str) -> tuple[RecoveryStep, ...]:
        """Return the latest steps of the recoveries of a service, oldest first."""
        return tuple(self._steps.get(service, ()))

    def forget(self, service: str) -> None:
        """Drop the steps of a service that has left the settings."""
        self._steps.pop(service, None)
