"""Metrics: names from one table, values from the parts themselves."""

import importlib
import re
from pathlib import Path

from orch.gateway.hedging.route_hedges import DECLINED
from orch.health.health_events import Stage
from orch.health.verdict import State
from orch.telemetry import names as table
from orch.telemetry.histogram import Histogram
from orch.telemetry.metrics import Metrics
from orch.telemetry.names import AREAS, NAMES, Distribution, Reading, gateway, health
from orch.telemetry.names import websocket as names
from orch.telemetry.request_metrics import shown_status
from orch.websocket.history.recovery import REFUSALS
from orch.websocket.statistics import ACTIVITIES


def text(metrics: Metrics) -> str:
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return body.decode()


def test_names_follow_the_conventions_and_stand_once() -> None:
    """Base units, a prefix, ``_total`` for counters and only for them."""
    # In OpenMetrics a counter's family has no ``_total``: a gauge of that name would be the same family.
    assert len({name.name.removesuffix("_total") for name in NAMES}) == len(NAMES)
    for name in NAMES:
        assert re.fullmatch(r"(orch|process)_[a-z_]+", name.name)
        assert name.name.endswith("_total") == (name.kind == "counter"), name.name
        assert name.text.endswith("."), name.name
        assert len(set(name.label_names)) == len(name.labels)


def test_every_area_is_in_the_table() -> None:
    """A module that is not in the table would have metrics that no document and no alert knows."""
    folder = Path(table.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "metric"} == set(AREAS)
    assert all(AREAS.values())


def test_each_label_is_bounded_in_one_way() -> None:
    """A closed list, one that an area owns, or a bound in words; never `instance`, which is the worker's."""
    for name in NAMES:
        for label in name.labels:
            assert sum(map(bool, (label.values, label.listed, label.bound))) == 1, (name.name, label.name)
            assert len(set(label.values)) == len(label.values), (name.name, label.name)
            assert label.name not in ("instance", "job", "le", "quantile"), name.name
            if label.listed:
                module, _, attribute = label.listed.partition(":")
                assert list(getattr(importlib.import_module(module), attribute)), label.listed


def test_buckets_ascend_and_only_histograms_have_them() -> None:
    """Prometheus needs them in order."""
    for name in NAMES:
        assert bool(name.buckets) == (name.kind == "histogram"), name.name
        assert list(name.buckets) == sorted(set(name.buckets)), name.name


def test_what_an_area_owns_is_what_the_table_has() -> None:
    """Lists that stand in the table because areas above it own them."""
    assert tuple(State) == health.STATES
    assert tuple(Stage) == health.STAGES
    assert {*health.SERVICE_STATE.labels[2].values} == {*State}
    assert gateway.HEDGES_DECLINED.labels[1].values == DECLINED
    assert names.CONNECTIONS_DOING.labels[0].values == ACTIVITIES
    assert names.RECOVERIES_REFUSED.labels[0].values == REFUSALS


def test_what_was_counted_is_exposed() -> None:
    """The gateway's and health's figures reach a scrape."""
    metrics = Metrics()
    metrics.gateway_request("audio-service", "/api/audio/", "requests", 200, 0.2)
    metrics.gateway_retry("audio-service")
    metrics.breaker_state("audio-service", "http://a", "captions", "half_open")
    metrics.service_state("audio-service", "http://a", "degraded")
    metrics.health_check("audio-service", "http://a", False, 0.1)  # noqa: FBT003 - its signature
    metrics.recovery("audio-service")
    found = text(metrics)
    for line in (
        'orch_gateway_requests_total{service="audio-service",route="/api/audio/",status="2xx"} 1.0',
        'orch_gateway_retries_total{service="audio-service"} 1.0',
        'orch_gateway_breaker_state{service="audio-service",upstream="http://a",flow="captions"} 1.0',
        'orch_service_state{service="audio-service",upstream="http://a",state="degraded"} 1.0',
        'orch_service_state{service="audio-service",upstream="http://a",state="healthy"} 0.0',
        'orch_health_checks_total{service="audio-service",upstream="http://a",outcome="failed"} 1.0',
        'orch_recoveries_total{service="audio-service"} 1.0',
        'orch_gateway_request_seconds_bucket{service="audio-service",flow="requests",le="0.25"} 1.0',
    ):
        assert line in found


