"""Metrics: names from one table, values from the parts themselves."""

import re

from orch.telemetry import metric_names as names
from orch.telemetry.metric_names import NAMES, Reading
from orch.telemetry.metrics import Metrics


def text(metrics: Metrics) -> str:
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return body.decode()


def test_names_follow_the_conventions_and_stand_once() -> None:
    """Base units, a prefix, ``_total`` for counters and only for them."""
    assert len({name.name for name in NAMES}) == len(NAMES)
    for name in NAMES:
        assert re.fullmatch(r"orch_[a-z_]+", name.name)
        assert name.name.endswith("_total") == (name.kind == "counter")
        assert name.text.endswith(".")


def test_what_was_counted_is_exposed() -> None:
    """The gateway's and health's figures reach a scrape."""
    metrics = Metrics()
    metrics.gateway_request("audio-service", 200, 0.2)
    metrics.gateway_retry("audio-service")
    metrics.breaker_state("audio-service", "http://a", "captions", "half_open")
    metrics.service_state("audio-service", "http://a", "degraded")
    metrics.health_check("audio-service", "http://a", False, 0.1)  # noqa: FBT003 - its signature
    metrics.recovery("audio-service")
    found = text(metrics)
    for line in (
        'orch_gateway_requests_total{service="audio-service",status="200"} 1.0',
        'orch_gateway_retries_total{service="audio-service"} 1.0',
        'orch_gateway_breaker_state{flow="captions",instance="http://a",service="audio-service"} 1.0',
        'orch_service_state{instance="http://a",service="audio-service",state="degraded"} 1.0',
        'orch_service_state{instance="http://a",service="audio-service",state="healthy"} 0.0',
        'orch_health_checks_total{instance="http://a",outcome="failed",service="audio-service"} 1.0',
        'orch_recoveries_total{service="audio-service"} 1.0',
        'orch_gateway_request_seconds_bucket{le="0.25",service="audio-service"} 1.0',
    ):
        assert line in found


def test_what_is_not_in_the_settings_any_more_is_not_shown() -> None:
    """Removed instances and services disappear, even if their requests end late; other counts stay."""
    known = {"a": {"http://a1", "http://a2"}, "b": {"http://b"}}
    metrics = Metrics(lambda: known)
    for service, urls in tuple(known.items()):
        metrics.gateway_request(service, 200, 0.2)
        metrics.gateway_request(service, 503, 0.2)
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
    assert 'orch_gateway_requests_total{service="a",status="503"} 1.0' in found
    assert 'orch_health_checks_total{instance="http://a1",outcome="ok",service="a"} 1.0' in found


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
            f'orch_health_checks_total{{instance="http://a",outcome="{outcome}",service="audio-service"}} 0.0'
        )
        assert line in found


def test_label_values_are_a_closed_list_of_a_counter_with_one_label() -> None:
    """A series is made for each of them beforehand, so each must be a whole set of labels."""
    listed = [name for name in NAMES if name.values]
    assert len(listed) > 3
    for name in listed:
        assert (name.kind, len(name.labels), len(set(name.values))) == ("counter", 1, len(name.values)), name
