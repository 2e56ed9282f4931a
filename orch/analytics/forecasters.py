"""Methods of forecasting, each from a history without gaps. Pure."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from orch.analytics.ring import Floats

DAY: Final = 86_400.0
WEEK: Final = 7 * DAY
HARMONICS: Final = 6
"""Of the course over a day."""
_RIDGE: Final = 0.3
_RIDGE_WEEKEND: Final = 2.0
_RIDGE_WEEKDAY: Final = 4.0
_RIDGE_TREND: Final = 8.0
"""How much data a feature needs to be believed, in days."""
_ROUNDS: Final = 3
"""Of reweighting, so that past faults count little."""
_WEEKEND: Final = (5, 6)
_HOUR: Final = 3_600.0
_GROWING_DAYS: Final = 21
_GROWTH_KEPT: Final = 0.97
"""Of a day's growth, on the next day."""
_WILD: Final = 6.0
"""Standard deviations, as the median distance has them, at which a fault is cut off."""


class Grid(NamedTuple):
    """When the values of a history are: ``step`` seconds apart, the first at ``begins`` (UTC)."""

    step: float
    begins: float

    @property
    def per_day(self) -> int:
        """Steps in a day, at least 1."""
        return max(1, round(DAY / self.step))

    def at(self, first: int, count: int) -> Floats:
        """Return the moments of ``count`` steps."""
        return self.begins + self.step * (first + np.arange(count, dtype=np.float64))


def level(history: Floats, grid: Grid, steps: int) -> Floats:
    """Forecast the mean of the last steps, of which older ones count less."""
    del grid
    ages = np.arange(len(history))[::-1]
    weights = 0.7**ages
    return np.full(steps, float(np.sum(weights * history) / np.sum(weights)))


def drift(history: Floats, grid: Grid, steps: int) -> Floats:
    """Forecast a line through the last two days, at most, that flattens out."""
    recent = history[-min(len(history), 2 * grid.per_day, 96) :]
    slope = line_slope(recent)
    end = float(np.median(recent - slope * np.arange(-len(recent) + 1, 1)))
    damped = np.cumsum(0.98 ** np.arange(1, steps + 1))
    return end + slope * damped


def line_slope(values: Floats) -> float:
    """Return the median of the slopes between values half of the length apart (a short Theil and Sen)."""
    half = len(values) // 2
    return float(np.median(values[-half:] - values[:half]) / (len(values) - half)) if half else 0.0


def yesterday(history: Floats, grid: Grid, steps: int) -> Floats:
    """Forecast the last day again."""
    return np.resize(history[-min(len(history), grid.per_day) :], steps)


def last_week(history: Floats, grid: Grid, steps: int) -> Floats:
    """Forecast the last week again, moved to the level of the last day."""
    week = 7 * grid.per_day
    if len(history) < week + grid.per_day:
        return yesterday(history, grid, steps)
    moved = np.median(history[-grid.per_day :] - history[-grid.per_day - week : -week])
    return np.resize(history[-week:], steps) + 0.5 * moved


def usual_week(history: Floats, grid: Grid, steps: int) -> Floats:
    """Forecast the median of the same times of the last weeks, moved to the level of the last day."""
    if len(history) < 2 * 7 * grid.per_day:
        return usual_day(history, grid, steps)
    course, levels = _week(history, grid)
    return np.resize(course, steps) + float(np.median(levels[-grid.per_day :]))


