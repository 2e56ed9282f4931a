"""The real pipeline in a process of its own, and in the frames of the protocol."""

import json

import msgspec
import numpy as np
import pytest
import trio

from orch.audio import pipeline_frames as frames
from orch.audio.decoder_frames import MalformedError
from orch.audio.hosted_pipelines import HostedPipelines, joined, pcm_of, samples_of
from orch.audio.pipeline import Pipeline
from orch.audio.pipeline_choice import for_speech
from orch.audio.pipeline_pool import PipelinePool
from orch.audio.pipeline_settings import PipelineSettings, encode
from orch.audio.presets import PRESETS
from tests.audio.test_pipeline_pool import Receiver
from tests.fakes.sounds import noise, pcm, silence, voice

SPEECH = pcm(silence(0.5), voice(1) * 0.5, silence(0.5))
NOISY = for_speech(PRESETS["noisy"].settings)
OFF = PipelineSettings(enabled=frozenset())


def opening(settings: PipelineSettings, *, joins: bool = False) -> bytes:
    document = msgspec.Raw(msgspec.json.encode(encode(settings)))
    return msgspec.json.encode(frames.Opening(sample_rate=16_000, settings=document, joins=joins))


def unpacked(replies: list[bytes]) -> list[tuple[bytes, int, bytes]]:
    split = frames.StreamFrames(frames.FROM_HOST)
    for reply in replies:
        split.feed(reply)
    found = []
    while (frame := split.next()) is not None:
        found.append(frame)
    return found


def returned(
    hosted: HostedPipelines, sound: bytes, change: tuple[int, PipelineSettings] | None = None
) -> bytes:
    """Send sound in blocks of 20 ms, other settings before a block, and the end; return what returns."""
    replies = []
    for number, begin in enumerate(range(0, len(sound), 640)):
        if change is not None and change[0] == number:
            replies += hosted.handle(frames.CHANGE, 1, msgspec.json.encode(encode(change[1])))
        replies += hosted.handle(frames.BLOCK, 1, sound[begin : begin + 640])
    replies += hosted.handle(frames.FLUSH, 1, b"")
    *sounds, last = unpacked(replies)
    assert last == (frames.FLUSHED, 1, b"")
    assert {kind for kind, _, _ in sounds} == {frames.PCM}
    return b"".join(content for _, _, content in sounds)


def test_all_samples_are_the_same_after_conversion() -> None:
    """What no stage changes is bit-identical; what is over full scale is clipped."""
    whole = np.arange(-32_768, 32_768).astype("<i2").tobytes()
    assert pcm_of(samples_of(whole)) == whole
    assert pcm_of(np.array([1.5, -1.5], np.float32)) == np.array([32_767, -32_768], "<i2").tobytes()


def test_as_many_samples_return_as_were_sent() -> None:
    """Through all stages of live speech; with none on, the same ones."""
    hosted = HostedPipelines(Pipeline)
    for settings in (NOISY, OFF):
        (answer,) = unpacked(hosted.handle(frames.OPEN, 1, opening(settings)))
        assert answer[:2] == (frames.OPENED, 1)
        latency = json.loads(answer[2])
        assert 0 <= latency < 16_000
        found = returned(hosted, SPEECH)
        assert len(found) == len(SPEECH)
        assert (found == SPEECH) is (settings is OFF)


def test_a_stream_that_joins_begins_as_it_came_and_one_that_leaves_ends_so() -> None:
    """So the borders to unprocessed sound have no click."""
    hosted = HostedPipelines(Pipeline)
    hosted.handle(frames.OPEN, 1, opening(NOISY, joins=True))
    sound = pcm(noise(3, -30))
    found = returned(hosted, sound, change=(75, OFF))
    assert len(found) == len(sound)
    assert found[:64] == sound[:64]
    assert found[-16_000:] == sound[-16_000:]
    assert found[48_000:52_000] != sound[48_000:52_000]


def test_what_is_sent_to_a_stream_that_is_gone_is_dropped() -> None:
    hosted = HostedPipelines(Pipeline)
    hosted.handle(frames.OPEN, 1, opening(NOISY))
    assert hosted.handle(frames.CLOSE, 1, b"") == []
    assert hosted.handle(frames.BLOCK, 1, SPEECH[:640]) == []
    ((kind, _, reason),) = unpacked(hosted.handle(frames.OPEN, 1, b"{}"))
    assert (kind, b"sample_rate" in reason) == (frames.FAILED, True)


@pytest.mark.parametrize(
    "data",
    [
        b"?" + bytes(8),
        frames.pack(frames.BLOCK, 1, b"x"),
        frames.BLOCK + bytes(4) + b"\x00\x01\x00\x02",
    ],
    ids=["unknown", "half a sample", "too long"],
)
def test_malformed_frames_are_refused(data: bytes) -> None:
    split = frames.StreamFrames(frames.TO_HOST)
    split.feed(data)
    with pytest.raises(MalformedError):
        split.next()


def test_frames_arrive_in_any_pieces() -> None:
    split = frames.StreamFrames(frames.TO_HOST)
    data = frames.pack(frames.BLOCK, 7, SPEECH[:640]) + frames.pack(frames.FLUSH, 7)
    found = []
    for byte in data:
        split.feed(bytes([byte]))
        while (frame := split.next()) is not None:
            found.append(frame)
    assert found == [(frames.BLOCK, 7, SPEECH[:640]), (frames.FLUSH, 7, b"")]


@pytest.mark.process
@pytest.mark.real_time
async def test_the_process_processes_speech() -> None:
    """As the pipeline does in this one."""
    pool = PipelinePool(limit=1)
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        receiver = Receiver()
        link = pool.open(receiver, NOISY, sample_rate=16_000, joins=False)
        link.send(SPEECH)
        link.flush()
        await receiver.until_over()
        assert receiver.reason is None
        nursery.cancel_scope.cancel()
    pipeline = Pipeline(NOISY, 16_000)
    whole = [pipeline.process(samples_of(SPEECH)).samples, pipeline.flush().samples]
    assert bytes(receiver.pcm) == pcm_of(np.concatenate(whole))


def test_blocks_that_wait_are_processed_as_one() -> None:
    """Those of a stream up to what else is sent of it; others' frames between them make no difference."""
    split = frames.StreamFrames(frames.TO_HOST)
    for kind, stream, content in (
        (frames.BLOCK, 1, b"aa"),
        (frames.BLOCK, 2, b"bb"),
        (frames.BLOCK, 1, b"cc"),
        (frames.CHANGE, 1, b"{}"),
        (frames.BLOCK, 1, b"dd"),
        (frames.BLOCK, 2, b"ee"),
        (frames.FLUSH, 2, b""),
    ):
        split.feed(frames.pack(kind, stream, content))
    assert joined(split) == [
        (frames.BLOCK, 1, b"aacc"),
        (frames.BLOCK, 2, b"bbee"),
        (frames.CHANGE, 1, b"{}"),
        (frames.BLOCK, 1, b"dd"),
        (frames.FLUSH, 2, b""),
    ]
