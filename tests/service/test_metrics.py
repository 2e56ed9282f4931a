"""The metrics of the running service: all of the table, from the start, with the labels that it promises."""

import importlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics

from orch.telemetry.names import NAMES
from orch.telemetry.names.metric import Label, Name
from tests.fakes.service import RunningService, service

SETTINGS = """\
orchestration:
  gateway:
    routes:
      - {prefix: /api/audio/, service: audio-service, path: /api/}
services:
  audio-service: {url: "http://127.0.0.1:9"}
"""

#: Metrics that a service has only under a condition, and which.
CONDITIONAL = {
    "orch_certificate_expiry_timestamp_seconds": "with TLS",
    "orch_gateway_service_breaker_state": "of a service with several instances",
    "orch_gateway_hedges_total": "of routes with hedging",
    "orch_gateway_hedges_won_total": "of routes with hedging",
    "orch_gateway_hedges_declined_total": "of routes with hedging",
    "orch_gateway_hedge_delay_seconds": "of routes with hedging",
    "orch_gateway_concurrency_limit": "of instances with a limit",
    "orch_gateway_concurrency": "of instances with a limit",
    "orch_gateway_queue": "of services whose instances have a limit",
    "orch_gateway_queue_limit": "of services whose instances have a limit",
    "orch_gateway_queued_total": "of services whose instances have a limit",
    "orch_gateway_shed_total": "of services whose instances have a limit",
    "orch_gateway_rate_limited_total": "with rate limits",
    "orch_gateway_rate_buckets": "with rate limits",
    "orch_gateway_rate_unchecked_total": "with rate limits",
    "orch_gateway_fallbacks_total": "of routes with fallbacks",
    "orch_gateway_fallbacks_active": "of routes with fallbacks",
    "orch_gateway_fallback_cache_responses": "with fallbacks",
    "orch_gateway_fallback_cache_bytes": "with fallbacks",
    "orch_gateway_fallback_cache_evicted_total": "with fallbacks",
    "orch_discovery_instances": "of services that are discovered",
    "orch_discovery_age_seconds": "of services that are discovered",
    "orch_discovery_failures": "of services that are discovered",
    "orch_recovery_attempts_left": "while a recovery is needed",
    "orch_incident_opened_timestamp_seconds": "while an incident is open",
    "orch_overload_used": "where there is a limit",
    "orch_calendar_failing": "with calendars",
    "orch_speech_refused_total": "of back ends that were sent something",
    "orch_speech_refusing": "of back ends that were sent something",
    "orch_speech_voice_models_lent": "with a voice model",
    "orch_speech_voice_models_missed_total": "with a voice model",
    "orch_alertmanager_reachable": "where one is configured",
    "orch_probe_journey_success": "after the first journey",
    "orch_trace_collector_reachable": "where spans were exported",
    "orch_translations_total": "of pairs that were used",
    "orch_translation_failures_total": "of pairs that were used",
    "orch_translation_seconds": "of pairs that were used",
}


def scraped(running: RunningService) -> dict[str, Metric]:
    body = running.get("/metrics", headers={"Accept": "application/openmetrics-text"}).text
    families = openmetrics.text_string_to_metric_families(body)  # type: ignore[no-untyped-call]
    return {each.name: each for each in families}


def values(label: Label) -> list[str]:
    if not label.listed:
        return list(label.values)
    module, _, attribute = label.listed.partition(":")
    return [str(each) for each in getattr(importlib.import_module(module), attribute)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder: Path = tmp_path_factory.mktemp("metrics")
    with service("serve", folder, settings=SETTINGS) as running:
        running.get("/livez")
        running.get("/api/audio/models")
        with socket.create_connection(("127.0.0.1", running.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            client.recv(12)
        scraped(running)
        yield running


@pytest.fixture(scope="module")
def families(running: RunningService) -> dict[str, Metric]:
    return scraped(running)


@pytest.fixture
def text(running: RunningService) -> str:
    return running.get("/metrics").text


def test_every_metric_of_the_table_is_there_from_the_start(families: dict[str, Metric]) -> None:
    """One without a source would be an alert that can never fire; one outside of the table is unknown."""
    table = {name.name: name.name.removesuffix("_total") for name in NAMES}
    missing = {name for name, family in table.items() if family not in families}
    assert missing - set(CONDITIONAL) == set()
    assert set(families) <= set(table.values())


def test_every_closed_list_is_complete(families: dict[str, Metric]) -> None:
    """Each combination of closed lists has a series at 0 before anything has happened."""
    checked = 0
    for name in NAMES:
        family = families.get(name.name.removesuffix("_total"))
        if family is None or name.kind == "gauge" or any(label.bound for label in name.labels):
            continue
        shown = {
            tuple(sample.labels[label] for label in name.label_names)
            for sample in family.samples
            if not sample.name.endswith(("_bucket", "_sum"))
        }
        lists = [values(label) for label in name.labels]
        if any(label.listed for label in name.labels):
            # Its area knows which combinations there are; each value is in one of them.
            assert all({each[place] for each in shown} == set(found) for place, found in enumerate(lists))
        else:
            assert shown == set(product(*lists)), name.name
        checked += 1
    assert checked > 30


def test_promtool_finds_nothing_wrong(text: str) -> None:
    """Prometheus's own checks of names, units and help texts, on the text format."""
    program = shutil.which("promtool")
    assert program, "promtool is not installed; make tools installs it"
    found = subprocess.run(
        [program, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_labels_are_those_of_the_table(families: dict[str, Metric]) -> None:
    """Their names, and no value outside of a closed list."""
    by_family: dict[str, Name] = {name.name.removesuffix("_total"): name for name in NAMES}
    for family in families.values():
        name = by_family[family.name]
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(name.label_names), name.name
            for label in name.labels:
                if not label.bound:
                    assert sample.labels[label.name] in values(label), (name.name, label.name)


def value(families: dict[str, Metric], family: str, **labels: str) -> float:
    return sum(
        sample.value
        for sample in families[family].samples
        if labels.items() <= sample.labels.items() and not sample.name.endswith(("_bucket", "_sum"))
    )


def test_what_was_done_was_counted(families: dict[str, Metric]) -> None:
    """A probe, a request to a back end that is not there, a malformed request, and a scrape."""
    assert value(families, "orch_front_requests", status="2xx") >= 2
    assert value(families, "orch_front_requests", status="5xx") == 1
    assert value(families, "orch_front_response_seconds", door="probe") >= 2
    assert value(families, "orch_front_refused", kind="host_missing") == 1
    assert value(families, "orch_gateway_requests", route="/api/audio/", service="audio-service") == 1
    assert value(families, "orch_gateway_instances", service="audio-service") == 1
    assert value(families, "orch_event_loop_lag_seconds") > 5
    assert value(families, "orch_state_folder_size_bytes") > 1e6
    assert value(families, "orch_log_lines", level="info") > 3
    assert value(families, "process_open_fds") > 5
    assert 100 < value(families, "orch_metrics_series") < 3000
