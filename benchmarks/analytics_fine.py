"""Anomalies at values of 10 s, as the service follows them: short faults and false alarms.

Each made series of 5 minutes becomes one of 10 s with the noise that its nature has there. It is followed by
the service's own watch, which learns once a day from the last day. Faults last between half a minute and half
an hour, which values of 5 minutes see late or not at all; an alarm counts for one that begins while it lasts
or within two minutes after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import Pool
from typing import Final

import numpy as np

from benchmarks.analytics_series import MONDAY, NATURES, Array, quiet
from orch.analytics.anomalies.anomaly import Anomaly
from orch.analytics.anomalies.model import learn_model
from orch.analytics.watch import Watch

STEP: Final = 10.0
DAY: Final = 8_640
LEARNT: Final = DAY
FLOORS: Final = {
    "requests": 0.5,
    "latency": 5.0,
    "connections": 3.0,
    "memory": 20.0,
    "processor": 0.05,
    "errors": 0.02,
    "queue": 2.0,
    "bots": 1.0,
}
"""Differences that mean nothing, as the table of figures has them."""

SHORT: Final = {"spike": (3, 30), "outage": (6, 60), "shift": (30, 180), "noise": (12, 60)}
"""Samples that a fault lasts: from, to."""
LATE: Final = 12
"""Samples after the end of a fault in which an alarm is still for it."""


def fine(nature: str, seed: int, days: int) -> Array:
    """Return a series at every 10 s: half of the days are at the end of a week."""
    coarse = quiet(nature, seed, days + 4).values[3 * 288 :]
    rng = np.random.default_rng([seed, list(NATURES).index(nature), 13])
    count = days * DAY
    if nature in {"requests", "errors"}:
        mean = np.interp(np.arange(count), np.arange(len(coarse)) * 30 + 15, coarse)
        return np.asarray(rng.poisson(np.maximum(mean, 0) * STEP) / STEP)
    if nature in {"queue", "bots"}:
        held = np.repeat(coarse, 30)[:count]
        return np.asarray(held if nature == "bots" else np.floor(rng.uniform(0, 1, count) * (held + 1)))
    mean = np.interp(np.arange(count), np.arange(len(coarse)) * 30 + 15, coarse)
    noise = np.convolve(rng.normal(0, 1, count + 5), np.full(6, 6**-0.5), mode="valid")
    if nature == "latency":  # a quantile of the last minute
        return np.asarray(mean * np.exp(0.08 * noise))
    if nature == "processor":
        return np.asarray(np.clip(mean * np.exp(rng.normal(0, 0.15, count)), 0, 1))
    if nature == "connections":
        return np.maximum(np.round(mean + 0.3 * np.sqrt(np.maximum(mean, 0)) * noise), 0)
    return np.asarray(mean + rng.normal(0, 0.3, count))


@dataclass(frozen=True, slots=True)
class Short:
    """A fault: the samples from ``begins`` until before ``ends``."""

    kind: str
    begins: int
    ends: int


def with_short_faults(values: Array, nature: str, seed: int, count: int) -> tuple[Array, list[Short]]:
    """Return a series with faults after the first day, at least two hours apart."""
    rng = np.random.default_rng([seed, list(NATURES).index(nature), 17])
    values, faults = values.copy(), list[Short]()
    kinds = list(SHORT)
    for _ in range(count * 30):
        if len(faults) == count:
            break
        kind = kinds[int(rng.integers(len(kinds)))]
        size = int(rng.integers(*SHORT[kind]))
        begins = int(rng.integers(LEARNT + 360, len(values) - size - 360))
        if any(begins < each.ends + 720 and each.begins < begins + size + 720 for each in faults):
            continue
        day = values[begins - DAY : begins]
        low, high = np.percentile(day, [2, 98])
        worth = max(float(high - low), 0.2 * abs(float(np.median(day))), 4 * FLOORS[nature])
        part = values[begins : begins + size]
        if kind == "outage":
            if np.mean(part) < low + 0.35 * (high - low) or np.mean(part) <= 2 * FLOORS[nature]:
                continue
            part = part * rng.uniform(0, 0.2)
        elif kind == "noise":
            part = np.maximum(part + rng.normal(0, worth * rng.uniform(0.4, 0.9), size), 0)
        else:
            part = part + worth * (rng.uniform(1, 3) if kind == "spike" else rng.uniform(0.6, 1.2))
        values[begins : begins + size] = part
        faults.append(Short(kind, begins, begins + size))
    return values, faults


def followed(values: Array, nature: str) -> list[Anomaly]:
    """Return the anomalies after the first day, as the service's watch finds them."""
    watch, key = Watch(step=STEP), "made"
    for place in range(LEARNT, len(values)):
        if place % DAY == 0:
            past, begins = values[place - DAY : place], MONDAY + (place - DAY) * STEP
            model = learn_model(
                past,
                begins=begins,
                step=STEP,
                floor=FLOORS[nature],
                faulty=watch.faulty(key, begins, DAY),
                level_since=watch.level_since(key),
            )
            recent = [(MONDAY + at * STEP, float(values[at])) for at in range(place - 320, place)]
            watch.learnt(key, model, MONDAY + place * STEP, recent)
        watch.feed(key, MONDAY + place * STEP, float(values[place]))
    return list(watch.anomalies())


@dataclass(slots=True)
class Fine:
    """False alarms of each nature with the days that were followed, and faults found of each kind."""

    false: dict[str, int] = field(default_factory=dict)
    days: dict[str, int] = field(default_factory=dict)
    found: dict[str, list[bool]] = field(default_factory=dict)
    wrong: int = 0
    """Alarms beside the faults, in the series with faults."""

    @property
    def a_month(self) -> float:
        """False alarms of a series in 30 days."""
        return 30 * sum(self.false.values()) / max(sum(self.days.values()), 1)


def _one(job: tuple[str, int, int, int]) -> tuple[str, int, list[tuple[str, bool]], int]:
    nature, seed, days, count = job
    false = len(followed(fine(nature, seed, days + 1), nature))
    values, faults = with_short_faults(fine(nature, seed + 500, 4), nature, seed, count)
    begins = [(each.began - MONDAY) / STEP for each in followed(values, nature)]
    found = [(fault.kind, any(fault.begins <= at < fault.ends + LATE for at in begins)) for fault in faults]
    wrong = sum(not any(fault.begins - 1 <= at < fault.ends + LATE for fault in faults) for at in begins)
    return nature, false, found, wrong


def detect_fine(seeds: Sequence[int], *, days: int, count: int, jobs: int) -> Fine:
    """Return what is found in series of these seeds: ``days`` quiet ones, and three with ``count`` faults."""
    result = Fine()
    work = [(nature, seed, days, count) for seed in seeds for nature in NATURES]
    with Pool(jobs) as pool:
        for nature, false, found, wrong in pool.imap_unordered(_one, work):
            result.false[nature] = result.false.get(nature, 0) + false
            result.days[nature] = result.days.get(nature, 0) + days
            result.wrong += wrong
            for kind, is_found in found:
                result.found.setdefault(kind, []).append(is_found)
    return result
