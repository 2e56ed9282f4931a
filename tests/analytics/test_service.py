"""The service samples each second, whatever one of its sources does, and answers from what it has."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trio

from orch.analytics.insights.graph import graph_of
from orch.analytics.queries import SeriesQuestion
from orch.analytics.sampling import AnyReading
from orch.analytics.service import AnalyticsService
from orch.settings.analytics import Wording
from orch.stores.sqlite.store import SqliteStore
from orch.telemetry.names.metric import Reading
from orch.telemetry.names.websocket import CONNECTIONS, CONNECTIONS_LIMIT, MESSAGES_OUT
from tests.fakes.hub import inline
from tests.fakes.scenes import full, statistics
from tests.fakes.stores import running

START = 1_795_000_000.0


def wall() -> float:
    return START + trio.current_time()


class Bench:
    """A service whose sources are counted."""

    def __init__(self, store: SqliteStore) -> None:
        state = statistics(full(START))
        self.sent = 0
        self.is_failing = False
        self.service = AnalyticsService(
            sources=lambda: (self.broken, self.readings),
            gateway=lambda: state["gateway"],
            speech=lambda: state["metrics"].speech,
            store=store.documents,
            owner="0",
            worker="w",
            graph=lambda: graph_of((), ()),
            happened=tuple,
            wording=Wording,
            wall=wall,
            perf_counter=trio.current_time,
            offload=inline,
        )

    def readings(self) -> Iterator[AnyReading]:
        self.sent += 7
        yield Reading(CONNECTIONS, 42.0)
        yield Reading(CONNECTIONS_LIMIT, 100.0)
        yield Reading(MESSAGES_OUT, self.sent)

    def broken(self) -> Iterator[AnyReading]:
        if self.is_failing:
            raise RuntimeError("a source that fails")
        yield from ()


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "s.sqlite3", offload=inline)


def question(*keys: str) -> SeriesQuestion:
    return SeriesQuestion(keys=keys, seconds=60, points=60)


async def test_a_sample_is_taken_each_second_and_published_at_once(store: SqliteStore) -> None:
    bench, published = Bench(store), 0

    def count() -> None:
        nonlocal published
        published += 1

    bench.service.on_sample = count
    async with running(store), trio.open_nursery() as nursery:
        await nursery.start(bench.service.run)
        await trio.sleep(10.5)
        nursery.cancel_scope.cancel()
    assert published == 11
    live = bench.service.live()
    assert (live.now, live.values["connections"], live.values["messages_out"]) == (START + 10, 42.0, 7.0)
    connections, sent = (await bench.service.read(question("connections", "messages_out"))).series
    assert connections.values[-11:] == [42.0] * 11
    assert sent.values[-11:] == [None, *[7.0] * 10]
    assert connections.limit == 100.0


async def test_a_source_that_fails_takes_no_other_with_it(store: SqliteStore) -> None:
    bench = Bench(store)
    bench.is_failing = True
    bench.service.sample()
    assert bench.service.boundary.failures == 1
    assert bench.service.live().values["connections"] == 42.0


async def test_a_loop_that_was_blocked_leaves_a_gap_and_no_burst(store: SqliteStore) -> None:
    """After a standstill of a minute one sample follows, not sixty."""
    bench = Bench(store)
    async with running(store), trio.open_nursery() as nursery:
        await nursery.start(bench.service.run)
        await trio.sleep(2.5)
        clock = trio.lowlevel.current_clock()
        clock.jump(60)  # type: ignore[attr-defined]  # the virtual clock of the tests
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    assert bench.sent <= 7 * 7


async def test_an_answer_to_another_worker_is_the_same_as_here(store: SqliteStore) -> None:
    bench = Bench(store)
    bench.service.sample()
    asked = question("connections")
    here = msgspec.json.encode(await bench.service.read(asked))
    assert await bench.service.reply_with_series(msgspec.json.encode(asked)) == here
    assert bench.service.reply(b"null") == msgspec.json.encode(bench.service.figures())


async def test_other_tasks_have_their_turn_between_the_series_of_an_answer(store: SqliteStore) -> None:
    bench, turns = Bench(store), 0
    bench.service.sample()
    asked = question(*list(bench.service.series.figures)[:4])
    assert len(asked.keys) == 4

    async def count() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        await bench.service.read(asked)
        nursery.cancel_scope.cancel()
    assert turns >= 3  # one between each two
