"""Speaking marks, and the levels of channels, of the last minutes. Pure.

A mark begins a little after its participant and ends late; it also lights up for noise, and on some
participants when others speak. How much each participant's mark proves is therefore learned: how often it is
lit while they speak (*hit*) and while another does (*leak*), from words that are attributed surely.
"""

import math
from collections import deque
from typing import Final

from orch.bots.correlation.offsets import ClockOffset, OffsetEstimate

MARK_LAG: Final = 0.25
"""Seconds by which marks are taken to be late until it is measured."""
EARLIEST: Final = -0.5
LATEST: Final = 2.5
"""Seconds after the beginning of speech in which its mark is expected, while the lag is unknown."""
AROUND: Final = 1.5
"""Seconds around the known lag in which it is expected: clocks drift by seconds in some hours."""
#: What is known of any mark beforehand, in observed seconds of speech: lit 9 of 10, and 1 of 8.
HIT: Final = (9.0, 10.0)
LEAK: Final = (2.5, 20.0)
MOST_LEARNED: Final = 600.0
"""Seconds of speech after which older observations count less."""
BOUNDS: Final = (0.02, 0.97)
MOST_MARKED: Final = 1_000
"""Participants; beyond, the one whose mark changed longest ago is forgotten."""
MOST_SPANS: Final = 400
"""Marks of a participant in the last minutes; flicker beyond that loses the oldest."""


class _Marks:
    """The marks of one participant."""

    __slots__ = ("changed", "hit", "hits", "leak", "leaks", "since", "spans")

    def __init__(self) -> None:
        self.spans: deque[tuple[float, float]] = deque(maxlen=MOST_SPANS)
        self.since: float | None = None
        self.changed = math.inf
        self.hit, self.hits = HIT
        self.leak, self.leaks = LEAK


class SpeakingMarks:
    """Who is marked as speaking when. The mutable state is the marks' spans and what is learned of them."""

    def __init__(self) -> None:
        self._marks: dict[str, _Marks] = {}
        self._lag = ClockOffset(expected=MARK_LAG, spread=0.4)

    def mark(self, participant_id: str, at: float, *, is_on: bool) -> None:
        """Apply a mark; a repeated one changes nothing."""
        marks = self._marks.get(participant_id)
        if marks is None:
            marks = self._marks[participant_id] = _Marks()
            self._limit()
        marks.changed = at
        if is_on and marks.since is None:
            marks.since = at
        elif not is_on and marks.since is not None:
            marks.spans.append((marks.since, max(at, marks.since)))
            marks.since = None

    def known(self) -> list[str]:
        """Return the participants that have ever been marked."""
        return list(self._marks)

    @property
    def lag(self) -> OffsetEstimate:
        """How late marks are."""
        return self._lag.estimate

    def lit(self, participant_id: str, start: float, end: float) -> float:
        """Return the share of a span of the audio in which a participant was marked, 0 to 1."""
        marks = self._marks.get(participant_id)
        if marks is None:
            return 0.0
        lag = self._lag.at(start)
        start, end = start + lag, max(end, start + 0.05) + lag
        total = 0.0
        if marks.since is not None and marks.since < end:
            total += end - max(start, marks.since)
        for begin, stop in reversed(marks.spans):
            if stop <= start:
                break
            total += max(0.0, min(end, stop) - max(start, begin))
        return min(1.0, total / (end - start))

    def evidence(self, participant_id: str, start: float, end: float) -> float:
        """Return the log likelihood ratio that a participant speaks, from whether they are marked."""
        marks = self._marks.get(participant_id)
        if marks is None:
            return 0.0
        lit = self.lit(participant_id, start, end)
        low, high = BOUNDS
        hit = min(max(marks.hit / marks.hits, low), high)
        leak = min(max(marks.leak / marks.leaks, low), high)
        return lit * math.log(hit / leak) + (1 - lit) * math.log((1 - hit) / (1 - leak))

    def learn(self, speaker: str, start: float, end: float) -> None:
        """Observe the marks of everyone while ``speaker`` surely speaks."""
        seconds = max(0.0, end - start)
        for participant_id, marks in self._marks.items():
            lit = self.lit(participant_id, start, end) * seconds
            if participant_id == speaker:
                marks.hit, marks.hits = _observed(marks.hit, marks.hits, lit, seconds)
            else:
                marks.leak, marks.leaks = _observed(marks.leak, marks.leaks, lit, seconds)

    def learn_onset(self, speaker: str, start: float) -> None:
        """Observe how late the mark of ``speaker`` begins, who surely began to speak at ``start``."""
        marks = self._marks.get(speaker)
        if marks is None:
            return
        begins = [begin for begin, _ in marks.spans] + ([] if marks.since is None else [marks.since])
        expected = self._lag.at(start)
        earliest, latest = EARLIEST, LATEST
        if self._lag.estimate.is_known:
            earliest, latest = expected - AROUND, expected + AROUND
        near = [begin - start for begin in begins if earliest < begin - start < latest]
        if near:
            self._lag.add(start, min(near, key=lambda late: abs(late - expected)))

    def forget(self, before: float) -> None:
        """Drop marks that ended before a time."""
        for marks in self._marks.values():
            while marks.spans and marks.spans[0][1] < before:
                marks.spans.popleft()

    def _limit(self) -> None:
        if len(self._marks) > MOST_MARKED:
            del self._marks[min(self._marks, key=lambda each: self._marks[each].changed)]


def _observed(count: float, total: float, lit: float, seconds: float) -> tuple[float, float]:
    count, total = count + lit, total + seconds
    if total > MOST_LEARNED:
        count, total = count * MOST_LEARNED / total, MOST_LEARNED
    return count, total


SILENT: Final = 12.0
"""Decibels below a channel's speech at which it is silent."""
FLOOR: Final = -60.0
LONGEST_LEVEL: Final = 1.0


class ChannelLevels:
    """Where a channel was silent. The mutable state is its last levels, and how loud its speech is."""

    def __init__(self) -> None:
        self._levels: deque[tuple[float, float, float]] = deque(maxlen=4_096)
        self._loud: float | None = None

    def add(self, time: float, dbfs: float) -> None:
        """Apply the level up to a time of the audio."""
        begin = self._levels[-1][1] if self._levels else time - 0.1
        if time <= begin:
            return
        self._levels.append((max(begin, time - LONGEST_LEVEL), time, dbfs))
        if dbfs > FLOOR:
            loud = self._loud
            # Rises at once, falls within some seconds of quieter speech.
            self._loud = dbfs if loud is None or dbfs > loud else loud + 0.02 * (dbfs - loud)

    def silence(self, start: float, end: float) -> float | None:
        """Return the longest silence in a span; None if levels do not cover it."""
        if self._loud is None or not self._levels or end <= start:
            return None
        least = self._loud - SILENT
        longest = current = covered = 0.0
        for begin, stop, dbfs in reversed(self._levels):
            if stop <= start:
                break
            length = min(stop, end) - max(begin, start)
            if length <= 0:
                continue
            covered += length
            current = current + length if dbfs < least else 0.0
            longest = max(longest, current)
        return longest if covered >= 0.8 * (end - start) else None

    def forget(self, before: float) -> None:
        """Drop levels before a time."""
        while self._levels and self._levels[0][1] < before:
            self._levels.popleft()
