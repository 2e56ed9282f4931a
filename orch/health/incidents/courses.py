"""The course of a service: since when it is up, degraded or down, and since when something is wrong. Pure.

States that differ only for operators are one standing: an unhealthy service and one that is being restarted
are both *down*. A service that has not served any request since this process began to check it may be
starting for the first time: nothing is known about it then, and it counts neither as up nor as down.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from orch.health.verdict import State

FLAPS: Final = 5
"""Falls within :data:`FLAP_WINDOW` that make an incident, however short each of them is."""

FLAP_WINDOW: Final = 600.0
"""Seconds for which a fall counts."""


class Standing(StrEnum):
    """How a service stands. A time of which nothing is known is *unknown*, neither up nor down."""

    UNKNOWN = "unknown"
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


_OF_STATES: Final = {
    State.UNKNOWN: Standing.UNKNOWN,
    State.HEALTHY: Standing.UP,
    State.BUSY: Standing.UP,
    State.DEGRADED: Standing.DEGRADED,
    State.UNHEALTHY: Standing.DOWN,
    State.RECOVERING: Standing.DOWN,
}

WRONG: Final = frozenset({Standing.DEGRADED, Standing.DOWN})


class Course(Struct, frozen=True, kw_only=True):
    """The course of a service so far. Times are seconds since the epoch.

    ``since``: when ``standing`` began. ``wrong_since``: since when something is wrong, None while nothing is.
    ``falls``: the last times at which it left *up*. ``is_known``: it was up, degraded or unhealthy at least
    once, or should have come up by now, so that its first start is over.
    """

    standing: Standing = Standing.UNKNOWN
    since: float
    wrong_since: float | None = None
    falls: tuple[float, ...] = ()
    is_known: bool = False


def follow(course: Course, state: State, at: float, *, is_overdue: bool = False) -> Course:
    """Return the course after the service had ``state`` at ``at``. A time before ``since`` counts as it.

    ``is_overdue``: one of its instances should have come up by now.
    """
    at = max(at, course.since)
    is_known = course.is_known or is_overdue or state not in {State.UNKNOWN, State.RECOVERING}
    standing = _OF_STATES[state] if is_known else Standing.UNKNOWN
    if standing is course.standing:
        return course if is_known is course.is_known else replace(course, is_known=is_known)
    wrong_since, falls = course.wrong_since, course.falls
    if standing is Standing.UP:
        wrong_since = None
    elif standing in WRONG and wrong_since is None:
        wrong_since = at
        falls = (*(fall for fall in falls if at - fall < FLAP_WINDOW), at)[-FLAPS:]
    return Course(standing=standing, since=at, wrong_since=wrong_since, falls=falls, is_known=is_known)


def is_flapping(course: Course, now: float) -> bool:
    """Return whether the service fell so often that it does not work, though never for long."""
    return sum(now - fall < FLAP_WINDOW for fall in course.falls) >= FLAPS
