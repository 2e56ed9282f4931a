"""Stores of several workers on one server, and the events of each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from orch.stores.operations import QueueLimits
from orch.stores.records import Appended
from orch.stores.redis.pipeline import QUEUE_LIMITS
from orch.stores.redis.store import RedisStore
from orch.stores.redis.times import REDIS_TIMES, RedisTimes
from tests.fakes.store_events import RecordedEvents


class Worker:
    """A store and the events it reported. ``gone``: sessions that ended or were lost."""

    def __init__(self, url: str, times: RedisTimes = REDIS_TIMES, limits: QueueLimits = QUEUE_LIMITS) -> None:
        self.store = RedisStore(url, times=times, limits=limits)
        self.cluster = self.store.cluster
        self.events = RecordedEvents(self._notify)
        self.changed = trio.Event()
        self.store.register(self.events)

    def _notify(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    @property
    def heard(self) -> list[Appended]:
        """The messages delivered so far."""
        return self.events.messages

    @property
    def told(self) -> list[tuple[str, bytes]]:
        """What other workers published."""
        return self.events.received_messages

    @property
    def gone(self) -> list[str]:
        """The sessions that ended or were lost."""
        return [*self.events.ended_sessions, *self.events.lost_sessions]

    @property
    def offsets(self) -> list[int]:
        """The offsets delivered."""
        return [message.offset for message in self.heard]

    async def until_heard(self, count: int) -> None:
        """Wait until so many messages were delivered."""
        while len(self.heard) < count:
            await self.changed.wait()

    async def until_gone(self) -> None:
        """Wait until a session has ended or was lost."""
        while not self.gone:
            await self.changed.wait()


@asynccontextmanager
async def workers(
    url: str, count: int = 2, *, times: RedisTimes = REDIS_TIMES, limits: QueueLimits = QUEUE_LIMITS
) -> AsyncIterator[list[Worker]]:
    """Run workers for the block."""
    async with trio.open_nursery() as nursery:
        found = [Worker(url, times, limits) for _ in range(count)]
        for worker in found:
            await nursery.start(worker.store.run)
        yield found
        nursery.cancel_scope.cancel()
