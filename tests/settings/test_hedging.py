"""Which routes may send requests to a second instance while the first one is slow."""

from typing import Any

import pytest

from orch.settings import decode
from orch.settings.decoding import Decoded

WHERE = "orchestration.gateway.routes[0].hedging"
LIGHT = {"url": "http://x:1"}


def decoded(service: dict[str, Any], hedging: dict[str, Any], name: str = "x", **route: Any) -> Decoded:
    routes = [{"prefix": "/api/x", "service": name, "path": "/x", "hedging": hedging, **route}]
    text = {"orchestration": {"gateway": {"routes": routes}}, "services": {name: service}}
    return decode(repr(text), {})


def faults(service: dict[str, Any], hedging: dict[str, Any], **more: Any) -> dict[str, str]:
    return {fault.path: fault.expected for fault in decoded(service, hedging, **more).faults}


def test_it_is_off_unless_a_route_switches_it_on() -> None:
    (route,) = decoded(LIGHT, {}).settings.orchestration.gateway.routes
    assert route.hedging.extra == 0


def test_a_route_to_a_service_that_computes_little_needs_no_budget() -> None:
    assert faults(LIGHT, {"extra": 1}) == {}


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("x", {**LIGHT, "max_concurrency": 2}),
        ("x", {**LIGHT, "instances": [{"url": "http://y:1", "max_concurrency": 1}]}),
        ("x", {**LIGHT, "concurrency": "found"}),
        ("audio-service", LIGHT),
        ("audio-service", {**LIGHT, "dialect": "openai"}),
        ("translation-service", LIGHT),
        ("translation-service", {**LIGHT, "dialect": "libretranslate"}),
    ],
)
def test_a_route_to_an_engine_needs_a_budget(name: str, service: dict[str, Any]) -> None:
    """Its instances have a limit of requests at a time: when it is slow, more requests make it slower."""
    (found,) = faults(service, {"extra": 1}, name=name).items()
    assert found[0] == f"{WHERE}.budget"
    assert found[1].startswith("expected a share above 0")
    assert "limited number of requests" in found[1]
    assert faults(service, {"extra": 1, "budget": 0.05}, name=name) == {}


def test_a_route_to_a_service_that_costs_money_needs_a_budget() -> None:
    (found,) = faults({**LIGHT, "api_key": "k"}, {"extra": 1}).values()
    assert "paid" in found


def test_an_engine_without_a_limit_is_taken_at_its_word() -> None:
    """``concurrency: unlimited`` says that it does not compute one thing at a time."""
    assert faults({**LIGHT, "concurrency": "unlimited"}, {"extra": 1}, name="audio-service") == {}


@pytest.mark.parametrize(
    ("hedging", "route", "at", "expected"),
    [
        (
            {"extra": 1, "percentile": 0, "delay": 0},
            {},
            "delay",
            "expected more than 0 while percentile is 0",
        ),
        ({"extra": 1}, {"uploads": "streamed"}, "extra", "expected 0 with uploads: streamed"),
        ({"extra": 1}, {"repeatable": "never"}, "extra", "expected 0 with repeatable: never"),
        ({"extra": 4}, {}, "extra", "3"),
        ({"extra": -1}, {}, "extra", "0"),
        ({"extra": 1, "percentile": 100}, {}, "percentile", "99"),
        ({"extra": 1, "budget": 1.5}, {}, "budget", "1"),
        ({"extra": 1, "min_samples": 0}, {}, "min_samples", "1"),
        ({"extra": 1, "delay": -0.1}, {}, "delay", "0"),
    ],
)
def test_what_could_not_work_is_refused(
    hedging: dict[str, Any], route: dict[str, Any], at: str, expected: str
) -> None:
    (found,) = faults(LIGHT, hedging, **route).items()
    assert found[0] == f"{WHERE}.{at}"
    assert expected in found[1]


def test_a_route_to_an_unknown_service_has_that_fault_alone() -> None:
    routes = [{"prefix": "/api/x", "service": "y", "path": "/x", "hedging": {"extra": 1}}]
    found = decode(repr({"orchestration": {"gateway": {"routes": routes}}, "services": {"x": LIGHT}}), {})
    assert [fault.path for fault in found.faults] == ["orchestration.gateway.routes[0].service"]
