"""Turns readings of metrics into values of figures: gauges, rates of counters, quantiles. Pure."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from orch.analytics.figures import Source
from orch.analytics.series import Figure, Unit
from orch.telemetry.names.metric import Distribution, Name, Reading

WINDOW: Final = 60.0
"""Seconds that a quantile covers."""
EVERY: Final = 5.0
"""Seconds between the counts of a histogram that are remembered for it."""
SUBJECTS: Final = 24
"""Series of one row at most; those of further label values are left out."""

AnyReading = Reading | Distribution


class Measured(NamedTuple):
    """A figure's value now, None where it is not known; and its limit, if it has one."""

    figure: Figure
    value: float | None
    limit: float | None = None


class Rates:
    """What totals have grown by per second. The mutable state: the last total of each, and when it was read.

    A total that has fallen was started again: nothing is known of that second.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}

    def of(self, key: str, total: float, now: float) -> float | None:
        """Return the growth per second since the last call with this key; None the first time."""
        before, self._last[key] = self._last.get(key), (now, total)
        if before is None or now <= before[0] or total < before[1]:
            return None
        return (total - before[1]) / (now - before[0])

    def forget(self, known: Iterable[str]) -> None:
        """Forget all other keys."""
        self._last = {key: self._last[key] for key in known if key in self._last}


class Quantiles:
    """The 95 % quantile of what histograms counted in the last :data:`WINDOW` seconds.

    The mutable state: the counts of each at most every :data:`EVERY` seconds. Within a bucket, observations
    count as evenly spread; above the last bound, as that bound.
    """

    def __init__(self) -> None:
        self._past: dict[str, deque[tuple[float, tuple[int, ...]]]] = {}

    def of(self, key: str, bounds: Sequence[float], counts: Sequence[int], now: float) -> float | None:
        """Return the quantile; None if nothing was observed, or for the first call with this key."""
        past = self._past.setdefault(key, deque())
        if past and any(new < old for new, old in zip(counts, past[-1][1], strict=True)):
            past.clear()
        while len(past) > 1 and past[1][0] <= now - WINDOW:
            past.popleft()
        before = past[0][1] if past else None
        if not past or now - past[-1][0] >= EVERY:
            past.append((now, tuple(counts)))
        if before is None:
            return None
        return quantile(bounds, [new - old for new, old in zip(counts, before, strict=True)], 0.95)

    def forget(self, known: Iterable[str]) -> None:
        """Forget all other keys."""
        self._past = {key: self._past[key] for key in known if key in self._past}


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """Return a quantile of observations by bucket; None without any."""
    wanted = share * sum(counts)
    if wanted <= 0:
        return None
    reached = 0
    for place, count in enumerate(counts[:-1]):
        if reached + count >= wanted:
            low = bounds[place - 1] if place else 0.0
            return low + (bounds[place] - low) * (wanted - reached) / count
        reached += count
    return float(bounds[-1])


class Sampler:
    """Reads the figures of a table from readings. The mutable state: what rates and quantiles remember."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._wanted = {source.metric.name for source in sources}
        self._wanted |= {source.limit.name for source in sources if source.limit is not None}
        self._rates = Rates()
        self._quantiles = Quantiles()
        self._figures: dict[tuple[str, str], Figure] = {}

    def measure(self, readings: Iterable[AnyReading], now: float) -> Iterator[Measured]:
        """Yield the value of each figure. ``now``: of a monotonic clock."""
        by_name: dict[str, list[AnyReading]] = {}
        for reading in readings:
            if reading.name.name in self._wanted:
                by_name.setdefault(reading.name.name, []).append(reading)
        seen: list[str] = []
        for source in self._sources:
            limits = _limits(source, by_name)
            found = _subjects(source, by_name.get(source.metric.name, ()))
            if not found and source.how == "rate" and not source.by and source.metric.name in by_name:
                found = [("", [Reading(source.metric, 0.0)])]  # none of those label values was counted yet
            for subject, read in found:
                figure = self._figure(source, subject)
                seen.append(figure.key)
                value = self._value(source, figure.key, read, now)
                yield Measured(
                    figure, None if value is None else value * source.scale, limits.get(subject, source.most)
                )
        self._rates.forget(seen)
        self._quantiles.forget(seen)

    def _figure(self, source: Source, subject: str) -> Figure:
        found = self._figures.get((source.figure.name, subject))
        if found is None:
            if len(self._figures) > 10 * SUBJECTS * len(self._sources):
                self._figures.clear()
            found = self._figures[source.figure.name, subject] = (
                replace(source.figure, subject=subject, unit=_unit(source.figure, subject))
                if subject
                else source.figure
            )
        return found

    def _value(self, source: Source, key: str, read: Sequence[AnyReading], now: float) -> float | None:
        if source.how == "p95":
            histograms = [each.histogram for each in read if isinstance(each, Distribution)]
            if not histograms:
                return None
            counts = [sum(column) for column in zip(*(each.counts for each in histograms), strict=True)]
            return self._quantiles.of(key, histograms[0].bounds, counts, now)
        numbers = [each.value for each in read if isinstance(each, Reading)]
        if not numbers:
            return None
        if source.how == "rate":
            return self._rates.of(key, sum(numbers), now)
        return max(numbers) if source.how == "highest" else sum(numbers)


def _unit(figure: Figure, subject: str) -> Unit:
    """Return the unit of a subject's figure: of limited resources, each has its own, as its name says."""
    if figure.unit or figure.area != "limits":
        return figure.unit
    return "bytes" if subject.endswith("_bytes") else "s" if subject.endswith("_seconds") else ""


def _subjects(source: Source, readings: Iterable[AnyReading]) -> list[tuple[str, list[AnyReading]]]:
    """Return the readings that count, for each subject; of many subjects the first ones."""
    found: dict[str, list[AnyReading]] = {}
    place = _place(source.metric, source.by)
    for reading in readings:
        if source.only is not None:
            of_label = _place(source.metric, source.only[0])
            if of_label is None or reading.labels[of_label] not in source.only[1]:
                continue
        subject = "" if place is None else reading.labels[place]
        if subject in found or len(found) < SUBJECTS:
            found.setdefault(subject, []).append(reading)
    return list(found.items())


def _limits(source: Source, by_name: dict[str, list[AnyReading]]) -> dict[str, float]:
    if source.limit is None:
        return {}
    place = _place(source.limit, source.by)
    limits: dict[str, float] = {}
    for reading in by_name.get(source.limit.name, ()):
        if isinstance(reading, Reading):
            subject = "" if place is None else reading.labels[place]
            limits[subject] = limits.get(subject, 0.0) + reading.value
    return limits


def _place(metric: Name, label: str) -> int | None:
    """Return the place of a label among those of a metric; None: it has none of that name."""
    return metric.label_names.index(label) if label in metric.label_names else None
