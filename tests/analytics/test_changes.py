"""Change points: found where they are, not in noise, however correlated it is."""

import numpy as np
import pytest

from orch.analytics.anomalies.changes import changes

BEGINS, STEP = 1_000_000.0, 60.0


def correlated(seed: int, size: int, phi: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = np.zeros(size)
    for place in range(1, size):
        out[place] = phi * out[place - 1] + rng.normal()
    return out


@pytest.mark.parametrize("seed", range(5))
def test_two_shifts_are_found_at_their_places(seed: int) -> None:
    values = 50 + correlated(seed, 600, 0.3)
    values[200:400] += 8
    found = changes(values, begins=BEGINS, step=STEP)
    assert [round((each.at - BEGINS) / STEP) for each in found] == pytest.approx([200, 400], abs=2)
    assert found[0].after - found[0].before == pytest.approx(8, abs=0.5)
    assert found[1].shift < 0


def test_noise_without_a_shift_has_no_change() -> None:
    """Correlated as well as not: at most one false one in twenty series of ten hours."""
    for phi in (0.0, 0.6):
        false = [
            len(changes(50 + correlated(seed, 600, phi), begins=BEGINS, step=STEP)) for seed in range(20)
        ]
        assert sum(false) <= 1, phi


def test_what_wanders_for_hours_has_few_changes() -> None:
    """A walk that returns, as of memory and connections, is no series of levels."""
    found = [
        len(changes(500 + correlated(seed, 2_016, 0.97), begins=BEGINS, step=STEP)) for seed in range(20)
    ]
    assert sum(found) <= 4


def test_growth_is_no_change_of_the_level() -> None:
    values = 300 + np.arange(2_016) * 0.02 + correlated(1, 2_016, 0.3)
    assert changes(values, begins=BEGINS, step=STEP) == ()
    values[1_200:] += 12
    (found,) = changes(values, begins=BEGINS, step=STEP)
    assert (found.at - BEGINS) / STEP == pytest.approx(1_200, abs=3)


def test_wild_samples_gaps_and_small_differences_are_no_change() -> None:
    values = 50 + correlated(3, 400, 0.2)
    values[100:102] += 100
    values[200:230] = np.nan
    assert changes(values, begins=BEGINS, step=STEP) == ()
    values[300:] += 6
    assert len(changes(values, begins=BEGINS, step=STEP)) == 1
    assert changes(values, begins=BEGINS, step=STEP, floor=20) == ()


@pytest.mark.parametrize("values", [np.zeros(0), np.full(300, np.nan), np.zeros(300), np.full(300, 1e37)])
def test_series_without_anything_have_none(values: np.ndarray) -> None:
    assert changes(values, begins=BEGINS, step=STEP) == ()
