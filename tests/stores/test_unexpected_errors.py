"""An unexpected error of one item of a store's loops costs that item, not the loop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from orch.problems import ProblemError
from orch.stores.redis import connector as redis_connector
from orch.stores.redis import diagnosis as redis_words
from orch.stores.redis.commands import SessionCommands
from orch.stores.redis.store import RedisStore
from orch.stores.redis.times import RedisTimes
from orch.stores.sqlite.file import INSPECT_EVERY
from orch.stores.sqlite.store import SqliteStore
from tests.fakes.hub import inline
from tests.fakes.patience import PATIENCE
from tests.fakes.redis import RedisServer
from tests.fakes.redis_workers import workers
from tests.fakes.stores import append, record, running

ODD = [
    RecursionError("maximum recursion depth exceeded"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ValueError("odd"),
    ExceptionGroup("odd", [KeyError("odd")]),
]


class Once:
    """Raises an exception the first time it is called; then it does what is done otherwise."""

    def __init__(self, error: Exception, usual: Callable[..., Any]) -> None:
        self.error = error
        self.usual = usual
        self.calls = 0

    def __call__(self, *args: Any, **more: Any) -> Any:
        self.calls += 1
        if self.calls == 1:
            raise self.error
        return self.usual(*args, **more)


def failures(store: SqliteStore | RedisStore) -> int:
    return sum(boundary.failures for boundary in store.boundaries)


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
async def test_sqlite_inspects_again_and_continues_to_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whatever a look at the file, or a listener to its state, raises."""
    store = SqliteStore(tmp_path / "s.sqlite3", offload=inline)
    file = store.file._file
    look = Once(error, file.inspect)
    monkeypatch.setattr(file, "inspect", look)
    async with running(store):
        await store.create(record())
        await trio.sleep(3 * INSPECT_EVERY)
        assert look.calls >= 2
        assert failures(store) == 1
        assert await append(store) == 1


async def test_callers_of_a_commit_that_raises_get_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an error of its own; the next one is committed."""
    store = SqliteStore(tmp_path / "s.sqlite3", offload=inline)
    async with running(store):
        transact = Once(RecursionError("odd"), store.file._transact)
        monkeypatch.setattr(store.file, "_transact", transact)
        with trio.fail_after(PATIENCE), pytest.raises(RecursionError):
            await store.create(record())
        await store.create(record())
        assert (await append(store), failures(store)) == (1, 1)


@pytest.mark.real_time
@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
async def test_a_redis_server_with_an_invalid_first_reply_is_connected_to_again(
    lone_redis: RedisServer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """What it said is in the words of its trouble until then."""
    read_info = Once(error, redis_words.read_info)
    monkeypatch.setattr(redis_connector, "read_info", read_info)

    async with workers(lone_redis.url, count=1) as (worker,):
        assert read_info.calls >= 2
        assert failures(worker.store) == 1
        assert worker.store.status().state == "healthy"


@pytest.mark.real_time
async def test_redis_loops_continue_after_an_unexpected_error(
    redis_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look whether it takes writes, what subscribers hear, and the look at what nobody is in."""
    times = RedisTimes(probe_every=0.1, drop_unused_every=0.1)
    async with workers(redis_address, times=times) as (one, two):
        trial = Once(RecursionError("odd"), one.store._commands.write_probe)
        monkeypatch.setattr(one.store._commands, "write_probe", trial)
        unused = Once(ValueError("odd"), lambda _session_id: False)
        one.events.unused = unused
        await one.store.create(record())
        for worker in (one, two):
            await worker.cluster.follow("s")
        with trio.fail_after(PATIENCE):
            while trial.calls < 2 or unused.calls < 2:  # noqa: ASYNC110 - they tell nobody
                await trio.sleep(0.05)
        assert failures(one.store) + failures(two.store) >= 2
        assert await append(one.store) == 1
        await two.until_heard(1)
        assert one.store.statistics().reconnects == two.store.statistics().reconnects == 0


@pytest.mark.real_time
async def test_an_operation_that_cannot_be_encoded_is_refused_alone(
    redis_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages beside it in the batch are stored, and the connection stays."""
    usual = SessionCommands.append

    def told(self: SessionCommands, session_id: str, *args: Any, **more: Any) -> Any:
        if session_id == "odd":
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return usual(self, session_id, *args, **more)

    async with workers(redis_address, count=1) as (worker,):
        for name in ("s", "odd"):
            await worker.store.create(record(name))
        monkeypatch.setattr(SessionCommands, "append", told)
        refused: list[str] = []

        async def odd() -> None:
            with pytest.raises(ProblemError) as caught:
                await append(worker.store, "odd")
            refused.append(caught.value.code)

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(odd)
                nursery.start_soon(append, worker.store)
                nursery.start_soon(append, worker.store)
            assert await append(worker.store) == 3
        assert refused == ["store_unavailable"]
        assert worker.store.statistics().reconnects == 0
