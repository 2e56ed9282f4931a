"""How much of each objective's error budget is left. Pure.

An objective of 99.9 % allows one failure in a thousand. What was used is the failures of the period over
those that its events allow; the burn rate is the same over a shorter time: at 1, the budget lasts exactly the
period.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct

from orch.analytics.series import Points

PERIOD: Final = 30 * 86_400.0
HOUR: Final = 3_600.0
FEWEST: Final = 20.0
"""Events below which nothing is said of a budget or a rate."""


class Objective(Struct, frozen=True, kw_only=True):
    """A share of events that has to be good. ``events`` and ``bad``: keys of rates per second."""

    name: str
    title: str
    target: float
    events: str
    bad: str


OBJECTIVES: Final = (
    Objective(
        name="requests",
        title="Requests without an error of the service or a back end",
        target=0.999,
        events="requests",
        bad="errors",
    ),
    Objective(
        name="captions", title="Utterances that get a caption", target=0.995, events="utterances", bad="lost"
    ),
    Objective(
        name="caption_time",
        title="Captions in time",
        target=0.95,
        events="finals",
        bad="captions_late",
    ),
    Objective(
        name="recoveries",
        title="Clients that came back and got what they missed",
        target=0.995,
        events="recoveries",
        bad="recoveries_refused",
    ),
)


class Budget(Struct, frozen=True, kw_only=True):
    """An objective, and what is left of its budget, 1 to below 0; None where there were too few events.

    ``events``, ``bad``: in ``covered`` seconds, which is the period once the service has run that long.
    ``burn_hour``, ``burn_day``: how fast the budget was used in the last hour and day, 1: just as fast as it
    may be. ``lasts``: seconds until it is used up at the rate of the last hour; None: it is not.
    """

    name: str
    title: str
    target: float
    period: float
    covered: float
    events: float
    bad: float
    left: float | None
    burn_hour: float | None
    burn_day: float | None
    lasts: float | None


def budget(objective: Objective, read: Callable[[str, float], Points], now: float) -> Budget:
    """Return what is left of a budget. ``read``: a series by its key, from a moment until now."""

    def counted(seconds: float) -> tuple[float, float, float]:
        events = read(objective.events, now - seconds)
        bad = read(objective.bad, now - seconds)
        known = int(np.isfinite(events.values).sum())
        return total(events), total(bad), known * events.step

    events, bad, covered = counted(PERIOD)
    allowed = 1 - objective.target
    used = bad / (events * allowed) if events >= FEWEST else None
    burn_hour, burn_day = (_burn(counted(seconds), allowed) for seconds in (HOUR, 24 * HOUR))
    left = None if used is None else 1 - used
    lasts = None
    if left is not None and burn_hour is not None and burn_hour > 0 and left > 0:
        lasts = left * PERIOD / burn_hour
    return Budget(
        name=objective.name,
        title=objective.title,
        target=objective.target,
        period=PERIOD,
        covered=covered,
        events=events,
        bad=bad,
        left=left,
        burn_hour=burn_hour,
        burn_day=burn_day,
        lasts=lasts,
    )


def total(rates: Points) -> float:
    """Return the number of events of a series of rates per second."""
    return float(np.nansum(rates.values) * rates.step)


def _burn(counted: tuple[float, float, float], allowed: float) -> float | None:
    events, bad, _ = counted
    return bad / (events * allowed) if events >= FEWEST else None
