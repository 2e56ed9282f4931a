"""The queue between a speaker's sound and the segmenter."""

import pytest
import trio
import trio.testing

from orch.audio.segmenter import Event, Silence, Utterance
from orch.problems import ProblemError
from orch.settings import Vad
from orch.speech.sound_queue import QUEUED, QUEUED_BLOCKS, Gap, SoundEnded, SoundQueue
from tests.fakes.sounds import pcm, silence, voice
from tests.fakes.speech_back_ends import Room, play

LOST = ProblemError("speech_lost", "It was lost.", service="speaker")
SOUND = pcm(silence(0.5), voice(2), silence(1))


def queue(sample_rate: int = 16_000) -> SoundQueue:
    return SoundQueue(sample_rate=sample_rate, vad=Vad(), max_utterance=15)


def processed(sound: SoundQueue) -> list[Event | Gap | SoundEnded]:
    events: list[Event | Gap | SoundEnded] = []
    while sound:
        events += sound.process_next()
    return events


def test_blocks_gaps_and_the_end_keep_their_order() -> None:
    """Speech before a gap ends before it, speech after it begins after it, and the end comes last."""
    sound = queue()
    sound.add(pcm(silence(0.5), voice(2)), 1.0)
    sound.add_gap(4.0, LOST, 2.0)
    sound.add(pcm(voice(2), silence(1)), 3.0)
    sound.add_end(4.0)
    assert sound.received_seconds == 9.5
    assert sound.queued_seconds == 5.5
    assert sound.position == 0
    events = [event for event in processed(sound) if isinstance(event, Utterance | Gap | SoundEnded)]
    before, gap, after, end = events
    assert isinstance(before, Utterance)
    assert before.end <= 2.5 * 16_000
    assert gap == Gap(40_000, 104_000, LOST)
    assert isinstance(after, Utterance)
    assert after.start >= 6.5 * 16_000
    assert end == SoundEnded()
    assert (sound.queued_seconds, sound.position) == (0, 9.5 * 16_000)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_block_sizes_do_not_change_the_events(rate: int) -> None:
    """However many blocks are queued together, the segmenter sees the same samples."""
    data = pcm(silence(0.5, rate), voice(2, rate), silence(1, rate))
    found = []
    for block in (2, 1_234, 64_000, len(data)) if rate == 16_000 else (960, len(data)):
        sound = queue(rate)
        for begin in range(0, len(data), block):
            sound.add(data[begin : begin + block], 0.0)
        sound.add_end(0.0)
        found.append([event for event in processed(sound) if isinstance(event, Utterance | Silence)])
    assert len(found[0]) == 3
    assert all(events == found[0] for events in found)


def test_samples_arrived_when_they_were_queued() -> None:
    """The delay of a caption counts from the arrival of its sound, not from its turn in the queue."""
    sound = queue()
    for number in range(4):
        sound.add(pcm(silence(0.5)), float(number))
    processed(sound)
    assert [sound.arrived_at(sample) for sample in (1, 8_000, 8_001, 31_000)] == [0.0, 0.0, 1.0, 3.0]


def test_it_is_full_by_seconds_and_by_blocks() -> None:
    """Very small blocks cost memory of their own."""
    sound = queue()
    full = []
    for seconds in (QUEUED, 0.01):
        sound.add(pcm(silence(seconds)), 0.0)
        full.append(sound.is_full)
    sound.process_next()
    assert [*full, sound.is_full] == [False, True, False]
    sound.clear()
    full.clear()
    for _ in range(QUEUED_BLOCKS + 1):
        sound.add(b"\0\0", 0.0)
        full.append(sound.is_full)
    assert full == [False] * QUEUED_BLOCKS + [True]


async def test_feeding_only_queues_and_the_stream_processes_at_once() -> None:
    """No work is done in the caller's turn, and no time passes before it is done."""
    room = Room()
    stream = room.stream()
    stream.feed(SOUND[:32_000])
    assert (stream.seconds, stream.queued_seconds, stream.received_seconds) == (0, 1, 1)
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        began = trio.current_time()
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == began
        assert (stream.seconds, stream.queued_seconds) == (1, 0)
        stream.feed(SOUND[32_000:64_000])
        assert room.speech.statistics().queued_seconds == 1
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == began
        assert (stream.seconds, room.speech.statistics().queued_seconds) == (2, 0)
        stream.end()


async def test_a_full_queue_is_processed_by_the_sender_and_nothing_is_lost() -> None:
    """Sound that arrives faster than it is processed takes the sender's time, and no memory."""
    room = Room()
    stream = room.stream()
    for _ in range(10):
        stream.feed(SOUND)
        assert stream.queued_seconds <= QUEUED
    stream.end()
    await stream.run()
    finals = room.session.finals()
    assert len(finals) == 10
    assert [final.start for final in finals] == sorted(final.start for final in finals)
    assert stream.seconds == stream.received_seconds == 35


async def test_what_is_queued_when_a_stream_is_released_is_not_forgotten() -> None:
    """The end of an utterance and a gap may be in the queue: they belong to the stream that is released."""
    room = Room()
    stream = room.stream()
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, pcm(silence(0.5), voice(2)))
        stream.feed(pcm(silence(1)))
        stream.skip(3, LOST)
        stream.feed(pcm(silence(0.5), voice(1)))
        assert stream.release() == pytest.approx(6.8, abs=0.1)
    spoken, gap = room.session.finals()[:2]
    assert spoken.text
    assert gap.error is not None
    assert (gap.start, gap.end) == (3.5, 6.5)


async def test_a_cancelled_stream_keeps_no_sound() -> None:
    room = Room()
    stream = room.stream()
    with trio.CancelScope() as scope:
        scope.cancel()
        stream.feed(SOUND[:32_000])
        await stream.run()
    assert stream.queued_seconds == 0
    with pytest.raises(ProblemError):
        stream.feed(SOUND)
