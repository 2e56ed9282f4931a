"""Runs the pipelines of live streams in a process of its own, one block after another.

A pipeline that fails loses its stream alone; the service goes on with the stream's own sound.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
import numpy as np

from orch.audio import pipeline_frames as frames
from orch.audio.pipeline_settings import PipelineSettings, decode
from orch.audio.process_limits import give_way
from orch.audio.stages.stage import Block

_FULL_SCALE: Final = 32_768
_RECEIVE: Final = 65_536
_NICENESS: Final = 5
"""Speech is processed sooner than recordings are decoded, and later than connections are served."""
_TEXT: Final = 500


class Output(Protocol):
    """What a call of a pipeline returned."""

    @property
    def samples(self) -> Block:
        """Samples from -1 to 1."""


class RunningPipeline(Protocol):
    """A pipeline: see ``pipeline.py``."""

    @property
    def latency(self) -> int:
        """Samples of input for which nothing is returned."""

    def process(self, block: Block) -> Output:
        """Process a block."""

    def flush(self) -> Output:
        """Return what is still inside."""

    def change(self, settings: PipelineSettings) -> None:
        """Continue with other settings."""


Frame = tuple[bytes, int, bytes]
"""Kind, stream, content."""

MakePipeline = Callable[[PipelineSettings, int], RunningPipeline]
"""Returns a pipeline with settings for a sample rate."""


@dataclass
class _Hosted:
    """A pipeline. ``joining``: other settings, and after how many more samples they apply."""

    pipeline: RunningPipeline
    joining: tuple[PipelineSettings, int] | None = None

    def process(self, block: Block) -> Output:
        """Process a block."""
        if self.joining is not None:
            settings, rest = self.joining
            if rest <= 0:
                self.pipeline.change(settings)
            self.joining = None if rest <= 0 else (settings, rest - len(block))
        return self.pipeline.process(block)

    def change(self, settings: PipelineSettings) -> None:
        """Continue with other settings."""
        if self.joining is None:
            self.pipeline.change(settings)
        else:
            self.joining = (settings, self.joining[1])


class HostedPipelines:
    """The pipelines of one process, by stream; ``make`` returns one.

    A stream that joins is sent back as it came for the latency, so that its first sample has left every stage
    before the first one fades in: a stage that fades before the sound reaches it begins with a click.
    """

    def __init__(self, make: MakePipeline) -> None:
        self._make = make
        self._pipelines: dict[int, _Hosted] = {}

    def handle(self, kind: bytes, stream: int, content: bytes) -> list[bytes]:
        """Carry out a frame; return those to send. What fails ends its stream alone."""
        try:
            return self._handle(kind, stream, content)
        except Exception as error:  # noqa: BLE001 - one stream's boundary: the others go on
            self._pipelines.pop(stream, None)
            reason = f"{type(error).__name__}: {error}"[:_TEXT]
            return [frames.pack(frames.FAILED, stream, reason.encode())]

    def _handle(self, kind: bytes, stream: int, content: bytes) -> list[bytes]:
        if kind == frames.OPEN:
            return [self._open(stream, msgspec.json.decode(content, type=frames.Opening))]
        hosted = self._pipelines.get(stream)
        if hosted is None:
            return []  # it has failed, and the service does not know yet
        if kind == frames.BLOCK:
            return _returned(stream, hosted.process(samples_of(content)).samples)
        if kind == frames.CHANGE:
            hosted.change(decode(msgspec.json.decode(content)))
            return []
        del self._pipelines[stream]
        if kind == frames.CLOSE:
            return []
        return [*_returned(stream, hosted.pipeline.flush().samples), frames.pack(frames.FLUSHED, stream)]

    def _open(self, stream: int, opening: frames.Opening) -> bytes:
        settings = decode(msgspec.json.decode(opening.settings))
        begins = PipelineSettings(enabled=frozenset()) if opening.joins else settings
        pipeline = self._make(begins, opening.sample_rate)
        joining = (settings, pipeline.latency) if opening.joins else None
        self._pipelines[stream] = _Hosted(pipeline, joining)
        return frames.pack(frames.OPENED, stream, msgspec.json.encode(pipeline.latency))


def samples_of(pcm: bytes) -> Block:
    """Return 16-bit PCM as samples from -1 to 1."""
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(_FULL_SCALE)


def pcm_of(samples: Block) -> bytes:
    """Return samples as 16-bit PCM: those of :func:`samples_of` give the same PCM."""
    whole = np.rint(samples.astype(np.float64) * _FULL_SCALE)
    return np.clip(whole, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()


def _returned(stream: int, samples: Block) -> list[bytes]:
    pcm = pcm_of(samples)
    return [
        frames.pack(frames.PCM, stream, pcm[begin : begin + frames.MOST_BYTES])
        for begin in range(0, len(pcm), frames.MOST_BYTES)
    ]


def serve(make: MakePipeline) -> None:
    """Read frames to the end of the input, and write those that they bring about."""
    give_way(_NICENESS)
    hosted = HostedPipelines(make)
    received = frames.StreamFrames(frames.TO_HOST)
    try:
        while data := os.read(0, _RECEIVE):
            received.feed(data)
            for frame in joined(received):
                for reply in hosted.handle(*frame):
                    _write(reply)
    except BrokenPipeError:
        os._exit(1)  # the service has closed the pipe


def joined(received: frames.StreamFrames) -> list[Frame]:
    """Return the frames that have arrived, those of each stream in their order, blocks in a row as one.

    Larger blocks cost less: a process that falls behind, so that more arrives at a time, becomes faster.
    """
    found: list[Frame] = []
    latest: dict[int, int] = {}
    while (frame := received.next()) is not None:
        kind, stream, content = frame
        at = latest.get(stream)
        if kind == frames.BLOCK and at is not None and found[at][0] == frames.BLOCK:
            found[at] = (kind, stream, found[at][2] + content)
        else:
            latest[stream] = len(found)
            found.append(frame)
    return found


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