def test_what_is_not_in_the_settings_any_more_is_not_shown() -> None:
    """Removed instances and services disappear, even if their requests end late; other counts stay."""
    known = {"a": {"http://a1", "http://a2"}, "b": {"http://b"}}
    metrics = Metrics(lambda: known, lambda: [(service, "/api/") for service in known])
    for service, urls in tuple(known.items()):
        metrics.gateway_request(service, "/api/", "requests", 200, 0.2)
        metrics.gateway_request(service, "/api/", "requests", 503, 0.2)
        metrics.gateway_retry(service)
        metrics.recovery(service)
        for url in urls:
            metrics.breaker_state(service, url, "requests", "closed")
            metrics.service_state(service, url, "healthy")
            metrics.health_check(service, url, True, 0.1)  # noqa: FBT003 - its signature
    everything = text(metrics)
    for name in ("http://a1", "http://a2", "http://b", 'service="b"'):
        assert name in everything
    known = {"a": {"http://a1"}}
    metrics.breaker_state("a", "http://a2", "requests", "open")  # a request that was on its way has failed
    found = text(metrics)
    assert "http://a2" not in found
    assert 'service="b"' not in found
    assert 'orch_gateway_requests_total{service="a",route="/api/",status="503"} 1.0' in found
    assert 'orch_health_checks_total{service="a",upstream="http://a1",outcome="ok"} 1.0' in found


def test_readings_are_taken_at_the_scrape() -> None:
    """No figure is stored twice, so none can be stale."""
    metrics = Metrics()
    connections = [3]
    metrics.read_from(lambda: [Reading(names.CONNECTIONS, connections[0])])
    assert "orch_websocket_connections 3.0" in text(metrics)
    connections[0] = 5
    assert "orch_websocket_connections 5.0" in text(metrics)


def test_two_processes_worth_of_metrics_do_not_meet() -> None:
    """The registry belongs to the tree, not to the module."""
    one, other = Metrics(), Metrics()
    one.recovery("audio-service")
    assert "orch_recoveries_total{" not in text(other)


def test_a_counter_with_known_label_values_has_them_all_from_the_start() -> None:
    """A rate over a counter that appears at 1 misses the first increment; one that was 0 shows it."""
    metrics = Metrics(lambda: {"audio-service": {"http://a"}})
    metrics.read_from(lambda: [Reading(names.WEBSOCKET_CLOSES, 2, ("slow_client",))])
    found = text(metrics)
    assert 'orch_websocket_closes_total{reason="slow_client"} 2.0' in found
    assert 'orch_websocket_closes_total{reason="heartbeat_timeout"} 0.0' in found
    assert 'orch_gateway_retries_total{service="audio-service"} 0.0' in found
    assert 'orch_recoveries_total{service="audio-service"} 0.0' in found
    for outcome in ("ok", "failed"):
        line = (
            f'orch_health_checks_total{{service="audio-service",upstream="http://a",outcome="{outcome}"}} 0.0'
        )
        assert line in found


def test_a_histogram_of_a_part_is_exposed() -> None:
    """Counts are cumulative, as Prometheus has them."""
    metrics, fanout = Metrics(), Histogram(names.FANOUT_SECONDS.buckets)
    fanout.observe(0.003)
    fanout.observe(0.004)
    fanout.observe(9)
    metrics.read_from(lambda: [Distribution(names.FANOUT_SECONDS, fanout)])
    found = text(metrics)
    for line in (
        'orch_websocket_fanout_seconds_bucket{le="0.0025"} 0.0',
        'orch_websocket_fanout_seconds_bucket{le="0.005"} 2.0',
        'orch_websocket_fanout_seconds_bucket{le="+Inf"} 3.0',
        "orch_websocket_fanout_seconds_count 3.0",
        "orch_websocket_fanout_seconds_sum 9.007",
    ):
        assert line in found


def test_a_status_is_shown_by_its_number_or_its_class() -> None:
    """Any number that a back end sends has one of ten labels."""
    shown = {shown_status(status) for status in range(1000)}
    assert shown == set(gateway.STATUSES)
    assert [shown_status(each) for each in (200, 304, 404, 429, 501, 503)] == [
        "2xx",
        "3xx",
        "4xx",
        "429",
        "5xx",
        "503",
    ]
