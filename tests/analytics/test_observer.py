"""Anomalies are noticed while they begin, become insights with their cause, and outlive a restart."""

from collections.abc import Callable
from pathlib import Path

import httpx2
import numpy as np
import pytest
import trio

from orch.analytics.insights.graph import graph_of
from orch.analytics.insights.happenings import Happening, What
from orch.analytics.observer import FLUSH_EVERY, Observer
from orch.analytics.ring import Chunk
from orch.analytics.series import Figure, Series
from orch.settings.analytics import Wording
from orch.stores.records import Document
from orch.stores.sqlite.store import SqliteStore
from tests.fakes.hub import inline
from tests.fakes.stores import running

pytestmark = pytest.mark.limit(4_000)

START = 1_795_000_000.0 // 86_400 * 86_400
SLOW = Figure(
    name="service_p95_ms", title="p95 of", area="gateway", unit="ms", floor=5.0, subject="audio-service"
)
CAPTIONS = Figure(
    name="caption_p95_ms", title="End of speech to caption, p95", area="speech", unit="ms", floor=50.0
)
QUIET = Figure(name="sessions", title="Sessions", area="websocket", worse="both", floor=3.0)
FIGURES = (SLOW, CAPTIONS, QUIET)
USUAL = (100.0, 900.0, 40.0)


def wall() -> float:
    return START + trio.current_time()


