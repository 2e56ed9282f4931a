"""The text formats: what other parsers read is what was counted, whatever the labels contain."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from orch.telemetry.exposition import (
    LONGEST_VALUE,
    STORED,
    Exposition,
    Family,
    Format,
    format_for,
    shown_label,
    shown_number,
)
from orch.telemetry.histogram import Histogram
from orch.telemetry.names import NAMES
from orch.telemetry.names.metric import Label, Name

COUNTER = Name("orch_things_total", "counter", 'Things, "quoted" \\ and\nmore.', (Label("a", bound="x"),))
GAUGE = Name("orch_level_bytes", "gauge", "A level.", (Label("a", bound="x"), Label("b", bound="y")))
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.3,*/*;q=0.2"
)
TIMES = Name("orch_wait_seconds", "histogram", "A wait.", (Label("a", bound="x"),), buckets=(0.5, 1, 2.5))


def read_openmetrics(text: str) -> list[Metric]:
    return list(openmetrics.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def written(shown: Format, *families: Family) -> str:
    exposition = Exposition(shown)
    return "".join(line for family in families for line in exposition.family(family)) + exposition.end()


@settings(max_examples=60)
@given(st.lists(st.text(max_size=2 * LONGEST_VALUE), min_size=1, max_size=5, unique=True), st.floats())
def test_what_is_written_is_read_back(values: list[str], number: float) -> None:
    """By another project's parsers, in both formats: as many series as there were, each with its value."""
    family = Family(GAUGE, {(value, "ß"): number for value in values})
    for shown, read in ((Format.TEXT, read_text), (Format.OPENMETRICS, read_openmetrics)):
        (found,) = read(written(shown, family))
        assert len({sample.labels["a"] for sample in found.samples}) == len(values)
        for sample in found.samples:
            assert sample.labels["b"] == "ß"
            assert sample.value == number or (math.isnan(sample.value) and math.isnan(number))


@pytest.mark.parametrize(
    "value", ['"', "\\", "\n", 'a"} 1\norch_forged 2', "\\n", "x" * 10_000, "\ud800", "\x00", "\r\n", "\x7f"]
)
def test_a_hostile_value_forges_no_line(value: str) -> None:
    """Quotation marks, newlines, 10 kB, half characters and NUL stay within their series."""
    text = written(Format.TEXT, Family(COUNTER, {(value,): 3.0}))
    assert text.count("\n") == 3
    text.encode()
    assert not {ord(each) for each in text} & {*range(10), *range(11, 32), 127}
    (found,) = read_text(text)
    assert [(sample.name, sample.value) for sample in found.samples] == [("orch_things_total", 3.0)]
    assert len(text) < 600


def test_long_values_that_begin_alike_stay_apart() -> None:
    """Of two series with the same labels Prometheus stores one."""
    one, other = "x" * 10_000 + "1", "x" * 10_000 + "2"
    assert shown_label(one) != shown_label(other)
    assert len(shown_label(one)) == LONGEST_VALUE + 3 + 16


def test_numbers_are_those_of_the_formats() -> None:
    """Infinity and NaN have words of their own."""
    assert [shown_number(each) for each in (0, 1, -2.5, 1e300, math.inf, -math.inf, math.nan)] == [
        "0.0",
        "1.0",
        "-2.5",
        "1e+300",
        "+Inf",
        "-Inf",
        "NaN",
    ]


def test_a_histogram_is_cumulative_and_has_its_count_and_sum() -> None:
    """The bucket of infinity is the count; bounds are inclusive."""
    times = Histogram(TIMES.buckets)
    for value in (0.5, 0.6, 2.5, 7.0):
        times.observe(value)
    lines = written(Format.TEXT, Family(TIMES, {("x",): times})).splitlines()[2:]
    assert lines == [
        'orch_wait_seconds_bucket{a="x",le="0.5"} 1.0',
        'orch_wait_seconds_bucket{a="x",le="1.0"} 2.0',
        'orch_wait_seconds_bucket{a="x",le="2.5"} 3.0',
        'orch_wait_seconds_bucket{a="x",le="+Inf"} 4.0',
        'orch_wait_seconds_count{a="x"} 4.0',
        'orch_wait_seconds_sum{a="x"} 10.6',
    ]


def test_exemplars_are_in_openmetrics_only() -> None:
    """The text format has no place for them. The latest one of a bucket stands for it."""
    times = Histogram(TIMES.buckets)
    times.observe_traced(0.7, "a" * 32)
    times.observe_traced(0.8, "b" * 32, at=1700000000.25)
    times.observe(0.1)
    family = Family(TIMES, {("x",): times})
    assert "#" not in written(Format.TEXT, family).partition("\norch")[2]
    (found,) = read_openmetrics(written(Format.OPENMETRICS, family))
    exemplars = {sample.labels["le"]: sample.exemplar for sample in found.samples if sample.exemplar}
    assert list(exemplars) == ["1.0"]
    assert exemplars["1.0"].labels == {"trace_id": "b" * 32}
    assert exemplars["1.0"].value == 0.8
    assert str(exemplars["1.0"].timestamp) == "1700000000.250000000"


def test_openmetrics_ends_and_names_units() -> None:
    """`# EOF` shows that the response is whole; the unit is the end of the name without ``_total``."""
    text = written(Format.OPENMETRICS, Family(COUNTER, {("x",): 1.0}), Family(GAUGE, {("x", "y"): 1.0}))
    assert text.endswith("# EOF\n")
    assert "# TYPE orch_things counter\n" in text
    assert 'orch_things_total{a="x"} 1.0\n' in text
    assert "# UNIT orch_level_bytes bytes\n" in text
    assert r"# HELP orch_things Things, \"quoted\" \\ and\nmore." in text
    assert "EOF" not in written(Format.TEXT, Family(COUNTER, {("x",): 1.0}))


def test_every_metric_of_the_table_is_valid_in_both_formats() -> None:
    """Names, units and help texts of all areas, with one series each."""
    families = [
        Family(
            name,
            {tuple("v" for _ in name.labels): Histogram(name.buckets) if name.kind == "histogram" else 1.0},
        )
        for name in NAMES
    ]
    assert len(list(read_text(written(Format.TEXT, *families)))) == len(NAMES)
    found = list(read_openmetrics(written(Format.OPENMETRICS, *families)))
    assert {each.type for each in found} == {"counter", "gauge", "histogram"}
    assert len(found) == len(NAMES)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS_2, Format.OPENMETRICS),
        (PROMETHEUS_3, Format.OPENMETRICS),
        ("text/plain", Format.TEXT),
        ("*/*", Format.TEXT),
        ("", Format.TEXT),
        ("application/openmetrics-text;q=0, text/plain", Format.TEXT),
        (";;,,q=", Format.TEXT),
    ],
)
def test_the_format_is_what_the_scraper_accepts(accept: str, expected: Format) -> None:
    """Browsers and curl get the text format, Prometheus OpenMetrics."""
    assert format_for(accept) is expected


def test_stored_strings_are_bounded() -> None:
    """Series that come and go do not fill the memory."""
    exposition = Exposition(Format.TEXT)
    for number in range(40):
        series: dict[tuple[str, ...], float] = {(f"{number}-{place}",): 1.0 for place in range(1000)}
        assert len(list(exposition.family(Family(COUNTER, dict(series))))) == 1001
    assert len(exposition._starts) <= STORED + 1000
