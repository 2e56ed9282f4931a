"""What is known of each metric: its kind, its labels, and the closed lists of their values."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from msgspec import Struct

from orch.telemetry.names import NAMES
from tests.monitoring.scrapes import by_name, samples_of, values_of

OF_TARGETS: Final = frozenset({"job", "instance"})


class Known(Struct, frozen=True):
    """A metric. ``values``: the labels whose values are a closed list."""

    kind: str
    labels: frozenset[str]
    values: Mapping[str, frozenset[str]] = {}


@cache
def catalogue() -> Mapping[str, Known]:
    """Return all metrics, by the names of their series: the service's from its table, others from scrapes."""
    found: dict[str, Known] = {}
    for name, series in by_name().items():
        labels = frozenset(label for each in series for label in each.labels)
        found[name] = Known(kind=series[0].kind, labels=labels)
    for own in NAMES:
        closed = {label.name: values for label in own.labels if (values := values_of(label))}
        labels = frozenset(own.label_names) | OF_TARGETS
        for sample in samples_of(own):
            le = frozenset({"le"}) if sample.endswith("_bucket") else frozenset()
            found[sample] = Known(kind=own.kind, labels=labels | le, values=closed)
    return found


def is_counter(name: str) -> bool:
    """Return whether a series only grows, until its process restarts."""
    known = catalogue()[name]
    return known.kind == "counter" or (known.kind in {"histogram", "summary"} and name.endswith(_GROWING))


_GROWING: Final = ("_bucket", "_count", "_sum")
