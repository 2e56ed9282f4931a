"""The usual course of a series over the day and the week. Pure.

The problem: a figure of 400 is usual at ten on a Monday and an alarm at three on a Sunday. The naive answer,
the mean of the same hours, is moved by each past fault, follows no growth, and knows nothing of noise that
grows with the figure. Here: (1) a power of the figures is taken whose noise is about the same at all levels
(Guerrero's choice among log, square root and none); (2) medians of each time of day, over days from which the
day's own level was subtracted, and growth, if there is any, give the course; for all days alike, for weekdays
and weekends, or for each day of the week, whichever predicts the last two weeks best; (3) the noise of each
hour is its median absolute deviation. Left out: public holidays and summer time, which are unusual.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct

from orch.analytics.anomalies.robust import NORMAL, Array, median, medians, spread

DAY: Final = 86_400.0
THURSDAY: Final = 3
"""The day of the week of the epoch's first day, Monday being 0."""

ALIKE: Final = (0, 0, 0, 0, 0, 0, 0)
WEEKENDS: Final = (0, 0, 0, 0, 0, 1, 1)
WEEKDAYS: Final = (0, 1, 2, 3, 4, 5, 6)

WIDTHS: Final = (1, 3, 9)
"""Samples over which a course is smoothed, for a choice."""

EVEN: Final = 8
FEW: Final = 24
"""Blocks, and samples, without which no power is chosen."""

DAILY_AFTER: Final = 3
WEEKLY_AFTER: Final = 15
"""Days of history from which on a course over the day, and one over the week, can be told from chance."""

BETTER: Final = 0.97
"""Error that a course must have at most, in that of a simpler one, to be chosen instead."""

HOURS: Final = 24
WEEK: Final = 7
SURE: Final = 4.0
"""How many standard errors a growth is, to be one."""


class Power(NamedTuple):
    """The transformation of figures: ``log`` (0), square root (0.5) or none (1), and what is added before."""

    exponent: float
    offset: float

    def of(self, values: Array) -> Array:
        """Return transformed figures. Below the offset, as below zero, the figure counts as the least one."""
        if self.exponent == 1:
            return values
        shifted = np.maximum(values + self.offset, self.offset * 0.5)
        return np.log(shifted) if self.exponent == 0 else np.sqrt(np.maximum(shifted, 0))

    def back(self, values: Array) -> Array:
        """Return figures from transformed ones."""
        if self.exponent == 1:
            return values
        shifted = np.exp(np.minimum(values, 700)) if self.exponent == 0 else np.square(np.maximum(values, 0))
        return np.asarray(shifted - self.offset)


class Clock(NamedTuple):
    """Where samples are in the day and the week: ``step`` seconds apart, ``slots`` of them a day."""

    step: float
    slots: int

    def days(self, at: Array) -> Array:
        """Return the number of the day (UTC) of each time."""
        return np.floor(at / DAY).astype(np.int64)

    def slot(self, at: Array) -> Array:
        """Return the place in its day of each time."""
        return (np.mod(at, DAY) / self.step).astype(np.int64) % self.slots

    def within(self, times: Array, step: float) -> Array:
        """Return the moments, a row for each time, of the samples in the ``step`` seconds from it on."""
        count = max(1, round(step / self.step))
        return np.asarray(times[:, None] + (np.arange(count) + 0.5) * (step / count))

    def weekday(self, at: Array) -> Array:
        """Return the day of the week of each time, 0 for Monday."""
        return (self.days(at) + THURSDAY) % 7


class Usual(Struct, frozen=True, kw_only=True):
    """What is usual for a series: the course, and its noise, as transformed figures.

    ``classes``: for each day of the week, the row of ``course`` and ``noise`` that it has. ``course``: a
    value for each time of day; ``noise``: a standard deviation for each.
    """

    power: Power
    clock: Clock
    classes: tuple[int, ...]
    course: Array
    noise: Array

    @property
    def is_daily(self) -> bool:
        """Whether it has a course over the day."""
        return bool(self.course.shape[1] > 1)

    @property
    def is_weekly(self) -> bool:
        """Whether its days differ."""
        return bool(self.course.shape[0] > 1)

    def at(self, times: Array) -> tuple[Array, Array]:
        """Return the usual transformed figure and its noise at each time."""
        rows, slots = np.asarray(self.classes)[self.clock.weekday(times)], self.clock.slot(times)
        columns = slots * self.course.shape[1] // self.clock.slots
        noise_columns = slots * self.noise.shape[1] // self.clock.slots
        return self.course[rows, columns], self.noise[rows, noise_columns]


