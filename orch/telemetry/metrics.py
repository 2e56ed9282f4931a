"""Prometheus metrics. Every name stands in one table."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector


class Name(Struct, frozen=True):
    """One metric: its name, its kind, its help text and its labels."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...] = ()


GATEWAY_REQUESTS: Final = Name(
    "orch_gateway_requests_total", "counter", "Requests through the gateway.", ("service", "status")
)
GATEWAY_SECONDS: Final = Name(
    "orch_gateway_request_seconds",
    "histogram",
    "Response time of a back end, retries included.",
    ("service",),
)
GATEWAY_RETRIES: Final = Name("orch_gateway_retries_total", "counter", "Retried requests.", ("service",))
BREAKER_STATE: Final = Name(
    "orch_gateway_breaker_state",
    "gauge",
    "Circuit breaker: 0 closed, 1 half-open, 2 open; by flow (captions or clients' requests).",
    ("service", "instance", "flow"),
)
_LANE: Final = ("service", "instance", "flow")
LANE_CONNECTIONS: Final = Name(
    "orch_gateway_connections_limit", "gauge", "Limit of connections of a flow to an instance.", _LANE
)
LANE_BUSY: Final = Name(
    "orch_gateway_connections_busy", "gauge", "Connections of a flow to an instance that are in use.", _LANE
)
GATEWAY_PLACES: Final = Name("orch_gateway_places_taken", "gauge", "Clients' requests in progress.")
GATEWAY_SPOOLED: Final = Name(
    "orch_gateway_spooled_bytes", "gauge", "Bytes of clients' request bodies spooled to disk."
)
LANE_WAITING: Final = Name(
    "orch_gateway_waiting",
    "gauge",
    "Requests of a flow that are queued for a connection to an instance.",
    _LANE,
)
SERVICE_STATE: Final = Name(
    "orch_service_state",
    "gauge",
    "1 for the current state of an instance, 0 for its other states.",
    ("service", "instance", "state"),
)
HEALTH_CHECKS: Final = Name(
    "orch_health_checks_total", "counter", "Health checks by outcome.", ("service", "instance", "outcome")
)
HEALTH_SECONDS: Final = Name(
    "orch_health_check_seconds", "histogram", "Duration of a health check.", ("service", "instance")
)
RECOVERIES: Final = Name("orch_recoveries_total", "counter", "Restarts of back ends.", ("service",))
SHORTAGES: Final = Name(
    "orch_own_shortages_total", "counter", "Times this process was out of a resource, by kind.", ("kind",)
)
STANDSTILLS: Final = Name(
    "orch_standstills_total", "counter", "Times this process was suspended or its event loop blocked."
)
CLOCK_JUMPS: Final = Name("orch_clock_jumps_total", "counter", "Times the machine's clock jumped.")
CONNECTIONS: Final = Name("orch_websocket_connections", "gauge", "Open WebSocket connections.")
CONNECTIONS_TOTAL: Final = Name(
    "orch_websocket_connections_total", "counter", "WebSocket connections accepted."
)
EVICTIONS: Final = Name(
    "orch_websocket_evictions_total", "counter", "Clients disconnected because they read too slowly."
)
MESSAGES_IN: Final = Name(
    "orch_websocket_messages_received_total", "counter", "Messages received from clients."
)
MESSAGES_OUT: Final = Name("orch_websocket_messages_sent_total", "counter", "Messages sent to clients.")
WEBSOCKET_PROBLEMS: Final = Name(
    "orch_websocket_problems_total",
    "counter",
    "Rejected messages and handshakes, by problem code.",
    ("code",),
)
WEBSOCKET_CLOSES: Final = Name(
    "orch_websocket_closes_total", "counter", "Closed WebSocket connections, by reason.", ("reason",)
)
QUEUED_BYTES: Final = Name("orch_websocket_queued_bytes", "gauge", "Bytes queued for WebSocket clients.")
OUTGOING_BYTES: Final = Name(
    "orch_outgoing_bytes",
    "gauge",
    "Bytes queued for all clients, WebSocket or HTTP.",
)
OUTGOING_EVICTED: Final = Name(
    "orch_outgoing_evicted_total",
    "counter",
    "Clients disconnected because too many bytes were queued in total.",
)
SESSIONS: Final = Name("orch_sessions", "gauge", "Live sessions.")
SUM_TAKEN: Final = Name("orch_sum_taken", "gauge", "Used amount of a limited resource.", ("what",))
SUM_LIMIT: Final = Name("orch_sum_limit", "gauge", "Limit of a limited resource.", ("what",))
ENDED_EARLY: Final = Name(
    "orch_sessions_ended_early_total", "counter", "Empty sessions ended early to make room."
)
WRONG_TOKENS: Final = Name("orch_wrong_tokens_total", "counter", "Requests with a wrong control token.")
STORE_HEALTHY: Final = Name("orch_store_healthy", "gauge", "1 while the store accepts messages, else 0.")
STORE_CAUTIONS: Final = Name(
    "orch_store_cautions", "gauge", "Warnings about the store, such as settings that risk losing messages."
)
STORE_WAITING: Final = Name("orch_store_waiting", "gauge", "Store operations that are queued.")
STORE_FAILURES: Final = Name("orch_store_failures_total", "counter", "Store operations that failed.")
STREAMS: Final = Name("orch_speech_streams", "gauge", "Open speech streams.")
UTTERANCES: Final = Name("orch_speech_utterances_total", "counter", "Utterances detected.")
FINALS: Final = Name("orch_speech_finals_total", "counter", "Final captions published.")
LOST: Final = Name("orch_speech_lost_total", "counter", "Utterances that could not be transcribed.")
REVISIONS_DROPPED: Final = Name(
    "orch_speech_revisions_dropped_total",
    "counter",
    "Interim transcripts skipped because a back end was behind.",
)
DOUBTED: Final = Name(
    "orch_speech_doubted_total",
    "counter",
    "Segments dropped because the engine reported too little confidence.",
)
SPEECH_REFUSED: Final = Name(
    "orch_speech_refused_total",
    "counter",
    "Transcription and translation requests that were refused or failed.",
    ("service",),
)
SPEECH_REFUSING: Final = Name(
    "orch_speech_refusing", "gauge", "1 while a back end refuses every request.", ("service",)
)
SPEECH_WAITING: Final = Name(
    "orch_speech_waiting_seconds", "gauge", "Seconds of speech that wait for a back end."
)
CAPTION_SECONDS: Final = Name(
    "orch_speech_caption_seconds",
    "gauge",
    "Time from the end of speech to the final caption, over the last 15 minutes; absent without captions.",
    ("quantile",),
)
FRONT_OPEN: Final = Name("orch_front_connections", "gauge", "Open connections of any protocol.")
FRONT_ACCEPTED: Final = Name(
    "orch_front_connections_total", "counter", "Accepted connections of any protocol."
)
FRONT_REFUSED: Final = Name(
    "orch_front_refused_total",
    "counter",
    "Connections that the server refused or aborted, by kind.",
    ("kind",),
)
CONTAINED: Final = Name(
    "orch_contained_failures_total", "counter", "Items that failed in a loop that then continued.", ("loop",)
)
BRANCH_STATE: Final = Name(
    "orch_tree_branch_up", "gauge", "1 while a branch of the tree is running.", ("branch",)
)
BRANCH_RESTARTS: Final = Name(
    "orch_tree_branch_restarts_total", "counter", "Restarts of a branch of the tree.", ("branch",)
)
UPTIME: Final = Name("orch_uptime_seconds", "gauge", "Seconds since the service started.")

