import math

from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.window import WINDOW, Window
from tests.fakes.gateway import UNHURRIED

TIMES = st.lists(st.tuples(st.floats(0, 3), st.floats(0.0001, 100), st.booleans()), max_size=200)


@UNHURRIED
@given(TIMES)
def test_the_last_minute_is_counted_and_no_more(steps: list[tuple[float, float, bool]]) -> None:
    """Compared with a plain list of everything that happened."""
    window, unread = Window(0.0), Window(0.0)
    now = 0.0
    happened: list[tuple[float, float, bool]] = []
    for gap, seconds, is_error in steps:
        now += gap
        window.add(now, seconds, is_error=is_error)
        unread.add(now, seconds, is_error=is_error)
        window.summary(now)  # as pages do: what is read often is what is read once
        happened.append((now, seconds, is_error))
    recent = [entry for entry in happened if int(entry[0]) > int(now) - WINDOW]
    summary = window.summary(now)
    assert summary == unread.summary(now)
    assert window.count(now) == summary.count
    assert summary.count == len(recent)
    assert summary.errors == sum(is_error for _, _, is_error in recent)
    assert window.total == len(happened)
    for share, quantile in ((0.5, summary.p50_ms), (0.95, summary.p95_ms), (0.99, summary.p99_ms)):
        if not recent:
            assert quantile is None
            continue
        exact = sorted(seconds for _, seconds, _ in recent)[math.ceil(len(recent) * share) - 1] * 1000
        assert quantile is not None
        assert abs(quantile - exact) <= exact * 0.026 + 0.001


def test_a_request_that_is_counted_late_is_in_the_figures() -> None:
    """Its second was read as complete before."""
    window = Window(0.0)
    window.add(1.0, 0.1, is_error=False)
    window.add(2.0, 0.1, is_error=False)
    assert window.summary(2.5).count == 2
    window.add(1.9, 3.0, is_error=True)
    summary = window.summary(2.6)
    assert (summary.count, summary.errors, summary.timed) == (3, 1, 3)
    assert window.summary(61.5).count == 1
    assert window.summary(63.0).count == 0


def test_a_quiet_minute_leaves_nothing() -> None:
    """What is over a minute old no longer speaks."""
    window = Window(100.0)
    window.add(100.0, 0.1, is_error=True)
    summary = window.summary(161.0)
    assert (summary.count, summary.errors, summary.p95_ms, summary.error_rate) == (0, 0, None, 0.0)


def test_the_rate_of_a_young_window_is_over_its_age() -> None:
    """Ten in the first five seconds are two a second, not ten a minute."""
    window = Window(0.0)
    for number in range(10):
        window.add(number / 2, 0.01, is_error=False)
    assert window.summary(5.0).rate == 2.0
    assert window.summary(0.1).span == 1.0


def test_its_size_does_not_grow_with_the_load() -> None:
    """Sixty seconds of counts at most."""
    window = Window(0.0)
    for number in range(100_000):
        window.add(number / 100, 0.001 * (number % 977), is_error=False)
    assert len(window._seconds) == WINDOW
    seconds = list(window._seconds.recent(999.99))
    assert len(seconds) == WINDOW
    assert all(len(second.latencies) <= 320 for second in seconds)
