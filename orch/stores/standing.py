"""How the store of sessions is, as pages, probes and the API say it. Pure."""

from typing import Literal

from msgspec import Struct


class StoreStanding(Struct, frozen=True, kw_only=True):
    """The store now: the topic ``store``.

    ``state`` is ``degraded`` while nothing can be kept; ``reason``: what is the matter, what that means and
    what to do, empty where nothing is. ``since``: when that began, seconds since the epoch, where it is
    known. ``cautions``: what works and may cost messages later, with what to do.
    """

    engine: Literal["sqlite", "redis"]
    state: Literal["healthy", "degraded"]
    reason: str
    since: float | None
    cautions: tuple[str, ...]