NAMES: Final = tuple(value for value in list(globals().values()) if isinstance(value, Name))

_BREAKER_VALUES: Final = {"closed": 0, "half_open": 1, "open": 2}
_STATES: Final = ("unknown", "healthy", "degraded", "unhealthy", "recovering")
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Reading(Struct, frozen=True):
    """A value read at scrape time."""

    name: Name
    value: float
    labels: tuple[str, ...] = ()


class _Readings(Collector):
    """Asks the parts for their statistics when it is scraped, so that no figure is kept twice."""

    def __init__(self) -> None:
        self.sources: list[Callable[[], Iterable[Reading]]] = []

    def collect(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for source in self.sources:
            for reading in source():
                name = reading.name
                family = families.get(name.name)
                if family is None:
                    make = CounterMetricFamily if name.kind == "counter" else GaugeMetricFamily
                    family = families[name.name] = make(name.name, name.text, labels=name.labels)
                family.add_metric(list(reading.labels), reading.value)
        yield from families.values()


class Metrics:
    """The metrics of one process, in a registry of their own.

    ``known``: the instances of each service as the settings are now. What was counted of others is not shown
    any more, and forgotten: one that comes back begins anew. Without it, everything is known.
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

    def _counter(self, name: Name) -> Counter:
        return Counter(name.name, name.text, name.labels, registry=self.registry)

    def _gauge(self, name: Name) -> Gauge:
        return Gauge(name.name, name.text, name.labels, registry=self.registry)

    def _histogram(self, name: Name) -> Histogram:
        return Histogram(name.name, name.text, name.labels, buckets=_BUCKETS, registry=self.registry)

    def read_from(self, source: Callable[[], Iterable[Reading]]) -> None:
        """Have ``source`` asked at every scrape."""
        self._readings.sources.append(source)

    def gateway_request(self, service: str, status: int, seconds: float | None) -> None:
        """Count one request; ``seconds`` the back end took, None if it was not asked."""
        self._requests.labels(service, str(status)).inc()
        if seconds is not None:
            self._request_seconds.labels(service).observe(seconds)

    def gateway_retry(self, service: str) -> None:
        """Count one more try."""
        self._retries.labels(service).inc()

    def breaker_state(self, service: str, instance: str, flow: str, state: str) -> None:
        """Show the state of a flow's breaker."""
        self._breaker.labels(service, instance, flow).set(_BREAKER_VALUES[state])

    def service_state(self, service: str, instance: str, state: str) -> None:
        """Show an instance's verdict."""
        for name in _STATES:
            self._service_state.labels(service, instance, name).set(1 if name == state else 0)

    def health_check(self, service: str, instance: str, ok: bool, seconds: float) -> None:  # noqa: FBT001 - the outcome is the point of the call
        """Count one probe."""
        self._checks.labels(service, instance, "ok" if ok else "failed").inc()
        self._check_seconds.labels(service, instance).observe(seconds)

    def recovery(self, service: str) -> None:
        """Count one back end started again."""
        self._recoveries.labels(service).inc()

    def render(self) -> tuple[bytes, str]:
        """Return the text exposition and its content type."""
        if self._known is not None:
            self._forget_others(self._known())
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _forget_others(self, known: Mapping[str, Collection[str]]) -> None:
        """Drop what was counted of services and instances that are not there any more.

        Here rather than where they go: what was on its way to one that has gone is still counted afterwards.
        """
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
                (sample.labels["service"], sample.labels.get("instance"))
                for family in metric.collect()
                for sample in family.samples
            }
            for service, instance in shown:
                if service not in known:
                    metric.remove_by_labels({"service": service})
                elif instance is not None and instance not in known[service]:
                    metric.remove_by_labels({"service": service, "instance": instance})
