"""What the metrics cost: counting, the lag of the event loop, and a scrape with 10,000 connections.

Beside prometheus-client, which counts and renders the same. Times are of the processor, the least of several
runs, as other programs of the machine take turns. ``telemetry_load.py`` measures the same under load, through
the real gateway.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import prometheus_client
import trio

from benchmarks.peers import report
from orch.telemetry.histogram import Histogram
from orch.telemetry.loop_lag import LoopLag
from orch.telemetry.metrics import Metrics
from orch.telemetry.names.gateway import GATEWAY_SECONDS
from orch.websocket.connections.asgi_connection import AsgiConnection
from tests.fakes.hub import running_hub

TIMES: Final = 100_000
RUNS: Final = 7
CONNECTIONS: Final = 10_000
RATE: Final = 5_000
"""Requests a second of which the share of the processor is computed."""
TURNS: Final = 3
"""Turns of the event loop for a request, at most: its bytes, those of the back end, and the response's."""
SERVICES, INSTANCES, ROUTES = 10, 20, 40


def microseconds(work: Callable[[], object], times: int = TIMES) -> float:
    """Return the processor's time of one call, in µs."""
    best = float("inf")
    for _ in range(RUNS):
        began = time.process_time()
        for _ in range(times):
            work()
        best = min(best, time.process_time() - began)
    return best / times * 1e6


def counting() -> tuple[list[list[str]], float]:
    """Return the rows of single counts, and the µs of telemetry for a request through the gateway."""
    bounds = GATEWAY_SECONDS.buckets
    histogram, lag, metrics = Histogram(bounds), LoopLag(), Metrics()
    peers = prometheus_client.CollectorRegistry()
    peer_times = prometheus_client.Histogram("a", "b", ["c", "d"], buckets=bounds, registry=peers)
    peer_count = prometheus_client.Counter("e", "f", ["c", "d", "g"], registry=peers)
    peer_series, peer_total = peer_times.labels("x", "y"), peer_count.labels("x", "y", "z")

    def request() -> None:
        metrics.gateway_request("audio-service", "/api/audio/", "requests", 200, 0.03)

    def peer_request() -> None:
        peer_total.inc()
        peer_series.observe(0.03)

    def turn() -> None:
        lag.before_io_wait(0)
        lag.after_io_wait(0)

    nothing = microseconds(lambda: None)
    of: dict[str, Callable[[], object]] = {
        "an observation of a histogram": partial(histogram.observe, 0.03),
        "the same, with the id of a trace": partial(histogram.observe_traced, 0.03, "a" * 32),
        "the same, prometheus-client": partial(peer_series.observe, 0.03),
        "a request: its count and its time": request,
        "its count and its time, prometheus-client": peer_request,
        "a turn of the event loop: its lag": turn,
    }
    found = {name: microseconds(work) - nothing for name, work in of.items()}
    turns = TURNS * found["a turn of the event loop: its lag"]
    of_request = found["a request: its count and its time"] + turns
    rows = [
        [name, f"{value:.2f}", "" if "prometheus" in name else "under 1"] for name, value in found.items()
    ]
    return rows, of_request


async def scraping() -> list[list[str]]:
    """Return the rows of a scrape of a hub with many connections and a gateway with many instances."""
    known = {
        f"s{number}": [f"http://10.0.{number}.{each}:5001" for each in range(INSTANCES)]
        for number in range(SERVICES)
    }
    routes = [(f"s{number % SERVICES}", f"/api/{number}/") for number in range(ROUTES)]
    metrics = Metrics(lambda: known, lambda: routes)
    for service, urls in known.items():
        for url in urls:
            metrics.service_state(service, url, "healthy")
            metrics.breaker_state(service, url, "captions", "closed")
    with tempfile.TemporaryDirectory() as folder:
        async with running_hub(Path(folder)) as hub, hub.connected():
            connections = hub.service._connections  # noqa: SLF001 - sockets would cost minutes, and measure no more
            first = next(iter(connections.by_name.values()))
            for number in range(CONNECTIONS):
                name = f"c{number}"
                connections.by_name[name] = AsgiConnection(
                    name,
                    connections._context,  # noqa: SLF001 - the same
                    _nothing,
                    actor=first.actor,
                    host="192.0.2.1",
                    port=number,
                    agent=None,
                )
            metrics.read_from(hub.service.readings)
            found = [await _scrape(metrics) for _ in range(RUNS)]
            for number in range(CONNECTIONS):
                del connections.by_name[f"c{number}"]
    body, whole, longest = min(found, key=lambda each: each[1])
    lines = body.count(b"\n")
    peers = prometheus_client.CollectorRegistry()
    gauge = prometheus_client.Gauge("orch_gauge", "Help.", ["service", "upstream", "state"], registry=peers)
    for number in range(lines):
        gauge.labels("audio-service", f"http://10.0.0.{number % 200}:5001", str(number)).set(1)
    peer = microseconds(lambda: prometheus_client.generate_latest(peers), times=1) / 1000
    return [
        ["lines of the response", f"{lines:,}", ""],
        ["processor, ms", f"{whole:.1f}", "under 50"],
        ["longest time without other tasks, ms", f"{longest:.1f}", ""],
        ["prometheus-client: as many lines, at once, ms", f"{peer:.1f}", ""],
    ]


async def _scrape(metrics: Metrics) -> tuple[bytes, float, float]:
    """Scrape once; return the body, and the ms of the processor: of all, and at most without other tasks."""
    longest, last = 0.0, time.process_time()

    async def other() -> None:
        nonlocal longest, last
        while True:
            now = time.process_time()
            longest, last = max(longest, now - last), now
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await trio.lowlevel.checkpoint()
        began = last = time.process_time()
        body, _ = await metrics.scrape()
        whole = time.process_time() - began
        nursery.cancel_scope.cancel()
    return body, whole * 1000, longest * 1000


async def _nothing(_message: Any) -> None:
    await trio.lowlevel.checkpoint()


def main() -> None:
    """Measure, print, and write the results if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the section in RESULTS.md")
    arguments = parser.parse_args()
    about = report.machine(os.getloadavg()[0], [f"prometheus-client {version('prometheus-client')}"])
    rows, of_request = counting()
    share = of_request * RATE / 1e6
    scrape = trio.run(scraping)
    said = (
        f"At {RATE:,} requests a second through the gateway that is {share:.1%} of a processor (wanted: "
        f"under 5 %), with {TURNS} turns of the loop for each, fewer when a turn serves several."
    )
    parts = [
        about,
        report.table(["of the event loop", "µs", "wanted"], rows),
        said,
        report.table([f"a scrape with {CONNECTIONS:,} WebSocket connections", "", "wanted"], scrape),
    ]
    print("\n\n".join(parts))
    if arguments.write:
        report.write("Metrics: `python -m benchmarks.telemetry --write`", parts)


if __name__ == "__main__":
    main()
