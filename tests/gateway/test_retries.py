import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.retries import RULES, Failure, backoff, may_retry
from tests.fakes.gateway import UNHURRIED

NOTHING_SENT = {Failure.REFUSED, Failure.OVERLOADED}
UNANSWERED = {Failure.TIMED_OUT, Failure.SHORTAGE, Failure.STALE, Failure.LOST}


@pytest.mark.parametrize(
    ("failure", "method"), list(itertools.product(Failure, ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"]))
)
def test_which_requests_may_be_repeated(failure: Failure, method: str) -> None:
    """Nothing sent: always. No response begun: idempotent ones. A response begun: never."""
    expected = failure in NOTHING_SENT or (failure in UNANSWERED and method not in {"POST", "PATCH"})
    assert may_retry(failure, method=method) is expected


def test_every_failure_has_a_rule() -> None:
    """A new kind of failure needs a rule for repeating it."""
    assert set(RULES) == set(Failure)


@UNHURRIED
@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_back_off_is_between_0_and_a_quarter_second(attempt: int, jitter: float) -> None:
    """Full jitter from 25 ms up, doubled each time, never more than 250 ms."""
    wait = backoff(attempt, jitter)
    assert 0 <= wait <= 0.25
    assert wait <= 0.025 * 2.0 ** min(attempt - 1, 64)


def test_the_steps() -> None:
    """25, 50, 100, 200, 250, 250 ms at most."""
    assert [round(backoff(attempt, 1) * 1000) for attempt in range(1, 7)] == [25, 50, 100, 200, 250, 250]
