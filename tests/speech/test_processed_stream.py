"""A stream whose sound passes through a pipeline, on a virtual clock: its captions, and its troubles."""

import pytest
import trio

from orch.audio.pipeline_pool import PipelinePool, start_host
from orch.audio.pipeline_settings import PipelineSettings
from orch.protocol.messages import AudioStatus
from orch.speech.captions import Origin
from orch.speech.stream import SpeechStream
from tests.fakes.pipelines import LATENCY, FakePipelines, gain
from tests.fakes.sounds import pcm, silence, voice
from tests.fakes.speech_back_ends import Room, play, speak

TWO = pcm(silence(0.5), voice(2), silence(1), voice(1.5), silence(1))

LOUDER = PipelineSettings(enabled=frozenset({"vad", "voiceEnhance"}))


def room_with(**pool: object) -> tuple[Room, FakePipelines]:
    pipelines = FakePipelines(**pool)  # type: ignore[arg-type]
    return Room(pipelines=pipelines), pipelines


def times(room: Room) -> list[float]:
    """Return where each final starts and ends."""
    return [moment for final in room.session.finals() for moment in (final.start, final.end)]


def states(room: Room) -> list[object]:
    told = [each.message for each in room.session.statuses()]
    return [message.pipeline for message in told if isinstance(message, AudioStatus)]


async def unprocessed() -> list[float]:
    room = Room()
    await speak(room.stream(), TWO)
    return times(room)


async def test_captions_have_the_times_of_what_was_said() -> None:
    """A pipeline is late, and what it returns is not; the caption comes later by its latency."""
    plain = Room()
    await speak(plain.stream(), TWO)
    begun = trio.current_time()
    room, pipelines = room_with()
    await speak(room.stream(pipeline=gain(0.8)), TWO)
    assert times(room) == times(plain)
    late = [
        room.session.at(ours) - begun - plain.session.at(theirs)
        for ours, theirs in zip(room.session.finals(), plain.session.finals(), strict=True)
    ]
    assert late == pytest.approx([LATENCY / 16_000] * 2, abs=0.05)
    assert (pipelines.opened, pipelines.receivers, pipelines.reasons) == (1, {}, [])
    assert set(states(room)) == {"on"}


async def test_the_engine_receives_processed_sound() -> None:
    """From the first sample on."""
    room, _ = room_with()
    heard: list[bytes] = []
    room.back_ends.refuse_audio = heard.append
    await speak(room.stream(pipeline=gain(0.5)), TWO)
    plain = Room()
    louder: list[bytes] = []
    plain.back_ends.refuse_audio = louder.append
    await speak(plain.stream(), TWO)
    levels = [max(memoryview(sound).cast("h")) for sound in (heard[-1], louder[-1])]
    assert levels[0] == pytest.approx(levels[1] / 2, abs=1)


@pytest.mark.parametrize("at", [1.0, 1.5, 2.6, 3.2])
async def test_no_word_is_lost_where_a_process_dies_in_an_utterance(at: float) -> None:
    """The captions are those of a stream without one; its participants learn that it is bypassed."""
    room, pipelines = room_with()
    stream = room.stream(pipeline=gain(0.9))

    async def die() -> None:
        await trio.sleep(at)
        pipelines.die()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(die)
        await speak(stream, TWO)
    assert times(room) == pytest.approx(await unprocessed(), abs=0.05)
    assert pipelines.reasons == ["It ended with code -9."]
    assert "bypassed" in states(room)
    assert stream.lost_seconds == 0


async def test_no_word_is_lost_where_a_process_stalls() -> None:
    """The sound waits for the patience, then goes on."""
    room, pipelines = room_with()
    stream = room.stream(pipeline=gain(0.9))

    async def stall() -> None:
        await trio.sleep(1.0)
        pipelines.is_stalled = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stall)
        await speak(stream, TWO)
    assert times(room) == pytest.approx(await unprocessed(), abs=0.05)
    assert pipelines.reasons == ["It is too slow."]


async def test_the_pipeline_changes_while_someone_speaks() -> None:
    """On, other settings, off: one utterance, with its times."""
    room, pipelines = room_with()
    stream = room.stream()

    async def change() -> None:
        for settings in (gain(0.8), gain(0.9), None):
            await trio.sleep(0.6)
            stream.process_with(settings)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(change)
        await speak(stream, TWO)
    assert times(room) == pytest.approx(await unprocessed(), abs=0.05)
    assert (pipelines.opened, pipelines.receivers) == (1, {})


async def test_a_released_stream_has_transcribed_what_was_inside() -> None:
    """Its speaker sends only the utterance that was being spoken to another worker."""
    room, pipelines = room_with()
    stream = room.stream(pipeline=gain(0.9))
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, TWO[: round(4.2 * 32_000)])
        begun = stream.release()
    assert begun == pytest.approx(3.2, abs=0.1)
    assert len(times(room)) == 2
    assert pipelines.receivers == {}


async def test_a_cancelled_stream_closes_its_pipeline() -> None:
    room, pipelines = room_with()
    stream = room.stream(pipeline=gain(0.9))
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(stream.run)
            await play(stream, TWO[:32_000])
            assert len(pipelines.receivers) == 1
            scope.cancel()
    assert (pipelines.receivers, stream.queued_seconds) == ({}, 0)


async def test_a_recording_waits_for_its_pipeline() -> None:
    """It is sent no faster than sound returns, and its captions have the file's times."""
    room, pipelines = room_with()
    stream = _recording(room)
    stream.process_with(gain(0.9))
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await stream.feed_paced(TWO)
        stream.end()
    assert times(room) == pytest.approx(await unprocessed(), abs=0.05)
    assert (pipelines.opened, pipelines.reasons) == (1, [])


def _recording(room: Room) -> SpeechStream:
    origin = Origin(
        session_id="session",
        stream_id="r1",
        started=0,
        source_language="auto",
        speaker=None,
        participant_id=None,
    )
    return room.speech.stream(origin, sample_rate=16_000, output=room.session)


@pytest.mark.process
@pytest.mark.real_time
async def test_no_word_is_lost_where_a_real_process_is_killed_in_an_utterance() -> None:
    """The real pipeline, in a real process; the utterance ends where it ends without one."""
    processes: list[trio.Process] = []

    async def start() -> trio.Process:
        processes.append(await start_host())
        return processes[-1]

    plain = Room()
    await _transcribe(plain, None)
    pool = PipelinePool(limit=1, start=start)
    room = Room(pipelines=pool)
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        await _transcribe(room, processes)
        nursery.cancel_scope.cancel()
    assert times(room) == pytest.approx(times(plain), abs=0.1)
    assert (pool.statistics().failures, pool.statistics().bypassed) == (1, 1)


async def _transcribe(room: Room, processes: list[trio.Process] | None) -> None:
    """Transcribe a recording through some stages, and kill the process in its second utterance."""
    stream = _recording(room)
    stream.process_with(LOUDER)
    half = round(3.6 * 16_000) * 2
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await stream.feed_paced(TWO[:half])
        for process in processes or ():
            process.kill()
        await stream.feed_paced(TWO[half:])
        stream.end()
