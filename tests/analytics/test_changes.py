"""Change points: found where they are, not in noise, however correlated it is."""

import numpy as np
import pytest

from orch.analytics.anomalies.band import Models
from orch.analytics.anomalies.changes import changes
from orch.analytics.anomalies.model import learn_model
from orch.analytics.anomalies.usual import DAY, learn
from orch.analytics.queries import level_changes
from orch.analytics.series import Figure

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


@pytest.mark.parametrize("seed", range(20))
def test_growth_is_no_change_of_the_level(seed: int) -> None:
    values = 300 + np.arange(2_016) * 0.02 + correlated(seed, 2_016, 0.3)
    assert changes(values, begins=BEGINS, step=STEP) == ()
    values[1_200:] += 20
    (found,) = changes(values, begins=BEGINS, step=STEP)
    assert (found.at - BEGINS) / STEP == pytest.approx(1_200, abs=3)
    assert found.after - found.before == pytest.approx(20, abs=4)


@pytest.mark.parametrize(("before", "after", "count"), [(100, 104, 0), (100, 106, 1), (106, 100, 1)])
def test_a_level_that_differs_by_less_than_a_twentieth_is_none(before: int, after: int, count: int) -> None:
    values = np.concatenate([np.full(300, before), np.full(300, after)]) + 0.1 * correlated(1, 600, 0.0)
    assert len(changes(values, begins=BEGINS, step=STEP)) == count


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


SLOW, HOURS = 300.0, 7_200.0
FIGURE = Figure(name="requests", title="Requests", area="gateway", unit="/s", worse="both", floor=0.5)


def daily(times: np.ndarray, seed: int) -> np.ndarray:
    """Return requests a second: quiet nights, and weekends at less than half."""
    noise = np.random.default_rng(seed).normal(0, 0.03, len(times))
    course = 0.5 - 0.5 * np.cos(2 * np.pi * (times % DAY) / DAY)
    return 0.2 + 22 * course * np.where((times // DAY + 3) % 7 >= 5, 0.45, 1.0) * (1 + noise)


@pytest.mark.parametrize("sort", ["factor", "difference"])
@pytest.mark.parametrize("hour", range(0, 168, 5))
def test_a_new_level_is_one_change_at_whatever_hour_it_is_looked_at(sort: str, hour: int) -> None:
    """By a factor, nights change little; by a difference, they change most. Neither is a second change."""
    begins = 20_000 * DAY + hour * 3_600
    times = begins + SLOW * np.arange(30 * 288)
    values = daily(times, hour)
    usual = learn(values, begins=begins, step=SLOW)
    new = slice(-2 * 288, None)
    values[new] = values[new] * 1.6 if sort == "factor" else values[new] + 6
    last = slice(-7 * 288, None)
    (found,) = changes(values[last], begins=times[last][0], step=SLOW, usual=usual)
    assert found.at == pytest.approx(times[new][0], abs=2 * 3_600)
    assert found.after > found.before * 1.2


@pytest.mark.parametrize("sort", ["factor", "difference"])
@pytest.mark.parametrize("hour", range(0, 168, 5))
def test_a_month_in_steps_of_hours_has_the_one_new_level_too(sort: str, hour: int) -> None:
    """Its first and last means are of a part of their time, as is the one in which the level changed."""
    begins = 20_000 * DAY + hour * 3_600 + hour % 24 * SLOW
    times = begins + SLOW * np.arange(30 * 288)
    values = daily(times, hour)
    new = slice(-2 * 288, None)
    values[new] = values[new] * 1.6 if sort == "factor" else values[new] + 6
    known = Models(slow=learn_model(values, begins=begins, step=SLOW, floor=FIGURE.floor))
    slots = (times // HOURS).astype(np.int64)
    firsts = np.flatnonzero(np.diff(slots, prepend=-1))
    means = np.add.reduceat(values, firsts) / np.diff([*firsts, len(values)])
    (found,) = level_changes(means, known, FIGURE, begins=slots[0] * HOURS, step=HOURS)
    assert found.at == pytest.approx(times[new][0], abs=1.5 * HOURS)
    assert found.after > found.before * 1.2


@pytest.mark.parametrize("hour", range(0, 168, 5))
def test_days_as_usual_have_no_change_at_whatever_hour_they_are_looked_at(hour: int) -> None:
    begins = 20_000 * DAY + hour * 3_600
    values = daily(begins + SLOW * np.arange(30 * 288), hour)
    usual = learn(values, begins=begins, step=SLOW)
    assert changes(values[-2_016:], begins=begins + SLOW * 23 * 288, step=SLOW, usual=usual) == ()


def growing(times: np.ndarray, seed: int) -> np.ndarray:
    """Return memory that leaks 6 MB a day."""
    noise = np.random.default_rng(seed).normal(0, 1e6, len(times))
    return np.asarray(1.48e8 + 6e6 * (times - times[0]) / DAY + noise)


@pytest.mark.parametrize("hour", range(0, 168, 9))
def test_what_only_grows_has_no_course_and_no_new_level(hour: int) -> None:
    """Each day ends higher than it began, and the Sundays of a month are not its middle."""
    times = 20_000 * DAY + hour * 3_600 + SLOW * np.arange(30 * 288)
    values = growing(times, hour)
    usual = learn(values, begins=times[0], step=SLOW, least=2e7)
    assert (usual.is_daily, usual.is_weekly) == (False, False)
    assert changes(values[-2_016:], begins=times[-2_016], step=SLOW, floor=2e7) == ()


@pytest.mark.parametrize("hour", range(0, 168, 9))
def test_what_grows_over_its_days_has_the_same_course_as_what_does_not(hour: int) -> None:
    begins = 20_000 * DAY + hour * 3_600
    times = begins + SLOW * np.arange(30 * 288)
    steady = 1_000 + 20 * daily(times, hour)
    usual = learn(steady, begins=begins, step=SLOW)
    values = steady + 15 * (times - times[0]) / DAY
    grown = learn(values, begins=begins, step=SLOW)
    assert grown.is_daily
    ordinary, found = (each.power.back(each.at(times)[0]) for each in (usual, grown))
    moved = found - ordinary
    assert np.ptp(moved) < 0.1 * np.ptp(ordinary)
    assert changes(values[-2_016:], begins=times[-2_016], step=SLOW, usual=grown) == ()
