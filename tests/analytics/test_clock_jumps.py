"""Whatever the wall clock does, series stay ordered and answer, also over restarts."""

import random

import numpy as np
import pytest

from orch.analytics.queries import SeriesQuestion
from orch.analytics.series import Figure, Series
from orch.analytics.steady_clock import SteadyClock
from orch.analytics.stored_chunks import pack, unpack
from tests.fakes.series_answers import answer

START = 1_795_000_000.0
FIGURE = Figure(name="connections", title="Connections", area="websocket")
JUMPS = (-400 * 86_400.0, -86_400.0, -3_600.0, -30.0, 30.0, 3_600.0, 86_400.0, 400 * 86_400.0)


def restarted(series: Series, now: float) -> Series:
    """Return what a new process reads from the store."""
    fresh = Series(most=2)
    for ring in series.rings:
        for number in reversed(ring.chunk_numbers()):
            found = series.chunk(ring.resolution.name, number)
            if found is not None and found[0]:
                figures, chunk = unpack(pack(*found), ring.resolution)
                fresh.restore(ring.resolution.name, figures, chunk, now=now)
    return fresh


@pytest.mark.parametrize("seed", range(8))
def test_series_stay_ordered_over_jumps_and_restarts(seed: int) -> None:
    rng = random.Random(seed)
    series, off, monotonic = Series(most=2), 0.0, 0.0
    clock = SteadyClock(wall=START, monotonic=0.0)
    for step in range(1_500):
        monotonic += rng.choice((1.0, 1.0, 1.0, 7.0, 40.0))
        if rng.random() < 0.01:
            off = 0.0 if off and rng.random() < 0.5 else off + rng.choice(JUMPS)
        wall = max(0.0, START + off + monotonic)
        if rng.random() < 0.005:
            clock = SteadyClock(wall=wall, monotonic=monotonic)
            series = restarted(series, wall)
        now = clock.read(wall=wall, monotonic=monotonic)
        series.add(now, [(FIGURE, float(step))])
        if step % 50:
            continue
        for seconds in (60.0, 3_600.0, 86_400.0, 30 * 86_400.0):
            question = SeriesQuestion(keys=(FIGURE.key,), seconds=seconds, points=400, usual=True)
            found = answer(series, question, {}, now=now, worker="w")
            assert found.at == sorted(set(found.at))
            assert found.at[-1] <= now
            (shown,) = found.series
            assert len(shown.values) == len(found.at)
            known = [value for value in shown.values if value is not None]
            assert shown.latest is not None
            assert shown.latest <= step
            assert np.isfinite(known).all()
            assert max(known, default=0) <= step


def test_after_a_clock_that_was_hours_ahead_values_are_where_they_belong() -> None:
    """At each resolution: what was stored for later moments is dropped, and what was before stays."""
    series = Series(most=2)
    for at in range(0, 7_200, 10):
        series.add(START + at, [(FIGURE, 1.0)])
    for at in range(0, 3_600, 10):
        series.add(START + 12 * 3_600 + at, [(FIGURE, 9.0)])
    for at in range(10_800, 14_400, 10):
        series.add(START + at, [(FIGURE, 2.0)])
    for seconds, step in ((3_500.0, 1.0), (14_000.0, 10.0), (7 * 86_400.0, 300.0)):
        points = series.read(FIGURE.key, START + 14_399 - seconds, START + 14_399, step=step)
        known = points.values[np.isfinite(points.values)]
        assert 9.0 not in known
        assert known[-1] == 2.0
        assert seconds < 7_200 or known[0] == 1.0
        assert series.read(FIGURE.key, START + 43_000, START + 50_000).values.size == 0
