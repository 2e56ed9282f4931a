"""The counts of a front."""

from collections.abc import Iterator

from msgspec import Struct, field

from orch.telemetry.metric_names import FRONT_ACCEPTED, FRONT_OPEN, FRONT_REFUSED, Reading


class FrontStatistics(Struct, frozen=True, kw_only=True):
    """The addresses a front listens at, and its counts.

    ``refused``: refused and ended connections by kind, such as ``host_missing`` or ``no_pong``.
    """

    bound: tuple[str, ...]
    open: int
    accepted: int
    closed_by_force: int
    refused: dict[str, int] = field(default_factory=dict)


def readings(statistics: FrontStatistics) -> Iterator[Reading]:
    """Yield the metrics of a front."""
    yield Reading(FRONT_OPEN, statistics.open)
    yield Reading(FRONT_ACCEPTED, statistics.accepted)
    for kind, count in statistics.refused.items():
        yield Reading(FRONT_REFUSED, count, (kind,))
