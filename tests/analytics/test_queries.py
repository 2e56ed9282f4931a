"""Answers: series at one step, beside an earlier time, as JSON and CSV."""

import csv
from io import StringIO

import numpy as np
import pytest

from orch.analytics.budgets import FEWEST, OBJECTIVES, budget
from orch.analytics.queries import SeriesQuestion, chosen_step, csv_of, shortened
from orch.analytics.series import Figure, Points, Series
from tests.fakes.series_answers import answer

NOW = 1_795_000_050.0
REQUESTS = Figure(name="requests", title="Requests", area="gateway", unit="/s")


@pytest.fixture
def series() -> Series:
    found = Series(most=4)
    for second in range(400):
        at = NOW - 399 + second
        found.add(at, [(REQUESTS, float(second)), (Figure(name="=cmd", title="", area="test"), None)])
    return found


def test_the_finest_step_that_is_asked_for_is_used() -> None:
    assert [chosen_step(seconds, 600) for seconds in (600, 3_600, 86_400, 30 * 86_400)] == [1, 10, 300, 7_200]


def test_series_are_at_the_same_moments_and_gaps_are_null(series: Series) -> None:
    question = SeriesQuestion(
        keys=("requests", "=cmd", "nope", "requests"), seconds=60, points=20, highs=True
    )
    found = answer(series, question, {"requests": 500.0}, now=NOW, worker="w")
    assert (found.step, found.unknown) == (5.0, ("nope",))
    assert found.at == [NOW - 60 + 5 * slot for slot in range(13)]
    requests, other = found.series
    assert requests.values[:2] == [341.0, 346.0]
    assert requests.highs[:2] == [343.0, 348.0]
    assert (requests.latest, requests.limit) == (399.0, 500.0)
    assert set(other.values) == {None}


def test_an_earlier_time_is_beside_it(series: Series) -> None:
    question = SeriesQuestion(keys=("requests",), seconds=60, points=60, compare=100)
    (shown,) = answer(series, question, {}, now=NOW, worker="w").series
    assert shown.compared == [None if value is None else value - 100 for value in shown.values]
    early = SeriesQuestion(keys=("requests",), seconds=60, points=60, compare=86_400)
    assert set(answer(series, early, {}, now=NOW, worker="w").series[0].compared) == {None}


@pytest.mark.parametrize("until", [0.0, 60.0, NOW - 86_400 * 40, NOW + 1e6])
def test_a_time_without_values_is_all_gaps(series: Series, until: float) -> None:
    question = SeriesQuestion(keys=("requests",), seconds=30 * 86_400, until=until)
    found = answer(series, question, {}, now=NOW, worker="w")
    assert len(found.at) == len(found.series[0].values)
    assert (set(found.series[0].values) == {None}) == (until < NOW)


def test_a_file_has_a_row_a_moment_and_runs_no_formula(series: Series) -> None:
    question = SeriesQuestion(keys=("requests", "=cmd"), seconds=60, points=20, compare=50, highs=True)
    rows = list(csv.reader(StringIO(csv_of(answer(series, question, {}, now=NOW, worker="w")))))
    assert rows[0] == [
        "at",
        "requests",
        "requests highest",
        "requests 50 s earlier",
        "'=cmd",
        "'=cmd highest",
        "'=cmd 50 s earlier",
    ]
    assert rows[1] == [f"{NOW - 60:.0f}", "341", "343", "291", "", "", ""]
    assert len(rows) == 14


def points(rate: float, seconds: float) -> Points:
    values = np.full(int(seconds // 300), rate)
    return Points(start=0.0, step=300.0, values=values, highs=values)


def test_a_budget_is_what_the_failures_leave_of_what_is_allowed() -> None:
    """0.05 % of errors where 0.1 % are allowed: half is left, and it is used at half speed."""
    requests = OBJECTIVES[0]
    found = budget(
        requests, lambda key, start: points({"requests": 2.0, "errors": 0.001}[key], 9e4 - start), 9e4
    )
    assert found.left == pytest.approx(0.5)
    assert found.burn_hour == pytest.approx(0.5)
    assert found.lasts == pytest.approx(30 * 86_400)
    assert found.events == pytest.approx(2 * found.covered)


def test_of_few_events_nothing_is_said() -> None:
    """One failure in three at night is no budget spent."""
    rates = {"requests": (FEWEST - 1) / 9e4, "errors": 0.1}
    found = budget(OBJECTIVES[0], lambda key, start: points(rates[key], 9e4 - max(0.0, start)), 9e4)
    assert (found.left, found.burn_hour, found.burn_day, found.lasts) == (None, None, None, None)


def test_values_have_seven_significant_digits() -> None:
    powers = 10.0 ** np.arange(-12, 15)
    given = np.concatenate(
        [powers * 1.23456789, powers * -9.99999995, powers / 3, [0.0, -0.0, 123_456_789.0]]
    )
    assert shortened(given) == [float(f"{value:.7g}") for value in given.tolist()]
    assert shortened(np.array([np.nan, 1.0, np.nan])) == [None, 1.0, None]
    assert shortened(np.empty(0)) == []
