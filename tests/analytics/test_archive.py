"""Series outlive the process: they are stored every five minutes and at the end, and restored."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import trio

from orch.analytics.archive import AGAIN, EVERY, Archive
from orch.analytics.series import Figure, Series
from orch.stores.records import Document
from orch.stores.sqlite.store import SqliteStore
from tests.fakes.hub import inline
from tests.fakes.stores import running

pytestmark = pytest.mark.limit(3_000)

START = 1_795_000_000.0
FIGURE = Figure(name="a", title="A", area="test")


def wall() -> float:
    return START + trio.current_time()


def tens(seconds: int) -> list[float]:
    return [*map(float, range(0, seconds, 10))]


class Process:
    """A process that measures how many seconds have passed."""

    def __init__(self, store: SqliteStore, owner: str = "0") -> None:
        self.series = Series(most=5)
        self.archive = Archive(self.series, store.documents, owner=owner, now=wall, offload=inline)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[trio.CancelScope]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.archive.run)
            yield nursery.cancel_scope
            nursery.cancel_scope.cancel()

    async def measure(self, seconds: int) -> None:
        """Measure each ten seconds."""
        for _ in range(0, seconds, 10):
            self.series.add(wall(), [(FIGURE, float(round(wall() - START)))])
            await trio.sleep(10)

    def known(self, since: float = START) -> list[float]:
        values = self.series.read("a", since, wall()).values
        return [float(each) for each in values[np.isfinite(values)]]


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "s.sqlite3", offload=inline)


async def test_a_process_that_ends_leaves_all_that_it_has_measured(store: SqliteStore) -> None:
    async with running(store):
        first = Process(store)
        async with first.running():
            await first.measure(500)
        await trio.sleep(20)
        second = Process(store)
        async with second.running():
            await trio.sleep(1)
            assert second.archive.is_restored
            await second.measure(20)
            assert second.known() == [*tens(500), 521.0, 531.0]
            five_minutes = second.series.read("a", START - 86_400, wall())
            assert five_minutes.step == 300
            assert np.nanmax(five_minutes.values) == (521 + 531) / 2


async def test_a_process_that_is_killed_loses_a_few_minutes(store: SqliteStore) -> None:
    async with running(store):
        first = Process(store)
        async with trio.open_nursery() as nursery:
            await nursery.start(first.archive.run)
            await first.measure(round(EVERY) + 100)
            second = Process(store)
            async with second.running():
                await trio.sleep(1)
                # It is written at the same moment as one is measured.
                assert second.known() in (tens(round(EVERY)), tens(round(EVERY) + 10))
            nursery.cancel_scope.cancel()


async def test_workers_do_not_mix(store: SqliteStore) -> None:
    async with running(store):
        first, second = Process(store, "host-0"), Process(store, "host-1")
        async with first.running():
            await first.measure(20)
        async with second.running():
            await trio.sleep(1)
            assert second.archive.is_restored
            assert len(second.series) == 0


async def test_a_process_that_ends_after_its_successor_began_is_merged(store: SqliteStore) -> None:
    """A rolling restart: both write the same chunk, and neither's values are lost."""
    async with running(store):
        old, new, third = Process(store), Process(store), Process(store)
        async with new.running():
            async with old.running():
                await old.measure(30)
            await new.measure(30)
        async with third.running():
            await trio.sleep(1)
            assert third.known() == tens(60)


async def test_a_store_that_is_away_is_tried_again(store: SqliteStore) -> None:
    """Sampling goes on, and what was measured meanwhile is stored when it is back."""
    process = Process(store)
    async with process.running():
        await process.measure(30)
        was_restored = process.archive.is_restored
        async with running(store):
            await process.measure(round(EVERY + 2 * AGAIN))
        assert (was_restored, process.archive.is_restored) == (False, True)
        assert process.archive.boundary.failures == 0
        assert len(process.known()) == (30 + round(EVERY + 2 * AGAIN)) / 10


async def test_a_document_that_cannot_be_read_is_left_out(store: SqliteStore) -> None:
    async with running(store):
        first = Process(store)
        async with first.running():
            await first.measure(30)
        (document,) = await store.documents.documents("series-5min-0", now=wall())
        for name, body in (("0000000001", b"nonsense"), ("0000000002", document.body)):
            await store.documents.store_document(
                Document("series-5min-0", name, 1, wall() + 9_999, body), now=wall()
            )
        second = Process(store)
        async with second.running():
            await trio.sleep(1)
            assert second.known() == tens(30)
            assert second.archive.boundary.failures == 0
