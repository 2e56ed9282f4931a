"""Forecasts: of seasons, shifts and trends, with intervals that hold; of too little, none."""

import os
import subprocess
import sys

import numpy as np
import pytest

from orch.analytics.forecast import forecast
from orch.analytics.ring import Floats
from orch.analytics.series import Points

START = 1_767_571_200.0
"""A Monday, 00:00 UTC."""
HOUR = 3_600.0


def hourly(values: Floats) -> Points:
    return Points(start=START, step=HOUR, values=values, highs=values)


def load(days: int, *, seed: int = 0, noise: float = 0.05) -> Floats:
    """Return use by hour: two humps a day, weekends at a third."""
    at = np.arange(days * 24)
    daily = 20 + 60 * np.exp(-(((at % 24) - 11) ** 2) / 12) + 40 * np.exp(-(((at % 24) - 20) ** 2) / 4)
    weekly = np.where(at // 24 % 7 >= 5, 0.33, 1.0)
    return np.asarray(daily * weekly * (1 + np.random.default_rng(seed).normal(0, noise, len(at))))


def error(values: list[float], true: Floats) -> float:
    return float(np.mean(np.abs(np.array(values) - true)))


def test_a_weekend_is_forecast_from_the_weekends_before() -> None:
    """On a Friday the day before would be three times too much."""
    values = load(33)
    until = (4 * 7 + 5) * 24
    found = forecast(hourly(values[:until]), 24)
    true = load(34, noise=0.0)[until : until + 24]
    assert found is not None
    assert found.start == START + until * HOUR
    assert error(found.values, true) < 0.12 * true.mean()
    assert error(found.values, true) < 0.2 * error(list(values[until - 24 : until]), true)
    assert found.error < found.scale
    assert found.tests >= 15
    assert sum(found.methods.values()) == pytest.approx(1.0, abs=0.02)


def test_after_a_shift_the_new_level_is_forecast() -> None:
    """Two days after the load has doubled, it is not thought to go back."""
    values = load(30)
    values[-48:] *= 2
    found = forecast(hourly(values), 24)
    true = 2 * load(31, noise=0.0)[-24:]
    assert found is not None
    assert error(found.values, true) < 0.25 * true.mean()


def test_a_fault_of_hours_does_not_bend_the_forecast() -> None:
    values = load(29)
    sound = forecast(hourly(values), 24)
    values[-10 * 24 : -10 * 24 + 6] = 3_000
    with_fault = forecast(hourly(values), 24)
    assert sound is not None
    assert with_fault is not None
    assert error(with_fault.values, np.array(sound.values)) < 5


def test_intervals_hold_what_they_promise() -> None:
    inside = total = 0
    for seed in range(6):
        values = load(31, seed=seed, noise=0.1)
        found = forecast(hourly(values[:-24]), 24)
        assert found is not None
        low, high = np.array(found.low), np.array(found.high)
        assert (low <= np.array(found.values)).all()
        assert (high >= np.array(found.values)).all()
        inside += int(((values[-24:] >= low) & (values[-24:] <= high)).sum())
        total += 24
    assert 0.8 < inside / total < 0.99


def test_five_minute_steps_forecast_the_next_hours() -> None:
    at = np.arange(3 * 288)
    values = 50 + 30 * np.sin(2 * np.pi * at / 288) + np.random.default_rng(1).normal(0, 1, len(at))
    found = forecast(Points(start=START, step=300.0, values=values, highs=values), 24)
    assert found is not None
    true = 50 + 30 * np.sin(2 * np.pi * (len(at) + np.arange(24)) / 288)
    assert error(found.values, true) < 4


@pytest.mark.parametrize(
    "values",
    [
        np.empty(0),
        np.full(500, np.nan),
        np.arange(60.0),
        np.where(np.arange(720) % 12 == 0, 5.0, np.nan),
    ],
    ids=["nothing", "gaps", "short", "sparse"],
)
def test_of_too_little_nothing_is_forecast(values: Floats) -> None:
    assert forecast(hourly(values), 24) is None


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(720),
        np.full(720, 7.0),
        np.where(np.arange(720) == 400, 1e30, 1.0),
        np.where(np.arange(720) % 100 < 40, np.nan, 3.0),
        -load(30),
        np.arange(720.0) * 1e12,
        np.concatenate([np.full(600, np.nan), load(5)]),
    ],
    ids=["zero", "constant", "wild", "gaps", "negative", "large", "young"],
)
def test_whatever_was_measured_the_forecast_is_finite_and_in_order(values: Floats) -> None:
    found = forecast(hourly(values), 24)
    assert found is not None
    for each in (found.values, found.low, found.high):
        assert len(each) == 24
        assert np.isfinite(each).all()
    assert all(
        low <= value <= high for low, value, high in zip(found.low, found.values, found.high, strict=True)
    )
    if np.nanmin(values) >= 0:
        assert min(found.low) >= 0


@pytest.mark.process
def test_forecasts_are_computed_by_one_thread() -> None:
    """Those of the library of linear algebra would wait for each other by spinning, on all cores."""
    program = (
        "import os, orch.analytics.forecast, numpy; numpy.ones((200, 200)) @ numpy.ones((200, 200));"
        "print(len(os.listdir('/proc/self/task')))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "1"
