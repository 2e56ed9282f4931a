"""Traces of the whole service, as a collector receives and decodes them."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from tests.fakes.otlp import OtlpReceiver, Received, otlp_receiver
from tests.fakes.ports import free_port
from tests.fakes.service import RunningService, service
from tests.fakes.waiting import wait_until

SETTINGS = """\
orchestration:
  traces: {{endpoint: "{collector}", sample_ratio: {ratio}, callers_per_second: 1000, timeout: 2}}
  monitoring: {{journey: {{enabled: "off"}}}}
  gateway:
    routes:
      - {{prefix: "/api/audio/", service: "audio-service", path: "/api/"}}
      - prefix: "/api/hedged"
        service: "audio-service"
        path: "/api/hedged"
        repeatable: "always"
        hedging: {{extra: 1, percentile: 0, delay: 0.2}}
services:
  audio-service: {{url: "{first}", instances: [{{url: "{second}"}}], concurrency: "unlimited"}}
"""


class BackEnds:
    """Two instances. ``seen``: path, instance and ``traceparent`` of each request.

    ``/api/lost``: the first request is dropped; ``/api/hedged`` and ``/api/slow``: the first one hangs.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, str]] = []
        self.counts: Counter[str] = Counter()
        self.released = threading.Event()
        self.lock = threading.Lock()

    def note(self, path: str, instance: int, parent: str) -> bool:
        """Note a request; return whether it is the first one at its path."""
        with self.lock:
            self.seen.append((path, instance, parent))
            self.counts[path] += 1
            return self.counts[path] == 1

    def at(self, path: str) -> list[tuple[int, str]]:
        """Return instance and ``traceparent`` of the requests at a path."""
        return [(instance, parent) for name, instance, parent in self.seen if name == path]


@contextmanager
def back_ends() -> Iterator[tuple[BackEnds, list[str]]]:
    """Run both for the block; yield their addresses."""
    made = BackEnds()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            number = servers.index(self.server)  # type: ignore[arg-type]
            is_first = made.note(self.path, number, self.headers.get("traceparent", ""))
            if is_first and self.path == "/api/lost":
                self.close_connection = True
                return
            if is_first and self.path in ("/api/hedged", "/api/slow"):
                made.released.wait(120)
                self.close_connection = True
                return
            body = b'{"status": "healthy"}'
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Answers) for _ in range(2)]
    threads = [
        threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.05}) for each in servers
    ]
    for thread in threads:
        thread.start()
    try:
        yield made, [f"http://127.0.0.1:{each.server_address[1]}" for each in servers]
    finally:
        made.released.set()
        for each in servers:
            each.shutdown()
        for thread in threads:
            thread.join()
        for each in servers:
            each.server_close()


class Rig:
    """The service, its back ends, and the collector."""

    def __init__(self, running: RunningService, behind: BackEnds, collector: OtlpReceiver) -> None:
        self.running = running
        self.behind = behind
        self.collector = collector

    def ask(self, path: str) -> str:
        """Send a request that belongs to a trace of its own; return the trace's id."""
        trace_id = token_hex(16)
        response = self.running.get(path, headers={"traceparent": f"00-{trace_id}-{token_hex(8)}-01"})
        assert response.status_code == 200
        return trace_id

    def spans(self, trace_id: str, count: int) -> list[Received]:
        """Return the spans of a trace once there are so many, in the order of their beginning."""

        def found() -> list[Received]:
            return sorted(
                (each for each in self.collector.spans if each.trace_id == trace_id),
                key=lambda span: span.began,
            )

        wait_until(lambda: len(found()) >= count, f"{count} spans", every=0.05)
        return found()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with otlp_receiver() as collector, back_ends() as (behind, (first, second)):
        settings = SETTINGS.format(collector=collector.url, first=first, second=second, ratio=0)
        with service("serve", tmp_path_factory.mktemp("traces"), settings=settings) as running:
            yield Rig(running, behind, collector)


