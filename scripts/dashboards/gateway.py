"""Gateway: requests to back ends, what failed, what was repeated, held back or served otherwise."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from scripts.dashboards.frame import WORKER, Section, choice, dashboard
from scripts.dashboards.panels import (
    BAD,
    GOOD,
    POOR,
    Series,
    figure,
    graph,
    heat_map,
    rising,
    rows,
    steps,
    timeline,
)
from scripts.dashboards.queries import buckets, increase, most, quantile, rate, share

_SERVICE: Final = 'service=~"$service"'
_BREAKER: Final = {0.0: ("closed", GOOD), 1.0: ("half-open", POOR), 2.0: ("open", BAD)}
_FAILED: Final = _SERVICE + ',status=~"5.."'


def _requests() -> Section:
    all_of_them = rate("orch_gateway_requests_total", "service", _SERVICE)
    failed = rate("orch_gateway_requests_total", "service", _FAILED)
    return "Requests", [
        figure(
            "Requests",
            "Requests through the gateway, a second.",
            (rate("orch_gateway_requests_total", matchers=_SERVICE), ""),
            unit="reqps",
            width=4,
        ),
        figure(
            "Failed",
            "Share of requests that ended with a status of 500 or above, within the range.",
            (
                share(
                    increase("orch_gateway_requests_total", matchers=_FAILED),
                    increase("orch_gateway_requests_total", matchers=_SERVICE),
                ),
                "",
            ),
            unit="percentunit",
            limits=rising(0.01, 0.05),
            width=4,
        ),
        figure(
            "95 % within",
            "Response time of back ends, retries included.",
            (quantile(0.95, "orch_gateway_request_seconds", matchers=_SERVICE), ""),
            unit="s",
            limits=rising(5, 10),
            width=4,
        ),
        figure(
            "In progress",
            "Clients' requests in progress, of those that may be.",
            ("max(orch_gateway_places_taken{@} / orch_gateway_places_limit{@})", ""),
            unit="percentunit",
            limits=rising(0.7, 0.9),
            width=4,
        ),
        figure(
            "Repeated",
            "Share of requests that were repeated, within the range: failures that clients did not see.",
            (
                share(
                    increase("orch_gateway_retries_total", matchers=_SERVICE),
                    increase("orch_gateway_requests_total", matchers=_SERVICE),
                ),
                "",
            ),
            unit="percentunit",
            limits=rising(0.05, 0.1),
            width=4,
        ),
        figure(
            "Refused as overloaded",
            "Requests refused because a service had too much to do, within the range.",
            (increase("orch_gateway_shed_total", matchers=_SERVICE), ""),
            limits=steps((None, GOOD), (0.5, BAD)),
            width=4,
        ),
        graph(
            "Requests by service and status",
            "Statuses as clients got them.",
            (rate("orch_gateway_requests_total", "service, status", _SERVICE), "{{service}} {{status}}"),
            unit="reqps",
            stacked=True,
        ),
        graph(
            "Share that failed",
            "Statuses of 500 and above, by service.",
            (share(failed, all_of_them), "{{service}}"),
            unit="percentunit",
            limits=rising(0.01, 0.05),
        ),
        graph(
            "Response time",
            "Retries included. Points are requests with a trace, where traces are collected.",
            *(_latency(q) for q in (0.5, 0.95, 0.99)),
            unit="s",
            exemplars=True,
        ),
        heat_map(
            "Response times",
            "How many requests took how long: two bands are two kinds of requests, or one slow instance.",
            buckets("orch_gateway_request_seconds", _SERVICE),
        ),
        graph(
            "Queue by class",
            "Requests that wait for a place at a service.",
            (f"sum by (service, priority) (orch_gateway_queue{{@,{_SERVICE}}})", "{{service}} {{priority}}"),
            (
                f"max by (service, priority) (orch_gateway_queue_limit{{@,{_SERVICE}}})",
                "{{service}} {{priority}} limit",
            ),
            width=6,
        ),
        graph(
            "Refused as overloaded by class",
            "They waited for too long (*deadline*), or the queue was full.",
            (
                rate("orch_gateway_shed_total", "service, priority, reason", _SERVICE),
                "{{service}} {{priority}} {{reason}}",
            ),
            unit="reqps",
            stacked=True,
            width=6,
        ),
    ]


def _latency(q: float) -> Series:
    return quantile(q, "orch_gateway_request_seconds", "service", _SERVICE), f"{{{{service}}}} p{q * 100:g}"


def _instances() -> Section:
    lane = "service, upstream, flow"
    legend = "{{service}} {{upstream}} {{flow}}"
    return "Instances", [
        timeline(
            "Circuit breakers",
            "Open: the instance gets no requests until a test request succeeds.",
            (f"max by ({lane}) (orch_gateway_breaker_state{{@,{_SERVICE}}})", legend),
            words=_BREAKER,
        ),
        timeline(
            "Circuit breakers of whole services",
            "Open: all instances of a service fail.",
            (
                f"max by (service, flow) (orch_gateway_service_breaker_state{{@,{_SERVICE}}})",
                "{{service}} {{flow}}",
            ),
            words=_BREAKER,
        ),
        timeline(
            "Ejected",
            "An instance that fails more than the others gets no requests for a while.",
            (f"max by ({lane}) (orch_gateway_ejected{{@,{_SERVICE}}})", legend),
            words={0.0: ("in use", GOOD), 1.0: ("ejected", BAD)},
        ),
        graph(
            "Ejections",
            "Within the shown range.",
            (increase("orch_gateway_ejections_total", lane, _SERVICE), legend),
            width=6,
        ),
        graph(
            "Requests in progress",
            "At each instance.",
            (
                f"sum by (service, upstream) (orch_gateway_in_flight{{@,{_SERVICE}}})",
                "{{service}} {{upstream}}",
            ),
            width=6,
        ),
        graph(
            "Requests that had to wait",
            "For a place at a service, a second.",
            (rate("orch_gateway_queued_total", "service, priority", _SERVICE), "{{service}} {{priority}}"),
            unit="reqps",
            width=6,
        ),
        graph(
            "Places in use",
            "Requests in progress at an instance, and how many it gets at a time, declared or found.",
            (
                f"sum by (service, upstream) (orch_gateway_concurrency{{@,{_SERVICE}}})",
                "{{service}} {{upstream}} in progress",
            ),
            (
                f"sum by (service, upstream) (orch_gateway_concurrency_limit{{@,{_SERVICE}}})",
                "{{service}} {{upstream}} limit",
            ),
            width=6,
        ),
        rows(
            "Connections by instance and flow",
            "Connections in use, their limit, and requests that wait for one.",
            (f"sum by ({lane}) (orch_gateway_connections_busy{{@,{_SERVICE}}})", "In use"),
            (f"sum by ({lane}) (orch_gateway_connections_limit{{@,{_SERVICE}}})", "Limit"),
            (f"sum by ({lane}) (orch_gateway_waiting{{@,{_SERVICE}}})", "Waiting"),
            names={"service": "Service", "upstream": "Instance", "flow": "Flow"},
            width=24,
        ),
    ]


def _repetition() -> Section:
    return "Repetition, extra requests and substitutes", [
        graph(
            "Retries",
            "Requests that were repeated, and failures that were not as the budget was used up, a second.",
            (rate("orch_gateway_retries_total", "service", _SERVICE), "{{service}}"),
            (
                rate("orch_gateway_retry_budget_exhausted_total", "service, flow", _SERVICE),
                "{{service}} {{flow}}: not repeated, budget used up",
            ),
            unit="reqps",
        ),
        graph(
            "Retries left",
            "Requests that may be repeated now. At 0 failures reach clients.",
            (
                f"min by (service, flow) (orch_gateway_retries_left{{@,{_SERVICE}}})",
                "{{service}} {{flow}}",
            ),
        ),
        graph(
            "Look-ups of instances",
            "Age of the last good answer about a service's instances.",
            (
                f"max by (service, source) (orch_discovery_age_seconds{{@,{_SERVICE}}})",
                "{{service}} {{source}}",
            ),
            unit="s",
            limits=rising(120, 300),
        ),
        graph(
            "Extra requests to a second instance",
            "Sent while the first instance was slow, and how many of them responded first.",
            (rate("orch_gateway_hedges_total", "route"), "{{route}} sent"),
            (rate("orch_gateway_hedges_won_total", "route"), "{{route}} first"),
            unit="reqps",
        ),
        graph(
            "Extra requests that were not sent",
            "They were due; by reason, within the shown range.",
            (increase("orch_gateway_hedges_declined_total", "reason"), "{{reason}}"),
            stacked=True,
        ),
        graph(
            "Wait before an extra request",
            "Found from the response times of each route.",
            ("max by (route) (orch_gateway_hedge_delay_seconds{@})", "{{route}}"),
            unit="s",
        ),
        timeline(
            "Routes with substitutes",
            "While their services fail, requests to these routes get substitutes.",
            ("max by (route) (orch_gateway_fallbacks_active{@})", "{{route}}"),
            words={0.0: ("back end", GOOD), 1.0: ("substitutes", POOR)},
            width=8,
        ),
        graph(
            "Substitutes",
            "Failed requests by what the client got instead.",
            (rate("orch_gateway_fallbacks_total", "route, fallback"), "{{route}} {{fallback}}"),
            unit="reqps",
            stacked=True,
        ),
        graph(
            "Refused by rate limits",
            "By the name of the limit in the settings.",
            (rate("orch_gateway_rate_limited_total", "limit"), "{{limit}}"),
            unit="reqps",
            stacked=True,
        ),
        graph(
            "Refused with rate_limited",
            "Of all requests and messages: over HTTP, by the gateway's limits, and over WebSocket.",
            (rate("orch_rate_limited_total", "door"), "{{door}}"),
            (rate("orch_front_requests_total", matchers='status="4xx"'), "all refused requests (4xx)"),
            unit="reqps",
        ),
        graph(
            "Buckets of rate limits",
            "Senders that have recently sent something, by worker.",
            ("orch_gateway_rate_buckets{@}", "{{instance}}"),
        ),
    ]


def _sockets() -> Section:
    return "WebSockets to back ends", [
        graph(
            "Open",
            "Clients' WebSockets to back ends, by instance.",
            (
                f"sum by (service, upstream) (orch_gateway_instance_websockets{{@,{_SERVICE}}})",
                "{{service}} {{upstream}}",
            ),
        ),
        graph(
            "Opened and refused",
            "Handshakes a second.",
            (rate("orch_gateway_websockets_opened_total"), "opened"),
            (rate("orch_gateway_websockets_refused_total"), "refused"),
            unit="ops",
        ),
        graph(
            "Ended",
            "The eight most frequent ways in which they ended, within the shown range.",
            (most(8, increase("orch_gateway_websockets_ended_total", "how")), "{{how}}"),
            stacked=True,
        ),
        graph(
            "WebSockets of the limit",
            "Open ones, and how many may be, by worker.",
            ("orch_gateway_websockets{@}", "{{instance}}"),
            ("orch_gateway_websockets_limit{@}", "{{instance}} limit"),
        ),
        graph(
            "Bytes",
            "Bytes of their frames, by who sent them.",
            (rate("orch_gateway_websockets_bytes_total", "sender"), "{{sender}}"),
            unit="Bps",
        ),
        figure(
            "Uploads on disk",
            "Used share of the disk space for clients' request bodies.",
            ("max(orch_gateway_spooled_bytes{@} / orch_gateway_spooled_limit_bytes{@})", ""),
            unit="percentunit",
            limits=rising(0.7, 0.9),
            width=6,
        ),
        figure(
            "Stored responses",
            "Bytes of last good responses that are stored as substitutes.",
            ("sum(orch_gateway_fallback_cache_bytes{@})", ""),
            unit="bytes",
            width=6,
        ),
        figure(
            "Responses in store and dropped",
            "Last good responses that are stored, and those dropped within the range to make room.",
            ("sum(orch_gateway_fallback_cache_responses{@})", "stored"),
            (increase("orch_gateway_fallback_cache_evicted_total"), "dropped"),
            width=6,
        ),
        figure(
            "Requests not checked against rate limits",
            "Let through as the shared store could not be reached, within the range.",
            (increase("orch_gateway_rate_unchecked_total"), ""),
            limits=steps((None, GOOD), (0.5, POOR)),
            width=6,
        ),
    ]


def build() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "gateway",
        "Requests through the gateway: what failed, what was repeated, held back, or served otherwise.",
        [_requests(), _instances(), _repetition(), _sockets()],
        variables=[
            choice(*WORKER),
            choice("service", "Service", 'label_values(orch_service_state{job="orchestration"}, service)'),
        ],
    )
