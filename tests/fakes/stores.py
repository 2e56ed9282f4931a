"""What the tests of the stores share: sessions to keep, and the two engines that keep them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import trio
from msgspec.structs import replace

from orch.protocol.session_keys import Keys
from orch.stores.history import Limits
from orch.stores.protocols import SessionStore
from orch.stores.records import ParticipantRecord, SessionRecord
from orch.stores.redis import pipeline as redis_pipeline
from orch.stores.redis.store import RedisStore
from orch.stores.sqlite import file as sqlite_file
from orch.stores.sqlite.store import SqliteStore
from tests.fakes.hub import inline
from tests.fakes.running import run

LIMITS = Limits(messages=1000, seconds=1e9)
PARTICIPANT = ParticipantRecord("p", "Ann", "owner", ("en", "es"), b"hash\xff", 11.0)


def record(session_id: str = "s", **changes: Any) -> SessionRecord:
    """Return a new session."""
    fields: dict[str, Any] = {
        "session_id": session_id,
        "epoch": "e",
        "offset": 0,
        "kept_first": 1,
        "config": b'{"a":1}',
        "created": 10.0,
        "last_active": 10.0,
        "keys": Keys("speak", "read"),
    }
    return SessionRecord(**(fields | changes))


class RunStore(SessionStore, Protocol):
    """A store that is run."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run."""

    def statistics(self) -> Any:
        """Return figures."""


@asynccontextmanager
async def running(store: RunStore) -> AsyncIterator[trio.CancelScope]:
    """Run a store for the block."""
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        yield nursery.cancel_scope
        nursery.cancel_scope.cancel()


async def append(store: SessionStore, session_id: str = "s", body: bytes = b'{"a":1}', **options: Any) -> int:
    """Say something in a session and return its offset."""
    at, limits = options.pop("at", 20.0), options.pop("limits", LIMITS)
    ticket = await store.begin_append(session_id, body, at=at, limits=limits, **options)
    return await ticket.wait()


class SqliteEngine:
    """A file in a folder; the thread's work is done in place, on a virtual clock."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def store(self, **limits: float) -> SqliteStore:
        """Return a store on this engine's data, with other limits of its queue."""
        path = self._folder / "deep" / "er" / "s.sqlite3"
        return SqliteStore(path, offload=inline, limits=replace(sqlite_file.QUEUE_LIMITS, **limits))

    def run(self, test: Callable[[], Awaitable[None]]) -> None:
        """Run a test."""
        run(test)


class RedisEngine:
    """A real server, and real time."""

    name = "redis"

    def __init__(self, url: str) -> None:
        self._url = url

    def store(self, **limits: float) -> RedisStore:
        """Return a store on this engine's data, as another worker has, with other limits of its queue."""
        return RedisStore(self._url, limits=replace(redis_pipeline.QUEUE_LIMITS, **limits))

    def run(self, test: Callable[[], Awaitable[None]]) -> None:
        """Run a test."""
        run(test, virtual=False, limit=60)


Engine = SqliteEngine | RedisEngine
