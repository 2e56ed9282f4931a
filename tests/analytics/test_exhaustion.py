"""Limits: when they are reached, and that noise, seasons and falling figures reach none."""

import numpy as np
import pytest

from orch.analytics.exhaustion import SPANS, Span, exhaustion, line, slopes
from orch.analytics.forecast import Forecast
from orch.analytics.ring import Floats
from orch.analytics.series import Points

FORTNIGHT = SPANS[-1]
DAY = 86_400.0


def points(values: Floats, span: Span = FORTNIGHT) -> Points:
    return Points(start=0.0, step=span.seconds / max(1, len(values)), values=values, highs=values)


def test_a_disk_that_fills_is_full_when_the_line_says() -> None:
    """60 of 100 GB after two weeks of 2 GB a day: 20 days are left."""
    rng = np.random.default_rng(2)
    values = 32e9 + 2e9 * np.arange(1_344) / 96 + rng.normal(0, 2e8, 1_344)
    found = line(points(values), FORTNIGHT, 100e9)
    assert found is not None
    assert found.within == pytest.approx(20 * DAY, rel=0.05)
    assert found.latest is not None
    assert found.earliest < found.within < found.latest < 1.2 * found.within
    assert found.per_day == pytest.approx(2e9, rel=0.05)


def test_free_space_is_used_up_at_zero() -> None:
    found = line(points(np.linspace(40.0, 20.0, 500)), FORTNIGHT, 0.0, -1.0)
    assert found is not None
    assert found.within == pytest.approx(14 * DAY, rel=0.02)
    assert found.now == 20.0
    assert found.per_day == pytest.approx(-20 / 14, rel=0.02)


def test_a_queue_that_fills_in_minutes_counts_before_the_month() -> None:
    fast, slow = points(np.linspace(10, 700, 90), SPANS[0]), points(np.linspace(0, 700, 500))
    found = exhaustion([(SPANS[0], fast), (FORTNIGHT, slow)], 1_000.0)
    assert found is not None
    assert found.within == pytest.approx(300 * 15 * 60 / 690, rel=0.05)
    assert found.because == "its course in the last 15 minutes"


@pytest.mark.parametrize("seed", range(10))
def test_noise_and_wandering_reach_no_limit(seed: int) -> None:
    """Also noise that follows itself, as memory does."""
    rng = np.random.default_rng(seed)
    noise, walk = rng.normal(50, 10, 700), np.empty(700)
    last = 0.0
    for place, shock in enumerate(rng.normal(0, 1, 700)):
        walk[place] = last = 0.97 * last + shock
    assert line(points(noise), FORTNIGHT, 100.0) is None
    assert line(points(50 + walk), FORTNIGHT, 80.0) is None


def test_a_course_over_the_day_is_no_growth() -> None:
    """In the morning hours connections rise; the limit is above each noon."""
    values = 500 + 400 * np.sin(2 * np.pi * np.arange(14 * 96 + 40) / 96)
    assert line(points(values), FORTNIGHT, 1_500.0) is None


@pytest.mark.parametrize(
    "values",
    [np.empty(0), np.full(300, np.nan), np.full(300, 5.0), np.linspace(9, 5, 300), np.full(300, 200.0)],
    ids=["nothing", "gaps", "constant", "falling", "above"],
)
def test_what_does_not_fill_up_has_no_end(values: Floats) -> None:
    assert line(points(values), FORTNIGHT, 100.0) is None


def test_a_limit_that_the_forecast_reaches_at_noon_is_found() -> None:
    course = [10.0, 50.0, 95.0, 101.0, 60.0, 20.0]
    found = exhaustion(
        [],
        100.0,
        Forecast(
            start=0.0,
            step=3_600.0,
            values=course,
            low=[value - 10 for value in course],
            high=[value + 10 for value in course],
            methods={},
            error=1.0,
            scale=2.0,
            tests=9,
        ),
    )
    assert found is not None
    assert (found.earliest, found.within, found.latest) == (3 * 3_600.0, 4 * 3_600.0, None)
    assert found.because == "its course over the day"


def test_bounds_of_a_slope_hold_it() -> None:
    """Nine times in ten, of noise whose neighbours are alike too."""
    held = 0
    at = np.arange(600.0)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noise, last = np.empty(600), 0.0
        for place, shock in enumerate(rng.normal(0, 1, 600)):
            noise[place] = last = 0.8 * last + shock
        low, _, high = slopes(at, 0.01 * at + noise)
        held += low <= 0.01 <= high
    assert held >= 34
