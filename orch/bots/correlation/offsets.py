"""The delay of one clock behind another, estimated robustly from matched words or marks. Pure.

A sample is a time on the audio's clock and how much later its match arrived. Samples are late by a constant
delay, by noise, by a drift between the clocks of up to some hundred millionths, and some are wrong matches.

The *offset* is the median of the newest samples (:data:`RECENT` seconds) around their densest second, so that
wrong matches do not move it, and a delay that changes during a meeting is followed. The *drift* is 0 for the
first ten minutes: before, the noise of word times is larger than any drift of real clocks. The standard
deviation of a slope through n samples with noise s over T seconds is s·√12/(T·√n): 0.2 s, 60 s and 100
samples give 1,150 millionths, 600 s and 1,000 samples 36. From then on a line is fitted through the means of
up to :data:`MOST_BINS` equal spans of time, weighted by their samples, with Huber's loss.
"""

from bisect import bisect_left
from collections import deque
from statistics import median
from typing import Final

import numpy as np
from msgspec import Struct

RECENT: Final = 120.0
MOST_RECENT: Final = 400
"""Samples of which the offset is the median, at most."""
DENSEST: Final = 1.0
LEAST: Final = 6
"""Samples from which on the offset is estimated."""
OFTEN: Final = 60
EVERY: Final = 8
"""With more than :data:`OFTEN` recent samples the offset is estimated at one in so many of them."""
DRIFT_AFTER: Final = 600.0
BIN: Final = 10.0
MOST_BINS: Final = 256
MOST_DRIFT: Final = 500e-6
"""No clock of a computer is further off: a larger slope is a delay that changed."""
LEAST_SPREAD: Final = 0.08
CLIP: Final = 3.0
"""Spreads from the offset beyond which a sample is taken for a wrong match, and not for the drift."""
HUBER: Final = 1.345
ROUNDS: Final = 8


class OffsetEstimate(Struct, frozen=True, kw_only=True):
    """``offset``: seconds at ``time``; ``drift``: seconds a second; ``spread``: the noise's deviation, s.

    ``is_known``: there were enough samples; else ``offset`` is the expected one.
    """

    time: float
    offset: float
    drift: float
    spread: float
    samples: int
    is_known: bool


class _Bin:
    __slots__ = ("count", "delays", "times")

    def __init__(self) -> None:
        self.count = 0
        self.times = 0.0
        self.delays = 0.0


class ClockOffset:
    """Estimates a delay from samples; memory and time a sample do not depend on the meeting's length.

    ``expected`` and ``spread``: until :data:`LEAST` samples are there. The mutable state is the newest
    samples, and sums for each span of time.
    """

    def __init__(self, *, expected: float, spread: float) -> None:
        self._recent: deque[tuple[float, float]] = deque(maxlen=MOST_RECENT)
        self._bins: dict[int, _Bin] = {}
        self._width = BIN
        self._first: float | None = None
        self._newest_bin: int | None = None
        self._count = 0
        self._estimate = OffsetEstimate(
            time=0.0, offset=expected, drift=0.0, spread=spread, samples=0, is_known=False
        )
        self._expected = spread

    def add(self, time: float, delay: float) -> None:
        """Add a sample: what has ``time`` on the audio's clock arrived ``delay`` seconds later."""
        self._count += 1
        self._recent.append((time, delay))
        self._first = time if self._first is None else min(self._first, time)
        self._refresh(time)
        if abs(delay - self.at(time)) > CLIP * self._estimate.spread:
            return
        number = int(time // self._width)
        bin_ = self._bins.get(number)
        if bin_ is None:
            bin_ = self._bins[number] = _Bin()
            self._limit()
        bin_.count += 1
        bin_.times += time
        bin_.delays += delay
        if self._newest_bin is None or number > self._newest_bin:
            self._newest_bin = number
            self._fit(time)

    def at(self, time: float) -> float:
        """Return the delay at a time of the audio."""
        estimate = self._estimate
        return estimate.offset + estimate.drift * (time - estimate.time)

    @property
    def estimate(self) -> OffsetEstimate:
        """The newest estimate."""
        return self._estimate

    def _refresh(self, time: float) -> None:
        """Estimate offset and spread from the newest samples, moved by the drift to the same time."""
        recent = self._recent
        while recent and recent[0][0] < time - RECENT:
            recent.popleft()
        if len(recent) < LEAST or (len(recent) > OFTEN and self._count % EVERY):
            return
        drift = self._estimate.drift
        newest = max(each for each, _ in recent)
        delays = sorted(delay - drift * (each - newest) for each, delay in recent)
        near = _densest(delays)
        middle = median(near)
        near = [each for each in delays if abs(each - middle) <= DENSEST]
        middle = median(near)
        spread = 1.4826 * median(abs(each - middle) for each in near)
        self._estimate = OffsetEstimate(
            time=newest,
            offset=middle,
            drift=drift,
            spread=min(max(spread, LEAST_SPREAD), self._expected),
            samples=self._count,
            is_known=True,
        )

    def _limit(self) -> None:
        """Double the width of the bins once there are too many."""
        if len(self._bins) <= MOST_BINS:
            return
        merged: dict[int, _Bin] = {}
        for number, each in self._bins.items():
            into = merged.setdefault(number // 2, _Bin())
            into.count += each.count
            into.times += each.times
            into.delays += each.delays
        self._bins = merged
        self._width *= 2
        self._newest_bin = max(merged)

    def _fit(self, time: float) -> None:
        """Fit the drift, once there are ten minutes of samples."""
        if self._first is None or time - self._first < DRIFT_AFTER or len(self._bins) < LEAST:
            return
        bins = [each for each in self._bins.values() if each.count]
        counts = np.array([each.count for each in bins], np.float64)
        times = np.array([each.times for each in bins]) / counts
        delays = np.array([each.delays for each in bins]) / counts
        weights = counts.copy()
        slope = 0.0
        for _ in range(ROUNDS):
            centre = np.average(times, weights=weights)
            height = np.average(delays, weights=weights)
            shifted = times - centre
            slope = float(np.sum(weights * shifted * (delays - height)) / np.sum(weights * shifted**2))
            residuals = np.abs(delays - height - slope * shifted) * np.sqrt(counts)
            scale = max(1.4826 * float(np.median(residuals)), 1e-6)
            weights = counts * np.minimum(1.0, HUBER * scale / np.maximum(residuals, 1e-9))
        slope = min(max(slope, -MOST_DRIFT), MOST_DRIFT)
        estimate = self._estimate
        self._estimate = OffsetEstimate(
            time=estimate.time,
            offset=estimate.offset,
            drift=slope,
            spread=estimate.spread,
            samples=estimate.samples,
            is_known=estimate.is_known,
        )


def _densest(values: list[float]) -> list[float]:
    """Return the values, which are sorted, in the densest span of :data:`DENSEST` seconds."""
    starts = range(len(values))
    ends = [bisect_left(values, value + DENSEST) for value in values]
    start = max(starts, key=lambda index: ends[index] - index)
    return values[start : ends[start]]
