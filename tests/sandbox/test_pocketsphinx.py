import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from orch.sandbox.engines.pocketsphinx import PocketSphinx
from orch.sandbox.engines.pocketsphinx_worker import is_filler, spoken
from orch.sandbox.engines.recorded_speech import BYTES_PER_SECOND, SAMPLE_RATE, Transcription, cut
from orch.sandbox.engines.speech import EngineFailed
from tests.fakes.patience import PATIENCE
from tests.fakes.processes import children
from tests.fakes.running import run
from tests.fakes.sandbox import alone, beginning, pcm
from tests.fakes.sounds import CLIPS, SPEECH, noise

RIGHT_WORDS = 15
"""What PocketSphinx with its own settings gets right of "austen-0920"."""


def reference(clip: str) -> list[str]:
    """Return the words that were spoken, from the note beside the clips."""
    lines = (SPEECH / "README.md").read_text().splitlines()
    [row] = [line for line in lines if line.startswith(f"| {clip}.wav")]
    return row.split("|")[3].split()


def right_words(said: list[str], heard: list[str]) -> int:
    """Return the length of the longest common subsequence: words that are right and in order."""
    before = [0] * (len(heard) + 1)
    for word in said:
        row = [0]
        for at, other in enumerate(heard):
            row.append(before[at] + 1 if word == other else max(before[at + 1], row[at]))
        before = row
    return before[-1]


def with_engine(test: Callable[[PocketSphinx], Awaitable[None]], *, capacity: int = 2) -> None:
    """Run ``test`` with an engine that is loaded."""

    async def main() -> None:
        engine = PocketSphinx(capacity=capacity)
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            await test(engine)
            nursery.cancel_scope.cancel()
        assert children(os.getpid()) == []

    run(main, virtual=False)


async def transcribe(engine: PocketSphinx, sound: bytes, *, skip_silence: bool = False) -> Transcription:
    return await engine.transcribe(sound, language="en", skip_silence=skip_silence)


def text(heard: Transcription) -> str:
    return " ".join(segment.text for segment in heard.segments)


@pytest.mark.sandbox
def test_the_words_are_those_the_engine_alone_hears_whatever_it_heard_before() -> None:
    """A decoder adapts to the loudness and noise of earlier audio; here each utterance gets a fresh one."""

    async def compare(engine: PocketSphinx) -> None:
        first = {clip: await transcribe(engine, beginning(clip)) for clip in CLIPS}
        again = {clip: await transcribe(engine, beginning(clip)) for clip in reversed(CLIPS)}
        assert first == again
        for clip in CLIPS:
            assert text(first[clip]) == alone(beginning(clip))

    with_engine(compare)


