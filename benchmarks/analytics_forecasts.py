"""Forecasts of held-back series: ours beside statsforecast's MSTL and the seasonal naive forecast.

Hourly means of 30 days are forecast for the next day and the next week, which no method has seen. Of the made
series a third is as it is, a third grows or shrinks steadily, a third has a shift of its level in the last
three weeks. MASE: the mean absolute error, in that of "as 24 hours before" within the history; so 1 is what a
naive forecast costs.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import Pool
from typing import Final

import numpy as np

from benchmarks.analytics_series import DAY, MONDAY, NATURES, Array, quiet
from orch.analytics.forecast import forecast
from orch.analytics.series import Points

HOUR: Final = 3_600.0
HISTORY: Final = 30 * 24
HORIZONS: Final = (24, 168)
OF: Final = ("requests", "latency", "connections", "memory", "processor", "errors")
"""Natures that are forecast: the others are zero most of the time."""

SHAPES: Final = ("as it is", "trend", "shift")
METHODS: Final = ("ours", "MSTL([24, 168])", "SeasonalNaive(168)", "SeasonalNaive(24)")


@dataclass(slots=True)
class Forecasts:
    """For each method and horizon: errors (MASE) of each series, and which part its intervals covered."""

    errors: dict[tuple[str, int, str], list[float]] = field(default_factory=dict)
    covered: dict[tuple[str, int, str], list[float]] = field(default_factory=dict)

    def error(self, method: str, horizon: int, shape: str | None = None) -> float:
        """Return the mean error, of all shapes or of one."""
        return _mean(self.errors, method, horizon, shape)

    def coverage(self, method: str, horizon: int, shape: str | None = None) -> float:
        """Return the part of the values that lay within the intervals of 90 %."""
        return _mean(self.covered, method, horizon, shape)


def _mean(
    found: dict[tuple[str, int, str], list[float]], method: str, horizon: int, shape: str | None
) -> float:
    values = [
        each
        for (name, steps, of), listed in found.items()
        if name == method and steps == horizon and shape in (None, of)
        for each in listed
    ]
    return float(np.mean(values)) if values else float("nan")


def hourly(nature: str, seed: int, shape: str) -> Array:
    """Return hourly means of the history and the week after it, with a trend or a shift of the level."""
    days = HISTORY // 24 + 7
    values = quiet(nature, seed, days).values.reshape(-1, DAY // 24).mean(axis=1)
    rng = np.random.default_rng([seed, list(NATURES).index(nature), 11])
    if shape == "trend":
        values = values * np.linspace(1, 1 + rng.uniform(-0.4, 0.8), len(values))
    elif shape == "shift":
        values = values.copy()
        values[int(rng.integers(9 * 24, HISTORY - 36)) :] *= rng.choice(
            [rng.uniform(0.5, 0.8), rng.uniform(1.25, 2)]
        )
    return np.asarray(values)


def _made(method: str, history: Array, steps: int) -> tuple[Array, Array, Array]:
    """Return a forecast with the bounds of its interval of 90 %."""
    if method == "ours":
        found = forecast(Points(start=MONDAY, step=HOUR, values=history, highs=history), steps)
        if found is None:
            raise RuntimeError("no forecast of 30 days")
        return np.asarray(found.values), np.asarray(found.low), np.asarray(found.high)
    from statsforecast.models import MSTL, SeasonalNaive  # noqa: PLC0415 - a peer, which only this needs

    model = MSTL([24, 168]) if method.startswith("MSTL") else SeasonalNaive(int(method[14:-1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = model.forecast(y=history, h=steps, level=[90])
    return peer["mean"], peer["lo-90"], peer["hi-90"]


def _one(job: tuple[str, int, str]) -> tuple[str, list[tuple[str, int, float, float]]]:
    nature, seed, shape = job
    values = hourly(nature, seed, shape)
    history, rows = values[:HISTORY], []
    scale = max(float(np.mean(np.abs(history[24:] - history[:-24]))), 1e-12)
    for steps in HORIZONS:
        true = values[HISTORY : HISTORY + steps]
        for method in METHODS:
            made, low, high = _made(method, history, steps)
            error = float(np.mean(np.abs(made - true))) / scale
            rows.append((method, steps, error, float(np.mean((true >= low) & (true <= high)))))
    return shape, rows


def compare(seeds: Sequence[int], *, jobs: int) -> Forecasts:
    """Return the errors and coverages on series of these seeds."""
    found = Forecasts()
    work = [(nature, seed, shape) for seed in seeds for nature in OF for shape in SHAPES]
    with Pool(jobs) as pool:
        for shape, rows in pool.imap_unordered(_one, work):
            for method, steps, error, covered in rows:
                found.errors.setdefault((method, steps, shape), []).append(error)
                found.covered.setdefault((method, steps, shape), []).append(covered)
    return found
