"""Histograms: each observation is in one bucket, and its bounds are inclusive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.telemetry.histogram import Histogram

finite = st.floats(-1e9, 1e9)


@given(st.lists(finite, min_size=1, max_size=20, unique=True).map(sorted), st.lists(finite, max_size=30))
def test_each_observation_is_counted_at_the_first_bound_that_is_not_below_it(
    bounds: list[float], values: list[float]
) -> None:
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    assert histogram.count == len(values)
    assert histogram.sum == pytest.approx(sum(values))
    for place, bound in enumerate(bounds):
        assert sum(histogram.counts[: place + 1]) == sum(value <= bound for value in values)


@pytest.mark.parametrize("bounds", [(), (1, 1), (2, 1)])
def test_bounds_that_do_not_ascend_are_refused(bounds: tuple[float, ...]) -> None:
    """They would count wrongly without notice."""
    with pytest.raises(ValueError, match="ascend"):
        Histogram(bounds)


def test_an_exemplar_stands_for_its_bucket() -> None:
    """At most one for each bucket, so that traces do not fill the memory."""
    histogram = Histogram((1, 2))
    for number in range(1000):
        histogram.observe_traced(number % 3 + 0.5, f"{number:032x}", at=float(number))
    assert len(histogram.exemplars) == 3
    assert histogram.exemplars[0] == (f"{999:032x}", 0.5, 999.0)
    assert repr(histogram) == "<Histogram of 1000, sum 1499>"
