"""An anomaly of one series. Pure."""

from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct

Direction = Literal["up", "down", ""]


class Kind(StrEnum):
    """How a series is unusual."""

    SPIKE = "spike"  # far off, for a few samples
    SHIFT = "shift"  # at another level
    DRIFT = "drift"  # away from its level, slowly
    NOISE = "noise"  # more restless
    STUCK = "stuck"  # does not move
    SILENT = "silent"  # has no figures


OF_LEVELS: Final = frozenset({Kind.SPIKE, Kind.SHIFT, Kind.DRIFT})
"""The kinds that have a direction."""


class Anomaly(Struct, frozen=True, kw_only=True):
    """A time in which a series is unusual. Times are seconds since the epoch.

    ``key``: of the series. ``began``: of the first unusual sample; ``noticed``: of the one that opened it;
    ``until``: of the latest sample of it; ``ended``: when the series was back, None while it is not;
    ``became_usual``: it never was, but the figure is usual now. ``value``: the most unusual figure,
    ``usual``: what would have been usual then; ``mean``, ``usual_mean``: of its ``samples`` so far; all of
    them None where there are no figures. ``strength``: how many times its limit a measure reached, at least
    1. ``hour``: what the usual figure is usual for, in words.
    """

    key: str
    kind: Kind
    direction: Direction
    began: float
    noticed: float
    until: float
    ended: float | None = None
    became_usual: bool = False
    value: float | None = None
    usual: float | None = None
    mean: float | None = None
    usual_mean: float | None = None
    strength: float = 1.0
    samples: int = 0
    hour: str = ""

    @property
    def identity(self) -> str:
        """Its name among all anomalies."""
        return f"{self.key}@{self.began:.0f}"

    @property
    def is_open(self) -> bool:
        """Whether it lasts."""
        return self.ended is None
