"""Anomalies: what is usual is found, faults are noticed with their beginning, quiet series stay quiet."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.analytics.anomalies.anomaly import Anomaly, Kind
from orch.analytics.anomalies.detector import ACCEPTED, Detector
from orch.analytics.anomalies.measures import LONGEST, MEASURES, measured, measured_last, silences
from orch.analytics.anomalies.model import FEWEST, Model, learn_model
from orch.analytics.anomalies.reasons import lasting, name_of, reason, shown
from orch.analytics.anomalies.robust import medians, return_level, spread
from orch.analytics.anomalies.usual import learn
from orch.analytics.series import Figure

STEP = 300.0
DAY = 288
MONDAY = 1_767_571_200.0
LATENCY = Figure(name="p95", title="p95", area="gateway", unit="ms", floor=5)


@cache
def history(days: int = 29) -> np.ndarray:
    """Return figures with a day, a weekend and noise that grows with them."""
    rng = np.random.default_rng(5)
    at = np.arange(days * DAY)
    hour, weekday = at % DAY / 12, at // DAY % 7
    course = 100 + 300 * np.exp(-0.5 * ((hour - 13) / 3) ** 2) * np.where(weekday < 5, 1.0, 0.3)
    return np.asarray(course * np.exp(rng.normal(0, 0.06, len(at))))


@cache
def model() -> Model:
    found = learn_model(history()[: 28 * DAY], begins=MONDAY, step=STEP)
    assert found is not None
    return found


def detector(learnt: Model | None = None) -> Detector:
    made = Detector("p95", learnt or model())
    made.warm_up((MONDAY + place * STEP, history()[place]) for place in range(28 * DAY - LONGEST, 28 * DAY))
    return made


def run(change: Callable[[np.ndarray], np.ndarray], using: Detector | None = None) -> list[Anomaly]:
    """Return the anomalies of a day that was changed, as they were at last."""
    made, found = using or detector(), dict[str, Anomaly]()
    for place, value in enumerate(change(history()[28 * DAY :].copy()).tolist(), start=28 * DAY):
        anomaly = made.feed(MONDAY + place * STEP, value)
        if anomaly is not None:
            found[anomaly.identity] = anomaly
    return list(found.values())


def times(begin: int, end: int, factor: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        values[begin:end] *= factor
        return values

    return change


def at_place(anomaly: Anomaly) -> int:
    return round((anomaly.began - MONDAY) / STEP) - 28 * DAY


def test_a_usual_day_has_no_anomaly() -> None:
    assert run(lambda values: values) == []


def test_what_is_usual_is_that_of_the_hour_and_of_the_kind_of_day() -> None:
    """The course over the day and the weekend are found, within the noise."""
    usual, low, high = model().expected(MONDAY + np.array([13 * 12, 3 * 12, 5 * DAY + 13 * 12]) * STEP)
    assert usual == pytest.approx([400, 100, 190], rel=0.06)
    assert (low < usual).all()
    assert (usual < high).all()
    assert high[0] - usual[0] > 2 * (high[1] - usual[1])
    assert model().hour == "for this hour and day"


@pytest.mark.parametrize(
    ("change", "kind", "direction", "began"),
    [
        (times(150, 152, 4.2), Kind.SPIKE, "up", 150),
        (times(150, 152, 0.1), Kind.SPIKE, "down", 150),
        (times(30, 130, 1.5), Kind.SHIFT, "up", 30),
    ],
)
def test_a_changed_level_is_an_anomaly_that_begins_where_it_began(
    change: Callable[[np.ndarray], np.ndarray], kind: Kind, direction: str, began: int
) -> None:
    (found,) = run(change)
    assert (found.kind, found.direction) == (kind, direction)
    assert abs(at_place(found) - began) <= 1
    assert found.ended is not None
    assert not found.became_usual
    assert found.strength >= 1


def test_a_slow_rise_is_noticed_before_it_is_large() -> None:
    def rise(values: np.ndarray) -> np.ndarray:
        return np.asarray(values * np.linspace(1, 2, len(values)))

    found = run(rise)
    assert found[0].direction == "up"
    assert (found[0].noticed - MONDAY) / STEP - 28 * DAY < DAY / 2


def test_a_figure_that_stands_still_is_stuck_until_it_moves() -> None:
    def stand(values: np.ndarray) -> np.ndarray:
        values[100:130] = values[100]
        return values

    (found,) = run(stand)
    assert (found.kind, at_place(found), found.direction) == (Kind.STUCK, 100, "")
    assert found.noticed - found.began <= 8 * STEP
    assert found.ended is not None
    assert "has not moved for" in reason(found, LATENCY)


def test_noise_that_grows_is_restlessness() -> None:
    def swing(values: np.ndarray) -> np.ndarray:
        values[20:60] *= np.where(np.arange(40) % 2 == 0, 1.35, 0.7)
        return values

    kinds = {each.kind for each in run(swing)}
    assert Kind.NOISE in kinds


def test_a_series_without_figures_is_silent() -> None:
    def stop(values: np.ndarray) -> np.ndarray:
        values[100:140] = np.nan
        return values

    (found,) = run(stop)
    assert (found.kind, found.value, found.ended is not None) == (Kind.SILENT, None, True)
    assert reason(found, LATENCY) == "p95: no figures for 3.2 h"


def test_another_level_is_usual_after_a_day_and_no_second_anomaly() -> None:
    """A shift that lasts is news once; the models that are learnt later know since when it is."""
    made = detector()
    values = np.concatenate([history()[28 * DAY :]] * 2) * 1.6
    found = {}
    for place, value in enumerate(values.tolist(), start=28 * DAY):
        anomaly = made.feed(MONDAY + place * STEP, value)
        if anomaly is not None:
            found[anomaly.identity] = anomaly
    assert len(found) == 1
    (only,) = found.values()
    assert only.became_usual
    assert only.ended is not None
    assert only.ended - only.began == pytest.approx(ACCEPTED, abs=2 * STEP)
    assert made.level_since == only.began
    again = learn_model(
        np.concatenate([history()[: 28 * DAY], values]),
        begins=MONDAY,
        step=STEP,
        level_since=made.level_since,
    )
    assert again is not None
    expected, _, _ = again.expected(np.array([MONDAY + 28 * DAY * STEP + 13 * 3600]))
    assert expected[0] == pytest.approx(640, rel=0.1)


def test_a_clock_that_goes_back_changes_nothing() -> None:
    made = detector()
    assert made.feed(MONDAY, 1e9) is None
    assert made.feed(MONDAY + 28 * DAY * STEP, history()[28 * DAY]) is None
    assert made.open is None


def test_an_open_anomaly_goes_on_after_a_restart() -> None:
    before = detector()
    opened = None
    for place in range(28 * DAY, 28 * DAY + 20):
        opened = before.feed(MONDAY + place * STEP, history()[place] * 3) or opened
    assert opened is not None
    after = detector()
    after.warm_up((MONDAY + place * STEP, history()[place] * 3) for place in range(28 * DAY, 28 * DAY + 20))
    after.resume(opened)
    went_on = after.feed(MONDAY + (28 * DAY + 20) * STEP, history()[28 * DAY + 20] * 3)
    assert went_on is not None
    assert went_on.identity == opened.identity
    ended = [
        after.feed(MONDAY + place * STEP, history()[place]) for place in range(28 * DAY + 21, 28 * DAY + 40)
    ]
    assert any(each is not None and each.ended is not None for each in ended)


def test_faults_in_the_history_do_not_hide_later_ones() -> None:
    """Three bad days of 28 move limits little."""
    spoiled = history()[: 28 * DAY].copy()
    for day in (6, 15):
        spoiled[day * DAY + 100 : day * DAY + 160] *= 5
    learnt = learn_model(spoiled, begins=MONDAY, step=STEP)
    assert learnt is not None
    assert learnt.limits.above[1] < 1.5 * model().limits.above[1]
    assert [each.direction for each in run(times(150, 153, 3), detector(learnt))] == ["up"]


def test_a_difference_that_means_nothing_is_no_anomaly() -> None:
    learnt = learn_model(history()[: 28 * DAY], begins=MONDAY, step=STEP, floor=2_000)
    assert learnt is not None
    assert run(times(150, 160, 3), detector(learnt)) == []


def test_a_short_history_is_no_model_and_a_few_days_of_it_have_no_levels() -> None:
    assert learn_model(history()[: FEWEST - 1], begins=MONDAY, step=STEP) is None
    short = learn_model(history()[: 2 * DAY], begins=MONDAY, step=STEP)
    assert short is not None
    assert np.isinf(short.limits.above[:5]).all()
    assert not short.usual.is_daily


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(3 * DAY),
        np.full(3 * DAY, 7.0),
        np.where(np.arange(3 * DAY) % 7, np.nan, 1.0),
        np.full(3 * DAY, -1e37),
        np.concatenate([np.full(2 * DAY, np.nan), np.arange(DAY) * 1e12]),
    ],
)
def test_odd_histories_have_a_model_or_none_and_every_sample_is_taken(values: np.ndarray) -> None:
    """Zeros, constants, mostly gaps, huge figures: no warning, no failure."""
    learnt = learn_model(values, begins=MONDAY, step=STEP)
    if learnt is None:
        return
    made = Detector("odd", learnt)
    for place, value in enumerate((0.0, np.nan, 1e37, -1e37, 5e-324, *values[-50:].tolist())):
        made.feed(MONDAY + (len(values) + place) * STEP, value)


@settings(max_examples=40)
@given(st.lists(st.one_of(st.floats(-50, 50), st.just(float("nan"))), min_size=1, max_size=80))
def test_the_measures_of_the_last_sample_are_those_of_all(deviations: list[float]) -> None:
    array = np.array(deviations)
    whole = measured(array, np.zeros(len(array)), silences(array))[:, -1]
    last = measured_last(array, 0.0, float(silences(array)[-1]))
    assert last == pytest.approx(whole.tolist(), nan_ok=True)
    assert len(last) == len(MEASURES)


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.one_of(st.floats(-9, 9), st.just(float("nan"))), min_size=3, max_size=3), min_size=1)
)
def test_medians_are_those_of_numpy_without_gaps(rows: list[list[float]]) -> None:
    matrix = np.array(rows)
    expected = [
        float(np.median(column[np.isfinite(column)])) if np.isfinite(column).any() else float("nan")
        for column in matrix.T
    ]
    assert medians(matrix) == pytest.approx(expected, nan_ok=True)


def test_estimates() -> None:
    rng = np.random.default_rng(2)
    assert spread(rng.normal(3, 2, 20_000)) == pytest.approx(2, rel=0.03)
    maxima = rng.gumbel(10, 2, 20_000)
    assert return_level(maxima, 100) == pytest.approx(np.quantile(maxima, 0.99), rel=0.05)


def test_a_power_is_chosen_whose_noise_is_the_same_at_all_levels() -> None:
    assert learn(history(), begins=MONDAY, step=STEP).power.exponent == 0
    rng = np.random.default_rng(1)
    course = history() - history().min()
    even = course / course.max() * 50 + rng.normal(500, 1, len(course))
    assert learn(even, begins=MONDAY, step=STEP).power.exponent != 0.5


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.1234, "share", "12.3 %"),
        (1_234_567, "bytes", "1.23 MB"),
        (12, "bytes", "12 B"),
        (1234.5, "ms", "1,234 ms"),
        (0, "/s", "0/s"),
        (0.00001, "", "1.0e-05"),
        (float("inf"), "ms", "none"),
    ],
)
def test_figures_have_their_unit_and_three_digits(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text  # type: ignore[arg-type]


def test_names_of_series_are_one_readable_line() -> None:
    """Subjects are from outside: 10 kB, line breaks, quotes and terminal codes do no harm."""
    for subject in ("x" * 10_000, 'a"b\n\x1b[31mc'):
        name = name_of(Figure(name="p", title="p95", area="gateway", subject=subject))
        assert len(name) <= 120
        assert name.isprintable()


def test_a_reason_has_the_ratio_the_figures_and_the_hour() -> None:
    found = Anomaly(
        key="p95",
        kind=Kind.SHIFT,
        direction="up",
        began=0,
        noticed=600,
        until=1800,
        value=500,
        usual=100,
        mean=420,
        usual_mean=100,
        samples=6,
        hour="for this hour",
    )
    assert reason(found, LATENCY) == "p95: 4.2 × the usual for this hour: 420 ms, usually 100 ms"
    down = Anomaly(
        key="r",
        kind=Kind.DRIFT,
        direction="down",
        began=0,
        noticed=600,
        until=1800,
        value=1,
        usual=100,
        mean=20,
        usual_mean=100,
        samples=6,
        hour="here",
    )
    rate = Figure(name="r", title="Requests", area="gateway", unit="/s", subject="/api/audio", floor=0.5)
    words = "Requests /api/audio: 80 % below the usual here, slowly falling: 20/s, usually 100/s"
    assert reason(down, rate) == words
    assert lasting(30) == "30 s"
    assert lasting(86_400 * 2) == "2 days"


def test_a_day_of_fine_values_is_enough_to_see_a_step_within_half_a_minute_and_no_evening() -> None:
    """The load of a day rises and falls fifty times its noise; that alone is no anomaly, a step is."""
    rng = np.random.default_rng(8)
    hour = np.arange(2 * 8_640) / 360
    values = (200 + 150 * np.sin(hour / 24 * 2 * np.pi)) * np.exp(rng.normal(0, 0.02, len(hour)))
    learnt = learn_model(values[:8_640], begins=MONDAY, step=10.0)
    assert learnt is not None
    made = Detector("requests", learnt)
    made.warm_up((MONDAY + place * 10.0, values[place]) for place in range(8_640 - LONGEST, 8_640))
    for place in range(8_640, 11_000):
        assert made.feed(MONDAY + place * 10.0, values[place]) is None, place
    found = [made.feed(MONDAY + place * 10.0, 0.4 * values[place]) for place in range(11_000, 11_004)]
    opened = next(each for each in found if each is not None)
    assert opened.direction == "down"
    assert opened.noticed - opened.began <= 30
