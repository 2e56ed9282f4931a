"""How long a task that is due waits for the event loop.

The problem: a task that computes for 200 ms delays all others by up to that much, and no figure of a request
shows the reason. A task that sleeps and measures its lateness would show it, but it would wake an idle
process twenty times a second, and it would miss what happens between.

So there is no such task: Trio reports when it begins to wait for events and when tasks run again. We imagine
a task that is due every :data:`PERIOD`; one that was due while tasks ran would have run when they were done.
Each of these moments is one observation, those at which the loop was idle are 0. A long computation so counts
by its length, and the quantiles are over time, not over turns of the loop, of which most are short.

What this leaves out: a process that is suspended while it waits (that is a standstill, see ``pulse.py``), and
what a task waits for its turn among many that are due at once, beyond the turn in progress.
"""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Final

import trio

from orch.telemetry.histogram import Histogram
from orch.telemetry.names import process as names
from orch.telemetry.names.metric import Distribution, Reading

PERIOD: Final = 0.05
"""Seconds between the moments at which a task is imagined to be due."""

MOST: Final = 1200
"""Moments of one computation that are observed; a minute's. Of a longer one the first are left out."""


class LoopLag(trio.abc.Instrument):
    """The instrument. Its mutable state is the histogram, the next moment, and since when tasks run.

    A turn of the loop costs two readings of the clock.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._lag = Histogram(names.LOOP_LAG.buckets)
        self._next = clock() + PERIOD
        self._ran_from: float | None = None

    def after_io_wait(self, timeout: float) -> None:
        """Note that tasks run from now on. The moments that have passed meanwhile found the loop idle."""
        del timeout
        now = self._ran_from = self._clock()
        if now >= self._next:
            passed = int((now - self._next) / PERIOD) + 1
            self._lag.counts[0] += passed
            self._next += passed * PERIOD

    def before_io_wait(self, timeout: float) -> None:
        """Note that all tasks that were due have run."""
        del timeout
        now = self._clock()
        if now < self._next or self._ran_from is None:
            return
        surplus = int((now - self._next) / PERIOD) + 1 - MOST
        if surplus > 0:
            self._next += surplus * PERIOD
        while self._next <= now:
            self._lag.observe(now - self._next)
            self._next += PERIOD

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""
        yield Distribution(names.LOOP_LAG, self._lag)
        yield Reading(names.LOOP_TASKS, trio.lowlevel.current_statistics().tasks_living)
