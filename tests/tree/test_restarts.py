"""The policy's arithmetic."""

from hypothesis import given
from hypothesis import strategies as st

from orch.supervision.restart_policy import RestartPolicy


def test_each_failure_within_the_window_doubles_the_wait() -> None:
    """The first restart is quick, a loop is not."""
    policy = RestartPolicy(first=0.5, factor=2, longest=30, limit=5, window=60)
    delays = [policy.delay([float(i) for i in range(n)], n) for n in range(1, 6)]
    assert delays == [0.5, 1, 2, 4, 8]


def test_more_failures_than_the_limit_give_up() -> None:
    """What fails that often is no passing trouble."""
    assert RestartPolicy(limit=2, window=60).delay([1, 2, 3], 3) is None


def test_failures_outside_the_window_are_forgotten() -> None:
    """One failure a day never adds up to a stop."""
    policy = RestartPolicy(first=1, limit=2, window=10)
    assert policy.delay([0, 1, 100], 100) == 1


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.floats(0, 100))
def test_a_delay_is_never_longer_than_the_longest(failures: list[float], later: float) -> None:
    """Back-off is bounded whatever the history."""
    policy = RestartPolicy(longest=7, limit=1000)
    delay = policy.delay(failures, max(failures) + later)
    assert delay is not None
    assert 0 < delay <= 7
