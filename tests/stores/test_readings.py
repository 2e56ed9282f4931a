"""What Prometheus reads of a store: its operations, how long they took, and how many failed."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import pytest
import trio
import trio.testing

from orch.problems import ProblemError
from orch.stores.sqlite.store import SqliteStore
from orch.telemetry.names import stores as names
from tests.fakes.hub import inline
from tests.fakes.readings import values
from tests.fakes.stores import Engine, append, record, running

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

SESSIONS = ("sessions",)


async def test_each_operation_is_counted_once_with_its_time(tmp_path: Path) -> None:
    """Of a slow disk the time from the call to the commit, the wait for the one before included."""

    async def slow(work: Callable[[*Arguments], T], /, *args: *Arguments) -> T:
        await trio.sleep(0.5)
        return await inline(work, *args)

    store = SqliteStore(tmp_path / "s.sqlite3", offload=slow)
    async with running(store), trio.open_nursery() as nursery:
        before, _ = values(store.readings(), names.STORE_SECONDS)[SESSIONS]
        for number in range(3):
            nursery.start_soon(store.create, record(str(number)))
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(3)
        count, total = values(store.readings(), names.STORE_SECONDS)[SESSIONS]
        assert count == before + 3
        assert 0.5 + 2 * 0.5 <= total <= 0.5 + 2 * 1.5
        assert values(store.readings(), names.STORE_OPERATIONS) == {SESSIONS: count}
        assert values(store.readings(), names.STORE_WAITING) == {(): 0}
        assert values(store.readings(), names.STORE_WAITING_LIMIT) == {(): 10_000}


async def test_failed_operations_are_among_them(tmp_path: Path) -> None:
    """Both the one that fails by itself, and those that a closed store refuses."""
    store = SqliteStore(tmp_path / "s.sqlite3", offload=inline)

    def fail(database: sqlite3.Connection) -> None:
        database.execute("SELECT * FROM nothing")

    async with running(store):
        before = values(store.readings(), names.STORE_OPERATIONS)[SESSIONS]
        with pytest.raises(ProblemError):
            await store.file.execute(fail)
        assert values(store.readings(), names.STORE_OPERATIONS)[SESSIONS] == before + 1
        assert values(store.readings(), names.STORE_FAILURES) == {(): 1}
        assert values(store.readings(), names.STORE_HEALTHY) == {(): 1}


async def test_every_engine_counts_its_operations(engine: Engine) -> None:
    """Whichever is chosen, the same metrics have values that are its own."""
    store = engine.store()
    async with running(store):
        before, total_before = values(store.readings(), names.STORE_SECONDS)[SESSIONS]
        await store.create(record())
        for _ in range(3):
            await append(store)
        count, total = values(store.readings(), names.STORE_SECONDS)[SESSIONS]
        assert count >= before + 4
        assert total >= total_before
        assert values(store.readings(), names.STORE_OPERATIONS) == {SESSIONS: count}
