from hypothesis import given
from hypothesis import strategies as st

from orch.websocket.sessions.clock import SLEW, SlewedClock


class Clocks:
    """A monotonic clock, and a wall clock that can be set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.shift = 1.7e9

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self.shift


def test_it_is_the_wall_clock_as_long_as_nobody_sets_that() -> None:
    """Small corrections, as a time server makes all the time, are followed at once."""
    clocks = Clocks()
    steady = SlewedClock(clocks.wall, clocks.monotonic)
    for _ in range(100):
        assert steady() == clocks.wall()
        clocks.now += 1.7
        clocks.shift += 0.01
    assert "SlewedClock" in repr(steady)


def test_a_clock_that_is_set_is_approached_and_reached() -> None:
    """Forward and back alike, at a tenth of the time that passes."""
    for leap in (600.0, -600.0):
        clocks = Clocks()
        steady = SlewedClock(clocks.wall, clocks.monotonic)
        began = steady()
        clocks.shift += leap
        assert steady() == began
        clocks.now += 100
        assert abs(steady() - began - 100) <= 100 * SLEW + 1e-6
        clocks.now += 600 / SLEW
        assert steady() == clocks.wall()


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(-1e6, 1e6)), max_size=30))
def test_whatever_is_done_to_the_wall_clock_ages_stay_within_a_tenth(
    steps: list[tuple[float, float]],
) -> None:
    """It never goes back, and never leaps."""
    clocks = Clocks()
    steady = SlewedClock(clocks.wall, clocks.monotonic)
    before = steady()
    for passed, leap in steps:
        clocks.now += passed
        clocks.shift += leap
        shown = steady()
        assert passed * (1 - SLEW) - 1e-5 <= shown - before <= passed * (1 + SLEW) + 1e-5
        before = shown
