"""Scrapes: bounded whatever is counted, in slices, shared, and complete although a source fails."""

from collections.abc import Callable, Iterator
from itertools import count

import trio

from orch.telemetry.families import MOST_SERIES, Families
from orch.telemetry.histogram import Histogram
from orch.telemetry.metrics import SLICE, Metrics
from orch.telemetry.names.gateway import RATE_LIMITED, SHED
from orch.telemetry.names.metric import Distribution, Label, Name, Reading
from orch.telemetry.names.websocket import CONNECTIONS, WEBSOCKET_CLOSES

OPENMETRICS = "application/openmetrics-text"
PAIRED = Name(
    "orch_paired_total", "counter", "Two closed lists.", (Label("a", ("1", "2")), Label("b", ("x", "y", "z")))
)
TIMED = Name("orch_timed_seconds", "histogram", "Times.", (Label("a", ("1", "2")),), buckets=(1.0,))


def lines(metrics: Metrics, name: str) -> list[str]:
    return [each for each in metrics.render()[0].decode().splitlines() if each.startswith(name)]


def ticking(step: float) -> Callable[[], float]:
    """Return a clock that goes on by ``step`` whenever it is read."""
    numbers = count()
    return lambda: next(numbers) * step


def test_every_combination_of_closed_lists_is_there_at_0() -> None:
    """Also of two lists, of a histogram, and beside a label whose values are those of the settings."""
    metrics = Metrics()
    metrics.read_from(lambda: [Reading(PAIRED, 4, ("2", "y"))])
    metrics.read_from(lambda: [Distribution(TIMED, Histogram((1.0,)), ("1",))])
    metrics.read_from(lambda: [Reading(SHED, 1, ("audio-service", "live", "deadline"))])
    assert sorted(line.split()[1] for line in lines(metrics, "orch_paired_total")) == ["0.0"] * 5 + ["4.0"]
    assert len(lines(metrics, "orch_timed_seconds_bucket")) == 4
    shed = lines(metrics, "orch_gateway_shed_total")
    assert len(shed) == 6
    assert all('service="audio-service"' in line for line in shed)


def test_a_gauge_has_no_value_that_was_not_read() -> None:
    """That nothing is known is not 0."""
    metrics = Metrics()
    gauge = Name("orch_state", "gauge", "A state.", (Label("kind", ("a", "b")),))
    metrics.read_from(lambda: [Reading(gauge, 1, ("a",))])
    assert len(lines(metrics, "orch_state")) == 1


def test_ten_thousand_values_of_a_label_are_cut_and_counted() -> None:
    """What was meant to be bounded and is not cannot make a scrape grow without end."""
    metrics = Metrics()
    metrics.read_from(lambda: [Reading(RATE_LIMITED, 1, (f"limit-{number}",)) for number in range(10_000)])
    assert len(lines(metrics, "orch_gateway_rate_limited_total")) == MOST_SERIES
    assert lines(metrics, "orch_metrics_series_dropped_total") == ["orch_metrics_series_dropped_total 8000.0"]


def test_ten_thousand_paths_are_no_series() -> None:
    """Requests are counted by the settings' routes and by ten statuses, whatever clients send."""
    metrics = Metrics(lambda: {"a": {"http://a"}}, lambda: [("a", "/api/")])
    for number in range(10_000):
        metrics.gateway_request("a", "/api/", "requests", number % 1000, 0.1)
        metrics.gateway_request("a", f"/api/{number}/", "requests", 200, 0.1)
    assert len(lines(metrics, "orch_gateway_requests_total")) == 30
    total = sum(float(line.rpartition(" ")[2]) for line in lines(metrics, "orch_gateway_requests_total"))
    assert total == 10_000
    assert len(lines(metrics, "orch_gateway_request_seconds")) == 2 * 15
    assert len(metrics._requests) <= 1000


def test_a_source_that_fails_is_counted_and_the_others_are_shown() -> None:
    """One defect must not blind all alerts."""

    def broken() -> Iterator[Reading]:
        yield Reading(CONNECTIONS, 1)
        raise ValueError("broken")

    metrics = Metrics()
    metrics.read_from(broken)
    metrics.read_from(lambda: [Reading(WEBSOCKET_CLOSES, 1, ("normal",))])
    assert 'orch_websocket_closes_total{reason="normal"} 1.0' in lines(metrics, "orch_websocket")
    assert 'orch_contained_failures_total{loop="metrics"} 2.0' in lines(metrics, "orch_contained")


async def test_a_scrape_lets_other_tasks_run() -> None:
    """It is rendered in slices; the time it took in all is shown by the next one."""
    metrics = Metrics(clock=ticking(SLICE))
    metrics.read_from(lambda: [Reading(CONNECTIONS, 1)])
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        body, content_type = await metrics.scrape(OPENMETRICS)
        nursery.cancel_scope.cancel()
    assert turns >= 5
    assert content_type.startswith(OPENMETRICS)
    assert body.endswith(b"# EOF\n")
    seconds = float(lines(metrics, "orch_metrics_render_seconds")[0].split()[1])
    assert seconds >= 5 * SLICE


async def test_scrapes_at_the_same_time_share_a_rendering() -> None:
    """Fifty that arrive together cost two; each has what was true after it was requested."""
    metrics = Metrics(clock=ticking(SLICE))
    read = 0

    def source() -> list[Reading]:
        nonlocal read
        read += 1
        return [Reading(CONNECTIONS, read)]

    metrics.read_from(source)
    bodies: list[bytes] = []

    async def scrape() -> None:
        bodies.append((await metrics.scrape())[0])

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(scrape)
    assert len(bodies) == 50
    assert read <= 2
    await scrape()
    assert read <= 3
    assert b"orch_websocket_connections 3.0" in bodies[-1] or read < 3


async def test_a_scraper_that_leaves_does_not_end_the_others() -> None:
    """A scrape that is cancelled while it renders leaves nothing behind that others would wait for."""
    metrics = Metrics(clock=ticking(SLICE))
    metrics.read_from(lambda: [Reading(CONNECTIONS, 1)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(metrics.scrape)
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert b"orch_websocket_connections 1.0" in (await metrics.scrape())[0]


def test_series_of_the_same_metric_are_added_once() -> None:
    """Two sources of the same metric are one family, the later value of a series counts."""
    families = Families()
    families.add(
        [Reading(CONNECTIONS, 1), Reading(WEBSOCKET_CLOSES, 1, ("normal",)), Reading(CONNECTIONS, 2)]
    )
    found = {family.name.name: family.series for family in families.complete()}
    assert found["orch_websocket_connections"] == {(): 2}
