"""The counts of a front."""

from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from orch.front.refusal_kinds import KINDS
from orch.telemetry.boundaries import Boundary
from orch.telemetry.names.front import FRONT_ACCEPTED, FRONT_OPEN, FRONT_REFUSED
from orch.telemetry.names.metric import Reading


class FrontStatistics(Struct, frozen=True, kw_only=True):
    """The addresses a front listens at, and its counts.

    ``refused``: refused and aborted connections by kind, one of :data:`orch.front.refusal_kinds.KINDS`.
    """

    bound: tuple[str, ...]
    open: int
    accepted: int
    closed_by_force: int
    refused: dict[str, int] = field(default_factory=dict)


def readings(statistics: FrontStatistics, boundaries: Iterable[Boundary] = ()) -> Iterator[Reading]:
    """Yield the metrics of a front. Every kind of refusal is among them, those that never occurred at 0."""
    yield Reading(FRONT_OPEN, statistics.open)
    yield Reading(FRONT_ACCEPTED, statistics.accepted)
    for kind in KINDS:
        yield Reading(FRONT_REFUSED, statistics.refused.get(kind, 0), (kind,))
    for boundary in boundaries:
        yield from boundary.readings()
