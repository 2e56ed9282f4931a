"""The order in which tests are handed to processes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.distribution import part_sizes, spread


def test_each_part_begins_with_whole_modules_and_ends_with_short_tests() -> None:
    """The costly ones are with different processes."""
    modules = [["a1", "a2"], ["b1"], ["c1", "c2", "c3"], ["d1"]]
    short = [f"s{number}" for number in range(9)]
    found = spread(modules, short, 2, lambda _: 1)
    assert found is not None
    assert (found[:8], found[8:]) == (
        ["c1", "c2", "c3", "d1", "s0", "s1", "s2", "s3"],
        ["a1", "a2", "b1", "s4", "s5", "s6", "s7", "s8"],
    )


def test_what_costs_more_counts_for_more() -> None:
    """Three cheap tests are with one process, a costly one with the other."""
    found = spread(
        [["cheap"] * 3, ["dear"], ["last"]], ["s"] * 7, 2, {"dear": 8, "cheap": 1, "last": 1}.__getitem__
    )
    assert found is not None
    assert found[:6] == ["dear", "s", "s", "s", "s", "s"]
    assert found[6:] == ["cheap", "cheap", "cheap", "last", "s", "s"]


@pytest.mark.parametrize("short", [[], ["s"]])
def test_long_tests_that_do_not_fit_stay_where_they_are(short: list[str]) -> None:
    """As in a run of the tests in Chromium alone."""
    assert spread([["a1", "a2", "a3"], ["b"]], short, 2, lambda _: 1) is None


@given(st.lists(st.integers(1, 20), max_size=30), st.integers(0, 300), st.integers(1, 16), st.integers(1, 8))
def test_every_test_is_run_once_and_modules_stay_together(
    sizes: list[int], count: int, processes: int, cost: int
) -> None:
    """Whatever there is."""
    modules = [[(name, number) for number in range(size)] for name, size in enumerate(sizes)]
    short = [(-1, number) for number in range(count)]
    found = spread(modules, short, processes, lambda test: cost if test[0] % 2 else 1)
    if found is None:
        return
    assert sorted(found) == sorted([*short, *(test for module in modules for test in module)])
    for module in modules:
        first = found.index(module[0])
        assert found[first : first + len(module)] == module


@given(st.integers(0, 100_000), st.integers(1, 16))
def test_parts_are_equal_but_for_one(total: int, processes: int) -> None:
    """As pytest-xdist divides them."""
    sizes = part_sizes(total, processes)
    assert sum(sizes) == total
    assert len(sizes) == processes
    assert max(sizes) - min(sizes) <= 1
