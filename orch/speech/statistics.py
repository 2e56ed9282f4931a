"""Figures of all streams, for operators. Pure."""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from msgspec import Struct

from orch.audio.pipeline_statistics import PipelineStatistics
from orch.protocol.words import word_spans
from orch.speech.outcomes import BackEndStatistics
from orch.speech.results import Transcription
from orch.telemetry.histogram import Histogram
from orch.telemetry.names import speech as names
from orch.telemetry.percentiles import quantile_ms, step_of
from orch.telemetry.sliding_window import SlidingWindow

WINDOW: Final = 900.0
"""The window of the captions' figures, in seconds."""

_PART: Final = 15
"""Seconds that are counted together."""

_PARTS: Final = int(WINDOW) // _PART
MINUTE: Final = 60.0
SPOKEN_KEPT: Final = 20_000  # utterances a minute, as of 5,000 people who never pause


class VoiceModelStatistics(Struct, frozen=True, kw_only=True):
    """The models of voice activity.

    ``lent``: how many streams have one. ``loaded``: how many are in memory, ``limit`` at most. ``missed``:
    streams that were segmented without one. ``error``: why no more are loaded; null where they can be.
    """

    lent: int
    loaded: int
    limit: int
    missed: int = 0
    error: str | None = None


class SpeechStatistics(Struct, frozen=True, kw_only=True):
    """How the speech flow is doing: totals since the process began, and captions of the last minutes.

    ``caption_p50_ms``, ``caption_p95_ms``: the time from the arrival of an utterance's last speech to its
    final caption, over the ``captions_timed`` live ones of the last ``window_seconds`` that were not cut for
    length; null if there are none. ``caption_ago``: seconds since the last of them, however long ago; null
    before the first. ``utterances_in_window``, ``lost_in_window``: how many were spoken and given up in the
    same time. ``queued_seconds``: sound that has arrived and is not processed yet. ``waiting_seconds``:
    speech that has ended and is not transcribed yet; ``waiting_longest``: how long the oldest such utterance
    of a live stream has waited, 0 without any. ``lost``: utterances given up. ``doubted``: segments left out
    of finals because the engine itself doubts them. ``growing_translations``: requests to translate growing
    lines; ``growing_translations_deferred``: how often one waited because its session had reached the limit;
    ``growing_translations_per_minute``: those of the session with the most, and ``growing_limit`` its limit.
    ``back_ends``: the outcomes of the requests to each.
    ``voice_models``: null where none is installed. ``pipelines``: the processes that run them.
    """

    streams: int
    queued_seconds: float = 0.0
    utterances: int
    finals: int
    lost: int
    lost_seconds: float
    revisions: int
    revisions_dropped: int
    waiting_seconds: float
    waiting_longest: float = 0.0
    caption_p50_ms: float | None
    caption_p95_ms: float | None
    utterances_per_minute: int
    window_seconds: float = WINDOW
    captions_timed: int = 0
    caption_ago: float | None = None
    utterances_in_window: int = 0
    lost_in_window: int = 0
    doubted: int = 0
    growing_translations: int = 0
    growing_translations_deferred: int = 0
    growing_translations_per_minute: int = 0
    growing_limit: int = 0
    back_ends: tuple[BackEndStatistics, ...] = ()
    voice_models: VoiceModelStatistics | None = None
    pipelines: PipelineStatistics | None = None


class CountedStream(Protocol):
    """A stream, as far as it is counted."""

    @property
    def queued_seconds(self) -> float:
        """How much sound has arrived and is not processed yet."""

    @property
    def waiting_seconds(self) -> float:
        """How much speech has ended and is not transcribed yet."""

    @property
    def waits_since(self) -> float | None:
        """Since when the live utterance waits that has waited longest; None without any."""

    @property
    def revisions(self) -> int:
        """The number of requested revisions."""

    @property
    def revisions_dropped(self) -> int:
        """The number of revisions that were due but not sent, or cancelled."""

    def shed(self, seconds: float) -> None:
        """Give up that much of what waits, the oldest first."""


class EngineCounters:
    """What the engine did, and the captions that came of it: for metrics.

    ``caption_seconds``: from the end of live speech to its final; ``late``: how many took longer than the
    objective. ``audio_seconds``, ``engine_seconds``: how much speech whole utterances had, and how long their
    transcription took. ``empty``: utterances without a word. The mutable state is all of them.
    """

    def __init__(self) -> None:
        self.caption_seconds = Histogram(names.CAPTION_SECONDS.buckets)
        self.late = 0
        self.words = 0
        self.empty = 0
        self.confidence = Histogram(names.CONFIDENCE.buckets)
        self.audio_seconds = 0.0
        self.engine_seconds = 0.0

    def responded(self, *, audio: float, took: float) -> None:
        """Count a response: ``audio`` seconds of speech, ``took`` seconds after the request was sent."""
        self.audio_seconds += audio
        self.engine_seconds += max(0.0, took)

    def recognised(self, transcription: Transcription) -> None:
        """Count an utterance that is published."""
        if not transcription.text:
            self.empty += 1
            return
        self.words += len(word_spans(transcription.text))
        confidence = transcription.confidence
        if confidence is not None and 0 <= confidence <= 1:
            self.confidence.observe(confidence)

    def captioned(self, seconds: float, trace_id: str = "") -> None:
        """Count a final that appeared ``seconds`` after the end of its speech.

        ``trace_id``: of its trace, if that is recorded.
        """
        if trace_id:
            self.caption_seconds.observe_traced(seconds, trace_id)
        else:
            self.caption_seconds.observe(seconds)
        self.late += seconds > names.LATE_SECONDS


