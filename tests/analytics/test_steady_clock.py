"""The clock of series: it goes on as time does, whatever the machine's clock is set to."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orch.analytics.steady_clock import PATIENCE, SLEW, TOLERANCE, SteadyClock


def test_a_jump_that_is_taken_back_is_not_followed() -> None:
    clock = SteadyClock(wall=1_000.0, monotonic=0.0)
    for second in range(1, 200):
        wall = 1_000.0 + second + (86_400.0 if 50 <= second < 150 else 0.0)
        assert clock.read(wall=wall, monotonic=float(second)) == 1_000.0 + second


def test_a_jump_that_lasts_is_followed() -> None:
    clock = SteadyClock(wall=1_000.0, monotonic=0.0)
    found = [clock.read(wall=1_000.0 + second - 500, monotonic=float(second)) for second in range(1, 400)]
    assert found[int(PATIENCE) - 1] == 1_000.0 + PATIENCE
    assert found[-1] == 1_000.0 + 399 - 500


def test_a_small_difference_is_made_up_for_slowly() -> None:
    clock = SteadyClock(wall=0.0, monotonic=0.0)
    found = [clock.read(wall=second + 1.0, monotonic=float(second)) for second in range(1, 300)]
    assert abs(found[-1] - 300.0) < 1e-6
    assert all(0 < after - before <= 1 + SLEW + 1e-9 for before, after in pairwise(found))


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-1e6, 1e6)), max_size=50))
def test_time_never_goes_back_by_less_than_a_lasting_jump(steps: list[tuple[float, float]]) -> None:
    """It goes back only by more than the tolerance: never by a jitter."""
    clock, monotonic, before = SteadyClock(wall=0.0, monotonic=0.0), 0.0, 0.0
    for passed, error in steps:
        monotonic += passed
        after = clock.read(wall=monotonic + error, monotonic=monotonic)
        assert after >= before or before - after > TOLERANCE - 10.1 * (1 + SLEW)
        before = after
