"""When a figure reaches its limit, as far as its course says so. Pure.

A disk fills in weeks, connections over a working day, a queue in minutes. So three spans are looked at, each
with the line through it (the median of slopes, after Theil and Sen, which single faults do not move) and the
slopes that are as likely: where those are of both signs, the figure does not fill up, it fluctuates. The
nearest limit counts. Where the figure has a course over the day, its forecast is looked at too: the limit
may be reached at noon and not by a line, and a line through the morning is none.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from orch.analytics.forecast import Forecast
from orch.analytics.ring import Floats
from orch.analytics.series import Points

MINUTE: Final = 60.0
HOUR: Final = 3_600.0
DAY: Final = 86_400.0
_FEWEST: Final = 24


class Span(NamedTuple):
    """Seconds of history that a line is put through, and how far ahead it is believed."""

    name: str
    seconds: float
    ahead: float


SPANS: Final = (
    Span("the last 15 minutes", 15 * MINUTE, 60 * MINUTE),
    Span("the last 6 hours", 6 * HOUR, 12 * HOUR),
    Span("the last 14 days", 14 * DAY, 30 * DAY),
)


class Exhaustion(Struct, frozen=True, kw_only=True):
    """A limit that will be reached. Times are seconds from now.

    ``within``: when, most likely; ``earliest``, ``latest``: with 90 % probability, None: perhaps never.
    ``per_day``: what the figure grows by; ``because``: what that is concluded from.
    """

    limit: float
    now: float
    within: float
    earliest: float
    latest: float | None
    per_day: float
    because: str


def exhaustion(
    spans: list[tuple[Span, Points]], limit: float, forecast: Forecast | None = None, *, falls: bool = False
) -> Exhaustion | None:
    """Return when a figure reaches ``limit``, None if nothing says that it does.

    ``spans``: the histories of :data:`SPANS`. ``falls``: the limit is below (free space).
    """
    sign = -1.0 if falls else 1.0
    found = [
        line(points, span, limit, sign)
        for span, points in spans
        if forecast is None or not HOUR < span.seconds < DAY
    ]
    if forecast is not None:
        found.append(_by_course(forecast, limit, sign))
    there = [each for each in found if each is not None]
    return min(there, key=lambda each: each.within, default=None)


def line(points: Points, span: Span, limit: float, sign: float = 1.0) -> Exhaustion | None:
    """Return when the line through a history reaches the limit, if that is within what it is believed for."""
    is_known = np.isfinite(points.values)
    if int(is_known.sum()) < _FEWEST:
        return None
    at, values = points.at[is_known], sign * points.values[is_known]
    if at[-1] - at[0] < span.seconds / 3 or sign * limit <= values[-1]:
        return None
    low, slope, high = slopes(at, values)
    if low <= 0:
        return None
    now = float(np.median((values - slope * (at - points.end))[-max(3, len(values) // 4) :]))
    left = sign * limit - max(now, float(values[-1]))
    if left / slope > span.ahead:
        return None
    return Exhaustion(
        limit=limit,
        now=sign * float(values[-1]),
        within=left / slope,
        earliest=left / high,
        latest=left / low,
        per_day=sign * slope * DAY,
        because=f"its course in {span.name}",
    )


def slopes(at: Floats, values: Floats) -> tuple[float, float, float]:
    """Return the lowest likely slope, the median slope and the highest likely one, per second.

    Of at most 96 means of neighbouring values. The bounds are quantiles of all slopes between two of them,
    as far apart as Kendall's statistic of noise allows, and further where residuals follow each other.
    """
    parts = min(len(at), 96)
    x = np.array([float(each.mean()) for each in np.array_split(at, parts)])
    y = np.array([float(np.median(each)) for each in np.array_split(values, parts)])
    first, second = np.triu_indices(parts, 1)
    found = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    middle = float(np.median(found))
    residuals = y - middle * x
    residuals = residuals - np.median(residuals)
    energy = float(residuals @ residuals)
    memory = float(np.clip(residuals[1:] @ residuals[:-1] / energy, 0.0, 0.95)) if energy > 0 else 0.0
    independent = max(4.0, parts * (1 - memory) / (1 + memory))
    spread = 1.645 * np.sqrt(independent * (independent - 1) * (2 * independent + 5) / 18)
    share = min(0.5, spread / (independent * (independent - 1)))
    low, high = np.quantile(found, (0.5 - share, 0.5 + share))
    return float(low), middle, float(high)


def _by_course(forecast: Forecast, limit: float, sign: float) -> Exhaustion | None:
    values, high, low = (sign * np.array(each) for each in (forecast.values, forecast.high, forecast.low))
    if sign < 0:
        low, high = high, low
    crossings = [_first(side >= sign * limit) for side in (values, high, low)]
    if crossings[0] is None:
        return None
    within, earliest, latest = (
        None if crossing is None else (crossing + 1) * forecast.step for crossing in crossings
    )
    assert within is not None  # noqa: S101 - above
    return Exhaustion(
        limit=limit,
        now=sign * float(values[0]),
        within=within,
        earliest=within if earliest is None else earliest,
        latest=latest,
        per_day=sign
        * float(np.median(values[-len(values) // 4 :] - values[0]))
        * DAY
        / (len(values) * forecast.step),
        because="its course over the day",
    )


def _first(is_reached: npt.NDArray[np.bool_]) -> int | None:
    places = np.flatnonzero(is_reached)
    return int(places[0]) if len(places) else None
