"""The counts of a front."""

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from orch.front.refusal_kinds import KINDS
from orch.telemetry.boundaries import Boundary
from orch.telemetry.names.front import (
    FRONT_ACCEPTED,
    FRONT_FORCED,
    FRONT_OPEN,
    FRONT_REFUSED,
    FRONT_REQUESTS,
)
from orch.telemetry.names.metric import Reading


class FrontStatistics(Struct, frozen=True, kw_only=True):
    """The addresses a front listens at, and its counts.

    ``refused``: refused and aborted connections by kind, one of :data:`orch.front.refusal_kinds.KINDS`.
    ``responses``: responses by status.
    """

    bound: tuple[str, ...]
    open: int
    accepted: int
    closed_by_force: int
    refused: dict[str, int] = field(default_factory=dict)
    responses: dict[int, int] = field(default_factory=dict)


def readings(statistics: FrontStatistics, boundaries: Iterable[Boundary] = ()) -> Iterator[Reading]:
    """Yield the metrics of a front. Every kind of refusal is among them, those that never occurred at 0."""
    yield Reading(FRONT_OPEN, statistics.open)
    yield Reading(FRONT_ACCEPTED, statistics.accepted)
    yield Reading(FRONT_FORCED, statistics.closed_by_force)
    classes = Counter(dict.fromkeys(FRONT_REQUESTS.labels[0].values, 0))
    for status, count in statistics.responses.items():
        classes[f"{status // 100}xx"] += count
    for label, count in classes.items():
        yield Reading(FRONT_REQUESTS, count, (label,))
    for kind in KINDS:
        yield Reading(FRONT_REFUSED, statistics.refused.get(kind, 0), (kind,))
    for boundary in boundaries:
        yield from boundary.readings()
