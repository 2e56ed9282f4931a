"""The sound of one stream from its arrival to the segmenter's events. Pure.

What arrives is queued, and processed later, a block at a time: resampled to the back ends' rate, then cut
into utterances. A gap and the end of the sound are queued like blocks, so that everything keeps its order.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from orch.audio.resampling import BACK_END_RATE, Resampler
from orch.audio.segmenter import Event, Segmenter
from orch.audio.voice_activity import VoiceActivity
from orch.problems import ProblemError
from orch.settings import Vad

QUEUED: Final = 2.0  # s of sound
QUEUED_BLOCKS: Final = 200  # of 20 ms each they are 4 s; smaller ones must not cost more memory than sound
ARRIVALS_KEPT: Final = 4.0  # s; more than the longest hangover


@dataclass(frozen=True, slots=True)
class Gap:
    """Sound that never arrived: from sample ``start`` up to ``end``, and why."""

    start: int
    end: int
    error: ProblemError


@dataclass(frozen=True, slots=True)
class SoundEnded:
    """All sound is processed; none will follow."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Samples at the stream's own rate, and when they arrived."""

    pcm: bytes
    at: float


@dataclass(frozen=True, slots=True)
class _Missing:
    """A gap up to sample ``end`` at the back ends' rate."""

    end: int
    error: ProblemError
    at: float


@dataclass(frozen=True, slots=True)
class _End:
    at: float


class SoundQueue:
    """Queues 16-bit mono PCM of ``sample_rate`` Hz, and turns it into events.

    Overflow rule: nothing is dropped. Beyond :data:`QUEUED` seconds or :data:`QUEUED_BLOCKS` items the
    queue :attr:`is_full`, and its owner processes the oldest before it lets the sender go on.

    Events count samples at the back ends' rate; block sizes do not change them. Moments (``now``) are of one
    monotonic clock.

    The mutable state is the queue, the resampler, the segmenter, and when the last seconds of sound arrived.
    """

    def __init__(self, *, sample_rate: int, vad: Vad, max_utterance: float) -> None:
        self._sample_rate = sample_rate
        self._vad = vad
        self._max_utterance = max_utterance
        self._resampler = Resampler(source=sample_rate)
        self._segmenter = Segmenter(sample_rate=BACK_END_RATE, vad=vad, max_utterance=max_utterance)
        self._queue: deque[_Block | _Missing | _End] = deque()
        self._queued = 0  # samples
        self._received = 0  # samples, with those of gaps
        self._arrivals: deque[tuple[int, float]] = deque()

    def __len__(self) -> int:
        """How many blocks, gaps and ends are queued."""
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        """Whether the oldest block must be processed before the sender goes on."""
        return self.fill > 1

    @property
    def fill(self) -> float:
        """How much is queued, as a share of what may be."""
        return max(self._queued / (QUEUED * self._sample_rate), len(self._queue) / QUEUED_BLOCKS)

    @property
    def queued_seconds(self) -> float:
        """How much sound has arrived and is not processed."""
        return self._queued / self._sample_rate

    @property
    def received_seconds(self) -> float:
        """How much sound has arrived or is known to be lost, exact to the sample."""
        return self._received / self._sample_rate

    @property
    def position(self) -> int:
        """How many samples are processed."""
        return self._segmenter.position

    @property
    def settled(self) -> int:
        """The first sample that an utterance to come, or the current one, may still contain."""
        return self._segmenter.settled

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is being spoken."""
        return self._segmenter.speaking_since is not None

    @property
    def stored_samples(self) -> int:
        """How many processed samples are held in memory."""
        return self._segmenter.stored_samples

    @property
    def stored_arrivals(self) -> int:
        """Of how many blocks the moment of arrival is remembered."""
        return len(self._arrivals)

    def add(self, pcm: bytes, now: float) -> None:
        """Queue samples that arrive now."""
        samples = len(pcm) // 2
        self._received += samples
        self._queued += samples
        self._queue.append(_Block(pcm, now))

    def add_gap(self, seconds: float, error: ProblemError, now: float) -> None:
        """Queue a gap: sound that was lost on its way."""
        self._received += round(seconds * self._sample_rate)
        end = round(self._received / self._sample_rate * BACK_END_RATE)
        self._queue.append(_Missing(end, error, now))

    def add_end(self, now: float) -> None:
        """Queue the end of the sound."""
        self._queue.append(_End(now))

    def clear(self) -> None:
        """Drop what is queued."""
        self._queue.clear()
        self._queued = 0

    def segment_with(self, activity: VoiceActivity) -> None:
        """Let ``activity``, at the back ends' rate, decide what is speech.

        Without effect once sound was processed: the segmenter has its state of it.
        """
        if self._segmenter.position == 0:
            self._segmenter = Segmenter(
                sample_rate=BACK_END_RATE,
                vad=self._vad,
                max_utterance=self._max_utterance,
                activity=activity,
            )

    @property
    def is_break_next(self) -> bool:
        """Whether the oldest item is a gap or the end. The queue must not be empty."""
        return not isinstance(self._queue[0], _Block)

    def pop_block(self) -> tuple[bytes, float]:
        """Remove the oldest block; return its samples at the back ends' rate, and when they arrived."""
        block = self._queue.popleft()
        assert isinstance(block, _Block), self  # noqa: S101 - no break is next
        self._queued -= len(block.pcm) // 2
        return self._resampler.feed(block.pcm), block.at

    def rest(self) -> tuple[bytes, float]:
        """Return the samples before a gap or the end that the resampler still has."""
        rest = self._resampler.flush()
        self._resampler = Resampler(source=self._sample_rate)
        return rest, self._queue[0].at

    def process_next(self) -> list[Event | Gap | SoundEnded]:
        """Process the oldest block, gap or end; return its events."""
        if not self.is_break_next:
            return list(self.segment(*self.pop_block()))
        events: list[Event | Gap | SoundEnded] = [*self.segment(*self.rest()), *self._segmenter.flush()]
        following = self._queue.popleft()
        if isinstance(following, _Missing):
            start = self._segmenter.position
            self._segmenter.skip(following.end - start)
            self._arrivals.append((following.end, following.at))
            events.append(Gap(start, following.end, following.error))
        else:
            events.append(SoundEnded())
        return events

    def growing(self) -> tuple[int, int, bytes] | None:
        """Return the current utterance so far: start, end, PCM; None in silence."""
        return self._segmenter.growing()

    def drop_current(self) -> int:
        """Forget what is in no event yet; return the first sample of it, before which the sound ends now.

        The queue must be empty.
        """
        assert not self._queue, self  # noqa: S101 - the owner has processed it
        at = self._segmenter.drop()
        self._received = min(self._received, int(at * self._sample_rate / BACK_END_RATE))
        return at

    def arrived_at(self, sample: int) -> float:
        """Return when a processed sample arrived, to within :data:`ARRIVALS_KEPT` seconds."""
        for position, at in self._arrivals:
            if position >= sample:
                return at
        return self._arrivals[-1][1]

    def segment(self, pcm: bytes, at: float) -> list[Event]:
        """Segment samples at the back ends' rate that arrived at ``at``; return their events."""
        events = self._segmenter.feed(pcm)
        position = self._segmenter.position
        self._arrivals.append((position, at))
        while len(self._arrivals) > 1 and self._arrivals[1][0] < position - ARRIVALS_KEPT * BACK_END_RATE:
            self._arrivals.popleft()
        return events
