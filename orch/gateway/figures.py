"""The gateway's figures: windows of the last minute, and the structs that pages read. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from msgspec import Struct

from orch.telemetry.percentiles import quantile_ms, step_of
from orch.telemetry.sliding_window import SlidingWindow

WINDOW: Final = 60
"""Seconds that a window reaches back."""


class GatewayRoute(Struct, frozen=True, kw_only=True):
    """One route, with its requests since the start and in the last minute."""

    prefix: str
    service: str
    path: str
    requests: int
    errors: int
    requests_last_minute: int
    errors_last_minute: int
    p95_ms: float | None


class GatewayOwn(Struct, frozen=True, kw_only=True):
    """Requests to a service over no route: speech (``captions``), or ``requests`` in service messages."""

    flow: Literal["captions", "requests"]
    service: str
    requests: int
    errors: int
    requests_last_minute: int
    errors_last_minute: int
    p95_ms: float | None


class GatewayFlow(Struct, frozen=True, kw_only=True):
    """One flow over all services: since the start, and in the last minute.

    ``timed``: the number of requests of the last minute that the quantiles cover; if 0, they are null. The
    time of a request for captions is for the most part the length of its speech.
    """

    requests: int
    errors: int
    requests_last_minute: int
    errors_last_minute: int
    timed: int
    p50_ms: float | None
    p95_ms: float | None


class GatewayLane(Struct, frozen=True, kw_only=True):
    """One flow's share of an instance: ``captions`` or clients' ``requests``.

    ``connections``: how many it may have, ``busy`` of them are in use; ``waiting`` requests wait for one, at
    most ``waiting_limit``. ``breaker_retry_in``: seconds until an open breaker lets a trial through.
    """

    flow: Literal["captions", "requests"]
    breaker: Literal["closed", "open", "half_open"]
    breaker_retry_in: float | None
    consecutive_failures: int
    in_flight: int
    connections: int
    busy: int
    waiting: int
    waiting_limit: int
    requests: int
    errors: int
    requests_last_minute: int
    errors_last_minute: int
    p95_ms: float | None
    is_admitting: bool


class GatewayInstance(Struct, frozen=True, kw_only=True):
    """One instance. ``share``: its part (0..1) of its service's attempts in the last minute, if any.

    Counts are of attempts: a request that was tried again counts again, one that reached no instance does
    not. They cover both flows; ``breaker``, ``breaker_retry_in`` and ``consecutive_failures`` are those of
    the worse flow. ``usable``: requests of at least one flow are let through. ``lanes`` has each flow on its
    own.
    """

    service: str
    url: str
    weight: int
    breaker: Literal["closed", "open", "half_open"]
    breaker_retry_in: float | None
    consecutive_failures: int
    in_flight: int
    requests: int
    errors: int
    requests_last_minute: int
    errors_last_minute: int
    share: float | None
    p95_ms: float | None
    usable: bool
    lanes: tuple[GatewayLane, ...]


class GatewayStatistics(Struct, frozen=True, kw_only=True):
    """The gateway now.

    ``requests``, ``errors`` and ``retries`` count since the start; rates, shares and quantiles cover the last
    minute. An error is a response of 500 or more, the gateway's own included, or one that was truncated.
    Latencies are those of back ends; requests that reached none (``unasked_last_minute`` of them) have none.
    ``routes`` and ``own`` together are all requests, except those of removed routes and services. ``clients``
    and ``captions``: each flow alone. ``places``: clients' requests in progress, of ``places_limit``;
    ``spooled_bytes``: their bodies on the disk, of ``spool_limit``.
    """

    requests: int
    errors: int
    retries: int
    requests_last_minute: int
    errors_last_minute: int
    unasked_last_minute: int
    in_flight: int
    requests_per_second: float
    error_rate: float
    p50_ms: float | None
    p95_ms: float | None
    places: int
    places_limit: int
    spooled_bytes: int
    spool_limit: int
    clients: GatewayFlow
    captions: GatewayFlow
    routes: tuple[GatewayRoute, ...]
    own: tuple[GatewayOwn, ...]
    instances: tuple[GatewayInstance, ...]


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
        """Things per second."""
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
        """Count one thing that took so many seconds and ended at ``now``; None: it has no latency."""
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
