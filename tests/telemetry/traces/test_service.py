from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from orch.telemetry.events import EventLog
from orch.telemetry.traces.collector import Sent
from orch.telemetry.traces.service import (
    BATCH,
    FLUSH_WITHIN,
    INTERVAL,
    LONGEST_PAUSE,
    PREPARED_WITHIN,
    Traces,
)
from orch.telemetry.traces.span import Span


class FakeCollector:
    """Notes batches. ``sent``: how it responds to each, None: all are accepted; ``takes``: seconds for it.

    ``loads``: seconds to load what it needs; ``missing``: why that cannot be loaded.
    """

    def __init__(self) -> None:
        self.loads = 0.0
        self.missing: Exception | None = None
        self.loaded_at: float | None = None
        self.batches: list[list[Span]] = []
        self.at: list[float] = []
        self.sent: Sent | Exception | None = None
        self.takes = 0.0
        self.is_closed = False

    async def prepare(self) -> None:
        await trio.sleep(self.loads)
        if self.missing is not None:
            raise self.missing
        self.loaded_at = trio.current_time()

    async def send(self, spans: Sequence[Span]) -> Sent:
        self.batches.append(list(spans))
        self.at.append(trio.current_time())
        await trio.sleep(self.takes)
        if isinstance(self.sent, Exception):
            raise self.sent
        return self.sent or Sent(accepted=len(spans))

    def close(self) -> None:
        self.is_closed = True

    @property
    def names(self) -> list[str]:
        return [span.name for batch in self.batches for span in batch]


AWAY = Sent(reason="no connection could be made, or it broke off")


def built(collector: FakeCollector | None, *, queue: int = 1_000) -> tuple[Traces, EventLog]:
    events = EventLog(wall=lambda: 0.0)
    return Traces(collector, events=events, wall=trio.current_time, queue=queue), events


@asynccontextmanager
async def running(traces: Traces) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(traces.run)
        yield
        nursery.cancel_scope.cancel()


def work(traces: Traces, count: int = 1, name: str = "work") -> None:
    for _ in range(count):
        span = traces.tracer.start(name)
        assert span is not None
        span.end()


async def test_off_runs_and_does_nothing() -> None:
    """The branch may exist; no span begins."""
    traces, _ = built(None)
    async with running(traces):
        assert not traces.tracer.is_on
        assert traces.tracer.start("work") is None
        assert traces.statistics().state == "off"


async def test_a_span_is_sent_within_the_interval() -> None:
    """An operator does not wait for a whole batch."""
    collector = FakeCollector()
    traces, _ = built(collector)
    async with running(traces):
        work(traces)
        await trio.sleep(INTERVAL)
        await trio.testing.wait_all_tasks_blocked()
        assert collector.names == ["work"]
        now = traces.statistics()
        assert (now.state, now.exported, now.queued) == ("reachable", 1, 0)


async def test_a_whole_batch_is_sent_at_once() -> None:
    """The queue is not full before the interval has passed."""
    collector = FakeCollector()
    traces, _ = built(collector)
    async with running(traces):
        work(traces, BATCH)
        await trio.testing.wait_all_tasks_blocked()
        assert [len(batch) for batch in collector.batches] == [BATCH]


async def test_a_full_queue_drops_spans_and_counts_them() -> None:
    """A request waits for nothing, and memory is bounded."""
    collector = FakeCollector()
    collector.takes = 100.0
    traces, _ = built(collector, queue=300)
    async with running(traces):
        work(traces, BATCH)
        await trio.testing.wait_all_tasks_blocked()
        work(traces, 500)
        now = traces.statistics()
        assert (now.queued, now.queue_full) == (300, 200)


@pytest.mark.limit(600)
async def test_a_collector_that_is_away_is_noted_once_and_left_alone() -> None:
    """One event when it goes and one when it is back; the pauses grow, and the spans are counted."""
    collector = FakeCollector()
    collector.sent = AWAY
    traces, events = built(collector)
    async with running(traces):
        for _ in range(300):
            work(traces)
            await trio.sleep(1)
        now = traces.statistics()
        assert (now.state, now.reason, now.exported) == ("away", AWAY.reason, 0)
        assert now.undelivered + now.queued == 300
        pauses = [after - before for before, after in zip(collector.at, collector.at[1:], strict=False)]
        assert max(pauses) == pytest.approx(LONGEST_PAUSE, abs=0.1)
        assert len(pauses) < 20
        assert [each.severity for each in events.latest(10)] == ["warn"]

        collector.sent = None
        await trio.sleep(LONGEST_PAUSE + 1)
        assert traces.statistics().state == "reachable"
        assert sorted(each.severity for each in events.latest(10)) == ["ok", "warn"]
        work(traces, name="after")
        await trio.sleep(INTERVAL + 0.1)
        assert collector.names[-1] == "after"


