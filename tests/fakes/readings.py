"""What a part yields for Prometheus, as a test compares it."""

from collections.abc import Iterable
from typing import Any

from orch.telemetry.names.metric import Distribution, Name, Reading


def values(readings: Iterable[Reading | Distribution], name: Name) -> dict[tuple[str, ...], Any]:
    """Return the values of a metric by labels; of a histogram the number of observations and their sum.

    Two readings of the same series fail the test: the scrape would have the last one only.
    """
    found: dict[tuple[str, ...], Any] = {}
    for reading in readings:
        if reading.name is not name:
            continue
        assert len(reading.labels) == len(name.labels), reading
        assert reading.labels not in found, reading
        if isinstance(reading, Distribution):
            found[reading.labels] = (reading.histogram.count, reading.histogram.sum)
        else:
            found[reading.labels] = reading.value
    return found
