"""Which of several attempts at the same request gives the response. Pure.

The first usable response wins. One that is not usable, a status of 500 or more or 429, waits while another
attempt is pending: an instance that fails fast must not beat one that works. If nothing usable comes, the
first of them is forwarded; if there was no response at all, the attempt that failed last decides whether the
request is repeated. While an attempt is pending, a failed one is not repeated: the pending one takes its
place (as in Envoy; Finagle repeated losers that nobody waited for any more).

    attempt 0   ──────────────────────────────────── overtaken
                begun         due
    attempt 1                  ──────── usable: wins
"""

from enum import Enum, auto
from math import inf
from typing import Final, NamedTuple

TOO_MANY: Final = 429
_FIRST_ERROR: Final = 500


def is_usable(status: int) -> bool:
    """Return whether a response ends a race in which others are pending."""
    return status < _FIRST_ERROR and status != TOO_MANY


class Standing(Enum):
    """How far an attempt has come."""

    PENDING = auto()
    USABLE = auto()
    UNUSABLE = auto()
    FAILED = auto()


class Wait(NamedTuple):
    """Nothing happens before ``until``, unless an attempt ends."""

    until: float


class Hedge(NamedTuple):
    """An extra request is due: call :meth:`Race.added` or :meth:`Race.declined`."""


class Forward(NamedTuple):
    """The race is over: the response of this attempt is forwarded."""

    attempt: int


class Fail(NamedTuple):
    """The race is over without a response: this attempt's failure is the request's."""

    attempt: int


Decision = Wait | Hedge | Forward | Fail


class Race:
    """The attempts at one request, numbered from 0, which is there from the beginning.

    ``delay``: seconds from the moment at which the first one has been sent to the first extra one, and from
    each to the next; None: there are none. ``extra``: how many at most; one that is declined counts, too.

    The mutable state is the standing of each attempt, in which order responses and failures came, when the
    next extra one is due, and how many are left.
    """

    def __init__(self, *, delay: float | None, extra: int) -> None:
        self._delay = delay
        self._left = 0 if delay is None else extra
        self._due = inf
        self._standings = [Standing.PENDING]
        self._over: list[int] = []

    def __repr__(self) -> str:
        names = ", ".join(each.name.lower() for each in self._standings)
        return f"<Race {names}; {self._left} left, due at {self._due:g}>"

    def begun(self, now: float) -> None:
        """Note that the first attempt is being sent: the wait in our own queue before shows nothing."""
        if self._delay is not None:
            self._due = now + self._delay

    def added(self, now: float) -> int:
        """Note an extra attempt, and return its number."""
        self.declined(now)
        self._standings.append(Standing.PENDING)
        return len(self._standings) - 1

    def declined(self, now: float) -> None:
        """Note that an extra attempt was due and is not sent."""
        self._left -= 1
        self._due = now + (self._delay or 0.0)

    def responded(self, attempt: int, status: int) -> None:
        """Note a response's head."""
        self._end(attempt, Standing.USABLE if is_usable(status) else Standing.UNUSABLE)

    def failed(self, attempt: int) -> None:
        """Note a failure, before or after the response's head."""
        self._end(attempt, Standing.FAILED)

    def decide(self, now: float) -> Decision:
        """Return the next step at ``now``."""
        if (first := self._first(Standing.USABLE)) is not None:
            return Forward(first)
        if Standing.PENDING not in self._standings:
            if (first := self._first(Standing.UNUSABLE)) is not None:
                return Forward(first)
            return Fail(self._over[-1])
        if not self._left:
            return Wait(inf)
        return Hedge() if now >= self._due else Wait(self._due)

    def _first(self, standing: Standing) -> int | None:
        return next((each for each in self._over if self._standings[each] is standing), None)

    def _end(self, attempt: int, standing: Standing) -> None:
        self._standings[attempt] = standing
        if attempt in self._over:
            self._over.remove(attempt)
        self._over.append(attempt)
