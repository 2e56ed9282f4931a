"""Families of series from the readings of one scrape. Pure."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Final

from orch.telemetry.exposition import Family, Labels
from orch.telemetry.histogram import Histogram
from orch.telemetry.names.metric import Distribution, Name, Reading

MOST_SERIES: Final = 2_000
"""Series of one metric in a scrape; a histogram counts as one for each of its label sets.

A metric is bounded by its labels. This is the second bound, for a list in the settings that is longer than
anyone intended: beyond it, further series are left out and counted, so that a scrape cannot grow without end.
"""


class Families:
    """The series of one scrape, by metric. The mutable state is what was added.

    ``left_out``: the series beyond :data:`MOST_SERIES`.
    """

    def __init__(self) -> None:
        self._found: dict[str, tuple[Name, dict[Labels, float | Histogram]]] = {}
        self.left_out = 0

    def add(self, readings: Iterable[Reading | Distribution]) -> None:
        """Add readings; a later one of the same series replaces the earlier one."""
        found = self._found
        for reading in readings:
            name = reading.name
            entry = found.get(name.name)
            if entry is None:
                entry = found[name.name] = (name, {})
            series = entry[1]
            if len(series) >= MOST_SERIES and reading.labels not in series:
                self.left_out += 1
                continue
            series[reading.labels] = reading.value if isinstance(reading, Reading) else reading.histogram

    def complete(self) -> tuple[Family, ...]:
        """Return the families, each with the series of all combinations of its closed lists."""
        return tuple(Family(name, _completed(name, series)) for name, series in self._found.values())


def _completed(name: Name, series: Mapping[Labels, float | Histogram]) -> Mapping[Labels, float | Histogram]:
    """Return a counter or histogram with 0 for each combination of closed lists that has no reading.

    For each combination of the other labels' values that has one. A gauge has no value that was not read.
    """
    if name.kind == "gauge" or not any(label.values for label in name.labels):
        return series
    opened = [place for place, label in enumerate(name.labels) if not label.values]
    completed: dict[Labels, float | Histogram] = {}
    for seen in dict.fromkeys(tuple(labels[place] for place in opened) for labels in series):
        given = dict(zip(opened, seen, strict=True))
        lists = [label.values or (given[place],) for place, label in enumerate(name.labels)]
        for labels in product(*lists):
            completed[labels] = Histogram(name.buckets) if name.kind == "histogram" else 0.0
    # A value outside its list is a defect of the source; it is shown, so that it is found.
    return {**completed, **series}
