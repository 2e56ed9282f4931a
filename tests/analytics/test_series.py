"""Series: resolutions, memory, a bounded number of them, and what survives a restart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.analytics.ring import Resolution
from orch.analytics.series import ABANDONED, RESOLUTIONS, Figure, Points, Series

SMALL = (
    Resolution(name="1s", step=1, slots=20, chunk=10),
    Resolution(name="10s", step=10, slots=40, chunk=10, peaks=True),
)


def figure(name: str, subject: str = "") -> Figure:
    return Figure(name=name, title=name, area="test", subject=subject)


def test_five_hundred_series_take_less_than_30_megabytes() -> None:
    """All arrays together, as if all of them were written to."""
    assert Series().nbytes < 30_000_000
    assert [each.seconds for each in RESOLUTIONS] == [3_600, 86_400, 30 * 86_400]


def test_the_finest_resolution_that_reaches_back_is_read() -> None:
    series = Series(most=3, resolutions=SMALL)
    for second in range(100):
        series.add(float(second), [(figure("a"), float(second))])
    recent = series.read("a", 85, 99)
    assert (recent.start, recent.step, recent.values.tolist()) == (85, 1, list(map(float, range(85, 100))))
    older = series.read("a", 0, 99)
    assert (older.start, older.step, older.values[:2].tolist()) == (0, 10, [4.5, 14.5])
    assert older.highs[:2].tolist() == [9.0, 19.0]
    assert series.read("a", 85, 99, step=10).step == 10
    assert len(series.read("a", 200, 300)) == 0
    with pytest.raises(KeyError):
        series.read("b", 0, 1)


def test_a_series_beyond_the_limit_is_refused_and_counted() -> None:
    """Ten thousand paths do not become ten thousand series; what is measured already stays."""
    series = Series(most=3, resolutions=SMALL)
    for number in range(10_000):
        series.add(0.0, [(figure("a", str(number)), 1.0)])
    series.add(1.0, [(figure("a", "5000"), 1.0)])
    assert len(series) == 3
    assert series.refused == 9_997
    assert "a:0" in series


def test_an_abandoned_series_makes_room() -> None:
    series = Series(most=2, resolutions=SMALL)
    series.add(0.0, [(figure("a"), 1.0), (figure("b"), 2.0)])
    series.add(ABANDONED, [(figure("b"), 3.0), (figure("c"), None)])
    assert set(series.figures) == {"b", "c"}
    assert series.latest("c") is None
    assert np.isnan(series.read("c", 0, ABANDONED).values).all()
    assert series.latest("b") == 3.0


def test_series_survive_a_restart_under_their_names() -> None:
    """The next run has other series, in other rows."""
    first = Series(most=4, resolutions=SMALL)
    for second in range(35):
        first.add(float(second), [(figure("a"), 1.0), (figure("b"), float(second)), (figure("never"), None)])
    second_run = Series(most=3, resolutions=SMALL)
    second_run.add(40.0, [(figure("new"), 1.0), (figure("b"), 40.0)])
    for ring in first.rings:
        for number in ring.chunk_numbers():
            found = first.chunk(ring.resolution.name, number)
            assert found is not None
            assert {each.key for each in found[0]} == {"a", "b"}
            second_run.restore(ring.resolution.name, *found, now=40.0)
    assert second_run.read("b", 25, 40).values.tolist() == [
        *map(float, range(25, 35)),
        *[pytest.approx(float("nan"), nan_ok=True)] * 5,
        40.0,
    ]
    assert second_run.read("a", 0, 40).values[:3].tolist() == [1.0, 1.0, 1.0]
    assert "never" not in second_run


@given(st.integers(0, 40), st.integers(1, 12), st.integers(0, 30))
def test_a_roll_up_is_the_mean_of_what_is_known(start: int, many: int, count: int) -> None:
    values = np.array([float(index) if index % 3 else np.nan for index in range(count)])
    rolled = Points(start=start * 10.0, step=10.0, values=values, highs=values).rolled_up(many * 10.0)
    assert rolled.start % (many * 10) == 0
    for slot, mean in enumerate(rolled.values):
        begin = rolled.start + slot * many * 10
        inside = [
            value
            for index, value in enumerate(values)
            if begin <= start * 10 + index * 10 < begin + many * 10 and not np.isnan(value)
        ]
        assert (np.isnan(mean) and not inside) or mean == pytest.approx(np.mean(inside))
        if inside:
            assert rolled.highs[slot] == max(inside)
