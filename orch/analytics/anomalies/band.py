"""Where a series usually is, at the moments of a chart. Pure.

The problem: the course over the day and the week is known in steps of 5 minutes, and a chart of an hour has
one value in 10 s. Single values go further from the course than means of 5 minutes do, so that a band for
these would show half of an ordinary hour as unusual. So where the chart is finer, the distance of values of
10 s from the level of their hour is added to the band, as independent noise is: the squares of both.
"""

from typing import Final, NamedTuple

import numpy as np

from orch.analytics.anomalies.anomaly import OF_LEVELS, Anomaly
from orch.analytics.anomalies.model import Model
from orch.analytics.anomalies.robust import Array

NINE_OF_TEN: Final = 1.645
"""Standard deviations on both sides of the mean between which nine of ten samples of normal noise are."""


class Models(NamedTuple):
    """What is known of a series at values of 5 minutes and of 10 s; None: nothing yet."""

    slow: Model | None = None
    fast: Model | None = None


class Band(NamedTuple):
    """The usual figure at each time, and the bounds between which nine of ten samples are."""

    usual: Array
    low: Array
    high: Array


def band(models: Models, times: Array, step: float, *, is_rate: bool = False) -> Band | None:
    """Return where a series usually is, None while nothing is known of it.

    ``times``: of the beginnings of the samples, each the mean of ``step`` seconds; ``is_rate``: events per
    second, whose noise is the smaller the longer they are counted.
    """
    slow, fast = models
    known = slow or fast
    if known is None or not len(times):
        return None
    found = Band(*_averaged(known, times, step))
    if fast is not None and step < known.usual.clock.step:
        found = _widened(found, fast, times, step, is_rate=is_rate)
    lowest = 0.0 if known.is_positive else -np.inf
    return Band(*(np.maximum(each, lowest) for each in found))


def _averaged(model: Model, times: Array, step: float) -> tuple[Array, Array, Array]:
    """Return what is usual, as means of the steps of the model that are in a step."""
    moments = model.usual.clock.within(times, step)
    usual, low, high = (
        each.reshape(moments.shape).mean(axis=1) for each in model.expected(moments.reshape(-1))
    )
    return usual, low, high


def _widened(found: Band, fast: Model, times: Array, step: float, *, is_rate: bool) -> Band:
    """Return a band with the noise of single samples added to it."""
    power, own = fast.usual.power, fast.usual.clock.step
    share = np.sqrt(own / step) if is_rate else 1.0
    noise = NINE_OF_TEN * share * fast.usual.at(times)[1]
    usual, low, high = (power.of(each) for each in found)
    return Band(
        found.usual,
        power.back(usual - np.hypot(usual - low, noise)),
        power.back(usual + np.hypot(high - usual, noise)),
    )


def is_usual_then(anomaly: Anomaly, slow: Model | None) -> bool:
    """Return whether an anomaly of values of 10 s, known from one day, is what each day has at that hour.

    A nightly job is a sudden step each night. ``slow``: the model that knows the course over the day, if any.
    """
    if slow is None or not slow.usual.is_daily or anomaly.kind not in OF_LEVELS or anomaly.mean is None:
        return False
    _, low, high = slow.expected(
        np.array([anomaly.began, (anomaly.began + anomaly.until) / 2, anomaly.until])
    )
    return bool(((low <= anomaly.mean) & (anomaly.mean <= high)).any())
