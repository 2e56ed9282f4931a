"""The recent course of each route's rates and latencies, and of the service's own requests. Pure."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from orch.analytics.samples import Samples
from orch.gateway.statistics import GatewayOwn, GatewayRoute, GatewayStatistics

MOST: Final = 200
"""Routes and flows with a history at most: some 6 MB. Those that come first in the settings have one."""
FIGURES: Final = ("requests_per_second", "errors_per_second", "p50_ms", "p95_ms", "p99_ms")


class RouteHistory(Struct, frozen=True, kw_only=True):
    """Columns, oldest first, null for a gap.

    ``at``: seconds since the epoch, ``interval`` seconds apart. Rates are those between two samples; a
    latency is that of the ``window`` seconds before its sample, null if there was none.
    """

    interval: float
    window: int
    at: list[float]
    requests_per_second: list[float | None]
    errors_per_second: list[float | None]
    p50_ms: list[float | None]
    p95_ms: list[float | None]
    p99_ms: list[float | None]


class RouteHistories:
    """The samples of each route (by its prefix) and of each flow to a service without one.

    The mutable state is a bounded series for each of them, its counters at the last sample, and when that
    was. What is no longer in the statistics is forgotten.
    """

    def __init__(self) -> None:
        self._series: dict[str, Samples] = {}
        self._counted: dict[str, tuple[int, int]] = {}
        self._sampled_at: float | None = None

    def __len__(self) -> int:
        return len(self._series)

    def add(self, at: float, now: float, gateway: GatewayStatistics) -> None:
        """Add a sample of all of them. ``at``: since the epoch; ``now``: of a monotonic clock, for rates."""
        passed = None if self._sampled_at is None else now - self._sampled_at
        self._sampled_at = now
        before, counted = self._counted, dict[str, tuple[int, int]]()
        series: dict[str, Samples] = {}
        for key, row in _rows(gateway):
            if len(series) == MOST:
                break
            counted[key] = (row.requests, row.errors)
            series[key] = self._series[key] if key in self._series else Samples(FIGURES)
            requests, errors = _rates(before.get(key), counted[key], passed)
            series[key].add(
                at,
                {
                    "requests_per_second": requests,
                    "errors_per_second": errors,
                    "p50_ms": row.p50_ms,
                    "p95_ms": row.p95_ms,
                    "p99_ms": row.p99_ms,
                },
            )
        self._series, self._counted = series, counted

    def of(self, key: str, *, interval: float, window: int) -> RouteHistory | None:
        """Return the history of a route or flow; None if there is none."""
        series = self._series.get(key)
        if series is None:
            return None
        columns = series.columns()
        at = [moment for moment in columns.pop("at") if moment is not None]
        return RouteHistory(interval=interval, window=window, at=at, **columns)


def _rates(
    before: tuple[int, int] | None, after: tuple[int, int], passed: float | None
) -> tuple[float | None, float | None]:
    """Return what two counters have grown per second; None if not known.

    Counters that have fallen are those of a route that was away and has returned.
    """
    if before is None or not passed or after[0] < before[0] or after[1] < before[1]:
        return None, None
    return (after[0] - before[0]) / passed, (after[1] - before[1]) / passed


def _rows(gateway: GatewayStatistics) -> Iterator[tuple[str, GatewayRoute | GatewayOwn]]:
    for route in gateway.routes:
        yield route.prefix, route
    for own in gateway.own:
        yield f"{own.flow} {own.service}", own
