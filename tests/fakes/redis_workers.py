"""Stores of several workers on one server, and what each was told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from orch.stores.records import Appended
from orch.stores.redis.store import RedisStore


class Worker:
    """A store and what it told."""

    def __init__(self, url: str) -> None:
        self.store = RedisStore(url)
        self.heard: list[Appended] = []
        self.told: list[tuple[str, bytes]] = []
        self.gone: list[str] = []
        self.changed = trio.Event()
        self.store.on_appended = self._heard
        self.store.on_told = self._told
        self.store.on_gone = self._gone

    def _heard(self, message: Appended) -> None:
        self.heard.append(message)
        self._tell()

    def _told(self, session_id: str, payload: bytes) -> None:
        self.told.append((session_id, payload))
        self._tell()

    def _gone(self, session_id: str) -> None:
        self.gone.append(session_id)
        self._tell()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    @property
    def offsets(self) -> list[int]:
        """The offsets heard."""
        return [message.offset for message in self.heard]

    async def until_heard(self, count: int) -> None:
        """Wait until so many messages were heard."""
        while len(self.heard) < count:
            await self.changed.wait()

    async def until_gone(self) -> None:
        """Wait until a session has ended."""
        while not self.gone:
            await self.changed.wait()


@asynccontextmanager
async def workers(url: str, count: int = 2) -> AsyncIterator[list[Worker]]:
    """Run workers for the block."""
    async with trio.open_nursery() as nursery:
        found = [Worker(url) for _ in range(count)]
        for worker in found:
            await nursery.start(worker.store.run)
        yield found
        nursery.cancel_scope.cancel()
