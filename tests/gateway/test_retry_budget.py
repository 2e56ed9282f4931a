"""How many requests may be repeated, and when an instance asks for a rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.retry_after import LONGEST, rest_of
from orch.gateway.retry_budget import LEAST, SECONDS, SHARE, RetryBudget
from tests.fakes.gateway import UNHURRIED


@UNHURRIED
@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 4)), max_size=400))
def test_retries_are_a_share_of_the_requests_or_a_few(steps: list[tuple[float, int]]) -> None:
    """In any ten seconds, whatever comes: a fifth of what was asked, or three."""
    budget = RetryBudget()
    asked: list[float] = []
    taken: list[float] = []
    now = 100.0
    for pause, wanted in steps:
        now += pause
        asked.append(now)
        budget.asked(now)
        taken += [now for _ in range(wanted) if budget.take(now)]
        # A part of the window is a second: what lies at its edge may have been forgotten already.
        since = now - SECONDS + 1
        recent = sum(at > since for at in taken)
        assert recent <= max(LEAST, SHARE * sum(at > since - 1 for at in asked))


def test_a_refused_retry_is_counted_and_the_budget_comes_back() -> None:
    """Three at once; more after the window has passed, or as more is asked."""
    budget = RetryBudget()
    budget.asked(0.0)
    assert [budget.take(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert budget.refused == 2
    for _ in range(24):
        budget.asked(1.0)
    assert budget.left(1.0) == 2
    assert budget.left(SECONDS + 2.0) == LEAST


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        (429, b"7", 7.0),
        (503, b" 0 ", 0.0),
        (503, b"99999999999999999999", LONGEST),
        (429, b"Sun, 06 Nov 1994 08:49:40 GMT", 3.0),
        (429, b"Sun, 06 Nov 1994 08:49:00 GMT", 0.0),
        (429, b"Sun, 06 Nov 2094 08:49:00 GMT", LONGEST),
        (503, b"Sun, 06 Nov 1994 08:49:40 -0000", 3.0),
        (503, b"soon", None),
        (503, b"", None),
        (503, b"-1", None),
        (503, b"1.5", None),
        (503, "\u0663".encode(), None),
        (500, b"7", None),
        (200, b"7", None),
    ],
)
def test_what_asks_for_a_rest(status: int, value: bytes, seconds: float | None) -> None:
    """429 and 503 with seconds or a date, bounded; anything else is an ordinary response."""
    found = rest_of(status, ((b"content-type", b"x"), (b"retry-after", value)), 784111777.0)
    assert found == seconds


def test_without_the_header_nothing_rests() -> None:
    """A bare 503 is a failure."""
    assert rest_of(503, (), 0.0) is None
