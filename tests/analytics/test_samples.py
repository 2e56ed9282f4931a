"""Samples over time: bounded, aligned, with gaps that stay gaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.analytics.samples import Samples


def test_a_figure_that_was_not_measured_is_a_gap() -> None:
    """A chart draws nothing there rather than zero."""
    series = Samples(["a", "b"])
    series.add(1, {"a": 1.0})
    series.add(2, {"a": None, "b": 2.0})
    assert series.columns() == {"at": [1, 2], "a": [1.0, None], "b": [None, 2.0]}


def test_an_undeclared_figure_is_refused_and_adds_nothing() -> None:
    """A typing error does not become a column."""
    series = Samples(["a"])
    with pytest.raises(KeyError, match="c"):
        series.add(1, {"c": 1.0})
    assert len(series) == 0


@given(st.integers(1, 20), st.integers(0, 60))
def test_columns_are_of_one_length_and_keep_the_newest(kept: int, count: int) -> None:
    """However long the service runs."""
    series = Samples(["a"], size=kept)
    for number in range(count):
        series.add(number, {"a": float(number)})
    columns = series.columns()
    assert columns["at"] == columns["a"] == list(range(max(0, count - kept), count))
