"""Captured records reach the store in order: while it is slow, away, or refuses some of them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from orch.problems import ProblemError
from orch.stores.bot_records import Captured, RefusedRecordError, Written
from orch.stores.bot_store import BATCH_LIMIT
from orch.stores.bot_writer import RETRY_EVERY, STORED_WITHIN, WAITING_BYTES, BotWriter, spool_at
from orch.stores.spool import Spool
from tests.fakes.bot_sessions import BotEngine, requested, utterance
from tests.fakes.hub import inline


class FakeStore:
    """A store that can be away, slow, or refuse what has a text."""

    def __init__(self) -> None:
        self.stored: list[Captured] = []
        self.batches = 0
        self.is_away = False
        self.seconds = 0.0
        self.refuses = ""
        self.deleted: set[str] = set()

    async def write(self, batch: Sequence[Captured]) -> Written:
        """Store a batch."""
        self.batches += 1
        await trio.sleep(self.seconds)
        if self.is_away:
            raise ProblemError("store_unavailable", "It is away.")
        if self.refuses and any(self.refuses in str(record) for record in batch):
            raise RefusedRecordError("it does not fit")
        accepted = [record for record in batch if record.session_id not in self.deleted]
        self.stored += accepted
        return Written(len(accepted), frozenset(self.deleted))

    @property
    def segments(self) -> list[int]:
        """The segments of what was stored."""
        return [record.segment_index for record in self.stored if hasattr(record, "segment_index")]


@asynccontextmanager
async def running(writer: BotWriter) -> AsyncIterator[None]:
    """Run a writer for the block."""
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        yield
        nursery.cancel_scope.cancel()


def a_writer(store: FakeStore, folder: Path, *, limit: int = 1_000, spooled: int = 10**6) -> BotWriter:
    spool = Spool(folder / "s.jsonl", limit=spooled, wall=trio.current_time)
    return BotWriter(store, spool, offload=inline, limit=limit)


async def test_records_are_stored_in_order_and_in_batches(tmp_path: Path) -> None:
    """A thousand records cost a few commits."""
    store = FakeStore()
    writer = a_writer(store, tmp_path, limit=5_000)
    async with running(writer):
        for number in range(1_200):
            await writer.put(utterance(number))
        await writer.flush()
        assert store.segments == list(range(1_200))
        assert store.batches <= 1_200 // BATCH_LIMIT + 2
        found = writer.statistics()
        assert (found.waiting, found.stored, found.spooled_bytes, found.reason) == (0, 1_200, 0, "")


async def test_a_slow_store_makes_callers_wait_and_loses_nothing(tmp_path: Path) -> None:
    """The queue is bounded."""
    store = FakeStore()
    store.seconds = 5.0
    writer = a_writer(store, tmp_path, limit=10)
    async with running(writer):
        began = trio.current_time()
        for number in range(100):
            await writer.put(utterance(number))
            assert writer.statistics().waiting <= 20
        await writer.flush()
        assert trio.current_time() - began >= 5.0 * (100 / 10 - 1)
        assert store.segments == list(range(100))
        assert writer.statistics().reason == ""


async def test_while_the_store_is_away_records_are_on_the_disk(tmp_path: Path) -> None:
    """Nobody waits; when it is back everything is stored in its order, new records after the old ones."""
    store = FakeStore()
    store.is_away = True
    writer = a_writer(store, tmp_path, limit=10)
    async with running(writer):
        began = trio.current_time()
        for number in range(50):
            await writer.put(utterance(number))
        await writer.flush()
        assert trio.current_time() - began < 1.0
        assert writer.statistics().spooled_bytes > 0
        assert writer.statistics().reason == "It is away."
        assert writer.statistics().spool_limit == 10**6
        await trio.sleep(60)
        assert 59 <= writer.statistics().spooled_seconds <= 62
        assert 40 <= store.batches <= 70
        store.is_away = False
        await writer.put(utterance(50))
        await trio.sleep(RETRY_EVERY * 2)
        assert store.segments == list(range(51))
        assert writer.statistics().spooled_bytes == 0
        assert writer.statistics().spooled_seconds == 0
        assert writer.statistics().reason == ""


@pytest.mark.limit(900)
async def test_the_age_is_that_of_the_oldest_record_that_waits(tmp_path: Path) -> None:
    """A store that is just slower than the bots empties no spool, and yet no record is old."""
    store = FakeStore()
    store.is_away = True
    writer = a_writer(store, tmp_path, spooled=10**8)
    async with running(writer):
        for number in range(2 * BATCH_LIMIT):
            await writer.put(utterance(number))
        await trio.sleep(100)
        assert writer.statistics().spooled_seconds >= 99
        store.is_away = False
        store.seconds = 1.0
        for second in range(1, 16):
            for number in range(BATCH_LIMIT):
                await writer.put(utterance(number))
            await trio.sleep(1)
            found = writer.statistics()
            assert found.spooled_bytes > 0, "it is never empty"
            assert found.spooled_seconds <= 10 or second < 10
        await writer.drain()
        assert writer.statistics().spooled_seconds == 0


async def test_a_store_that_hangs_counts_as_away(tmp_path: Path) -> None:
    """A batch that may have been stored is stored again, which changes nothing."""
    store = FakeStore()
    store.seconds = STORED_WITHIN + 1
    writer = a_writer(store, tmp_path)
    async with running(writer):
        await writer.put(utterance(0))
        await trio.sleep(STORED_WITHIN + 0.1)
        assert writer.statistics().spooled_bytes > 0
        store.seconds = 0.0
        await trio.sleep(STORED_WITHIN + 3)
        assert store.segments == [0]


async def test_a_process_that_was_stopped_goes_on_with_its_spool(tmp_path: Path) -> None:
    """What waited in the queue is spooled at the stop."""
    store = FakeStore()
    store.is_away = True
    first = a_writer(store, tmp_path)
    async with running(first):
        await first.put(utterance(0))
        await first.flush()
        await first.put(utterance(1))
    store.is_away = False
    second = a_writer(store, tmp_path)
    async with running(second):
        await second.put(utterance(2))
        await second.flush()
        await trio.sleep(RETRY_EVERY)
        assert store.segments == [0, 1, 2]


async def test_with_the_spool_full_callers_wait(tmp_path: Path) -> None:
    """And nothing is lost; each waits until the store is back."""
    store = FakeStore()
    store.is_away = True
    writer = a_writer(store, tmp_path, limit=5, spooled=2_000)
    accepted: list[int] = []

    async def speak() -> None:
        for number in range(40):
            await writer.put(utterance(number))
            accepted.append(number)

    async with running(writer), trio.open_nursery() as nursery:
        nursery.start_soon(speak)
        await trio.sleep(30)
        assert len(accepted) < 20
        assert "limit" in writer.statistics().reason
        assert writer.statistics().is_full
        store.is_away = False
        await trio.sleep(20)
        assert not writer.statistics().is_full
        assert accepted == list(range(40))
        assert store.segments == list(range(40))


async def test_a_record_that_does_not_fit_keeps_back_no_other(tmp_path: Path) -> None:
    """It is put into a file beside the spool, whether it came by the spool or not."""
    store = FakeStore()
    store.refuses = "bad"
    writer = a_writer(store, tmp_path)
    async with running(writer):
        for number in range(6):
            await writer.put(utterance(number, "bad" if number == 2 else "good"))
        await writer.flush()
        assert store.segments == [0, 1, 3, 4, 5]
        store.is_away = True
        await writer.put(utterance(6, "bad"))
        await writer.put(utterance(7))
        await writer.flush()
        store.is_away = False
        await trio.sleep(3 * RETRY_EVERY)
        assert store.segments == [0, 1, 3, 4, 5, 7]
        assert writer.statistics().rejected == 2
    assert (tmp_path / "s.jsonl.rejected").read_text(encoding="utf-8").count("bad") == 2


async def test_a_forgotten_session_is_in_no_queue_and_no_file(tmp_path: Path) -> None:
    """Records that were spooled, that wait, and that are accepted later."""
    store = FakeStore()
    store.is_away = True
    writer = a_writer(store, tmp_path)
    async with running(writer):
        await writer.put(utterance(0, "marker"))
        await writer.put(utterance(1, "kept", session_id="s2"))
        await writer.flush()
        await writer.put(utterance(2, "marker"))
        assert await writer.forget("s1") == 2
        await writer.put(utterance(3, "marker"))
        await trio.sleep(2)
        assert b"marker" not in b"".join(each.read_bytes() for each in tmp_path.iterdir())
        store.is_away = False
        await trio.sleep(2)
        assert store.segments == [1]


async def test_what_comes_for_a_deleted_session_is_counted(tmp_path: Path) -> None:
    """The store refuses it, and the others are stored."""
    store = FakeStore()
    store.deleted = {"s1"}
    writer = a_writer(store, tmp_path)
    async with running(writer):
        await writer.put(utterance(0))
        await writer.put(utterance(1, session_id="s2"))
        await writer.flush()
        assert store.segments == [1]
        assert writer.statistics().refused == 1


async def test_a_caller_that_was_cancelled_has_put_nothing(tmp_path: Path) -> None:
    """A caller that waits for room can give up."""
    store = FakeStore()
    store.seconds = 5.0
    writer = a_writer(store, tmp_path, limit=1)
    async with running(writer):
        await writer.put(utterance(0))
        await trio.sleep(0.1)
        await writer.put(utterance(1))
        with pytest.raises(trio.TooSlowError), trio.fail_after(1):
            await writer.put(utterance(2))
        await writer.flush()
        assert store.segments == [0, 1]


async def test_a_real_store_gets_what_was_spooled(engine: BotEngine, tmp_path: Path) -> None:
    """Spooled twice, stored once."""
    spool = spool_at(tmp_path / "spool", "w1")
    with spool:
        spool.append([utterance(0), utterance(1)])
        spool.append([utterance(1, "revised", revision=2), utterance(0)])
    async with engine.running() as store:
        await requested(store, 1)
        writer = BotWriter(store, spool_at(tmp_path / "spool", "w1"), offload=inline)
        async with running(writer):
            await writer.put(utterance(2))
            await writer.drain()
        assert await store.utterances("s1", "whisper_service") == (
            utterance(0),
            utterance(1, "revised", revision=2),
            utterance(2),
        )


async def test_half_a_character_of_a_page_is_no_reason_to_stop(engine: BotEngine, tmp_path: Path) -> None:
    """A script can cut a pair of surrogates; spooled or not, the rest is stored, and so is what follows."""
    spool = Spool(tmp_path / "s.jsonl")
    async with engine.running() as store:
        await requested(store, 1)
        writer = BotWriter(store, spool, offload=inline)
        async with running(writer):
            broken = utterance(0, "smile \ud83d", processing_metadata={"raw\udc00": ["\ud83d\ude00"]})
            await writer.put(broken)
            await writer.put(utterance(1))
            await writer.drain()
        first, second = await store.utterances("s1", "whisper_service")
        assert first.transcript_text == "smile \ufffd"
        assert first.processing_metadata == {"raw\ufffd": ["\U0001f600"]}
        assert second == utterance(1)


async def test_what_is_no_json_is_refused_at_once(tmp_path: Path) -> None:
    """By the call that brings it, so that nothing that is accepted can fail for that."""
    nested: list[object] = []
    for _ in range(5_000):
        nested = [nested]
    store = FakeStore()
    writer = a_writer(store, tmp_path)
    async with running(writer):
        for wrong in ({"a": object()}, {"a": nested}, {"a": {1, object()}}):
            with pytest.raises(RefusedRecordError):
                await writer.put(utterance(0, processing_metadata=wrong))
        await writer.put(utterance(1))
        await writer.flush()
        assert store.segments == [1]


async def test_large_records_are_bounded_by_their_bytes(tmp_path: Path) -> None:
    """A hundred texts of a megabyte do not wait in memory; one that is larger than the bound is stored."""
    store = FakeStore()
    store.seconds = 1.0
    writer = a_writer(store, tmp_path)
    text = "x" * 2**20
    async with running(writer):
        for number in range(100):
            await writer.put(utterance(number, text))
            assert writer._bytes <= WAITING_BYTES
        await writer.put(utterance(100, text * 40))
        await writer.flush()
        assert store.segments == list(range(101))
        assert store.batches >= 100 / 5
