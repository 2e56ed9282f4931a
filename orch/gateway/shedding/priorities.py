"""The classes of requests: what goes first where an engine is busy. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

from orch.settings import RoutePriority

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Priority(StrEnum):
    """A class of requests. ``control`` takes no place at an engine, never waits and is never shed."""

    LIVE = "live"
    INTERACTIVE = "interactive"
    BATCH = "batch"
    CONTROL = "control"


WAITING: Final = (Priority.LIVE, Priority.INTERACTIVE, Priority.BATCH)
"""The classes that wait for a place, the first one first."""
NAMES: Final[Mapping[Priority, Literal["live", "interactive", "batch"]]] = {
    Priority.LIVE: "live",
    Priority.INTERACTIVE: "interactive",
    Priority.BATCH: "batch",
}


def priority_of(priority: RoutePriority, method: str) -> Priority:
    """Return the class of a client's request, from its route's setting.

    ``auto``: methods that only read (lists of models, languages, health) are control, all others interactive.
    """
    if priority == "auto":
        return Priority.CONTROL if method in _READING else Priority.INTERACTIVE
    return Priority(priority)


def own_priority(method: str) -> Priority:
    """Return the class of the service's own requests: live speech and its translation."""
    return Priority.CONTROL if method in _READING else Priority.LIVE
