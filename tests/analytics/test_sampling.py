"""From readings to figures: gauges, rates of counters, quantiles, and a bounded number of them."""

import pytest

from orch.analytics.figures import SOURCES, Source
from orch.analytics.sampling import SUBJECTS, AnyReading, Quantiles, Rates, Sampler, quantile
from orch.analytics.series import MOST, Figure
from orch.telemetry.histogram import Histogram
from orch.telemetry.names import NAMES, Distribution, Name, Reading
from orch.telemetry.names.metric import Label

GAUGE = Name("g", "gauge", "", (Label("service"), Label("kind")))
LIMIT = Name("l", "gauge", "", (Label("service"),))
COUNTER = Name("c", "counter", "", (Label("outcome"),))
HISTOGRAM = Name("h", "histogram", "", (), buckets=(0.1, 1.0))


def source(metric: Name, how: str, **more: object) -> Source:
    figure = Figure(name=metric.name, title="", area="test")
    return Source(figure=figure, metric=metric, how=how, **more)  # type: ignore[arg-type]  # a test's rows


def values(sampler: Sampler, *readings: AnyReading, now: float = 0.0) -> dict[str, float | None]:
    return {each.figure.key: each.value for each in sampler.measure(readings, now)}


def test_a_gauge_is_added_up_for_each_subject_and_has_its_limit() -> None:
    sampler = Sampler([source(GAUGE, "value", by="service", limit=LIMIT)])
    measured = list(
        sampler.measure(
            [
                Reading(GAUGE, 2.0, ("a", "x")),
                Reading(GAUGE, 3.0, ("a", "y")),
                Reading(GAUGE, 1.0, ("b", "x")),
                Reading(LIMIT, 10.0, ("a",)),
            ],
            0.0,
        )
    )
    assert [(each.figure.key, each.value, each.limit) for each in measured] == [
        ("g:a", 5.0, 10.0),
        ("g:b", 1.0, None),
    ]


def test_a_limited_resource_has_the_unit_of_its_name() -> None:
    row = Source(figure=Figure(name="g", title="", area="limits"), metric=GAUGE, by="service")
    readings = [Reading(GAUGE, 1.0, (what, "x")) for what in ("stored_bytes", "waiting_seconds", "streams")]
    assert [each.figure.unit for each in Sampler([row]).measure(readings, 0.0)] == ["bytes", "s", ""]


def test_of_a_share_the_highest_counts() -> None:
    sampler = Sampler([source(GAUGE, "highest")])
    assert values(sampler, Reading(GAUGE, 0.5, ("a", "x")), Reading(GAUGE, 0.7, ("a", "y"))) == {"g": 0.7}


def test_a_counter_is_a_rate_and_one_that_starts_again_is_a_gap() -> None:
    """A restart of a back end is no negative rate."""
    sampler = Sampler([source(COUNTER, "rate", only=("outcome", ("failed",)))])
    found = [
        values(sampler, Reading(COUNTER, total, ("failed",)), Reading(COUNTER, 99.0 * at, ("ok",)), now=at)[
            "c"
        ]
        for at, total in ((0.0, 5.0), (2.0, 9.0), (3.0, 9.0), (4.0, 1.0), (5.0, 2.0))
    ]
    assert found == [None, 2.0, 0.0, None, 1.0]


def test_the_first_increment_of_a_label_value_is_seen() -> None:
    """A counter without a reading for it counts as 0, if it has one for another value."""
    sampler = Sampler([source(COUNTER, "rate", only=("outcome", ("failed",)))])
    ok = Reading(COUNTER, 1.0, ("ok",))
    assert values(sampler, ok) == {"c": None}
    assert values(sampler, ok, Reading(COUNTER, 3.0, ("failed",)), now=1.0) == {"c": 3.0}
    assert values(Sampler([source(COUNTER, "rate")])) == {}


def test_a_figure_whose_metric_is_away_is_a_gap_and_starts_again() -> None:
    rates = Rates()
    rates.of("a", 1.0, 0.0)
    rates.forget([])
    assert rates.of("a", 900.0, 1.0) is None


def test_a_quantile_covers_the_last_minute() -> None:
    """What was slow an hour ago does not count now."""
    sampler, histogram = Sampler([source(HISTOGRAM, "p95")]), Histogram((0.1, 1.0))
    found = []
    for second in range(200):
        for _ in range(10):
            histogram.observe(0.5 if second < 60 else 0.05)
        found.append(values(sampler, Distribution(HISTOGRAM, histogram), now=float(second))["h"])
    assert found[0] is None
    assert found[50] == pytest.approx(0.955)
    assert found[199] == pytest.approx(0.095)


def test_a_quantile_without_observations_is_unknown() -> None:
    assert quantile((0.1, 1.0), (0, 0, 0), 0.95) is None
    assert quantile((0.1, 1.0), (0, 0, 7), 0.95) == 1.0
    quantiles = Quantiles()
    quantiles.of("a", (0.1,), (5, 5), 0.0)
    assert quantiles.of("a", (0.1,), (0, 1), 1.0) is None


def test_ten_thousand_label_values_are_a_few_series() -> None:
    sampler = Sampler([source(GAUGE, "value", by="service")])
    assert len(values(sampler, *(Reading(GAUGE, 1.0, (str(n), "x")) for n in range(10_000)))) == SUBJECTS


def test_every_row_reads_a_metric_of_the_table_as_its_kind_says() -> None:
    """A counter is a rate, a histogram a quantile; labels exist; names are used once; all fit into memory."""
    for row in SOURCES:
        assert row.metric in NAMES
        wanted = {"counter": ("rate",), "histogram": ("p95",), "gauge": ("value", "highest")}
        assert row.how in wanted[row.metric.kind], row.figure.name
        for label in filter(None, (row.by, row.only and row.only[0])):
            assert label in row.metric.label_names, row.figure.name
        if row.only is not None:
            (known,) = (each.values for each in row.metric.labels if each.name == row.only[0])
            assert set(row.only[1]) <= set(known), row.figure.name
        assert row.limit is None or (row.limit in NAMES and row.limit.kind == "gauge")
    names = [row.figure.name for row in SOURCES]
    assert len(set(names)) == len(names)
    assert len(names) < MOST / 3
