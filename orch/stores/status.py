"""How the store of sessions is, as pages, probes and the API say it. Pure."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from orch.telemetry import metric_names as names
from orch.telemetry.metric_names import Reading


class StoreStanding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The store now: the topic ``store``.

    ``state`` is ``degraded`` while nothing can be kept; ``reason``: what is the matter, what that means and
    what to do, empty where nothing is. ``since``: when that began, seconds since the epoch, where it is
    known. ``cautions``: what works and may cost messages later, with what to do. ``brief``: the reason in a
    few words that everyone may read, to be put behind "Sessions cannot be stored right now:".
    """

    engine: Literal["sqlite", "redis"]
    state: Literal["healthy", "degraded"]
    reason: str
    since: float | None
    cautions: tuple[str, ...]
    brief: str = ""


def readings(status: StoreStanding, *, waiting: int, failures: int) -> Iterator[Reading]:
    """Yield what Prometheus reads of a store: ``waiting`` operations now, ``failures`` since the start."""
    yield Reading(names.STORE_HEALTHY, float(status.state == "healthy"))
    yield Reading(names.STORE_CAUTIONS, len(status.cautions))
    yield Reading(names.STORE_WAITING, waiting)
    yield Reading(names.STORE_FAILURES, failures)
