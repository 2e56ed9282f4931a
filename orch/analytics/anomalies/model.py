"""What is known of one series: its usual course and its limits, learnt from a history. Pure.

A model is learnt once a day or more often, from up to 30 days; 10,000 samples take about 60 ms of a core, so
that a service does it in a thread, one series at a time.
"""

from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from orch.analytics.anomalies.limits import Limits, find_limits
from orch.analytics.anomalies.measures import MEASURES, Sort
from orch.analytics.anomalies.robust import Array
from orch.analytics.anomalies.usual import DAILY_AFTER, DAY, WEEKLY_AFTER, Usual, learn

FEWEST: Final = 360
"""Samples with a figure that a model needs: an hour at one in 10 s, 30 hours at one in 5 minutes."""

WIDER: Final = 1.3
"""How much wider limits are that a day or two gave."""

WEEK: Final = 8
"""Days after which each day of the week has been there."""


class Model(Struct, frozen=True, kw_only=True):
    """What is usual for a series, how far it may be from that, and from how many days that is known.

    ``floor``: a difference of the figure that means nothing. ``still``: a difference that is none, for a
    figure that does not move: what storing it with 16 bits may cost. ``is_positive``: it never was below 0.
    """

    usual: Usual
    limits: Limits
    days: float
    floor: float
    still: float
    is_positive: bool

    @property
    def hour(self) -> str:
        """What the usual figure is usual for, in words."""
        if self.usual.is_weekly:
            return "for this hour and day"
        return "for this hour" if self.usual.is_daily else "of late"

    def expected(self, times: Array) -> tuple[Array, Array, Array]:
        """Return the usual figure at each time, and the bounds between which nine of ten samples are."""
        course, noise = self.usual.at(times)
        course = course + self.limits.level * noise
        low, high = self.limits.central
        back = self.usual.power.back
        return back(course), back(course + noise * low), back(course + noise * high)


def learn_model(
    values: Array,
    *,
    begins: float,
    step: float,
    floor: float = 0.0,
    faulty: NDArray[np.bool_] | None = None,
    level_since: float | None = None,
) -> Model | None:
    """Return the model of a series from its history, None while that is too short.

    ``values``: ``step`` seconds apart, the first of ``begins``; NaN is a gap. ``faulty``: samples that were
    part of an anomaly. ``level_since``: since when the series has the level that it has.
    """
    sound = values if faulty is None else np.where(faulty, np.nan, values)
    there = sound[np.isfinite(sound)]
    if there.size < FEWEST:
        return None
    if np.all(there == np.rint(there)):
        floor = max(floor, 1.0)  # of a number of things, half of one is none
    usual = learn(sound, begins=begins, step=step, least=floor)
    still = 2e-5 * float(np.ptp(there))
    limits = find_limits(values, usual, begins=begins, faulty=faulty, level_since=level_since, still=still)
    days = len(values) * step / DAY
    return Model(
        usual=usual,
        limits=_careful(limits, days),
        days=days,
        floor=floor,
        still=still,
        is_positive=bool(there.min() >= 0),
    )


def _careful(limits: Limits, days: float) -> Limits:
    """Return limits that do not take the first evening or weekend for a fault.

    With less than three days (all that there is at a fine resolution) no levels are looked at, and the limits
    of the rest are wider: what a day did not have may be usual.
    """
    level, rest = (np.inf, WIDER) if days < DAILY_AFTER else (2.0 if days < WEEK else 1.3, 1.0)
    if days >= WEEKLY_AFTER:
        return limits
    factors = tuple(level if measure.sort is Sort.LEVEL else rest for measure in MEASURES)
    return replace(
        limits,
        above=tuple(limit * by for limit, by in zip(limits.above, factors, strict=True)),
        below=tuple(limit * by for limit, by in zip(limits.below, factors, strict=True)),
    )
