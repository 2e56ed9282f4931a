"""Processes that run pipelines: started when needed, ended when they fail, and never left."""

import os
import signal
from dataclasses import dataclass, field

import pytest
import trio

from orch.audio import child_processes
from orch.audio.live_pipeline import PipelineUnavailableError
from orch.audio.pipeline_pool import (
    MOST_STREAMS,
    STREAMS_EACH,
    PipelinePool,
    processes_for,
)
from tests.fakes.pipelines import LATENCY, gain, start_fake

pytestmark = [pytest.mark.process, pytest.mark.real_time]

SOUND = b"".join(n.to_bytes(2, "little", signed=True) for n in range(-8_000, 8_000, 2))


@dataclass(eq=False)
class Receiver:
    latency: int | None = None
    pcm: bytearray = field(default_factory=bytearray)
    reason: str | None = None
    has_flushed: bool = False
    changed: trio.Event = field(default_factory=trio.Event)

    def opened(self, latency: int) -> None:
        self.latency = latency
        self.wake()

    def received(self, pcm: bytes) -> None:
        self.pcm += pcm
        self.wake()

    def flushed(self) -> None:
        self.has_flushed = True
        self.wake()

    def failed(self, reason: str) -> None:
        self.reason = reason
        self.wake()

    def wake(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def until_opened(self) -> None:
        while self.latency is None:
            await self.changed.wait()

    async def until_over(self) -> None:
        while not self.has_flushed and self.reason is None:
            await self.changed.wait()


@dataclass
class Starts:
    """Starts the processes of a pool, and notes them."""

    processes: list[trio.Process] = field(default_factory=list)

    async def __call__(self) -> trio.Process:
        self.processes.append(await start_fake())
        return self.processes[-1]


async def test_sound_returns_processed_and_whole() -> None:
    """In its order, late by the latency, with all of it at the end."""
    starts = Starts()
    pool = PipelinePool(limit=2, start=starts)
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        assert pool.statistics().processes == 0, "none is started before it is needed"
        receiver = Receiver()
        link = pool.open(receiver, gain(0.5), sample_rate=16_000, joins=False)
        link.send(SOUND)
        link.change(gain(1.0))
        link.flush()
        await receiver.until_over()
        assert (receiver.latency, receiver.has_flushed) == (LATENCY, True)
        whole = memoryview(SOUND).cast("h")
        at = len(whole) - LATENCY
        found = memoryview(bytes(receiver.pcm)).cast("h")
        assert found.tolist() == [n // 2 for n in whole[:at]] + whole[at:].tolist()
        assert (pool.statistics().streams, pool.statistics().processes) == (0, 1)
        nursery.cancel_scope.cancel()
    assert [process.returncode for process in starts.processes] == [-signal.SIGKILL]


@pytest.mark.parametrize("pause", [0.0, 1_000.0])
async def test_streams_of_a_process_that_dies_learn_it_and_it_starts_again(pause: float) -> None:
    """After a pause, in which no stream is accepted."""
    starts = Starts()
    pool = PipelinePool(limit=1, start=starts, first_pause=pause)
    reasons: list[str] = []
    pool.on_failure = reasons.append
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        receivers = [Receiver(), Receiver()]
        links = [pool.open(one, gain(0.5), sample_rate=16_000, joins=False) for one in receivers]
        for receiver in receivers:
            await receiver.until_opened()
        os.kill(starts.processes[0].pid, signal.SIGKILL)
        for receiver in receivers:
            await receiver.until_over()
        assert [receiver.reason for receiver in receivers] == ["It ended with code -9."] * 2
        assert (reasons, pool.statistics().failures) == (["It ended with code -9."], 1)
        links[0].send(SOUND)
        links[0].close()
        again = Receiver()
        if pause:
            with pytest.raises(PipelineUnavailableError):
                pool.open(again, gain(0.5), sample_rate=16_000, joins=False)
        else:
            pool.open(again, gain(0.5), sample_rate=16_000, joins=False)
            await again.until_opened()
        assert len(starts.processes) == (1 if pause else 2)
        nursery.cancel_scope.cancel()


async def test_a_process_that_does_not_respond_is_ended() -> None:
    """With all its streams, where one of them has waited for too long and nothing at all returns."""
    starts = Starts()
    pool = PipelinePool(limit=1, start=starts, stalled=0)
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        stuck, other = Receiver(), Receiver()
        link = pool.open(stuck, gain(0.5), sample_rate=16_000, joins=False)
        pool.open(other, gain(0.5), sample_rate=16_000, joins=False)
        await other.until_opened()
        os.kill(starts.processes[0].pid, signal.SIGSTOP)
        link.close(was_late=True)
        await other.until_over()
        assert other.reason == "It does not respond."
        nursery.cancel_scope.cancel()
    assert all(process.returncode is not None for process in starts.processes)


async def test_a_late_stream_alone_does_not_end_its_process() -> None:
    """A process that has just returned something is only busy."""
    pool = PipelinePool(limit=1, start=start_fake, stalled=1_000)
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        late, other = Receiver(), Receiver()
        link = pool.open(late, gain(0.5), sample_rate=16_000, joins=False)
        going_on = pool.open(other, gain(0.5), sample_rate=16_000, joins=False)
        await other.until_opened()
        link.close(was_late=True)
        going_on.flush()
        await other.until_over()
        assert other.has_flushed
        nursery.cancel_scope.cancel()


async def test_a_stream_whose_pipeline_fails_is_alone_in_that() -> None:
    """The others of its process go on."""
    pool = PipelinePool(limit=1, start=start_fake)
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        wrong, right = Receiver(), Receiver()
        pool.open(wrong, gain(0.5), sample_rate=48_000, joins=False)
        link = pool.open(right, gain(0.5), sample_rate=16_000, joins=False)
        link.send(SOUND)
        link.flush()
        await wrong.until_over()
        await right.until_over()
        assert (wrong.reason, len(right.pcm)) == ("AssertionError: ", len(SOUND))
        assert pool.statistics().failures == 0
        nursery.cancel_scope.cancel()


async def test_streams_are_spread_over_processes_up_to_a_limit() -> None:
    """A process has a few before another one starts; where all are full, none accepts one."""
    starts = Starts()
    pool = PipelinePool(limit=2, start=starts)
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)

        async def opened(count: int) -> None:
            for _ in range(count):
                receiver = Receiver()
                pool.open(receiver, gain(0.5), sample_rate=16_000, joins=False)
                await receiver.until_opened()

        await opened(STREAMS_EACH)
        assert len(starts.processes) == 1
        await opened(1)
        assert len(starts.processes) == 2
        await opened(2 * MOST_STREAMS - STREAMS_EACH - 1)
        with pytest.raises(PipelineUnavailableError):
            pool.open(Receiver(), gain(0.5), sample_rate=16_000, joins=False)
        assert pool.statistics().streams == 2 * MOST_STREAMS
        nursery.cancel_scope.cancel()


async def test_a_process_that_cannot_be_started_fails_its_streams() -> None:
    """With the reason."""

    async def refuse() -> trio.Process:
        raise OSError(11, "Resource temporarily unavailable")

    pool = PipelinePool(limit=1, start=refuse)
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        receiver = Receiver()
        pool.open(receiver, gain(0.5), sample_rate=16_000, joins=False)
        await receiver.until_over()
        assert receiver.reason is not None
        assert "temporarily unavailable" in receiver.reason
        nursery.cancel_scope.cancel()


async def test_a_process_whose_output_is_none_is_ended() -> None:
    """As one that dies."""

    async def start() -> trio.Process:
        return await child_processes.start("this", stdin=-1, refusal="No")

    pool = PipelinePool(limit=1, start=start)
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        receiver = Receiver()
        pool.open(receiver, gain(0.5), sample_rate=16_000, joins=False)
        await receiver.until_over()
        assert receiver.reason == "Its output is invalid: no such frame"
        nursery.cancel_scope.cancel()


async def test_a_pool_that_does_not_run_accepts_nothing() -> None:
    pool = PipelinePool(limit=1)
    with pytest.raises(PipelineUnavailableError):
        pool.open(Receiver(), gain(0.5), sample_rate=16_000, joins=False)


def test_there_is_a_process_for_two_cores() -> None:
    assert [processes_for(cores) for cores in (1, 2, 3, 4, 16)] == [1, 1, 1, 2, 8]
