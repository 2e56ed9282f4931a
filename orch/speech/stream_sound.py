"""A stream's sound on its way to the segmenter: through a pipeline, where one is wanted. Pure.

Blocks leave the sound queue in their order, and what a pipeline returns is segmented in the same order.
Nothing is lost: what a pipeline holds is known to the sample (``orch/audio/live_pipeline.py``), so where it
fails, is too slow or is not available, the stream goes on at exactly that sample with its sound as it came,
and tries again later. Times are those of the sound as it was spoken, since a pipeline moves no sample.

Without a click: where a pipeline fails, the sound as it came fades in. A pipeline that is added while
somebody speaks begins with all stages off and fades them in; one that is removed fades them out, and what it
returns then is the sound as it came.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from orch.audio.live_pipeline import PATIENCE, LivePipeline, Piece, PipelineLink, PipelineUnavailableError
from orch.audio.pipeline_settings import PipelineSettings
from orch.audio.pipeline_statistics import PipelineStatistics
from orch.audio.resampling import BACK_END_RATE
from orch.audio.segmenter import Event
from orch.backoff import Backoff
from orch.speech.sound_queue import Gap, SoundEnded, SoundQueue

FADED_OUT: Final = 1.0
"""Seconds of sound after which all stages are off: a change under way, the latencies, and the fade."""
FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 60.0
"""Seconds until a pipeline is tried again: at first, and at most."""
MOST_QUEUED: Final = 3.0
"""How many times as much as it should a sound queue may have before its sound goes on unprocessed."""
WORKS_WELL: Final = 10.0
"""Seconds of processed sound after which a failure is no longer counted with those before."""

SoundEvent = Event | Gap | SoundEnded


class Pipelines(Protocol):
    """The pipelines in other processes."""

    def open(
        self, receiver: LivePipeline, settings: PipelineSettings, *, sample_rate: int, joins: bool
    ) -> PipelineLink:
        """Begin a stream. PipelineUnavailableError: there is none for it now."""

    def bypassed(self, reason: str) -> None:
        """Note that a stream goes on unprocessed."""

    def statistics(self) -> PipelineStatistics:
        """Return the figures."""


def all_off(settings: PipelineSettings) -> PipelineSettings:
    """Return settings with which sound leaves as it came."""
    return msgspec.structs.replace(settings, enabled=frozenset(), paused_at=None)


class StreamSound:
    """Turns a sound queue into the segmenter's events, a step at a time.

    ``changed`` is called when there is something to do. The mutable state is the pipeline, if there is one,
    which one is wanted, what goes on unprocessed, and when a pipeline is tried again.
    """

    def __init__(
        self,
        queue: SoundQueue,
        *,
        pipelines: Pipelines | None,
        changed: Callable[[], None],
        patience: float = PATIENCE,
    ) -> None:
        self.queue = queue
        self._pipelines = pipelines
        self._changed = changed
        self._patience = patience
        self._wanted: PipelineSettings | None = None
        self._used: PipelineSettings | None = None
        self._pipeline: LivePipeline | None = None
        self._unprocessed: deque[Piece] = deque()
        self._joins = False
        self._leaves_after: int | None = None
        self._backoff = Backoff(first=FIRST_PAUSE, longest=LONGEST_PAUSE)

    def __repr__(self) -> str:
        return f"<StreamSound {len(self.queue)} queued, {self._pipeline or 'no pipeline'}>"

    @property
    def is_processed(self) -> bool:
        """Whether the sound passes through a pipeline."""
        return self._wanted is not None and self._pipelines is not None and not self.is_bypassed

    @property
    def is_bypassed(self) -> bool:
        """Whether the sound goes on unprocessed although a pipeline is wanted."""
        return self._wanted is not None and self._backoff.failures > 0 and self._pipeline is None

    @property
    def owed_seconds(self) -> float:
        """How much sound is inside the pipeline, or waits behind it."""
        waiting = sum(len(pcm) // 2 for pcm, _ in self._unprocessed)
        return (waiting + (0 if self._pipeline is None else self._pipeline.owed)) / BACK_END_RATE

    @property
    def due(self) -> float | None:
        """When there is something to do although nothing has arrived; None: never."""
        return None if self._pipeline is None else self._pipeline.late_at

    @property
    def has_overflowed(self) -> bool:
        """Whether more sound waits than a sender that waits for the stream can have sent."""
        return self.queue.fill > MOST_QUEUED

    def want(self, settings: PipelineSettings | None) -> None:
        """Process what is not processed yet with other settings; None: not at all."""
        self._wanted = settings
        self._backoff.succeeded()
        self._changed()

    def clear(self) -> None:
        """Drop everything that is not segmented."""
        if self._pipeline is not None:
            self._pipeline.give_up()
            self._pipeline = None
        self._unprocessed.clear()
        self.queue.clear()

    def bypass(self, reason: str | None, now: float, *, was_late: bool = False) -> None:
        """Let the sound go on unprocessed; ``reason``: a failure, after which a pipeline is tried later."""
        pipeline, self._pipeline = self._pipeline, None
        self._leaves_after = None
        self._joins = True
        if pipeline is not None:
            self._unprocessed += pipeline.give_up(was_late=was_late)
        if reason is not None:
            if not self._backoff.failures and self._pipelines is not None:
                self._pipelines.bypassed(reason)
            self._backoff.failed(now)

    def step(self, now: float) -> list[SoundEvent] | None:
        """Do what is next; return the events of it. None: there is nothing to do now."""
        pipeline = self._pipeline
        piece = self._next_piece()
        if piece is not None:
            return list(self.queue.segment(*piece))
        if pipeline is not None:
            if pipeline.failure is not None:
                self.bypass(pipeline.failure, now)
                return []
            if pipeline.late_at is not None and pipeline.late_at <= now:
                self.bypass("It is too slow.", now, was_late=True)
                return []
            if pipeline.is_done:
                self._pipeline = self._leaves_after = None
                self._joins = True
                return []
        self._change(now)
        return self._advance(now) if self.queue else None

    def _next_piece(self) -> Piece | None:
        if self._unprocessed:
            return self._unprocessed.popleft()
        if self._pipeline is None:
            return None
        if self._backoff.failures and self._pipeline.returned > WORKS_WELL * BACK_END_RATE:
            self._backoff.succeeded()
        return self._pipeline.take()

    def _change(self, now: float) -> None:
        """Bring the pipeline to what is wanted."""
        pipeline = self._pipeline
        if pipeline is None:
            has_sound = bool(self.queue) and not self.queue.is_break_next
            if self._wanted is not None and has_sound and self._backoff.until <= now:
                self._open(self._wanted, now)
        elif pipeline.is_flushing or self._wanted == self._used:
            return
        elif self._wanted is not None:
            pipeline.link.change(self._wanted)
            self._used, self._leaves_after = self._wanted, None
        elif self._used is not None:
            pipeline.link.change(all_off(self._used))
            self._used, self._leaves_after = None, round(FADED_OUT * BACK_END_RATE)

    def _open(self, settings: PipelineSettings, now: float) -> None:
        if self._pipelines is None:
            return
        pipeline = LivePipeline(rate=BACK_END_RATE, now=now, patience=self._patience, changed=self._changed)
        try:
            pipeline.link = self._pipelines.open(
                pipeline, settings, sample_rate=BACK_END_RATE, joins=self._joins
            )
        except PipelineUnavailableError as error:
            self.bypass(str(error), now)
            return
        self._pipeline, self._used = pipeline, settings

    def _advance(self, now: float) -> list[SoundEvent] | None:
        """Move the oldest block of the queue on, or the gap or end that follows."""
        pipeline = self._pipeline
        if pipeline is None:
            self._joins = not self.queue.is_break_next
            return self.queue.process_next()
        if pipeline.is_flushing or not pipeline.has_room:
            return None
        if self.queue.is_break_next:
            pipeline.send(*self.queue.rest(), now)
            pipeline.flush(now)
            return []
        pcm, arrived = self.queue.pop_block()
        pipeline.send(pcm, arrived, now)
        if self._leaves_after is not None:
            self._leaves_after -= len(pcm) // 2
            if self._leaves_after <= 0:
                pipeline.flush(now)
        return []