def growing_week(history: Floats, grid: Grid, steps: int) -> Floats:
    """Forecast the median of the same times of the last weeks, with a level that goes on as it grew.

    The slope is that of the levels of the last three weeks' days, believed by how far it stands out of their
    noise; it flattens out by 3 % a day. What is left of the latest values dies away.
    """
    day = grid.per_day
    if len(history) < 2 * 7 * day:
        return usual_day(history, grid, steps)
    course, levels = _week(history, grid)
    daily = np.median(levels[-(len(levels) // day) * day :].reshape(-1, day), axis=1)[-_GROWING_DAYS:]
    changes = np.diff(daily)
    error = 1.4826 * float(np.median(np.abs(changes - np.median(changes)))) / np.sqrt(len(daily))
    slope = line_slope(daily)
    slope *= max(0.0, 1.0 - (error / slope) ** 2) / day if slope else 0.0
    end = float(np.median(levels[-day:] - slope * np.arange(1 - day, 1)))
    ahead = np.arange(1, steps + 1)
    kept = _GROWTH_KEPT ** (1 / day)
    grown = slope * kept * (1 - kept**ahead) / (1 - kept)
    rest = levels[-4 * day :] - end - slope * np.arange(1 - 4 * day, 1)
    return np.asarray(np.resize(course, steps) + end + grown + _dying(rest, steps))


def _week(history: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """Return the course of the week that comes, around zero, and the history without it.

    The level of each week around a step is subtracted first: else growth within a week would be part of it.
    """
    week = 7 * grid.per_day
    whole = len(history) // week * week
    flat = history - _running_level(history, grid)
    course = _smoothed(np.median(flat[-whole:].reshape(-1, week), axis=0), grid)
    before = np.resize(course, whole + week)[-len(history) :]
    return course, history - before


def _running_level(history: Floats, grid: Grid) -> Floats:
    """Return the mean of the week around each step, in a line beyond the first and the last whole week.

    Faults are cut off, in comparison with the same times of other weeks.
    """
    week, count = 7 * grid.per_day, len(history)
    whole = count // week * week
    same = np.median(history[-whole:].reshape(-1, week), axis=0)
    usual = np.resize(same, whole + week)[-count:]
    off = history - usual
    most = _WILD * 1.4826 * float(np.median(np.abs(off - np.median(off))))
    sums = np.concatenate([[0.0], np.cumsum(usual + np.clip(off, -most, most))])
    means = (sums[week:] - sums[:-week]) / week
    ends = min(len(means), week)
    first, last = line_slope(means[:ends]), line_slope(means[-ends:])
    before = week // 2
    after = count - before - len(means)
    return np.concatenate(
        [
            means[0] - first * np.arange(before, 0, -1),
            means,
            means[-1] + last * np.arange(1, after + 1),
        ]
    )


def usual_day(history: Floats, grid: Grid, steps: int) -> Floats:
    """Forecast the median of the same times of the last days, moved to the level of the last day."""
    day = grid.per_day
    if len(history) < 2 * day:
        return level(history, grid, steps)
    days = history[-(len(history) // day) * day :].reshape(-1, day)[-14:]
    course = _smoothed(np.median(days - np.median(days, axis=1, keepdims=True), axis=0), grid)
    recent = history[-day:] - course
    return np.resize(course, steps) + float(np.median(recent))


def _smoothed(course: Floats, grid: Grid) -> Floats:
    """Return a course over a day or a week, which begins where it ends, smoothed over three steps.

    Steps of an hour are left as they are: they are means, and a nightly job is not longer.
    """
    if grid.step >= _HOUR:
        return course
    return 0.25 * np.roll(course, 1) + 0.5 * course + 0.25 * np.roll(course, -1)


def course_of(half_life: float, *, wanders: bool = False) -> Callable[[Floats, Grid, int], Floats]:
    """Return a forecaster by regression on the time of day and week.

    ``half_life``: the days after which a value counts half. ``wanders``: what the course does not explain
    stays as it is, as of a figure that adds up.
    """

    def course(history: Floats, grid: Grid, steps: int) -> Floats:
        count = len(history)
        features, ridge = _features(grid.at(0, count + steps), grid)
        past, future = features[:count], features[count:]
        ages = np.arange(count)[::-1] / grid.per_day
        weights = 0.5 ** (ages / half_life)
        robust = np.ones(count)
        fitted = residuals = history
        for _ in range(_ROUNDS):
            scaled = past * (weights * robust)[:, None]
            gram = past.T @ scaled + np.diag(ridge * grid.per_day)
            coefficients = np.linalg.solve(gram, scaled.T @ history)
            fitted = past @ coefficients
            residuals = history - fitted
            spread = 1.4826 * float(np.median(np.abs(residuals))) + 1e-12
            robust = np.minimum(1.0, 2.0 * spread / np.maximum(np.abs(residuals), 1e-12))
        if wanders:
            return np.asarray(future @ coefficients + np.median(residuals[-2:]))
        return np.asarray(future @ coefficients) + _continued(residuals, grid, steps)

    return course


def _continued(residuals: Floats, grid: Grid, steps: int) -> Floats:
    """Return what the residuals become: a new level stays, as far as it is one, and the rest dies away.

    The mean residual of the last day is believed by how far it stands out of those of the days before
    (James and Stein's shrinkage).
    """
    day = grid.per_day
    whole = residuals[-(len(residuals) // day) * day :].reshape(-1, day) if len(residuals) >= day else None
    moved = 0.0
    if whole is not None and len(whole) > 2:  # noqa: PLR2004 - days to compare with
        means = np.median(whole, axis=1)
        usual = (1.4826 * float(np.median(np.abs(means[:-1] - np.median(means[:-1]))))) ** 2
        moved = float(means[-1])
        moved *= max(0.0, 1.0 - usual / moved**2) if moved else 0.0
    rest = residuals - moved
    return np.asarray(moved + _dying(rest[-4 * day :], steps), np.float64)


def _dying(rest: Floats, steps: int) -> Floats:
    """Return how what is left dies away, as fast as its neighbours differ."""
    before, after = rest[:-1], rest[1:]
    energy = float(before @ before)
    memory = float(np.clip(before @ after / energy, 0.0, 0.98)) if energy > 0 else 0.0
    # The last three residuals: a single one may be a fault.
    last = float(np.median(rest[-3:]))
    return np.asarray(last * memory ** np.arange(1, steps + 1))


def _features(at: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """Return features, moments by columns, and how much data each needs to be believed, in days."""
    phase = 2 * np.pi * np.mod(at, DAY) / DAY
    weekdays = ((at // DAY).astype(np.int64) + 3) % 7
    is_weekend = np.isin(weekdays, _WEEKEND).astype(np.float64)
    columns, ridge = [np.ones(len(at))], [1e-6]
    highest = min(HARMONICS, max(0, grid.per_day // 2 - 1))
    waves = [wave(number * phase) for number in range(1, highest + 1) for wave in (np.sin, np.cos)]
    columns += waves
    ridge += [_RIDGE * (1 + place // 4) for place in range(len(waves))]
    columns.append(is_weekend)
    ridge.append(0.5 * _RIDGE_WEEKEND)
    columns += [is_weekend * wave for wave in waves]
    ridge += [_RIDGE_WEEKEND * (1 + place // 4) for place in range(len(waves))]
    columns += [(weekdays == day).astype(np.float64) for day in range(7)]
    ridge += [_RIDGE_WEEKDAY] * 7
    columns.append((at - at[-1]) / WEEK)
    ridge.append(_RIDGE_TREND)
    return np.stack(columns, axis=1), np.array(ridge)


FORECASTERS: Final[tuple[tuple[str, Callable[[Floats, Grid, int], Floats]], ...]] = (
    ("the recent level", level),
    ("the recent trend", drift),
    ("as yesterday", yesterday),
    ("as last week", last_week),
    ("the usual day", usual_day),
    ("the usual week", usual_week),
    ("the usual week, growing", growing_week),
    ("the course of the day and week", course_of(14.0)),
    ("the recent course of the day and week", course_of(5.0)),
    ("the course from where it is now", course_of(7.0, wanders=True)),
)
"""By what each assumes, as operators read it."""
