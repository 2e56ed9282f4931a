"""Counts what all streams do, for operators."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from msgspec import Struct

from orch.speech.standing import BackEndStatistics

LATENCIES_KEPT: Final = 100
MINUTE: Final = 60.0
SPOKEN_KEPT: Final = 20_000  # utterances of a minute; 20,000 would be 5,000 people who never stop


class SpeechStatistics(Struct, frozen=True, kw_only=True):
    """How the speech flow is doing, since the process began.

    ``caption_p50_ms``, ``caption_p95_ms``: from the arrival of an utterance's last speech to its final
    caption, of the last 100 that came live and were not cut for length; null before the first.
    ``waiting_seconds``: speech that has ended and is not written down yet. ``lost``: utterances given up.
    ``doubted``: segments left out of finals since the engine doubts them itself. ``back_ends``: how what is
    asked of each is answered.
    """

    streams: int
    utterances: int
    finals: int
    lost: int
    lost_seconds: float
    revisions: int
    revisions_dropped: int
    waiting_seconds: float
    caption_p50_ms: float | None
    caption_p95_ms: float | None
    utterances_per_minute: int
    doubted: int = 0
    back_ends: tuple[BackEndStatistics, ...] = ()


class Counted(Protocol):
    """A stream, as far as it is counted."""

    @property
    def waiting_seconds(self) -> float:
        """How much speech has ended and is not written down yet."""

    @property
    def revisions(self) -> int:
        """How many revisions were asked for."""

    @property
    def revisions_dropped(self) -> int:
        """How many revisions were due and not sent, or taken back."""

    def shed(self, seconds: float) -> None:
        """Give up that much of what waits, the oldest first."""


class Tally:
    """The mutable state is: the streams that run, sums over all that ever did, and the last 100 latencies."""

    def __init__(self) -> None:
        self._streams: list[Counted] = []
        self._utterances = 0
        self._finals = 0
        self._lost = 0
        self._doubted = 0
        self._lost_seconds = 0.0
        self._revisions = 0
        self._dropped = 0
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._spoken: deque[float] = deque(maxlen=SPOKEN_KEPT)

    @contextmanager
    def open(self, stream: Counted) -> Iterator[None]:
        """Count a stream while it runs, and what it has done afterwards."""
        self._streams.append(stream)
        try:
            yield
        finally:
            self._streams.remove(stream)
            self._revisions += stream.revisions
            self._dropped += stream.revisions_dropped

    def spoken(self, at: float) -> None:
        """Count an utterance that has ended; ``at``: seconds since the epoch."""
        self._utterances += 1
        self._spoken.append(at)

    def bound(self, seconds: float) -> None:
        """Have the streams with the most waiting speech give it up, until all together have that much."""
        excess = sum(stream.waiting_seconds for stream in self._streams) - seconds
        while excess > 0:
            heaviest = max(self._streams, key=lambda stream: stream.waiting_seconds)
            before = heaviest.waiting_seconds
            heaviest.shed(excess)
            given = before - heaviest.waiting_seconds
            if given <= 0:
                return  # all that waits is being asked
            excess -= given

    def written(self, latency: float | None) -> None:
        """Count a final. ``latency``: seconds since its last speech arrived, where that means anything."""
        self._finals += 1
        if latency is not None:
            self._latencies.append(latency)

    def doubted(self, segments: int) -> None:
        """Count segments that were left out of a final."""
        self._doubted += segments

    def lost(self, seconds: float) -> None:
        """Count an utterance that was given up."""
        self._lost += 1
        self._lost_seconds += seconds

    def statistics(self, now: float) -> SpeechStatistics:
        """Return the figures; ``now``: seconds since the epoch."""
        while self._spoken and self._spoken[0] <= now - MINUTE:
            self._spoken.popleft()
        return SpeechStatistics(
            streams=len(self._streams),
            utterances=self._utterances,
            finals=self._finals,
            lost=self._lost,
            lost_seconds=round(self._lost_seconds, 3),
            revisions=self._revisions + sum(stream.revisions for stream in self._streams),
            revisions_dropped=self._dropped + sum(stream.revisions_dropped for stream in self._streams),
            waiting_seconds=round(sum(stream.waiting_seconds for stream in self._streams), 3),
            caption_p50_ms=self._percentile(0.5),
            caption_p95_ms=self._percentile(0.95),
            utterances_per_minute=len(self._spoken),
            doubted=self._doubted,
        )

    def _percentile(self, share: float) -> float | None:
        """Return the latency that ``share`` of the kept ones do not exceed (nearest rank), in ms."""
        if not self._latencies:
            return None
        ordered = sorted(self._latencies)
        return round(1000 * ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)], 1)
