"""Counts and latencies of the last minute. Pure."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from orch.gateway.statistics import GatewayFlow
from orch.telemetry.percentiles import quantile_ms, quantiles_ms, step_of
from orch.telemetry.sliding_window import SlidingWindow

WINDOW: Final = 60
"""Seconds that a window covers."""


@dataclass(slots=True)
class _Second:
    count: int = 0
    errors: int = 0
    latencies: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class _Sum:
    """The sum of seconds that are over, by number, each with its count when it was added."""

    seconds: dict[int, tuple[_Second, int]] = field(default_factory=dict)
    latencies: Counter[int] = field(default_factory=Counter)
    count: int = 0
    errors: int = 0

    def is_true(self) -> bool:
        """Return whether every second is still as it was added; a request may be counted late."""
        return all(second.count == count for second, count in self.seconds.values())

    def add(self, number: int, second: _Second) -> None:
        """Add a second."""
        self.seconds[number] = second, second.count
        self.latencies.update(second.latencies)
        self.count += second.count
        self.errors += second.errors

    def drop(self, number: int) -> None:
        """Take out a second."""
        second, _ = self.seconds.pop(number)
        for step, count in second.latencies.items():
            self.latencies[step] -= count
            if not self.latencies[step]:
                del self.latencies[step]
        self.count -= second.count
        self.errors -= second.errors


@dataclass(frozen=True, slots=True)
class Summary:
    """A window's figures. ``span``: seconds it covers. Latencies: milliseconds, None if there were none.

    ``timed``: how many of ``count`` have a latency.
    """

    count: int
    errors: int
    timed: int
    span: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.count / self.span

    @property
    def error_rate(self) -> float:
        """The share of errors, 0..1."""
        return self.errors / self.count if self.count else 0.0


class Window:
    """Counts and latencies of the last :data:`WINDOW` seconds, and totals since the start.

    Bounded whatever the load: one entry per second, in each at most 320 counts. ``now`` is a monotonic
    clock's. The sum of the seconds that are over is stored, so that reading costs what has happened since the
    last time: with 100 busy routes 60 seconds each take 60 ms to add up, in which nothing is forwarded.
    """

    def __init__(self, now: float) -> None:
        self.total = 0
        self.total_errors = 0
        self._started = now
        self._seconds = SlidingWindow(_Second, parts=WINDOW, seconds=1.0)
        self._past = _Sum()
        self._newest_from = math.inf
        self._newest = _Second()
        self._latest = -math.inf

    def add(self, now: float, seconds: float | None, *, is_error: bool) -> None:
        """Count a request that took ``seconds`` and ended at ``now``; None: it has no latency."""
        if not self._newest_from <= now < self._newest_from + 1:
            self._newest_from = float(int(now))
            self._newest = self._seconds.part(now)
            self._latest = max(self._latest, self._newest_from)
        second = self._newest
        second.count += 1
        if seconds is not None:
            second.latencies[step_of(seconds)] += 1
        self.total += 1
        if is_error:
            second.errors += 1
            self.total_errors += 1

    def latencies(self, now: float) -> tuple[Counter[int], int, int]:
        """Return the last minute's latencies by step, how many there are, and how many are errors."""
        past, newest = self._summed(now)
        if newest is None:
            return Counter(), 0, 0
        latencies = past.latencies.copy()
        latencies.update(newest.latencies)
        return latencies, past.count + newest.count, past.errors + newest.errors

    def count(self, now: float) -> int:
        """Return how many requests ended in the last minute."""
        past, newest = self._summed(now)
        return 0 if newest is None else past.count + newest.count

    def _summed(self, now: float) -> tuple[_Sum, _Second | None]:
        """Return the sum of all seconds but the newest, and that one; None if there is none."""
        if now - self._latest > WINDOW + 1:  # most windows of most services have nothing of the last minute
            self._past = _Sum()
            return self._past, None
        recent = self._seconds.numbered(now)
        newest = recent.pop(max(recent), None) if recent else None
        past = self._past if self._past.is_true() else _Sum()
        self._past = past
        for number in past.seconds.keys() - recent.keys():
            past.drop(number)
        for number in recent.keys() - past.seconds.keys():
            past.add(number, recent[number])
        return past, newest

    def summary(self, now: float) -> Summary:
        """Return the last minute's figures."""
        return _summary(*self.latencies(now), now, self._started)


class Minute:
    """The last minute, and the totals since the start, of several windows; ``started``: of the first."""

    def __init__(self, now: float, started: float) -> None:
        self.total = 0
        self.total_errors = 0
        self._now = now
        self._started = started
        self.latencies: Counter[int] = Counter()
        self.count = 0
        self.errors = 0

    def add(self, window: Window) -> None:
        """Add a window."""
        latencies, count, errors = window.latencies(self._now)
        self.latencies.update(latencies)
        self.count += count
        self.errors += errors
        self.add_former(window.total, window.total_errors)

    def add_former(self, total: int, errors: int) -> None:
        """Add requests that ended before the last minute."""
        self.total += total
        self.total_errors += errors

    def merge(self, other: "Minute") -> None:
        """Add what was added to another."""
        self.latencies.update(other.latencies)
        self.count += other.count
        self.errors += other.errors
        self.add_former(other.total, other.total_errors)

    def summary(self) -> Summary:
        """Return the last minute's figures."""
        return _summary(self.latencies, self.count, self.errors, self._now, self._started)

    def flow(self) -> GatewayFlow:
        """Return the figures as those of a flow."""
        minute = self.summary()
        return GatewayFlow(
            requests=self.total,
            errors=self.total_errors,
            requests_last_minute=minute.count,
            errors_last_minute=minute.errors,
            timed=minute.timed,
            p50_ms=minute.p50_ms,
            p95_ms=minute.p95_ms,
            p99_ms=minute.p99_ms,
        )


def _summary(latencies: Counter[int], count: int, errors: int, now: float, started: float) -> Summary:
    p50_ms, p95_ms, p99_ms = quantiles_ms(latencies, 0.5, 0.95, 0.99)
    return Summary(
        count=count,
        errors=errors,
        timed=latencies.total(),
        span=min(float(WINDOW), max(1.0, now - started)),
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        p99_ms=p99_ms,
    )


def p95_of(windows: Iterable[Window], now: float) -> float | None:
    """Return the 95th percentile over several windows, in milliseconds; None if they are empty."""
    together: Counter[int] = Counter()
    for window in windows:
        together.update(window.latencies(now)[0])
    return quantile_ms(together, 0.95)
