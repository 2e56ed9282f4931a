"""The registry of Prometheus metrics, read when it is scraped."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import accumulate, product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client import Histogram as PrometheusHistogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from orch.telemetry.histogram import Histogram
from orch.telemetry.names.gateway import (
    BREAKER_STATE,
    GATEWAY_REQUESTS,
    GATEWAY_RETRIES,
    GATEWAY_SECONDS,
    STATUSES,
)
from orch.telemetry.names.health import (
    HEALTH_CHECKS,
    HEALTH_SECONDS,
    OUTCOMES,
    RECOVERIES,
    SERVICE_STATE,
    STATES,
)
from orch.telemetry.names.metric import Distribution, Name, Reading

_BREAKER_VALUES: Final = {"closed": 0, "half_open": 1, "open": 2}


def shown_status(status: int) -> str:
    """Return the label of a response's status: itself if an alert tells it apart, else its class."""
    label = str(status)
    return label if label in STATUSES else f"{min(max(label[0], '1'), '5')}xx"


class _Readings(Collector):
    """Reads the parts' statistics at each scrape, so that no figure is stored twice."""

    def __init__(self) -> None:
        self.sources: list[Callable[[], Iterable[Reading | Distribution]]] = []

    def collect(self) -> Iterator[Metric]:
        found: dict[str, tuple[Name, dict[tuple[str, ...], float | Histogram]]] = {}
        for source in self.sources:
            for reading in source():
                entry = found.get(reading.name.name)
                if entry is None:
                    entry = found[reading.name.name] = (reading.name, _from_start(reading.name))
                entry[1][reading.labels] = (
                    reading.value if isinstance(reading, Reading) else reading.histogram
                )
        for name, series in found.values():
            yield _family(name, series)


def _from_start(name: Name) -> dict[tuple[str, ...], float | Histogram]:
    """Return a series for each combination of label values, if all of them are closed lists."""
    if name.kind == "gauge" or not name.labels or not all(label.values for label in name.labels):
        return {}
    return {
        labels: Histogram(name.buckets) if name.kind == "histogram" else 0.0
        for labels in product(*(label.values for label in name.labels))
    }


def _family(name: Name, series: Mapping[tuple[str, ...], float | Histogram]) -> Metric:
    if name.kind == "histogram":
        histograms = HistogramMetricFamily(name.name, name.text, labels=name.label_names)
        for labels, value in series.items():
            assert isinstance(value, Histogram)  # noqa: S101 - the kind of its name
            bounds = (*(str(float(bound)) for bound in value.bounds), "+Inf")
            histograms.add_metric(labels, list(zip(bounds, accumulate(value.counts), strict=True)), value.sum)
        return histograms
    make = CounterMetricFamily if name.kind == "counter" else GaugeMetricFamily
    family = make(name.name, name.text, labels=name.label_names)
    for labels, value in series.items():
        assert not isinstance(value, Histogram)  # noqa: S101 - the kind of its name
        family.add_metric(list(labels), value)
    return family


class Metrics:
    """The metrics of one process, in a registry of their own.

    ``known``: the instances of each service in the current settings. The series of removed instances are
    dropped; one that returns starts at 0. Without ``known``, no series is dropped.
    """

    def __init__(self, known: Callable[[], Mapping[str, Collection[str]]] | None = None) -> None:
        self._known = known
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._readings = _Readings()
        self.registry.register(self._readings)
        self._requests = self._counter(GATEWAY_REQUESTS)
        self._request_seconds = self._histogram(GATEWAY_SECONDS)
        self._retries = self._counter(GATEWAY_RETRIES)
        self._breaker = self._gauge(BREAKER_STATE)
        self._service_state = self._gauge(SERVICE_STATE)
        self._checks = self._counter(HEALTH_CHECKS)
        self._check_seconds = self._histogram(HEALTH_SECONDS)
        self._recoveries = self._counter(RECOVERIES)
        # Looking a series up costs more than counting in it.
        self._found_requests: dict[tuple[str, str, int], Counter] = {}
        self._found_seconds: dict[tuple[str, str], PrometheusHistogram] = {}

    def _counter(self, name: Name) -> Counter:
        return Counter(name.name, name.text, name.label_names, registry=self.registry)

    def _gauge(self, name: Name) -> Gauge:
        return Gauge(name.name, name.text, name.label_names, registry=self.registry)

    def _histogram(self, name: Name) -> PrometheusHistogram:
        return PrometheusHistogram(
            name.name, name.text, name.label_names, buckets=name.buckets, registry=self.registry
        )

    def read_from(self, source: Callable[[], Iterable[Reading | Distribution]]) -> None:
        """Read ``source`` at every scrape."""
        self._readings.sources.append(source)

    def gateway_request(
        self, service: str, route: str, flow: str, status: int, seconds: float | None
    ) -> None:
        """Count a request and its response time in ``seconds``; None if it reached no back end."""
        requests = self._found_requests.get((service, route, status))
        if requests is None:
            shown = shown_status(status)
            requests = self._requests.labels(service, route, shown)
            self._found_requests[service, route, status] = requests
        requests.inc()
        if seconds is not None:
            times = self._found_seconds.get((service, flow))
            if times is None:
                times = self._found_seconds[service, flow] = self._request_seconds.labels(service, flow)
            times.observe(seconds)

    def gateway_retry(self, service: str) -> None:
        """Count a retry."""
        self._retries.labels(service).inc()

    def breaker_state(self, service: str, instance: str, flow: str, state: str) -> None:
        """Set the state of a flow's circuit breaker."""
        self._breaker.labels(service, instance, flow).set(_BREAKER_VALUES[state])

    def service_state(self, service: str, instance: str, state: str) -> None:
        """Set an instance's health state."""
        for name in STATES:
            self._service_state.labels(service, instance, name).set(1 if name == state else 0)

    def health_check(self, service: str, instance: str, ok: bool, seconds: float) -> None:  # noqa: FBT001 - the outcome is the point of the call
        """Count a health check."""
        self._checks.labels(service, instance, "ok" if ok else "failed").inc()
        self._check_seconds.labels(service).observe(seconds)

    def recovery(self, service: str) -> None:
        """Count a restart of a back end."""
        self._recoveries.labels(service).inc()

    def render(self) -> tuple[bytes, str]:
        """Return the text exposition and its content type."""
        if self._known is not None:
            known = self._known()
            self._begin(known)
            self._forget_others(known)
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _begin(self, known: Mapping[str, Collection[str]]) -> None:
        """Create all counters of the configured services and instances at 0."""
        for service, instances in known.items():
            self._retries.labels(service)
            self._recoveries.labels(service)
            for instance in instances:
                for outcome in OUTCOMES:
                    self._checks.labels(service, instance, outcome)

    def _forget_others(self, known: Mapping[str, Collection[str]]) -> None:
        """Drop the series of services and instances that were removed.

        At the scrape rather than at the removal: requests in flight to a removed instance are counted later.
        """
        self._found_requests.clear()
        self._found_seconds.clear()
        for metric in (
            self._requests,
            self._request_seconds,
            self._retries,
            self._breaker,
            self._service_state,
            self._checks,
            self._check_seconds,
            self._recoveries,
        ):
            shown = {
                (sample.labels["service"], sample.labels.get("upstream"))
                for family in metric.collect()
                for sample in family.samples
            }
            for service, instance in shown:
                if service not in known:
                    metric.remove_by_labels({"service": service})
                elif instance is not None and instance not in known[service]:
                    metric.remove_by_labels({"service": service, "upstream": instance})