@pytest.mark.sandbox
def test_words_have_their_times_in_order_and_posteriors_that_differ() -> None:
    async def look(engine: PocketSphinx) -> None:
        sound = pcm("austen-0920")
        [segment] = (await transcribe(engine, sound)).segments
        assert right_words(reference("austen-0920"), segment.text.split()) >= RIGHT_WORDS
        times = [time for word in segment.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert 0 <= segment.start == times[0]
        assert times[-1] == segment.end <= len(sound) / BYTES_PER_SECOND
        assert segment.text == " ".join(word.text for word in segment.words)
        confidences = [word.confidence for word in segment.words]
        assert all(value is not None and 0 <= value <= 1 for value in confidences)
        assert len(set(confidences)) > len(confidences) / 2
        # "more amiable", which it hears right, it is sure of; "many watts", said "than he was", it is not.
        sure = {word.text: word.confidence or 0 for word in segment.words}
        assert sure["amiable"] > 0.9
        assert sure["watts"] < 0.1

    with_engine(look)


@pytest.mark.sandbox
def test_concurrent_utterances_do_not_mix() -> None:
    async def crowd(engine: PocketSphinx) -> None:
        expected = {clip: await transcribe(engine, beginning(clip)) for clip in CLIPS}
        answers: list[tuple[str, Transcription]] = []

        async def ask(clip: str) -> None:
            answers.append((clip, await transcribe(engine, beginning(clip))))

        async with trio.open_nursery() as survey:
            for clip in CLIPS * 2:
                survey.start_soon(ask, clip)
        assert len(answers) == 6
        assert all(heard == expected[clip] for clip, heard in answers)

    with_engine(crowd)


@pytest.mark.sandbox
def test_cancelling_stops_the_decoding_itself_and_gives_the_place_back() -> None:
    async def cancel(engine: PocketSphinx) -> None:
        async with trio.open_nursery() as asking:
            # A quarter of an hour: decoding it would take longer than is waited for below.
            asking.start_soon(partial(transcribe, engine, pcm("austen-0870") * 100))
            while not children(engine.pid):
                await trio.lowlevel.checkpoint()
            asking.cancel_scope.cancel()
        with trio.fail_after(PATIENCE):
            while children(engine.pid):
                await trio.lowlevel.checkpoint()
        assert text(await transcribe(engine, pcm("austen-0920"))).startswith("had he married")

    with_engine(cancel, capacity=1)


@pytest.mark.sandbox
def test_silence_and_noise_make_no_words_where_silence_is_skipped() -> None:
    """The decoder recognises a word even in digital silence; the voice detector prevents that."""

    async def listen(engine: PocketSphinx) -> None:
        quiet = noise(2, -60).astype("<i2").tobytes()
        for sound in (bytes(2 * BYTES_PER_SECOND), quiet, b"", bytes(20)):
            assert (await transcribe(engine, sound, skip_silence=True)).segments == ()
        assert (await transcribe(engine, b"\1\0")).segments == ()
        sound = pcm("austen-0920")
        assert text(await transcribe(engine, sound, skip_silence=True)) == alone(sound)

    with_engine(listen)


@pytest.mark.sandbox
def test_a_long_recording_is_heard_in_pieces_with_the_times_of_the_whole() -> None:
    async def listen(engine: PocketSphinx) -> None:
        pause = bytes(BYTES_PER_SECOND)
        whole = pause.join(pcm(clip) for clip in CLIPS)
        heard = await transcribe(engine, whole, skip_silence=True)
        assert len(heard.segments) == 2
        times = [
            time for segment in heard.segments for word in segment.words for time in (word.start, word.end)
        ]
        assert times == sorted(times)
        assert 20 < times[-1] <= len(whole) / BYTES_PER_SECOND
        assert right_words(reference("austen-0920"), text(heard).split()) >= 12

    with_engine(listen)


@pytest.mark.sandbox
def test_a_decoder_that_dies_fails_its_own_utterance_only() -> None:
    async def kill(engine: PocketSphinx) -> None:
        async def ask() -> None:
            with pytest.raises(EngineFailed, match="signal 9"):
                await transcribe(engine, pcm("austen-0870"))

        async with trio.open_nursery() as survey:
            survey.start_soon(ask)
            while not (found := children(engine.pid)):
                await trio.lowlevel.checkpoint()
            os.kill(found[0], signal.SIGKILL)
        assert (await transcribe(engine, pcm("austen-0920"))).segments

    with_engine(kill)


@pytest.mark.real_time
@pytest.mark.sandbox
async def test_a_worker_that_dies_ends_the_engine_and_its_callers() -> None:
    """The process then ends, and is restarted: no caller waits for ever."""
    engine = PocketSphinx()

    async def ask() -> None:
        with pytest.raises(EngineFailed):
            await transcribe(engine, pcm("austen-0870"))

    with pytest.RaisesGroup(pytest.RaisesExc(EngineFailed, match="ended with -9"), flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            os.kill(engine.pid, signal.SIGKILL)


def test_fillers_are_no_words_and_pronunciations_have_no_numbers() -> None:
    assert all(
        is_filler(word) for word in ("<s>", "</s>", "<sil>", "[NOISE]", "[SPEECH]", "++UH++", "(NULL)")
    )
    assert not is_filler("don't")
    assert [spoken(word) for word in ("been(2)", "a", "read(12)", "(", "o'clock")] == [
        "been",
        "a",
        "read",
        "(",
        "o'clock",
    ]


@given(st.integers(0, 100 * SAMPLE_RATE), st.integers(0, 2**32 - 1))
def test_pieces_are_the_whole_and_none_is_too_long(samples: int, seed: int) -> None:
    sound = np.random.default_rng(seed).integers(-100, 100, samples).astype("<i2").tobytes()
    pieces = cut(sound, longest=20)
    assert b"".join(sound[start:end] for start, end in pieces) == sound
    assert all(end - start <= 20 * BYTES_PER_SECOND for start, end in pieces)
    assert all(start % 2 == 0 for start, _ in pieces)


def test_a_recording_is_cut_where_it_is_quietest() -> None:
    loud = noise(30, -20).astype("<i2")
    loud[13 * SAMPLE_RATE : 13 * SAMPLE_RATE + 2000] = 0
    [(_, first), _] = cut(loud.tobytes(), longest=20)
    assert 13 * BYTES_PER_SECOND < first < 13 * BYTES_PER_SECOND + 4000