@dataclass(slots=True)
class _Part:
    """The counts in one part of the window."""

    utterances: int = 0
    lost: int = 0
    latencies: Counter[int] = field(default_factory=Counter)


class SpeechCounters:
    """Counts. Moments (``at``, ``now``) are a monotonic clock's.

    The mutable state is: the streams that run, sums over all that ever did, the parts of the window, when the
    last latency was measured, and what the ``engine`` did.
    """

    def __init__(self) -> None:
        self._streams: list[CountedStream] = []
        self._utterances = 0
        self._finals = 0
        self._lost = 0
        self._doubted = 0
        self._lost_seconds = 0.0
        self._revisions = 0
        self._dropped = 0
        self._window = SlidingWindow(_Part, parts=_PARTS, seconds=_PART)
        self._timed_at: float | None = None
        self._spoken: deque[float] = deque(maxlen=SPOKEN_KEPT)
        self.engine = EngineCounters()

    @contextmanager
    def open(self, stream: CountedStream) -> Iterator[None]:
        """Count a stream while it runs, and what it has done afterwards."""
        self._streams.append(stream)
        try:
            yield
        finally:
            self._streams.remove(stream)
            self._revisions += stream.revisions
            self._dropped += stream.revisions_dropped

    def utterance(self, at: float) -> None:
        """Count an utterance that has ended."""
        self._utterances += 1
        self._window.part(at).utterances += 1
        self._spoken.append(at)

    def limit_waiting(self, seconds: float) -> None:
        """Make the streams with the most waiting speech give it up, until all together have that much."""
        excess = sum(stream.waiting_seconds for stream in self._streams) - seconds
        while excess > 0:
            heaviest = max(self._streams, key=lambda stream: stream.waiting_seconds)
            before = heaviest.waiting_seconds
            heaviest.shed(excess)
            given = before - heaviest.waiting_seconds
            if given <= 0:
                return  # everything that waits is being requested
            excess -= given

    def final(self, at: float, latency: float | None, trace_id: str = "") -> None:
        """Count a final. ``latency``: seconds since its last speech arrived, where that means anything.

        ``trace_id``: of its trace, if that is recorded.
        """
        self._finals += 1
        if latency is not None:
            self._window.part(at).latencies[step_of(latency)] += 1
            self._timed_at = at
            self.engine.captioned(latency, trace_id)

    def doubted(self, segments: int) -> None:
        """Count segments that were left out of a final."""
        self._doubted += segments

    def lost(self, at: float, seconds: float) -> None:
        """Count an utterance that was given up."""
        self._lost += 1
        self._window.part(at).lost += 1
        self._lost_seconds += seconds

    def statistics(self, now: float) -> SpeechStatistics:
        """Return the figures."""
        parts = list(self._window.recent(now))
        latencies: Counter[int] = Counter()
        for part in parts:
            latencies.update(part.latencies)
        while self._spoken and self._spoken[0] <= now - MINUTE:
            self._spoken.popleft()
        return SpeechStatistics(
            streams=len(self._streams),
            queued_seconds=round(sum(stream.queued_seconds for stream in self._streams), 3),
            utterances=self._utterances,
            finals=self._finals,
            lost=self._lost,
            lost_seconds=round(self._lost_seconds, 3),
            revisions=self._revisions + sum(stream.revisions for stream in self._streams),
            revisions_dropped=self._dropped + sum(stream.revisions_dropped for stream in self._streams),
            waiting_seconds=round(sum(stream.waiting_seconds for stream in self._streams), 3),
            waiting_longest=self._waiting_longest(now),
            caption_p50_ms=quantile_ms(latencies, 0.5),
            caption_p95_ms=quantile_ms(latencies, 0.95),
            utterances_per_minute=len(self._spoken),
            captions_timed=latencies.total(),
            caption_ago=None if self._timed_at is None else round(max(0.0, now - self._timed_at), 1),
            utterances_in_window=sum(part.utterances for part in parts),
            lost_in_window=sum(part.lost for part in parts),
            doubted=self._doubted,
        )

    @property
    def most_waiting_seconds(self) -> float:
        """How much speech waits in the stream with the most of it."""
        return max((stream.waiting_seconds for stream in self._streams), default=0.0)

    def _waiting_longest(self, now: float) -> float:
        since = min(
            (at for at in (each.waits_since for each in self._streams) if at is not None), default=now
        )
        return round(max(0.0, now - since), 1)
