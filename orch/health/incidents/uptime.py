"""Uptime: seconds that each service was up, degraded or down, in slots of half an hour. Pure.

A second of which nothing is known is in none of the sums: the service in front did not run, could not check,
or the back end was starting for the first time. It counts neither as up nor as down, and makes the gap that a
bar shows. Time in a maintenance window is planned and counts apart. The uptime of a window is

    (up + degraded) / (up + degraded + down)

of what is known of it, and the known share is given beside it.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from msgspec import Struct

from orch.health.incidents.courses import Standing

DAY: Final = 86_400
SLOT: Final = 1_800
SLOTS: Final = DAY // SLOT

GAP_LIMIT: Final = 30.0
"""Seconds between two looks that count at most; a longer gap means that this process was suspended."""

MOSTLY: Final = 0.5
"""The share of the known time from which a bar is down as a whole."""


class Tally(Struct, frozen=True, array_like=True):
    """Seconds of each kind."""

    up: float = 0.0
    degraded: float = 0.0
    down: float = 0.0
    planned: float = 0.0

    @property
    def known(self) -> float:
        """Seconds that count."""
        return self.up + self.degraded + self.down

    def __add__(self, other: "Tally") -> "Tally":
        """Add the seconds of two tallies."""
        return Tally(
            self.up + other.up,
            self.degraded + other.degraded,
            self.down + other.down,
            self.planned + other.planned,
        )

    def times(self, seconds: float) -> "Tally":
        """Multiply by a number of seconds."""
        return Tally(self.up * seconds, self.degraded * seconds, self.down * seconds, self.planned * seconds)

    def less(self, other: "Tally") -> "Tally":
        """Subtract the seconds of a tally that is a part of this one."""
        return self + other.times(-1.0)


class Place(NamedTuple):
    """A slot of a service: ``day`` counts from the epoch (UTC), ``slot`` from its midnight."""

    service: str
    day: int
    slot: int


Book = Mapping[Place, Tally]
"""What is known of all services."""


class Window(StrEnum):
    """The times that uptime is given for."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"


SLOTS_OF_BAR: Final = {Window.DAY: 1, Window.WEEK: 6, Window.MONTH: SLOTS, Window.QUARTER: SLOTS}
BARS: Final = {Window.DAY: 48, Window.WEEK: 56, Window.MONTH: 30, Window.QUARTER: 90}


class BarState(StrEnum):
    """What a bar shows."""

    UNKNOWN = "unknown"
    PLANNED = "planned"
    UP = "up"
    DEGRADED = "degraded"
    PARTLY = "partly"  # down for a part of the known time
    DOWN = "down"


class Bar(Struct, frozen=True, kw_only=True):
    """One bar. Times are seconds since the epoch; the others are seconds. ``known``: of the whole bar."""

    start: float
    end: float
    state: BarState
    known: float
    down: float
    degraded: float
    planned: float


class Uptime(Struct, frozen=True, kw_only=True):
    """The uptime of a service in a window. ``share``: 0..1, None if nothing is known.

    ``known``: the share of the window, up to now, that is known. ``bars``: oldest first.
    """

    window: Window
    share: float | None
    known: float
    down: float
    bars: tuple[Bar, ...]


def tally_of(standing: Standing, seconds: float, *, is_planned: bool) -> Tally:
    """Return what ``seconds`` of a standing add. Nothing known adds nothing, except in maintenance."""
    if is_planned:
        return Tally(planned=seconds)
    match standing:
        case Standing.UNKNOWN:
            return Tally()
        case Standing.UP:
            return Tally(up=seconds)
        case Standing.DEGRADED:
            return Tally(degraded=seconds)
        case _:
            return Tally(down=seconds)


def spread(service: str, start: float, end: float) -> Iterator[tuple[Place, float]]:
    """Yield the slots between two times, and the seconds in each of them."""
    at = start
    while at < end:
        number = int(at // SLOT)
        until = min(end, float((number + 1) * SLOT))
        yield Place(service, number // SLOTS, number % SLOTS), until - at
        at = until


def day_name(day: int) -> str:
    """Return a day as a date (UTC): 2026-11-29."""
    return datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d")


def uptime(book: Book, service: str, window: Window, now: float) -> Uptime:
    """Return the uptime of a service in a window that ends with the bar of ``now``.

    Bars are aligned: those of days begin at midnight (UTC), so that a bar does not change its meaning while
    one looks at it. The last one is not full yet.
    """
    per_bar, bars = SLOTS_OF_BAR[window], BARS[window]
    last = int(now // SLOT) // per_bar
    first = last - bars + 1
    total = Tally()
    shown = []
    for number in range(first, last + 1):
        tally = Tally()
        for slot in range(number * per_bar, (number + 1) * per_bar):
            tally += book.get(Place(service, slot // SLOTS, slot % SLOTS), _NOTHING)
        total += tally
        start = float(number * per_bar * SLOT)
        shown.append(_bar(tally, start, min(start + per_bar * SLOT, now)))
    length = now - first * per_bar * SLOT
    return Uptime(
        window=window,
        share=(total.up + total.degraded) / total.known if total.known > 0 else None,
        known=min((total.known + total.planned) / length, 1.0) if length > 0 else 0.0,
        down=total.down,
        bars=tuple(shown),
    )


_NOTHING: Final = Tally()


def _bar(tally: Tally, start: float, end: float) -> Bar:
    return Bar(
        start=start,
        end=end,
        state=_state(tally),
        known=tally.known + tally.planned,
        down=tally.down,
        degraded=tally.degraded,
        planned=tally.planned,
    )


def _state(tally: Tally) -> BarState:
    if tally.known <= 0:
        return BarState.PLANNED if tally.planned > 0 else BarState.UNKNOWN
    if tally.down >= MOSTLY * tally.known:
        return BarState.DOWN
    if tally.down > 0:
        return BarState.PARTLY
    if tally.degraded > 0:
        return BarState.DEGRADED
    return BarState.UP
