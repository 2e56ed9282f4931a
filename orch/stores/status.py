"""How the store of sessions is, as pages, probes and the API say it. Pure."""

from typing import Literal

from msgspec import Struct


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