def learn(values: Array, *, begins: float, step: float, least: float = 0.0) -> Usual:
    """Return what is usual in ``values`` (NaN: a gap), the first of which is of ``begins``.

    ``least``: a difference of the figure that nobody would notice; noise is at least a third of it.
    """
    clock = Clock(step, max(round(DAY / step), 1))
    times = begins + np.arange(len(values)) * step
    power = choose_power(values, clock)
    transformed = power.of(values)
    extent = (len(values) * step) / DAY
    best, error = _Course(ALIKE, 1, is_daily=False), float("inf")
    for candidate in _candidates(extent, clock):
        found = _error(candidate, transformed, times, clock)
        if found < error * (BETTER if np.isfinite(error) else 1):
            best, error = candidate, found
    course, residuals = best.fit(transformed, times, clock)
    noise = _noise(residuals, times, clock, best.classes, within_hours=extent < DAILY_AFTER)
    if least > 0:
        slope = np.abs(power.of(power.back(course) + least) - course)
        slots = np.arange(max(course.shape[1], noise.shape[1]))
        noise = np.maximum(
            noise[:, slots * noise.shape[1] // len(slots)],
            slope[:, slots * slope.shape[1] // len(slots)] / 3,
        )
    return Usual(power=power, clock=clock, classes=best.classes, course=course, noise=noise)


def choose_power(values: Array, clock: Clock) -> Power:
    """Return the power after which the noise of hours differs least between levels (Guerrero 1993)."""
    there = values[np.isfinite(values)]
    if there.size < FEW or there.min() < 0 or np.ptp(there) == 0:
        return Power(1, 0)
    size = max(clock.slots // 24, 6)
    blocks = values[: len(values) // size * size].reshape(-1, size)
    with np.errstate(invalid="ignore", divide="ignore"):
        levels = medians(blocks.T)
        noises = medians(np.abs(np.diff(blocks, axis=1)).T)
    used = np.isfinite(levels) & np.isfinite(noises) & (noises > 0) & (levels > 0)
    if used.sum() < EVEN:
        return Power(1, 0)
    levels, noises = levels[used], noises[used]
    offset = max(0.02 * float(np.quantile(there, 0.9)), 1e-9)
    powers = (Power(1, 0), Power(0.5, 0.0), Power(0, offset))
    return min(powers, key=lambda power: _unevenness(power, levels, noises))


def _unevenness(power: Power, levels: Array, noises: Array) -> float:
    ratios = np.log(noises / (levels + power.offset) ** (1 - power.exponent))
    return spread(ratios) + (0.02 if power.exponent != 1 else 0)


class _Course(NamedTuple):
    """How a course is estimated: which days are alike, and over how many samples it is smoothed."""

    classes: tuple[int, ...]
    width: int
    is_daily: bool = True

    def fit(self, values: Array, times: Array, clock: Clock) -> tuple[Array, Array]:
        """Return the course (a row for each class of days) and what is left of ``values``."""
        classes = np.asarray(self.classes)
        if not self.is_daily:
            course = np.full((1, 1), median(values))
            return course, values - course[0, 0]
        matrix, weekdays, place = _by_day(values, times, clock)
        level = _without_growth(matrix)
        rows = []
        for each in range(int(classes.max()) + 1):
            days = level[classes[weekdays] == each]
            rows.append(_day_course(days if len(days) else level, self.width))
        course = np.vstack(rows)
        left = matrix - course[classes[weekdays]]
        return course, left.reshape(-1)[place : place + len(values)]


def _by_day(values: Array, times: Array, clock: Clock) -> tuple[Array, Array, int]:
    """Return a row for each day (UTC), its day of the week, and the place of the first sample."""
    first = int(clock.slot(times[:1])[0])
    count = -(-(first + len(values)) // clock.slots)
    padded = np.full(count * clock.slots, np.nan)
    padded[first : first + len(values)] = values
    days = np.floor(times[0] / DAY) + np.arange(count)
    return padded.reshape(count, clock.slots), ((days + THURSDAY) % 7).astype(np.int64), first


def _without_growth(days: Array) -> Array:
    """Return days without what they grow by from week to week, where that is more than chance.

    A series that only grows would have a course over the day, as each day ends higher than it began, and one
    over the week, as its Sundays are not in the middle of the month. The growth is the median of all
    distances of a week, of which a new level has only those across it.
    """
    levels = medians(days.T)
    weekly = levels[WEEK:] - levels[:-WEEK]
    weekly = weekly[np.isfinite(weekly)]
    if weekly.size < WEEK or abs(median(weekly)) * np.sqrt(weekly.size) <= SURE * spread(weekly):
        return days
    at = np.arange(days.size).reshape(days.shape) / days.shape[1]
    return np.asarray(days - median(weekly) / WEEK * (at - len(days) / 2))


def _day_course(days: Array, width: int) -> Array:
    """Return the median course of days, each with its own level."""
    levels = medians(days.T)
    overall = median(levels)
    course = np.full(days.shape[1], overall)
    for _ in range(3):
        levels = medians((days - course).T)
        course = medians(days - levels[:, None])
        course = np.where(np.isfinite(course), course, median(course))
        course = _smoothed(course, width)
    return course + (median(levels) if np.isfinite(median(levels)) else 0.0)


def _smoothed(course: Array, width: int) -> Array:
    """Return moving means over ``width`` samples of a course that goes round."""
    if width == 1 or len(course) <= width:
        return course
    around = np.concatenate([course[-(width // 2) :], course, course[: width // 2]])
    return np.convolve(around, np.full(width, 1 / width), mode="valid")


def _candidates(days: float, clock: Clock) -> list[_Course]:
    found = [_Course(ALIKE, 1, is_daily=False)]
    if clock.slots == 1 or days < DAILY_AFTER:
        return found
    widths = [width for width in WIDTHS if width * 4 <= clock.slots]
    found += [_Course(ALIKE, width) for width in widths]
    if days >= WEEKLY_AFTER:
        found += [_Course(classes, width) for classes in (WEEKENDS, WEEKDAYS) for width in widths]
    return found


def _error(course: _Course, values: Array, times: Array, clock: Clock) -> float:
    """Return the mean error over the last weeks (in a short history: days), each predicted from the past."""
    week = 7 * clock.slots
    fold = week if len(values) >= 2.1 * week else clock.slots
    errors = []
    for back in (2, 1):
        cut = len(values) - back * fold
        if cut < clock.slots:
            continue
        fitted, _ = course.fit(values[:cut], times[:cut], clock)
        part, when = values[cut : cut + fold], times[cut : cut + fold]
        rows = np.asarray(course.classes)[clock.weekday(when)]
        columns = clock.slot(when) if course.is_daily else np.zeros(len(when), np.int64)
        left = part - fitted[rows, columns]
        errors.append(np.abs(left - median(left)))
    joined = np.concatenate(errors) if errors else np.abs(values - median(values))
    joined = joined[np.isfinite(joined)]
    # Without the worst of each, which are faults rather than the course.
    return float(np.mean(np.minimum(joined, np.quantile(joined, 0.95)))) if joined.size else float("inf")


def _noise(
    residuals: Array, times: Array, clock: Clock, classes: Sequence[int], *, within_hours: bool
) -> Array:
    """Return the noise of each hour (of each class of days), drawn a little towards that of all hours.

    ``within_hours``: one for all hours, around each hour's own level, where the course over the day is not
    known yet: a few quiet hours of one day say little of the same hours of the next.
    """
    if within_hours and clock.slots >= HOURS:
        residuals = _without_levels(residuals, times, clock)
    whole = spread(residuals)
    if not np.isfinite(whole) or whole == 0:
        whole = float(np.nanstd(residuals)) if np.isfinite(residuals).any() else 0.0
    whole = max(whole, 1e-9)
    if clock.slots < HOURS or within_hours:
        return np.full((max(classes) + 1, 1), whole)
    matrix, weekdays, _ = _by_day(residuals, times, clock)
    levels = medians(matrix.T)
    left = np.abs(matrix - np.where(np.isfinite(levels), levels, 0.0)[:, None])
    size = clock.slots // HOURS
    rows = []
    for each in range(max(classes) + 1):
        days = left[np.asarray(classes)[weekdays] == each]
        days = days if len(days) else left
        hours = days[:, : size * HOURS].reshape(len(days), HOURS, size)
        per = NORMAL * medians(hours.transpose(0, 2, 1).reshape(-1, HOURS))
        rows.append(np.where(np.isfinite(per), per, whole))
    by_hour = np.vstack(rows)
    return np.asarray(np.maximum(by_hour**0.75 * whole**0.25, 0.25 * whole))


def _without_levels(residuals: Array, times: Array, clock: Clock) -> Array:
    """Return what is left of residuals without the median of each hour."""
    size = clock.slots // HOURS
    first = int(clock.slot(times[:1])[0]) % size
    padded = np.full(-(-(first + len(residuals)) // size) * size, np.nan)
    padded[first : first + len(residuals)] = residuals
    hours = padded.reshape(-1, size)
    levels = medians(hours.T)
    left = hours - np.where(np.isfinite(levels), levels, 0.0)[:, None]
    return np.asarray(left.reshape(-1)[first : first + len(residuals)])
