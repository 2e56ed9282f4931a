"""What is known about traces. Pure."""

from typing import Literal

from msgspec import Struct

CollectorState = Literal["off", "unknown", "reachable", "away"]


class TracesStatistics(Struct, frozen=True, kw_only=True):
    """Traces of this worker since its start.

    ``state``: of the collector, as its last response shows; ``since``: when that began, in seconds since the
    epoch; ``reason``: why it is away, or has rejected spans. ``endpoint``: without secrets. Spans:
    ``queued`` of at most ``limit``, ``exported``, and dropped ones: as the queue was full, as they could not
    be delivered, as the collector rejected them. ``callers_limited``: traces that a caller wanted recorded
    and that were not.
    """

    state: CollectorState
    since: float | None
    reason: str
    endpoint: str
    queued: int
    limit: int
    exported: int
    queue_full: int
    undelivered: int
    rejected: int
    callers_limited: int