class Bench:
    """Ten days of history, and an observer of what is measured from then on."""

    def __init__(
        self,
        store: SqliteStore,
        happened: tuple[Happening, ...] = (),
        *,
        wording: Callable[[], Wording] = Wording,
        client: Callable[[], httpx2.AsyncClient] = httpx2.AsyncClient,
    ) -> None:
        self.rng = np.random.default_rng(3)
        #: Seconds by which the clock is wrong.
        self.ahead = 0.0
        self.series = Series(most=4)
        for number in range(int(START // 86_400) - 10, int(START // 86_400)):
            noise = self.rng.normal(0, 0.03, (288, 3))
            values = (np.array(USUAL) * (1 + noise)).astype(np.float32)
            self.series.restore("5min", FIGURES, Chunk(number=number, values=values, highs=values), now=START)
        self.observer = Observer(
            lambda: self.series,
            store.documents,
            owner="0",
            worker="w",
            now=self.now,
            graph=lambda: graph_of([("/api/audio/", "audio-service")], ["audio-service"]),
            happened=lambda: happened,
            wording=wording,
            client=client,
            offload=inline,
        )

    def now(self) -> float:
        return wall() + self.ahead

    async def measure(self, seconds: float, *, factor: float = 1.0) -> None:
        """Measure each ten seconds; the first two figures are ``factor`` times what is usual."""
        until = trio.current_time() + seconds
        while trio.current_time() < until:
            factors = (factor, factor, 1.0)
            self.series.add(
                self.now(),
                [
                    (figure, usual * by * (1 + self.rng.normal(0, 0.03)))
                    for figure, usual, by in zip(FIGURES, USUAL, factors, strict=True)
                ],
            )
            await self.observer.feed()
            await trio.sleep(10)

    async def learn(self) -> None:
        await self.measure(20)
        while await self.observer.learn_one():
            pass


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "s.sqlite3", offload=inline)


async def test_what_is_slow_at_once_is_one_insight_with_its_cause(store: SqliteStore) -> None:
    down = Happening(
        at=START + 1_150, what=What.BACK_END, subject="audio-service", text="10.0.0.7 was ejected."
    )
    bench = Bench(store, (down,))
    await bench.learn()
    await bench.measure(1_200)
    bench.observer.conclude()
    assert bench.observer.insights().insights == ()
    before = bench.observer.revision
    await bench.measure(1_200, factor=4)
    bench.observer.conclude()
    assert bench.observer.revision > before
    listed = bench.observer.listed(seconds=3_600, key="")
    assert (listed.followed, listed.young) == (3, 0)
    assert {each.figure.name for each in listed.anomalies} == {"service_p95_ms", "caption_p95_ms"}
    assert "the usual" in listed.anomalies[0].reason
    assert bench.observer.listed(seconds=3_600, key=QUIET.key).anomalies == ()
    (insight,) = bench.observer.insights().insights
    assert insight.is_open
    assert insight.causes[0].subject == "audio-service"
    assert {SLOW.key, CAPTIONS.key} == set(insight.keys)
    assert bench.observer.concluded == 1


async def test_after_a_clock_that_was_hours_ahead_anomalies_are_noticed(store: SqliteStore) -> None:
    """Those of its times are forgotten, and one that was open has ended."""
    bench = Bench(store)
    await bench.learn()
    bench.ahead = 5 * 3_600.0
    await bench.measure(1_200)
    await bench.measure(1_200, factor=4)
    assert any(each.is_open for each in bench.observer.anomalies(START))
    bench.ahead = 0.0
    await bench.measure(300)
    assert [
        each for each in bench.observer.anomalies(START) if each.is_open or each.until > bench.now()
    ] == []
    await bench.measure(1_200, factor=4)
    found = [each for each in bench.observer.anomalies(START) if each.is_open]
    assert {each.key for each in found} == {SLOW.key, CAPTIONS.key}
    assert all(START < each.began <= bench.now() for each in found)


async def test_anomalies_outlive_a_restart(store: SqliteStore) -> None:
    async with running(store):
        first, second = Bench(store), Bench(store)
        async with trio.open_nursery() as nursery:
            await nursery.start(first.observer.run)
            await first.learn()
            await first.measure(1_200, factor=4)
            await trio.sleep(FLUSH_EVERY)
            nursery.cancel_scope.cancel()
        await store.documents.store_document(
            Document("anomalies-0", "10", 2, wall() + 999, b"nonsense"), now=wall()
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(second.observer.run)
            await trio.sleep(20)
            found = {each.key for each in second.observer.anomalies(START)}
            nursery.cancel_scope.cancel()
        assert found == {SLOW.key, CAPTIONS.key}
        assert second.observer.boundary.failures == 0


async def test_a_series_that_goes_while_others_are_fed_harms_none(store: SqliteStore) -> None:
    bench = Bench(store)
    await bench.learn()
    bench.series = Series(most=4)
    await bench.measure(700)
    assert bench.observer.boundary.failures == 0
    assert bench.observer.insights().insights == ()


async def test_what_happens_is_an_insight_within_a_second(store: SqliteStore) -> None:
    """Each event wakes the observer; a flood of them does not keep it busy."""
    happened: list[Happening] = []
    async with running(store):
        bench = Bench(store)
        bench.observer._happened = lambda: happened
        async with trio.open_nursery() as nursery:
            await nursery.start(bench.observer.run)
            await trio.sleep(3)
            happened.append(Happening(at=wall(), what=What.STORE, subject="store", text="The disk is full."))
            for _ in range(100):
                bench.observer.wake()
            await trio.sleep(1)
            assert [each.subject for each in bench.observer.insights().insights] == ["store"]
            nursery.cancel_scope.cancel()


async def test_a_client_for_words_is_made_once_a_server_is_configured(store: SqliteStore) -> None:
    """It reads certificates, and most services never need it."""
    wording, made = Wording(), list[httpx2.AsyncClient]()

    def client() -> httpx2.AsyncClient:
        made.append(httpx2.AsyncClient())
        return made[-1]

    async with running(store):
        bench = Bench(store, wording=lambda: wording, client=client)
        async with trio.open_nursery() as nursery:
            await nursery.start(bench.observer.run)
            await trio.sleep(100)
            assert made == []
            wording = Wording(url="http://model.test/v1", model="small")
            await trio.sleep(100)
            nursery.cancel_scope.cancel()
    assert [each.is_closed for each in made] == [True]
