"""The lag of the event loop: what a task that was due would have waited, in time and not in turns."""

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from orch.telemetry.histogram import Histogram
from orch.telemetry.loop_lag import MOST, PERIOD, LoopLag
from orch.telemetry.names.metric import Reading


class Loop:
    """Plays Trio's part on a clock of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.lag = LoopLag(lambda: self.now)

    def idle(self, seconds: float) -> None:
        self.lag.before_io_wait(seconds)
        self.now += seconds
        self.lag.after_io_wait(seconds)

    def busy(self, seconds: float) -> None:
        self.now += seconds

    @property
    def histogram(self) -> Histogram:
        return self.lag._lag


def test_an_idle_loop_has_no_lag() -> None:
    """A second of waiting is twenty moments at which a task would have run at once."""
    loop = Loop()
    loop.idle(1.001)
    assert loop.histogram.counts[0] == 20
    assert loop.histogram.count == 20
    assert loop.histogram.sum == 0


def test_a_computation_counts_by_its_length() -> None:
    """Of 0.2 s, tasks that were due during it waited 0.15, 0.1, 0.05 and 0 s, more or less."""
    loop = Loop()
    loop.idle(0.01)
    loop.busy(0.2)
    loop.idle(0.001)
    assert loop.histogram.count == 4
    assert loop.histogram.sum == pytest.approx(0.16 + 0.11 + 0.06 + 0.01)


def test_many_short_turns_hide_no_long_one() -> None:
    """A tenth of the time in computations of a second: the 99th percentile shows them."""
    loop = Loop()
    for _ in range(10):
        for _ in range(900):
            loop.idle(0.009)
            loop.busy(0.001)
        loop.busy(1.0)
    bounds = (*loop.histogram.bounds, 99.0)
    above = sum(loop.histogram.counts[place] for place, bound in enumerate(bounds) if bound > 0.5)
    assert above / loop.histogram.count > 0.01


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=40))
def test_every_moment_is_observed_once(steps: list[tuple[bool, float]]) -> None:
    """However the loop works and waits, there are as many observations as periods have passed."""
    loop = Loop()
    for is_busy, seconds in steps:
        (loop.busy if is_busy else loop.idle)(seconds)
    loop.idle(0)
    assert abs(loop.histogram.count - (loop.now - 100.0) / PERIOD) <= 1.01


def test_a_suspended_process_costs_a_bounded_time() -> None:
    """An hour in a debugger is not 72,000 observations; the last minute of it is observed."""
    loop = Loop()
    loop.idle(0.01)
    loop.busy(3600)
    loop.idle(0.01)
    assert loop.histogram.count == MOST


async def test_trio_reports_its_turns() -> None:
    """As an instrument of the real loop, which sees a computation of another task."""
    ticks = iter([0.0, *(step * 0.2 for step in range(1, 10_000))])
    lag = LoopLag(lambda: next(ticks))
    trio.lowlevel.add_instrument(lag)
    try:
        for _ in range(5):
            await trio.lowlevel.checkpoint()
    finally:
        trio.lowlevel.remove_instrument(lag)
    distribution, tasks = lag.readings()
    assert lag._lag.count > 10
    assert distribution.name.name == "orch_event_loop_lag_seconds"
    assert isinstance(tasks, Reading)
    assert tasks.value >= 1
