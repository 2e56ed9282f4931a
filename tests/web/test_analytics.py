"""What was measured, over the API: figures, series, files, and what is refused."""

import gzip
from typing import Any

import msgspec
import pytest

from tests.fakes.pages_client import ask, problem
from tests.fakes.scripted_service import ScriptedService

SERIES = "/api/analytics/series"


@pytest.fixture(scope="module")
def full() -> ScriptedService:
    return ScriptedService("full")


@pytest.fixture(scope="module")
def several() -> ScriptedService:
    return ScriptedService("several")


def read(service: ScriptedService, path: str) -> Any:
    return msgspec.json.decode(ask("GET", path, service).whole)


def test_every_figure_is_listed_with_its_limit_and_the_budgets(full: ScriptedService) -> None:
    found = read(full, "/api/analytics/figures")
    by_key = {each["key"]: each for each in found["figures"]}
    assert by_key["connections"]["limit"] == 2_000
    assert by_key["route_p95_ms:/api/translate"]["figure"]["unit"] == "ms"
    assert by_key["connections"]["latest"] > 0
    budgets = {each["name"]: each for each in found["budgets"]}
    assert budgets["requests"]["left"] < 1
    assert budgets["requests"]["covered"] > 29 * 86_400
    assert budgets["recoveries"]["left"] is None


@pytest.mark.parametrize(
    ("query", "step"), [("", 10), ("&seconds=300", 1), ("&seconds=2592000", 7_200), ("&points=4000", 1)]
)
def test_series_are_returned_at_the_finest_step_that_fits(
    full: ScriptedService, query: str, step: int
) -> None:
    found = read(full, f"{SERIES}?key=connections&key=requests_p95_ms&compare=86400{query}")
    assert found["step"] == step
    assert [each["key"] for each in found["series"]] == ["connections", "requests_p95_ms"]
    for each in found["series"]:
        assert len(each["values"]) == len(each["compared"]) == len(found["at"])
        assert sum(value is not None for value in each["values"]) > 0.9 * len(found["at"])


def test_series_are_compressed_for_clients_that_accept_it(full: ScriptedService) -> None:
    """A fifth of the bytes, and the same series."""
    path = f"{SERIES}?key=connections&key=requests&points=360&usual=true"
    plain = ask("GET", path, full)
    small = ask("GET", path, full, headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert plain.headers["Vary"] == small.headers["Vary"] == "Accept-Encoding"
    assert len(small.whole) < len(plain.whole) / 3
    assert gzip.decompress(small.whole) == plain.whole


def test_another_worker_is_asked(several: ScriptedService) -> None:
    assert read(several, "/api/analytics/figures?worker=w-1")["figures"]
    assert read(several, f"{SERIES}?key=connections&worker=w-1")["series"]


def test_a_file_can_be_saved(full: ScriptedService) -> None:
    response = ask("GET", f"{SERIES}?key=connections&format=csv&seconds=60&points=60&highs=true", full)
    assert response.content_type == "text/csv; charset=utf-8"
    assert "attachment" in response.headers["Content-Disposition"]
    rows = response.whole.decode().split("\r\n")
    assert rows[0] == '"at","connections","connections highest"'
    assert len(rows) == 63


def test_what_is_usual_and_where_the_level_changed_are_part_of_a_series(full: ScriptedService) -> None:
    """Only where they are asked for; of a figure that is not known yet they are empty."""
    found = read(full, f"{SERIES}?key=requests&key=requests_p50_ms&seconds=604800&points=400&usual=true")
    known, unknown = found["series"]
    for name in ("usual", "usual_low", "usual_high"):
        assert len(known[name]) == len(found["at"])
        assert unknown[name] == []
    assert all(
        low <= usual <= high
        for low, usual, high in zip(known["usual_low"], known["usual"], known["usual_high"], strict=True)
    )
    (change,) = known["changes"]
    assert change["at"] == pytest.approx(found["now"] - 2 * 86_400, abs=2 * 3_600)
    assert change["after"] > 1.2 * change["before"]
    plain = read(full, f"{SERIES}?key=requests")["series"][0]
    assert (plain["usual"], plain["changes"]) == ([], [])
    rows = ask("GET", f"{SERIES}?key=requests&usual=true&format=csv", full).whole.decode().split("\r\n")
    assert rows[0] == '"at","requests","requests usual","requests usual low","requests usual high"'


def test_changes_of_levels_are_beside_the_anomalies(full: ScriptedService) -> None:
    found = read(full, "/api/analytics/anomalies?seconds=604800")
    (change,) = (each for each in found["changes"] if each["key"] == "requests")
    assert change["reason"].startswith("Requests: ")
    assert "from then on" in change["reason"]
    assert read(full, "/api/analytics/anomalies?seconds=604800&key=connections")["changes"] == []
    assert read(full, "/api/analytics/anomalies?seconds=3600")["changes"] == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "invalid_request"),
        ("key=", 400, "invalid_request"),
        ("key=nope&format=csv", 404, "not_found"),
        ("key=connections&seconds=1", 400, "invalid_request"),
        ("key=connections&seconds=nan", 400, "invalid_request"),
        ("key=connections&until=1e300", 400, "invalid_request"),
        ("key=connections&points=1000000", 400, "invalid_request"),
        ("key=connections&format=xml", 400, "invalid_request"),
        ("key=connections&range=1", 400, "invalid_request"),
        ("&".join(f"key={number}" for number in range(13)), 400, "invalid_request"),
        ("key=connections&key=" + "x" * 401, 400, "invalid_request"),
        ("key=connections&worker=w-2", 504, "worker_silent"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    several: ScriptedService, query: str, status: int, code: str
) -> None:
    response = ask("GET", f"{SERIES}?{query}", several)
    assert (response.status_code, problem(response)["code"]) == (status, code)


def test_series_that_are_not_measured_are_named(full: ScriptedService) -> None:
    found = read(full, f"{SERIES}?key=nope&key=connections")
    assert found["unknown"] == ["nope"]
    assert [each["key"] for each in found["series"]] == ["connections"]
    assert read(full, f"{SERIES}?key=nope")["series"] == []


def test_a_service_that_has_just_started_has_figures_of_nothing() -> None:
    found = read(ScriptedService("empty"), "/api/analytics/figures")
    assert found["figures"] == []
    assert {each["left"] for each in found["budgets"]} == {None}


def test_a_forecast_has_intervals_and_the_limit_it_reaches(full: ScriptedService) -> None:
    found = read(full, "/api/analytics/forecast?key=in_use:stored_bytes&hours=48")
    assert len(found["forecast"]["values"]) == 48
    assert found["exhaustion"]["within"] > 14 * 86_400
    response = ask("GET", "/api/analytics/forecast?key=nope", full)
    assert (response.status_code, problem(response)["code"]) == (404, "not_found")
