import pytest

from orch.backoff import Backoff, exponential


@pytest.mark.parametrize(
    ("count", "seconds"), [(-1, 0.5), (0, 0.5), (1, 1.0), (2, 2.0), (6, 30.0), (10**6, 30.0)]
)
def test_a_wait_doubles_up_to_its_limit(count: int, seconds: float) -> None:
    assert exponential(0.5, count, longest=30.0) == seconds


def test_a_wait_grows_by_another_factor() -> None:
    assert exponential(1.0, 2, longest=100.0, factor=3.0) == 9.0


def test_failures_in_a_row_wait_longer_and_a_success_starts_again() -> None:
    """However many there are."""
    backoff = Backoff(first=0.5, longest=2.0)
    assert backoff.until < 0
    waits = []
    for _ in range(4):
        backoff.failed(100.0)
        waits.append(backoff.until - 100.0)
    assert waits == [0.5, 1.0, 2.0, 2.0]
    for _ in range(5000):
        backoff.failed(100.0)
    assert backoff.until == 102.0
    backoff.succeeded()
    assert backoff.until < 0
    assert backoff.failures == 0
