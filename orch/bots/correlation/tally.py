"""Counts whose speakers were decided, over all meetings of a process. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class AttributionTally:
    """Words whose speaker is settled: ``named``, or ``unknown``; ``revised``: changed after it was shown."""

    named: int = 0
    unknown: int = 0
    revised: int = 0
