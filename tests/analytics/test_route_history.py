"""The course of each route: rates between samples, bounded, and honest about what it does not know."""

from typing import Any

import msgspec

from orch.analytics.route_history import MOST, RouteHistories
from orch.analytics.samples import SAMPLES
from orch.gateway.statistics import GatewayStatistics
from tests.fakes.scenes import full, statistics

BASE: GatewayStatistics = statistics(full(0.0))["gateway"]


def gateway(*rows: tuple[str, int, int], **own: Any) -> GatewayStatistics:
    """Return statistics with these routes: prefix, requests and errors since the start."""
    routes = tuple(
        msgspec.structs.replace(BASE.routes[0], prefix=prefix, requests=requests, errors=errors, p99_ms=7.0)
        for prefix, requests, errors in rows
    )
    return msgspec.structs.replace(BASE, routes=routes, own=own.get("own", ()))


def test_rates_are_those_between_two_samples() -> None:
    """The first one has none; quantiles are the gateway's."""
    histories = RouteHistories()
    histories.add(100.0, 1.0, gateway(("/a", 10, 1)))
    histories.add(105.0, 6.0, gateway(("/a", 30, 2)))
    found = histories.of("/a", interval=5.0, window=60)
    assert found is not None
    assert found.at == [100.0, 105.0]
    assert found.requests_per_second == [None, 4.0]
    assert found.errors_per_second == [None, 0.2]
    assert found.p99_ms == [7.0, 7.0]
    assert (found.interval, found.window) == (5.0, 60)


def test_a_route_that_returns_begins_anew() -> None:
    """Its counters have begun anew too: they do not become a negative rate, nor is the gap drawn over."""
    histories = RouteHistories()
    histories.add(0, 0, gateway(("/a", 90, 0), ("/b", 1, 0)))
    histories.add(5, 5, gateway(("/b", 1, 0)))
    assert histories.of("/a", interval=5, window=60) is None
    histories.add(10, 10, gateway(("/a", 2, 0), ("/b", 1, 0)))
    returned, stayed = (histories.of(key, interval=5, window=60) for key in ("/a", "/b"))
    assert returned is not None
    assert stayed is not None
    assert returned.requests_per_second == [None]
    assert stayed.requests_per_second == [None, 0.0, 0.0]
    histories.add(15, 15, gateway(("/a", 1, 0)))
    fallen = histories.of("/a", interval=5, window=60)
    assert fallen is not None
    assert fallen.requests_per_second == [None, None]


def test_the_services_own_requests_have_a_course_too() -> None:
    histories = RouteHistories()
    histories.add(0, 0, gateway(own=BASE.own))
    assert histories.of("captions audio-service", interval=5, window=60) is not None
    assert histories.of("requests audio-service", interval=5, window=60) is None


def test_it_is_bounded_in_routes_and_in_samples() -> None:
    histories = RouteHistories()
    many = [(f"/r{number}", 0, 0) for number in range(MOST + 5)]
    histories.add(0, 0, gateway(*many))
    assert len(histories) == MOST
    assert histories.of(f"/r{MOST}", interval=5, window=60) is None
    for number in range(SAMPLES + 5):
        histories.add(number, number, gateway(("/a", number, 0)))
    found = histories.of("/a", interval=5, window=60)
    assert found is not None
    assert len(found.at) == len(found.requests_per_second) == SAMPLES
    assert len(histories) == 1