def test_a_plain_request_is_two_spans(rig: Rig) -> None:
    """The request of the client below the client's own span, the try below it, the back end below that."""
    trace_id = rig.ask("/api/audio/plain?key=hidden")
    server, attempt = rig.spans(trace_id, 2)
    assert (server.name, server.kind, attempt.name, attempt.kind) == (
        "GET /api/audio/",
        "server",
        "GET",
        "client",
    )
    assert attempt.parent_id == server.span_id
    assert server.began <= attempt.began <= attempt.ended <= server.ended
    assert abs(server.began / 1e9 - time.time()) < 600
    assert server.attributes["http.response.status_code"] == 200
    assert server.attributes["orch.tries"] == 1
    ((instance, parent),) = rig.behind.at("/api/plain?key=hidden")
    assert parent == f"00-{trace_id}-{attempt.span_id}-01"
    assert attempt.attributes["orch.instance"].startswith("http://127.0.0.1:")
    assert instance in (0, 1)
    assert "hidden" not in str([*server.attributes.values(), *attempt.attributes.values()])
    assert server.resource["service.name"] == "orchestration"
    assert server.resource["service.instance.id"]
    assert server.resource["service.version"]


def test_a_retried_request_has_a_span_for_each_try(rig: Rig) -> None:
    """With the two instances, and why there is a second one."""
    server, first, second = rig.spans(rig.ask("/api/audio/lost"), 3)
    assert first.parent_id == second.parent_id == server.span_id
    assert (first.is_failed, first.reason) == (True, "the connection was closed without a response")
    assert not second.is_failed
    assert (second.attributes["orch.try_kind"], second.attributes["http.request.resend_count"]) == (
        "retry",
        1,
    )
    assert first.attributes["orch.instance"] != second.attributes["orch.instance"]
    assert server.attributes["orch.tries"] == 2
    parents = [parent.split("-")[2] for _, parent in rig.behind.at("/api/lost")]
    assert parents == [first.span_id, second.span_id]


def test_a_hedged_request_has_two_tries_at_a_time(rig: Rig) -> None:
    """The slow one is overtaken, and no failure."""
    for _ in range(4):
        rig.ask("/api/audio/other")  # an instance that failed last time would be no rival
    server, first, second = rig.spans(rig.ask("/api/hedged"), 3)
    assert first.parent_id == second.parent_id == server.span_id
    assert (first.attributes["orch.superseded"], first.is_failed) == (True, False)
    assert (second.attributes["orch.try_kind"], second.attributes["orch.outcome"]) == ("hedge", "succeeded")
    assert second.began < first.ended
    assert (second.began - first.began) / 1e9 > 0.15
    parents = {parent.split("-")[2] for _, parent in rig.behind.at("/api/hedged")}
    assert parents == {first.span_id, second.span_id}


def test_a_client_that_leaves_ends_its_trace(rig: Rig) -> None:
    """While the back end works."""
    trace_id = token_hex(16)
    with socket.create_connection(("127.0.0.1", rig.running.port)) as client:
        head = f"GET /api/audio/slow HTTP/1.1\r\nHost: localhost\r\ntraceparent: 00-{trace_id}"
        client.sendall(f"{head}-{'a' * 16}-01\r\n\r\n".encode())
        wait_until(lambda: bool(rig.behind.at("/api/slow")), "the back end has the request", every=0.02)
    server, attempt = rig.spans(trace_id, 2)
    assert server.attributes["orch.cancelled"] is True
    assert "http.response.status_code" not in server.attributes
    assert attempt.attributes["orch.cancelled"] is True
    assert not server.is_failed
    assert not attempt.is_failed


def test_a_request_of_the_api_is_a_span(rig: Rig) -> None:
    """With its route, not its path."""
    trace_id = token_hex(16)
    parent = {"traceparent": f"00-{trace_id}-{'a' * 16}-01"}
    assert rig.running.get("/api/sessions/hidden", headers=parent).status_code == 404
    (span,) = rig.spans(trace_id, 1)
    assert (span.name, span.parent_id) == ("GET /api/sessions/<session_id>", "a" * 16)
    assert span.attributes["http.response.status_code"] == 404
    assert "hidden" not in str(span.attributes)


