"""Requests are counted once each, and what they come to together is exact, whatever the settings become."""

from typing import Any

from orch.gateway.flows import Flow
from orch.gateway.recorder import MOST_WAITING, Recorder
from orch.gateway.routes import Match
from orch.telemetry.names.gateway import GATEWAY_REQUESTS
from orch.telemetry.names.metric import Reading
from orch.telemetry.request_metrics import RequestMetrics


def match(prefix: str) -> Any:
    return Match(prefix=prefix, service=prefix[5:], path="/")


def recorder() -> Recorder:
    return Recorder(RequestMetrics())


def test_all_requests_are_the_sum_of_the_flows_and_these_of_routes_and_services() -> None:
    counted = recorder()
    for second in range(3):
        counted.routed(match("/api/audio"), 200, 0.010, 100.0 + second)
        counted.routed(match("/api/text"), 503, None, 100.0 + second)
        counted.fetched(Flow.CAPTIONS, "audio", 500, 0.5, 100.0 + second)
    together, of_flow = counted.minutes(103.0)
    assert (together.total, together.total_errors) == (9, 6)
    clients, captions = of_flow[Flow.REQUESTS].flow(), of_flow[Flow.CAPTIONS].flow()
    assert (clients.requests, clients.errors, clients.timed) == (6, 3, 3)
    assert (captions.requests, captions.errors, captions.timed) == (3, 3, 3)
    minute = together.summary()
    assert (minute.count, minute.errors, minute.timed, minute.span) == (9, 6, 6, 3.0)
    assert minute.rate == 3.0


def test_what_is_gone_counts_for_its_minute_and_in_the_totals_for_ever() -> None:
    counted = recorder()
    counted.routed(match("/api/audio"), 500, 0.010, 100.0)
    counted.fetched(Flow.CAPTIONS, "audio", 200, 0.010, 100.0)
    counted.retain(prefixes=["/api/text"], services=["text"])
    assert counted.own(101.0) == ()
    together, of_flow = counted.minutes(130.0)
    assert (together.total, together.summary().count, together.summary().errors) == (2, 2, 1)
    assert of_flow[Flow.REQUESTS].flow().requests_last_minute == 1
    for _ in range(2):  # it is counted once, however often it is read
        together, of_flow = counted.minutes(170.0)
        assert (together.total, together.total_errors, together.summary().count) == (2, 1, 0)
    counted.routed(match("/api/audio"), 200, 0.010, 171.0)  # the route is back
    together, of_flow = counted.minutes(172.0)
    assert (together.total, together.summary().count) == (3, 1)
    assert of_flow[Flow.REQUESTS].flow().requests == 2


def test_requests_that_wait_to_be_counted_are_counted_whenever_somebody_reads_and_are_few() -> None:
    metrics = RequestMetrics()
    counted = Recorder(metrics)

    def seen() -> float:
        return sum(
            each.value
            for each in metrics.readings()
            if isinstance(each, Reading) and each.name is GATEWAY_REQUESTS
        )

    for number in range(3):
        counted.routed_soon(match("/api/audio"), 200, 0.010, 100.0 + number / 10)
    assert seen() == 1  # the first one begins the second
    together, _ = counted.minutes(100.5)
    assert (together.total, seen()) == (3, 3)
    counted.routed_soon(match("/api/audio"), 502, None, 100.6)
    counted.retain(prefixes=[], services=[])
    assert seen() == 4
    for _ in range(MOST_WAITING):
        counted.routed_soon(match("/api/text"), 200, 0.010, 100.7)
    assert seen() == 4 + MOST_WAITING
    counted.routed_soon(match("/api/text"), 200, 0.010, 100.8)
    counted.routed_soon(match("/api/text"), 200, 0.010, 101.9)  # a second later
    assert seen() == 6 + MOST_WAITING
    together, of_flow = counted.minutes(102.0)
    assert of_flow[Flow.REQUESTS].flow().errors == together.total_errors == 1