async def test_a_collector_that_raises_is_one_that_is_away() -> None:
    """Whatever goes wrong in the package: the service goes on."""
    collector = FakeCollector()
    collector.sent = ImportError("secret")
    traces, events = built(collector)
    async with running(traces):
        work(traces)
        await trio.sleep(INTERVAL + 0.1)
        now = traces.statistics()
        assert (now.state, now.undelivered) == ("away", 1)
        assert traces.boundary.failures == 1
        assert "secret" not in now.reason + events.latest(1)[0].text


async def test_rejected_spans_are_counted_as_such() -> None:
    """Some of a batch: the collector is reachable, and says why."""
    collector = FakeCollector()
    collector.sent = Sent(accepted=3, rejected=2, reason="it rejected spans: too old")
    traces, _ = built(collector)
    async with running(traces):
        work(traces, 5)
        await trio.sleep(INTERVAL + 0.1)
        now = traces.statistics()
        assert (now.exported, now.rejected, now.undelivered) == (3, 2, 0)
        assert (now.state, now.reason) == ("reachable", "it rejected spans: too old")


async def test_the_end_sends_what_is_left() -> None:
    """The last requests before a restart are those that one wants to see."""
    collector = FakeCollector()
    traces, _ = built(collector)
    async with running(traces):
        work(traces, 10, "last")
    assert collector.names == ["last"] * 10
    assert collector.is_closed


async def test_what_sending_needs_is_loaded_before_there_is_something_to_send() -> None:
    """A process that ends soon has its time for the spans: to load the exporter takes a busy machine 3 s."""
    collector = FakeCollector()
    traces, _ = built(collector)
    began = trio.current_time()
    async with running(traces):
        await trio.testing.wait_all_tasks_blocked()
        assert collector.loaded_at == began
        assert collector.batches == []


@pytest.mark.parametrize("missing", [None, ImportError("secret")])
async def test_spans_are_sent_though_the_exporter_could_not_be_loaded(missing: Exception | None) -> None:
    """Whether it fails or hangs: a batch then says what is wrong."""
    collector = FakeCollector()
    collector.loads, collector.missing = (0.0, missing) if missing else (3_600.0, None)
    traces, _ = built(collector)
    async with running(traces):
        work(traces)
        await trio.sleep((0.0 if missing else PREPARED_WITHIN) + INTERVAL + 0.1)
        assert collector.names == ["work"]
        assert traces.boundary.failures == (1 if missing else 0)


async def test_an_end_while_the_exporter_is_loaded_sends_what_is_left() -> None:
    """The service was stopped at once."""
    collector = FakeCollector()
    collector.loads = 10.0
    traces, _ = built(collector)
    async with running(traces):
        work(traces, 10, "last")
        await trio.testing.wait_all_tasks_blocked()
    assert collector.names == ["last"] * 10


async def test_the_end_does_not_wait_for_a_collector_that_hangs(autojump_clock: MockClock) -> None:
    """What is left is counted as not delivered."""
    collector = FakeCollector()
    collector.takes = 3_600.0
    traces, _ = built(collector)
    async with running(traces):
        work(traces, BATCH)
        await trio.testing.wait_all_tasks_blocked()
        work(traces, 2 * BATCH)
        began = trio.current_time()
    assert trio.current_time() - began <= FLUSH_WITHIN + 0.01
    now = traces.statistics()
    assert (now.undelivered, now.queued) == (3 * BATCH, 0)
    assert collector.is_closed


async def test_the_end_does_not_try_a_collector_that_is_away() -> None:
    """A restart is not slower for it."""
    collector = FakeCollector()
    collector.sent = AWAY
    traces, _ = built(collector)
    async with running(traces):
        work(traces)
        await trio.sleep(INTERVAL + 0.1)
        tried = len(collector.batches)
        work(traces)
    assert len(collector.batches) == tried
    assert traces.statistics().undelivered == 2


@pytest.mark.limit(600)
async def test_every_span_is_counted_once_whatever_happens() -> None:
    """Exported, dropped, rejected, undelivered and queued are all that ended."""
    collector = FakeCollector()
    traces, _ = built(collector, queue=300)
    answers = [None, AWAY, Sent(rejected=1, reason="x"), ValueError("x"), None]
    async with running(traces):
        for number in range(200):
            collector.sent = answers[number % len(answers)]
            work(traces, 37)
            await trio.sleep(0.7)
    now = traces.statistics()
    assert now.exported + now.queue_full + now.undelivered + now.rejected + now.queued == 200 * 37
    assert now.queued == 0


async def test_the_metrics_are_those_of_the_statistics() -> None:
    """Each outcome is there from the start; the collector's state only once it is known."""
    traces, _ = built(FakeCollector())
    names = [(each.name.name, each.labels, each.value) for each in traces.readings()]
    assert ("orch_trace_spans_total", ("exported",), 0) in names
    assert ("orch_trace_spans_total", ("queue_full",), 0) in names
    assert not any(name == "orch_trace_collector_reachable" for name, _, _ in names)
    async with running(traces):
        work(traces)
        await trio.sleep(INTERVAL + 0.1)
    values = {(each.name.name, each.labels): each.value for each in traces.readings()}
    assert values["orch_trace_spans_total", ("exported",)] == 1
    assert values["orch_trace_collector_reachable", ()] == 1