def test_examples_of_metrics_are_recorded_traces(rig: Rig) -> None:
    """One that is shown beside a bucket leads to a trace that the collector has."""
    rig.spans(rig.ask("/api/audio/example"), 2)
    accept = {"Accept": "application/openmetrics-text"}
    lines = rig.running.get("/metrics", headers=accept).text.splitlines()
    shown = {
        line.partition('# {trace_id="')[2][:32]
        for line in lines
        if line.startswith("orch_gateway_request_seconds_bucket") and "trace_id" in line
    }
    assert shown
    assert shown <= {each.trace_id for each in rig.collector.spans}


def test_the_state_of_the_collector_is_shown(rig: Rig) -> None:
    """As a branch of the tree, and as metrics."""
    rig.spans(rig.ask("/api/audio/state"), 2)
    branches = {each["name"]: each for each in rig.running.get("/api/tree").json()["branches"]}
    assert branches["traces"]["detail"].startswith("collector reachable · ")
    assert branches["traces"]["depth"] == 0
    assert rig.running.figure('orch_trace_spans_total{outcome="exported"}') >= 2
    assert rig.running.figure("orch_trace_collector_reachable") == 1


def test_the_last_spans_are_sent_before_the_end(tmp_path: Path) -> None:
    """Requests just before a restart are those that one wants to see."""
    with otlp_receiver() as collector, back_ends() as (_, (first, second)):
        settings = SETTINGS.format(collector=collector.url, first=first, second=second, ratio=1)
        with service("serve", tmp_path, settings=settings) as running:
            for _ in range(20):
                assert running.get("/api/audio/plain").status_code == 200
            assert running.stop() == 0
        assert len([each for each in collector.spans if each.name == "GET /api/audio/"]) == 20


@pytest.mark.parametrize("is_there", [False, True])
def test_a_collector_that_is_away_or_hangs_changes_nothing_but_the_traces(
    tmp_path: Path, *, is_there: bool
) -> None:
    """Requests are served as before, it is said once, and the end is no later."""
    with otlp_receiver() as collector, back_ends() as (_, (first, second)):
        collector.is_stuck = is_there
        url = collector.url if is_there else f"http://127.0.0.1:{free_port()}"
        settings = SETTINGS.format(collector=url, first=first, second=second, ratio=1)
        with service("serve", tmp_path, settings=settings) as running:
            assert running.get("/api/audio/plain").status_code == 200
            running.wait_for_line("the collector of traces is away", level="warning")
            for _ in range(50):
                assert running.get("/api/audio/plain").status_code == 200
            assert running.figure("orch_trace_collector_reachable") == 0
            assert running.figure('orch_trace_spans_total{outcome="undelivered"}') >= 2
            events = running.get("/api/metrics/dashboard").json()["events"]
            assert [each["subject"] for each in events].count("traces") == 1
            began = time.monotonic()
            assert running.stop() == 0
            assert time.monotonic() - began < 30
        away = [line for line in running.lines if "traces" in str(line.get("event"))]
        assert len([line for line in away if line["level"] == "warning"]) == 1
        assert not any("opentelemetry" in str(line.get("logger")) for line in running.lines)


def test_a_missing_package_is_said_before_the_start(tmp_path: Path) -> None:
    """By both commands, in one line with what to install."""
    path = tmp_path / "orchestration.yaml"
    path.write_text('orchestration: {traces: {endpoint: "http://localhost:4318"}}\n', encoding="utf-8")
    for arguments in (["check", str(path)], ["serve", "--config", str(path), "--port", "0"]):
        code = (
            "import sys, orch.settings.extras as extras; extras.EXPORTER = 'nobody.has.this';"
            f"from orch.cli import main; sys.exit(main({json.dumps(arguments)}))"
        )
        ended = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 2
        assert "pip install 'orchestration-service[otel]'" in ended.stderr.splitlines()[-1]
