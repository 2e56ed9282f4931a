"""Decides what of the bots is older than it may be, and when that is looked at. Pure."""

from typing import Final

from orch.settings.bots import BotKeepDays
from orch.stores.bot_records import Prunable

EVERY: Final = 3_600.0
"""Seconds between two looks."""

RETRY_EVERY: Final = 60.0
"""Seconds until the next look after one that failed, as while the store was away."""

_DAY: Final = 86_400.0


def cutoffs(keep: BotKeepDays, now: float) -> tuple[tuple[Prunable, float], ...]:
    """Return what is deleted, and the time before which it is; a kind that is stored for ever is left out.

    Whole sessions come first, since the rest goes with them.
    """
    days = (
        (Prunable.SESSION, keep.session),
        (Prunable.TRANSCRIPT, keep.transcript),
        (Prunable.AUDIO, keep.audio),
        (Prunable.EVIDENCE, keep.evidence),
        (Prunable.DELIVERY, keep.delivery),
    )
    return tuple((kind, now - each * _DAY) for kind, each in days if each > 0)


def next_look(*, has_failed: bool) -> float:
    """Return the seconds until the next look."""
    return RETRY_EVERY if has_failed else EVERY
