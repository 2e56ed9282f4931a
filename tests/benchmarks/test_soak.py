"""What the soak takes for flat."""

import pytest

from benchmarks.flatness import MIB, Sample, judge_descriptors, judge_memory, judge_rest, slope
from benchmarks.soak import seconds


def samples(rss: list[float], descriptors: list[int] | None = None) -> list[Sample]:
    """Return samples 10 s apart, ``rss`` in MiB."""
    open_ = descriptors or [30] * len(rss)
    return [Sample(10.0 * i, int(each * MIB), open_[i], connections=5) for i, each in enumerate(rss)]


def test_one_peak_bends_no_line() -> None:
    """The median of all slopes is that of the many."""
    assert slope([(0, 0), (1, 1), (2, 2), (3, 300), (4, 4)]) == 1


def test_memory_that_settles_is_flat() -> None:
    """What is filled while warming up does not count, nor does noise."""
    warming = [90.0 + 3 * i for i in range(30)]
    assert judge_memory(samples(warming + [180.0 + (i % 3) for i in range(90)])).is_flat


def test_memory_that_leaks_is_not_flat() -> None:
    """A hundred bytes a message are seen within the run."""
    verdict = judge_memory(samples([100 + 0.2 * i for i in range(120)]))
    assert not verdict.is_flat
    assert "NOT FLAT" in verdict.text
    assert "+72.0 MiB an hour" in verdict.text


def test_descriptors_that_add_up_are_not_flat() -> None:
    """One in ten seconds is a leak; up and down is not."""
    assert judge_descriptors(samples([100] * 120, [30 + i % 9 for i in range(120)])).is_flat
    assert not judge_descriptors(samples([100] * 120, [30 + i for i in range(120)])).is_flat


def test_what_is_left_at_rest_is_not_flat() -> None:
    """Descriptors and sessions that nobody needs any more."""
    assert judge_rest(15, 16, "").is_flat
    assert not judge_rest(15, 40, "").is_flat
    assert not judge_rest(15, 15, "1 connections and 0 sessions").is_flat


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("90s", 90), ("20m", 1200), ("1.5m", 90)])
def test_a_duration_reads_as_people_write_it(text: str, expected: float) -> None:
    """Seconds, or minutes with an m."""
    assert seconds(text) == expected
