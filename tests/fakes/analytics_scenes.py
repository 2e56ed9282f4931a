"""What the analytics of a scene have measured: a month with a daily and a weekly course, or nothing yet."""

from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np

from orch.analytics.anomalies.model import learn_model
from orch.analytics.archive import Archive
from orch.analytics.insights.graph import graph_of
from orch.analytics.measured import gateway_figures, speech_figures
from orch.analytics.observer import SLOW, Observer
from orch.analytics.queries import level_changes
from orch.analytics.ring import Chunk, Floats
from orch.analytics.sampling import Measured, Rates
from orch.analytics.series import Figure, Series
from orch.analytics.service import AnalyticsService
from orch.gateway.statistics import GatewayStatistics
from orch.settings.analytics import Wording
from orch.speech.statistics import SpeechStatistics
from orch.stores.protocols import DocumentStore
from tests.fakes.hub import inline

DAY = 86_400.0

CONNECTIONS = Figure(name="connections", title="Connections", area="websocket", worse="both", floor=3.0)
MEMORY = Figure(name="memory_bytes", title="Memory", area="process", unit="bytes", floor=2e7)
STORED = Figure(name="in_use", title="In use:", area="limits", unit="bytes", subject="stored_bytes")
OTHERS = (
    Figure(name="utterances", title="Utterances", area="speech", unit="/s", worse="both", floor=0.1),
    Figure(name="lost", title="Utterances lost", area="speech", unit="/s", floor=0.01),
    Figure(name="finals", title="Final captions", area="speech", unit="/s", worse="down", floor=0.1),
    Figure(name="captions_late", title="Late captions", area="speech", unit="/s", floor=0.02),
)
LIMITS = {CONNECTIONS.key: 2_000.0, STORED.key: 1_073_741_824.0, "requests_in_progress": 1_024.0}
"""Of figures that have one."""


def course(at: Floats, *, low: float, high: float, seed: int) -> Floats:
    """Return a figure over the days and the week, with noise."""
    noise = np.random.default_rng(seed).normal(0, 0.03, len(at))
    daily = 0.5 - 0.5 * np.cos(2 * np.pi * (at % DAY - 3 * 3_600) / DAY)
    weekend = np.where((at // DAY + 3) % 7 >= 5, 0.45, 1.0)
    return np.maximum(0.0, low + (high - low) * daily * weekend * (1 + noise))


def values_of(figure: Figure, at: Floats, now: float) -> Floats:
    """Return a figure's values at some moments."""
    seed = int(at[0]) % 1_000 + len(figure.key)
    if figure is MEMORY:
        return 1.48e8 + 6e6 * (at - now + 30 * DAY) / DAY
    if figure is STORED:
        return np.maximum(0.0, 8.6e8 + 1.4e7 * (at - now) / DAY)
    ranges = {"": (5.0, 60.0), "ms": (20.0, 90.0), "/s": (0.2, 22.0)}
    low, high = (40.0, 1_458.0) if figure is CONNECTIONS else ranges.get(figure.unit, (0.0, 1.0))
    if figure.name in {"errors", "lost", "captions_late", "service_errors", "route_errors"}:
        low, high = 0.0, 0.012
    found = course(at, low=low, high=high, seed=seed)
    if figure.name == "requests":  # a customer came two days ago
        found = np.where(at > now - 2 * DAY, found * 1.6, found)
    if figure.name == "requests_p95_ms":  # a fault of twenty minutes, two hours ago
        found = np.where((at > now - 7_200) & (at < now - 6_000), found * 6, found)
    return found


def measured(gateway: GatewayStatistics, speech: SpeechStatistics) -> tuple[Figure, ...]:
    """Return the figures of a scene."""
    of_gateway: Iterable[Measured] = gateway_figures(gateway, Rates(), 0.0)
    return (
        CONNECTIONS,
        MEMORY,
        STORED,
        *OTHERS,
        *(each.figure for each in of_gateway),
        *(each.figure for each in speech_figures(speech)),
    )


def fill(
    series: Series, figures: tuple[Figure, ...], now: float, *, gap: tuple[float, float] = (0, 0)
) -> None:
    """Restore a month of values as if an earlier run had stored them, and measure the last second."""
    for ring in series.rings:
        resolution = ring.resolution
        width = resolution.chunk * resolution.step
        for number in range(int((now - resolution.seconds) // width), int(now // width) + 1):
            at = number * width + resolution.step * np.arange(resolution.chunk, dtype=np.float64)
            is_known = (at < now) & ~((at > now - gap[1]) & (at < now - gap[0]))
            columns = [np.where(is_known, values_of(each, at, now), np.nan) for each in figures]
            values = np.stack(columns, axis=1).astype(np.float32)
            highs = values * 1.05 if resolution.peaks else None
            series.restore(
                resolution.name, figures, Chunk(number=number, values=values, highs=highs), now=now
            )
    last = [(each, float(values_of(each, np.array([now]), now)[0])) for each in figures]
    series.add(now, last)


def learn(series: Series, observer: Observer, now: float, keys: Iterable[str]) -> None:
    """Have the observer know what is usual, and where levels changed."""
    for key in keys:
        points = series.read(key, now - 30 * DAY, now // SLOW * SLOW - 1, step=SLOW)
        floor = series.figures[key].floor
        model = learn_model(points.values, begins=points.start, step=SLOW, floor=floor)
        observer._watches[SLOW].learnt(key, model, now, [])
        found = level_changes(
            points.values[-2_016:],
            observer.models(key),
            series.figures[key],
            begins=points.end - 2_016 * SLOW,
            step=SLOW,
        )
        observer._levels.looked(key, found, now)


def scripted_analytics(
    scene: str,
    now: float,
    *,
    gateway: Callable[[], GatewayStatistics],
    speech: Callable[[], SpeechStatistics],
) -> AnalyticsService:
    """Return analytics that have measured what a scene says; they do not run."""
    nothing = cast("DocumentStore", None)
    service = AnalyticsService(
        sources=lambda: (),
        gateway=gateway,
        speech=speech,
        store=nothing,
        owner="0",
        worker="w-0",
        graph=lambda: graph_of((), ()),
        happened=tuple,
        wording=Wording,
        wall=lambda: now,
        offload=inline,  # a virtual clock would run ahead of a thread
    )
    service.series = Series(most=80)
    service.archive = Archive(service.series, nothing, owner="0", now=lambda: now)
    service.archive._is_restored = scene != "broken"
    service._sampled_at = now
    service._since = now - 86_000
    if scene != "empty":
        figures = measured(gateway(), speech())
        fill(service.series, figures, now, gap=(5 * 3_600, 9 * 3_600) if scene == "broken" else (0, 0))
        service.limits = {key: limit for key, limit in LIMITS.items() if key in service.series}
        service._values = {
            key: latest
            for key in service.series.figures
            if (latest := service.series.latest(key)) is not None
        }
    if scene == "full":
        learn(service.series, service.observer, now, ("requests", "connections", "memory_bytes"))
    return service


class LazyAnalytics:
    """Measures when it is first asked: most tests of pages never do."""

    def __init__(self, make: Callable[[], AnalyticsService]) -> None:
        self._make = make
        self._made: AnalyticsService | None = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = self._make()
        return getattr(self._made, name)
