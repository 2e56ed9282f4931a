"""Pipelines that only change the level: in the test's own process, or run as a module."""

from dataclasses import dataclass, field

import msgspec
import numpy as np
import trio
from msgspec import structs

from orch.audio import child_processes
from orch.audio import pipeline_frames as frames
from orch.audio.hosted_pipelines import HostedPipelines, serve
from orch.audio.live_pipeline import PipelineReceiver, PipelineUnavailableError
from orch.audio.parameters import Parameters, VoiceEnhancement
from orch.audio.pipeline_settings import PipelineSettings, encode
from orch.audio.pipeline_statistics import PipelineStatistics
from orch.audio.stages.stage import Block

LATENCY = 1_600
"""Samples: 100 ms at the segmenter's rate."""
_NOTHING: Block = np.zeros(0, np.float32)


def gain(value: float) -> PipelineSettings:
    """Return settings with which the fake multiplies by ``value``."""
    enhancement = VoiceEnhancement(gain=value)
    return structs.replace(PipelineSettings(), parameters=Parameters(voice_enhancement=enhancement))


@dataclass
class Output:
    samples: Block


class FakePipeline:
    """Multiplies by ``voiceEnhancement.gain``, late by :data:`LATENCY`; a change applies at once."""

    latency = LATENCY

    def __init__(self, settings: PipelineSettings, sample_rate: int) -> None:
        assert sample_rate == 16_000
        self._settings = settings
        self._held = _NOTHING

    def change(self, settings: PipelineSettings) -> None:
        self._settings = settings

    def process(self, block: Block) -> Output:
        self._held = np.concatenate((self._held, block))
        out, self._held = np.split(self._held, [max(0, len(self._held) - LATENCY)])
        return self._scaled(out)

    def flush(self) -> Output:
        out, self._held = self._held, _NOTHING
        return self._scaled(out)

    def _scaled(self, block: Block) -> Output:
        is_on = "voiceEnhance" in self._settings.enabled
        factor = self._settings.parameters.voice_enhancement.gain if is_on else 1.0
        return Output((block * np.float32(factor)).astype(np.float32))


@dataclass
class FakePipelines:
    """A pool without processes. ``refusal``: none can be had.

    ``is_stalled``: none returns anything; what is sent meanwhile is processed with the next frame after it.
    """

    refusal: str | None = None
    is_stalled: bool = False
    reasons: list[str] = field(default_factory=list)
    receivers: dict[int, PipelineReceiver] = field(default_factory=dict)
    opened: int = 0
    closed_late: int = 0
    _waiting: list[tuple[bytes, int, bytes]] = field(default_factory=list)
    _hosted: HostedPipelines = field(default_factory=lambda: HostedPipelines(FakePipeline))

    def open(
        self, receiver: PipelineReceiver, settings: PipelineSettings, *, sample_rate: int, joins: bool
    ) -> "FakeLink":
        if self.refusal is not None:
            raise PipelineUnavailableError(self.refusal)
        self.opened += 1
        self.receivers[self.opened] = receiver
        opening = frames.Opening(
            sample_rate=sample_rate, settings=msgspec.Raw(msgspec.json.encode(encode(settings))), joins=joins
        )
        self.handle(frames.OPEN, self.opened, msgspec.json.encode(opening))
        return FakeLink(self, self.opened)

    def bypassed(self, reason: str) -> None:
        self.reasons.append(reason)

    def statistics(self) -> PipelineStatistics:
        return PipelineStatistics(limit=1, streams=len(self.receivers), bypassed=len(self.reasons))

    def die(self) -> None:
        """End as a process does: what is inside is gone."""
        receivers, self.receivers = self.receivers, {}
        self._waiting.clear()
        self._hosted = HostedPipelines(FakePipeline)
        for receiver in receivers.values():
            receiver.failed("It ended with code -9.")

    def handle(self, kind: bytes, number: int, content: bytes = b"") -> None:
        if self.is_stalled and kind != frames.CLOSE:
            self._waiting.append((kind, number, content))
            return
        if kind == frames.CLOSE:
            self._waiting = [each for each in self._waiting if each[1] != number]
        waiting, self._waiting = self._waiting, []
        for earlier in waiting:
            self._handle(*earlier)
        self._handle(kind, number, content)

    def _handle(self, kind: bytes, number: int, content: bytes) -> None:
        if number not in self.receivers:
            return
        for reply in self._hosted.handle(kind, number, content):
            split = frames.StreamFrames(frames.FROM_HOST)
            split.feed(reply)
            received = split.next()
            assert received is not None
            kind, _, content = received
            receiver = self.receivers[number]
            if kind == frames.OPENED:
                receiver.opened(msgspec.json.decode(content))
            elif kind == frames.PCM:
                receiver.received(content)
            elif kind == frames.FLUSHED:
                del self.receivers[number]
                receiver.flushed()
            else:
                del self.receivers[number]
                receiver.failed(content.decode())


@dataclass
class FakeLink:
    pool: FakePipelines
    number: int

    def send(self, pcm: bytes) -> None:
        self.pool.handle(frames.BLOCK, self.number, pcm)

    def change(self, settings: PipelineSettings) -> None:
        self.pool.handle(frames.CHANGE, self.number, msgspec.json.encode(encode(settings)))

    def flush(self) -> None:
        self.pool.handle(frames.FLUSH, self.number)

    def close(self, *, was_late: bool = False) -> None:
        self.pool.closed_late += was_late
        self.pool.handle(frames.CLOSE, self.number)
        self.pool.receivers.pop(self.number, None)


async def start_fake() -> trio.Process:
    """Start a process with such pipelines."""
    return await child_processes.start(__name__, stdin=-1, refusal="No fake can be started")


if __name__ == "__main__":
    serve(FakePipeline)
