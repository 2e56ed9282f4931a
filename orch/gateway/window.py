"""Counts and latencies of the last minute. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from orch.gateway.statistics import GatewayFlow
from orch.telemetry.percentiles import quantile_ms, step_of
from orch.telemetry.sliding_window import SlidingWindow

WINDOW: Final = 60
"""Seconds that a window covers."""


@dataclass(slots=True)
class _Second:
    count: int = 0
    errors: int = 0
    latencies: Counter[int] = field(default_factory=Counter)


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
    clock's.
    """

    def __init__(self, now: float) -> None:
        self.total = 0
        self.total_errors = 0
        self._started = now
        self._seconds = SlidingWindow(_Second, parts=WINDOW, seconds=1.0)

    def add(self, now: float, seconds: float | None, *, is_error: bool) -> None:
        """Count a request that took ``seconds`` and ended at ``now``; None: it has no latency."""
        second = self._seconds.part(now)
        second.count += 1
        second.errors += is_error
        if seconds is not None:
            second.latencies[step_of(seconds)] += 1
        self.total += 1
        self.total_errors += is_error

    def latencies(self, now: float) -> tuple[Counter[int], int, int]:
        """Return the last minute's latencies by step, how many there are, and how many are errors."""
        latencies: Counter[int] = Counter()
        count = errors = 0
        for second in self._seconds.recent(now):
            count += second.count
            errors += second.errors
            latencies.update(second.latencies)
        return latencies, count, errors

    def summary(self, now: float) -> Summary:
        """Return the last minute's figures."""
        latencies, count, errors = self.latencies(now)
        return Summary(
            count=count,
            errors=errors,
            timed=latencies.total(),
            span=min(float(WINDOW), max(1.0, now - self._started)),
            p50_ms=quantile_ms(latencies, 0.5),
            p95_ms=quantile_ms(latencies, 0.95),
        )


def flow_of(window: Window, now: float) -> GatewayFlow:
    """Return a flow's figures from its window."""
    minute = window.summary(now)
    return GatewayFlow(
        requests=window.total,
        errors=window.total_errors,
        requests_last_minute=minute.count,
        errors_last_minute=minute.errors,
        timed=minute.timed,
        p50_ms=minute.p50_ms,
        p95_ms=minute.p95_ms,
    )


def p95_of(windows: Iterable[Window], now: float) -> float | None:
    """Return the 95th percentile over several windows, in milliseconds; None if they are empty."""
    together: Counter[int] = Counter()
    for window in windows:
        together.update(window.latencies(now)[0])
    return quantile_ms(together, 0.95)
