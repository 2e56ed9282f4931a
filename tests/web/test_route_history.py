"""The course of a route over the API: of this worker and of another one, and what is not known."""

import msgspec
import pytest

from tests.fakes.pages_client import ask, problem
from tests.fakes.scripted_service import ScriptedService

PATH = "/api/gateway/history"


@pytest.mark.parametrize(
    "query",
    ["route=/api/translate", "flow=captions&service=audio-service", "route=/api/translate&worker=w-1"],
)
def test_a_route_has_a_course(query: str) -> None:
    found = msgspec.json.decode(ask("GET", f"{PATH}?{query}").whole)
    assert found["window"] == 60
    assert len(found["at"]) == len(found["p99_ms"]) == 180


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("route=/nope", 404, "not_found"),
        ("route=/nope&worker=w-1", 404, "not_found"),
        ("", 404, "not_found"),
        ("flow=other", 400, "invalid_request"),
        ("route=/api/translate&worker=w-2", 504, "worker_silent"),
    ],
)
def test_what_has_none_is_refused_with_the_reason(query: str, status: int, code: str) -> None:
    response = ask("GET", f"{PATH}?{query}", ScriptedService("several"))
    assert (response.status_code, problem(response)["code"]) == (status, code)
