"""Which maintenance window of a service is on. Pure.

A window that repeats begins at the same local time each day or week, whatever the clocks do in between. A
local time that does not exist, as clocks go forward, counts as the time that it would have been; one that
exists twice is the first.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from orch.settings.probe_structs import MaintenanceWindow

_DAYS: Final = {"daily": 1, "weekly": 7}


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A window that is on. ``until``: epoch seconds of its end."""

    title: str
    until: float

    @property
    def words(self) -> str:
        """The window as a part of a sentence."""
        return f"maintenance: {self.title}" if self.title else "maintenance"


def current(windows: Sequence[MaintenanceWindow], at: float) -> Maintenance | None:
    """Return the window that is on ``at`` (epoch seconds), the one that ends last; None: none is."""
    found = [each for window in windows if (each := _current(window, at)) is not None]
    return max(found, key=lambda each: each.until, default=None)


def _current(window: MaintenanceWindow, at: float) -> Maintenance | None:
    zone: dt.tzinfo = dt.UTC if window.timezone == "UTC" else ZoneInfo(window.timezone)
    start = dt.datetime.fromisoformat(window.start)
    days = _DAYS.get(window.repeat)
    if days is not None:
        # The last beginning that is not after ``at``: clocks change by hours, so one of three candidates.
        local = dt.datetime.fromtimestamp(at, zone).replace(tzinfo=None)
        turns = max(0, (local - start).days // days)
        starts = [
            start + dt.timedelta(days=days * (turns + more)) for more in (-1, 0, 1) if turns + more >= 0
        ]
    else:
        starts = [start]
    for each in reversed(starts):
        began = each.replace(tzinfo=zone).timestamp()
        if began <= at < began + window.minutes * 60:
            return Maintenance(window.title, began + window.minutes * 60)
    return None
