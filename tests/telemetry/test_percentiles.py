"""Percentiles by nearest rank."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.telemetry.percentiles import nearest_rank, percentile, quantile_ms, quantiles_ms, step_of


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_percentile_is_one_of_the_values_and_covers_its_share(values: list[float], share: float) -> None:
    """Nearest rank: at least the share lies at or below, and no smaller value does that."""
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values)


@given(st.lists(st.floats(0.0001, 100), min_size=1, max_size=60), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_of_counts_is_that_of_the_values(values: list[float], share: float) -> None:
    """Counting in steps costs 2.5 % of accuracy at most, and not a rank."""
    found = quantile_ms(Counter(step_of(value) for value in values), share)
    exact = percentile(values, share)
    assert found is not None
    assert exact is not None
    assert found == pytest.approx(exact * 1000, rel=0.026, abs=0.002)


def test_a_rank_is_exact() -> None:
    """0.95 of 20 is the 19th, however floating point multiplies them."""
    assert [nearest_rank(count, 0.95) for count in (1, 20, 21, 100)] == [1, 19, 20, 95]


def test_there_is_no_percentile_of_nothing() -> None:
    assert percentile([], 0.5) is None
    assert quantile_ms(Counter(), 0.5) is None


@given(st.lists(st.integers(0, 319), min_size=1, max_size=60))
def test_several_quantiles_are_those_one_by_one(steps: list[int]) -> None:
    counts = Counter(steps)
    shares = (0.5, 0.95, 0.99)
    assert quantiles_ms(counts, *shares) == tuple(quantile_ms(counts, share) for share in shares)
    assert quantiles_ms(Counter(), *shares) == (None, None, None)
