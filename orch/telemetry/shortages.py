"""The current shortages of this process, for operators. Pure except for the events it records.

Code that meets a shortage (a health check, a request to a back end, an accept, the start of a child, a write
to the disk) notes it here. It is one event when it begins and one when it is over, however often it occurs.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from orch.shortages import Shortage, in_words
from orch.telemetry.events import EventLog
from orch.telemetry.names.metric import Reading
from orch.telemetry.names.process import SHORTAGES

CALM: Final = 10.0
"""Seconds without an occurrence after which a shortage is over."""

SUBJECT: Final = "service"


class ShortageLine(Struct, frozen=True, kw_only=True):
    """A current shortage: the resource, the remedy, the last failed operation, and its start.

    ``since``: seconds since the epoch; ``times``: number of occurrences since then.
    """

    kind: str
    text: str
    last: str
    since: float
    times: int


class _Met(Struct):
    since: float
    last_at: float
    last: str
    times: int = 1


class ShortageLog:
    """The recent shortages. The mutable state is one entry for each kind, and the counts."""

    def __init__(self, *, events: EventLog, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._events = events
        self._clock = clock
        self._wall = wall
        self._met: dict[Shortage, _Met] = {}
        self.counts: Counter[str] = Counter()
        self.others: Callable[[], tuple[ShortageLine, ...]] = tuple
        """What is nearly used up, without an operation that has failed."""
        self.on_change: Callable[[], None] = lambda: None

    def note(self, shortage: Shortage, what: str) -> None:
        """Record a shortage; ``what`` is a sentence about the operation that failed."""
        self.counts[shortage] += 1
        met = self._met.get(shortage)
        if met is not None:
            met.last_at, met.last, met.times = self._clock(), what, met.times + 1
            return
        self._met[shortage] = _Met(since=self._wall(), last_at=self._clock(), last=what)
        self._events.record("bad", SUBJECT, f"{in_words(shortage)} {what}")
        self.on_change()

    def review(self) -> None:
        """End shortages that did not occur for :data:`CALM` seconds."""
        now = self._clock()
        for shortage in [each for each, met in self._met.items() if now - met.last_at >= CALM]:
            met = self._met.pop(shortage)
            times = "once" if met.times == 1 else f"{met.times} times"
            self._events.record("ok", SUBJECT, f"The shortage of {shortage} is over. It occurred {times}.")
            self.on_change()

    def lines(self) -> tuple[ShortageLine, ...]:
        """Return the current shortages."""
        met = tuple(
            ShortageLine(
                kind=str(shortage), text=in_words(shortage), last=met.last, since=met.since, times=met.times
            )
            for shortage, met in self._met.items()
        )
        return met + tuple(line for line in self.others() if all(line.kind != one.kind for one in met))

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        for shortage in Shortage:
            yield Reading(SHORTAGES, self.counts[shortage], (str(shortage),))
