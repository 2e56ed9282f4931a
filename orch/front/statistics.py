"""What a front says of itself."""

from collections.abc import Iterator

from msgspec import Struct, field

from orch.telemetry.metric_names import FRONT_ACCEPTED, FRONT_OPEN, FRONT_REFUSED
from orch.telemetry.metrics import Reading


class FrontStatistics(Struct, frozen=True, kw_only=True):
    """Where it listens and how many sockets are open.

    ``refused``: how often a client was refused or cut off, by kind, such as ``host_missing`` or ``no_pong``.
    """

    bound: tuple[str, ...]
    open: int
    accepted: int
    closed_by_force: int
    refused: dict[str, int] = field(default_factory=dict)


def readings(statistics: FrontStatistics) -> Iterator[Reading]:
    """Yield what Prometheus reads of a front."""
    yield Reading(FRONT_OPEN, statistics.open)
    yield Reading(FRONT_ACCEPTED, statistics.accepted)
    for kind, count in statistics.refused.items():
        yield Reading(FRONT_REFUSED, count, (kind,))
