"""The usual band of a chart: holds nine of ten values, at each of its steps; of nothing, there is none."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from orch.analytics.anomalies.anomaly import Anomaly, Kind
from orch.analytics.anomalies.band import Models, band, is_usual_then
from orch.analytics.anomalies.model import Model, learn_model
from orch.analytics.ring import Floats

BEGINS = 1_767_571_200.0
"""A Monday, 00:00 UTC."""
DAY = 86_400


def rates(at: Any, step: float, seed: int) -> Floats:
    """Return events per second, counted over ``step`` seconds: a course over the day, fewer at weekends."""
    hours = at % DAY / 3_600
    mean = 2 + 6 * np.exp(-((hours - 13) ** 2) / 18) * np.where((at // DAY + 3) % 7 >= 5, 0.4, 1.0)
    return np.asarray(np.random.default_rng(seed).poisson(mean * step) / step, np.float64)


def learnt(step: float, days: int, *, until: float, seed: int = 1) -> Model:
    at = until - days * DAY + step * np.arange(round(days * DAY / step))
    model = learn_model(rates(at, step, seed), begins=float(at[0]), step=step, floor=0.5)
    assert model is not None
    return model


@pytest.fixture(scope="module")
def models() -> Models:
    until = BEGINS + 28 * DAY
    return Models(slow=learnt(300.0, 28, until=until), fast=learnt(10.0, 1, until=until))


@pytest.mark.parametrize("step", [1.0, 10.0, 60.0, 300.0])
def test_nine_of_ten_values_are_in_the_band_at_each_step(models: Models, step: float) -> None:
    """Also where the chart is finer than the course is known."""
    for hour in (3, 13, 33):
        at = BEGINS + 28 * DAY + hour * 3_600 + step * np.arange(round(max(3_600, 288 * step) / step))
        values = rates(at, step, 9)
        found = band(models, at, step, is_rate=True)
        assert found is not None
        assert (found.low <= found.usual).all()
        assert (found.usual <= found.high).all()
        assert found.low.min() >= 0
        inside = float(np.mean((values >= found.low) & (values <= found.high)))
        assert 0.75 <= inside <= 1.0, (hour, step)
        # And it is not so wide that it says nothing.
        assert float(np.mean(found.high - found.low)) < 8 * float(np.std(values)) + 1


def test_steps_of_hours_have_the_mean_of_what_is_usual_in_them(models: Models) -> None:
    at = BEGINS + 28 * DAY + 7_200.0 * np.arange(84)
    found = band(models, at, 7_200.0, is_rate=True)
    assert found is not None
    hourly = rates(BEGINS + 28 * DAY + 300.0 * np.arange(84 * 24), 300.0, 5).reshape(-1, 24).mean(axis=1)
    assert found.usual == pytest.approx(hourly, rel=0.25)
    assert np.mean((hourly >= found.low) & (hourly <= found.high)) > 0.9


def test_a_young_service_has_the_band_of_its_last_hours(models: Models) -> None:
    at = BEGINS + 28 * DAY + 10.0 * np.arange(360)
    found = band(Models(fast=models.fast), at, 10.0, is_rate=True)
    assert found is not None
    assert len(set(found.usual.tolist())) == 1


def test_of_a_series_that_is_not_known_there_is_no_band(models: Models) -> None:
    assert band(Models(), np.array([BEGINS]), 10.0) is None
    assert band(models, np.empty(0), 10.0) is None


@pytest.mark.parametrize(
    "values", [np.zeros(9_000), np.full(9_000, 1e37), -np.arange(9_000.0), np.arange(9_000.0) % 2 * 1e30]
)
def test_whatever_was_measured_the_band_is_finite_and_in_order(values: Floats) -> None:
    model = learn_model(values, begins=BEGINS, step=300.0)
    for step in (1.0, 10.0, 300.0, 86_400.0):
        found = band(Models(slow=model, fast=model), BEGINS + step * np.arange(50), step)
        assert found is not None
        assert np.isfinite(np.stack(found)).all()
        assert (found.low <= found.usual).all()
        assert (found.usual <= found.high).all()


def test_a_step_that_each_day_has_at_that_hour_is_usual(models: Models) -> None:
    """Values of 10 s know one day; a nightly job is known from the weeks before."""
    began = BEGINS + 28 * DAY + 9 * 3_600
    assert models.slow is not None
    usual = float(models.slow.expected(np.array([began]))[0][0])
    step = Anomaly(
        key="requests",
        kind=Kind.SHIFT,
        direction="up",
        began=began,
        noticed=began + 60,
        until=began + 600,
        mean=usual,
    )
    assert is_usual_then(step, models.slow)
    assert not is_usual_then(replace(step, mean=3 * usual), models.slow)
    assert not is_usual_then(replace(step, kind=Kind.STUCK), models.slow)
    assert not is_usual_then(step, models.fast)
    assert not is_usual_then(step, None)
