"""Counts of what happens for each request and each health check. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from orch.telemetry.histogram import Histogram
from orch.telemetry.names import gateway, health
from orch.telemetry.names.metric import Distribution, Reading

_BREAKER_VALUES: Final = {"closed": 0, "half_open": 1, "open": 2}
_FLOWS: Final = ("captions", "requests")


def shown_status(status: int) -> str:
    """Return the label of a response's status: itself if an alert tells it apart, else its class."""
    label = str(status)
    return label if label in gateway.STATUSES else f"{min(max(label[0], '1'), '5')}xx"


class RequestMetrics:
    """The mutable state is the counts, and the latest state of each breaker and instance.

    A request costs one addition and one search in the bounds of a histogram.
    """

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[tuple[str, str], Histogram] = {}
        self._retries: Counter[str] = Counter()
        self._breakers: dict[tuple[str, str, str], int] = {}
        self._states: dict[tuple[str, str], str] = {}
        self._checks: Counter[tuple[str, str, str]] = Counter()
        self._check_seconds: dict[str, Histogram] = {}
        self._recoveries: Counter[str] = Counter()
        self._begun: tuple[tuple[str, str], ...] = ()

    def gateway_request(
        self, service: str, route: str, flow: str, status: int, seconds: float | None, trace_id: str = ""
    ) -> None:
        """Count a request and its response time in ``seconds``; None if it reached no back end."""
        self._requests[service, route, status] += 1
        if seconds is not None:
            times = self._seconds.get((service, flow))
            if times is None:
                times = self._seconds[service, flow] = Histogram(gateway.GATEWAY_SECONDS.buckets)
            if trace_id:
                times.observe_traced(seconds, trace_id)
            else:
                times.observe(seconds)

    def gateway_retry(self, service: str) -> None:
        """Count a retry."""
        self._retries[service] += 1

    def breaker_state(self, service: str, instance: str, flow: str, state: str) -> None:
        """Set the state of a flow's circuit breaker."""
        self._breakers[service, instance, flow] = _BREAKER_VALUES[state]

    def service_state(self, service: str, instance: str, state: str) -> None:
        """Set an instance's health state."""
        self._states[service, instance] = state

    def health_check(self, service: str, instance: str, ok: bool, seconds: float) -> None:  # noqa: FBT001 - the outcome is the point of the call
        """Count a health check."""
        self._checks[service, instance, "ok" if ok else "failed"] += 1
        times = self._check_seconds.get(service)
        if times is None:
            times = self._check_seconds[service] = Histogram(health.HEALTH_SECONDS.buckets)
        times.observe(seconds)

    def recovery(self, service: str) -> None:
        """Count a restart of a back end."""
        self._recoveries[service] += 1

    def retain(self, known: Mapping[str, Collection[str]], routes: Iterable[tuple[str, str]]) -> None:
        """Begin what is in the settings at 0, and drop what is not.

        ``known``: the instances of each service; ``routes``: the service and prefix of each.
        At the scrape rather than at the removal: requests in flight to what was removed are counted later.
        """
        self._begun = (*routes, *((service, flow) for service in known for flow in _FLOWS))
        begun = set(self._begun)
        lanes = {(service, instance) for service, instances in known.items() for instance in instances}
        self._requests = Counter({key: count for key, count in self._requests.items() if key[:2] in begun})
        self._seconds = {
            key: self._seconds.get(key) or Histogram(gateway.GATEWAY_SECONDS.buckets)
            for service in known
            for key in ((service, flow) for flow in _FLOWS)
        }
        self._breakers = {key: state for key, state in self._breakers.items() if key[:2] in lanes}
        self._states = {key: state for key, state in self._states.items() if key in lanes}
        self._checks = Counter(
            {
                (*lane, outcome): self._checks[*lane, outcome]
                for lane in sorted(lanes)
                for outcome in health.OUTCOMES
            }
        )
        self._check_seconds = {
            service: self._check_seconds.get(service) or Histogram(health.HEALTH_SECONDS.buckets)
            for service in known
        }
        self._retries = Counter({service: self._retries[service] for service in known})
        self._recoveries = Counter({service: self._recoveries[service] for service in known})

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""
        yield from self._of_requests()
        yield from self._of_health()

    def _of_requests(self) -> Iterator[Reading | Distribution]:
        counts: Counter[tuple[str, str, str]] = Counter()
        for service, route in self._begun:
            counts[service, route, gateway.STATUSES[0]] = 0
        for (service, route, status), count in self._requests.items():
            counts[service, route, shown_status(status)] += count
        for labels, count in counts.items():
            yield Reading(gateway.GATEWAY_REQUESTS, count, labels)
        for lane, times in self._seconds.items():
            yield Distribution(gateway.GATEWAY_SECONDS, times, lane)
        for service, count in self._retries.items():
            yield Reading(gateway.GATEWAY_RETRIES, count, (service,))
        for labels, value in self._breakers.items():
            yield Reading(gateway.BREAKER_STATE, value, labels)

    def _of_health(self) -> Iterator[Reading | Distribution]:
        for instance, current in self._states.items():
            for state in health.STATES:
                yield Reading(health.SERVICE_STATE, float(state == current), (*instance, state))
        for labels, count in self._checks.items():
            yield Reading(health.HEALTH_CHECKS, count, labels)
        for service, times in self._check_seconds.items():
            yield Distribution(health.HEALTH_SECONDS, times, (service,))
        for service, count in self._recoveries.items():
            yield Reading(health.RECOVERIES, count, (service,))
