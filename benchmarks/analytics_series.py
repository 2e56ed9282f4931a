"""Made series of a service, quiet or with labelled faults: the data of the analytics benchmark.

Public collections are not on package registries, so the series are made: eight natures that the figures of
such a service have, each with its own noise, and none of them by the model that is measured. A nature is
drawn anew for each seed: size, hours, strength of the week, noise and its correlation all vary.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEP: Final = 300.0
DAY: Final = 288
MONDAY: Final = 1_767_571_200.0
"""The epoch of a Monday, 00:00 UTC, at which the series begin."""

FAULTS: Final = ("spike", "dip", "shift", "ramp", "noise", "stuck")


@dataclass(frozen=True, slots=True)
class Fault:
    """A labelled fault: the samples from ``begins`` until before ``ends``."""

    kind: str
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Made:
    """A series at every 5 minutes."""

    nature: str
    seed: int
    values: Array
    faults: tuple[Fault, ...] = ()


def _correlated(rng: np.random.Generator, size: int, phi: float, spread: float) -> Array:
    """Return an autoregressive process of order 1 with a standard deviation of ``spread``."""
    out, last = np.empty(size), 0.0
    shocks = rng.normal(0, spread * np.sqrt(1 - phi**2), size)
    for place, shock in enumerate(shocks):
        last = phi * last + shock
        out[place] = last
    return out


def _days(rng: np.random.Generator, days: int, spread: float) -> Array:
    """Return a factor for each day, joined smoothly."""
    factors = np.exp(rng.normal(0, spread, days + 1))
    return np.interp(np.arange(days * DAY) / DAY, np.arange(days + 1), factors)


def _load(rng: np.random.Generator, days: int) -> Array:
    """Return the course of use, 0 to about 1: working hours, a lunch break, evenings, weekends."""
    hour = np.arange(days * DAY) % DAY / 12
    weekday = np.arange(days * DAY) // DAY % 7
    opens, closes = rng.uniform(6.5, 9), rng.uniform(16.5, 20)
    rise = 1 / (1 + np.exp(-(hour - opens) / rng.uniform(0.4, 1.0)))
    fall = 1 / (1 + np.exp((hour - closes) / rng.uniform(0.5, 1.5)))
    lunch = 1 - rng.uniform(0, 0.35) * np.exp(-0.5 * ((hour - 12.5) / 0.6) ** 2)
    evening = rng.uniform(0, 0.3) * np.exp(-0.5 * ((hour - 21) / 1.2) ** 2)
    weekend = np.where(weekday >= 5, rng.uniform(0.1, 0.7), 1.0)
    friday = np.where(weekday == 4, rng.uniform(0.8, 1.0), 1.0)
    shape = (rise * fall * lunch + evening) * weekend * friday + rng.uniform(0.01, 0.15)
    return np.asarray(shape * _days(rng, days, rng.uniform(0.02, 0.08)))


def requests(rng: np.random.Generator, days: int) -> Array:
    """Return requests per second: counts, by use."""
    mean = _load(rng, days) * 10 ** rng.uniform(0, 2.5)
    mean = mean * np.exp(_correlated(rng, days * DAY, 0.7, rng.uniform(0.03, 0.1)))
    return rng.poisson(mean * STEP) / STEP


def latency(rng: np.random.Generator, days: int) -> Array:
    """Return a 95th percentile in milliseconds: skewed, higher under load, with single slow samples."""
    base = 10 ** rng.uniform(1.5, 3) * (1 + rng.uniform(0, 0.6) * _load(rng, days))
    skewed = np.exp(_correlated(rng, days * DAY, rng.uniform(0.2, 0.7), rng.uniform(0.05, 0.2)))
    slow = np.where(rng.random(days * DAY) < 0.003, rng.uniform(1.2, 1.8, days * DAY), 1.0)
    return np.asarray(base * skewed * slow).astype(np.float64)


def connections(rng: np.random.Generator, days: int) -> Array:
    """Return open connections: whole numbers, smooth, as those who join stay."""
    mean = _load(rng, days) * 10 ** rng.uniform(1.2, 3.5)
    mean = mean * np.exp(_correlated(rng, days * DAY, 0.97, rng.uniform(0.03, 0.1)))
    spread = np.sqrt(mean) * _correlated(rng, days * DAY, 0.9, 0.5)
    return np.maximum(mean + spread, 0).round().astype(np.float64)


def memory(rng: np.random.Generator, days: int) -> Array:
    """Return resident megabytes: a floor, what use adds, a slow walk, and a fall at a weekly restart."""
    walk = _correlated(rng, days * DAY, 0.999, rng.uniform(5, 20))
    grown = (np.arange(days * DAY) % (7 * DAY)) / (7 * DAY) * rng.uniform(0, 60)
    used = rng.uniform(20, 150) * _load(rng, days)
    return 200 + rng.uniform(0, 400) + walk + grown + used + rng.normal(0, 1.5, days * DAY)


def processor(rng: np.random.Generator, days: int) -> Array:
    """Return share of a core: use, and a nightly job."""
    at = np.arange(days * DAY) % DAY
    begins = rng.integers(12, 60)
    job = np.where((at >= begins) & (at < begins + 6), rng.uniform(0.1, 0.4), 0.0)
    load = rng.uniform(0.2, 0.7) * _load(rng, days) + job
    noise = np.exp(_correlated(rng, days * DAY, 0.5, rng.uniform(0.05, 0.15)))
    return np.clip(load * noise + 0.01 + rng.normal(0, 0.003, days * DAY), 0, 1)


def errors(rng: np.random.Generator, days: int) -> Array:
    """Return errors per second: mostly none, a few at a time."""
    mean = (0.1 + _load(rng, days)) * 10 ** rng.uniform(-3, -1.5)
    burst = np.where(rng.random(days * DAY) < 0.002, rng.uniform(1, 4, days * DAY), 1.0)
    return rng.poisson(mean * burst * STEP) / STEP


def queue(rng: np.random.Generator, days: int) -> Array:
    """Return length of a queue at its highest in 5 minutes: empty at night, short bursts by day."""
    busy = _load(rng, days)
    return np.floor(rng.exponential(0.3 + busy * rng.uniform(1, 6), days * DAY))


def bots(rng: np.random.Generator, days: int) -> Array:
    """Return bots in meetings: none at night, full hours and half hours on weekdays."""
    at = np.arange(days * DAY)
    weekday, slot = at // DAY % 7, at % DAY
    hour, minute = slot // 12, slot % 12
    meets = np.where((hour >= 8) & (hour < 18) & (weekday < 5), 1.0, 0.0)
    within = np.where(minute < 10, 1.0, 0.45)
    size = rng.uniform(5, 60)
    mean = size * meets * within * (0.5 + 0.5 * np.sin((hour - 6) / 12 * np.pi)) * _days(rng, days, 0.08)
    return rng.poisson(np.maximum(mean, 0) + 0.02).astype(np.float64)


NATURES: Final[dict[str, Callable[[np.random.Generator, int], Array]]] = {
    "requests": requests,
    "latency": latency,
    "connections": connections,
    "memory": memory,
    "processor": processor,
    "errors": errors,
    "queue": queue,
    "bots": bots,
}


def quiet(nature: str, seed: int, days: int) -> Made:
    """Return a series without faults."""
    rng = np.random.default_rng([seed, list(NATURES).index(nature)])
    return Made(nature, seed, NATURES[nature](rng, days))


def _sizes(values: Array, begins: int) -> tuple[float, float, float]:
    """Return what is usual at a time (its level, its noise, the range of a day), from the days before."""
    past = values[max(begins - 14 * DAY, 0) : begins]
    same = [values[begins - back * DAY + d] for back in (1, 7, 8, 14) for d in range(-3, 4)]
    level = float(np.median(same))
    noise = float(np.median(np.abs(np.diff(past)))) * 1.05
    low, high = np.percentile(past, [2, 98])
    return level, max(noise, (high - low) * 0.02), float(high - low)


def _is_fit(kind: str, values: Array, begins: int, ends: int) -> bool:
    """Return whether such a fault would be a fault at that time: a dip of nothing is none."""
    part = values[begins:ends]
    low, high = np.percentile(values[:begins], [2, 98])
    if kind == "dip":
        return bool(np.mean(part) > low + 0.35 * (high - low) and np.mean(part) > 0)
    if kind in {"stuck", "noise"}:
        repeats = np.mean(np.diff(part) == 0)
        return bool(np.mean(part) > low + 0.15 * (high - low) and repeats < 0.3)
    return True


def _changed(kind: str, part: Array, sizes: tuple[float, float, float], rng: np.random.Generator) -> Array:
    """Return what a fault makes of the samples."""
    level, noise, extent = sizes
    worth = max(extent, 0.2 * abs(level))
    if kind == "spike":
        return part + worth * rng.uniform(0.8, 3.0)
    if kind == "dip":
        return part * rng.uniform(0.0, 0.3)
    if kind == "shift":
        return part + max(worth * rng.uniform(0.35, 1.0), 3 * noise)
    if kind == "ramp":
        return part + np.linspace(0, max(worth * rng.uniform(0.8, 2.0), 6 * noise), len(part))
    if kind == "noise":
        swing = max(worth * rng.uniform(0.3, 0.8), 4 * noise)
        return np.maximum(part + rng.normal(0, swing, len(part)), 0)
    return np.full(len(part), part[0])


LENGTHS: Final = {
    "spike": (1, 4),
    "dip": (4, 24),
    "shift": (36, 144),
    "ramp": (72, 288),
    "noise": (12, 48),
    "stuck": (18, 72),
}
"""Samples that a fault of a kind lasts: from, to."""


def with_faults(made: Made, *, since: int, count: int) -> Made:
    """Return the series with ``count`` faults of any kinds after ``since``, at least half a day apart."""
    index = list(NATURES).index(made.nature)
    rng = np.random.default_rng([made.seed, index, 7])
    values, faults = made.values.copy(), list[Fault]()
    whole = made.nature in {"connections", "queue", "bots"}
    for _ in range(count * 30):
        if len(faults) == count:
            break
        kind = FAULTS[int(rng.integers(len(FAULTS)))]
        size = int(rng.integers(*LENGTHS[kind]))
        begins = int(rng.integers(since, len(values) - size - DAY // 2))
        ends = begins + size
        near = any(begins < each.ends + DAY // 2 and each.begins < ends + DAY // 2 for each in faults)
        if near or not _is_fit(kind, made.values, begins, ends):
            continue
        changed = _changed(kind, made.values[begins:ends], _sizes(made.values, begins), rng)
        values[begins:ends] = np.round(changed) if whole else changed
        faults.append(Fault(kind, begins, ends))
    return replace(made, values=values, faults=tuple(sorted(faults, key=lambda each: each.begins)))
