"""Metrics of the gateway: requests, breakers, hedges, queues, discovery, limits and fallbacks. Pure."""

from typing import Final

from orch.telemetry.names.metric import FLOW, ROUTE, SERVICE, UPSTREAM, Label, Name

_LANE: Final = (SERVICE, UPSTREAM, FLOW)
_SERVICE_FLOW: Final = (SERVICE, FLOW)
_INSTANCE: Final = (SERVICE, UPSTREAM)
_CLASS: Final = (SERVICE, Label("priority", ("live", "interactive", "batch")))
_SOURCE: Final = (SERVICE, Label("source", bound="dns, registry: how the settings say it is found"))

STATUSES: Final = ("1xx", "2xx", "3xx", "4xx", "429", "500", "502", "503", "504", "5xx")
"""Statuses of responses: those that an alert tells apart, and the classes of all others."""

GATEWAY_REQUESTS: Final = Name(
    "orch_gateway_requests_total",
    "counter",
    "Requests through the gateway, by route and status. The route of the service's own requests is captions "
    "(speech and its translation) or requests (service messages); 4xx, 5xx: those not listed by number.",
    (
        SERVICE,
        Label("route", bound="the routes of the settings, captions, requests"),
        Label("status", STATUSES),
    ),
)
GATEWAY_SECONDS: Final = Name(
    "orch_gateway_request_seconds",
    "histogram",
    "Response time of a back end, retries included.",
    _SERVICE_FLOW,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
GATEWAY_RETRIES: Final = Name("orch_gateway_retries_total", "counter", "Retried requests.", (SERVICE,))
RETRY_BUDGET: Final = Name(
    "orch_gateway_retries_left", "gauge", "Requests that may be repeated now.", _SERVICE_FLOW
)
RETRY_BUDGET_EXHAUSTED: Final = Name(
    "orch_gateway_retry_budget_exhausted_total",
    "counter",
    "Failed requests that were not repeated because the retry budget was used up.",
    _SERVICE_FLOW,
)
BREAKER_STATE: Final = Name(
    "orch_gateway_breaker_state",
    "gauge",
    "Circuit breaker: 0 closed, 1 half-open, 2 open; by flow (captions or clients' requests).",
    _LANE,
)
SERVICE_BREAKER: Final = Name(
    "orch_gateway_service_breaker_state",
    "gauge",
    "Circuit breaker of a whole service: 0 closed, 1 half-open, 2 open.",
    _SERVICE_FLOW,
)
INSTANCES: Final = Name(
    "orch_gateway_instances", "gauge", "Instances of a service that the gateway knows.", (SERVICE,)
)
INSTANCE_USABLE: Final = Name(
    "orch_gateway_instance_usable",
    "gauge",
    "1 while an instance is sent requests of a flow at least, else 0.",
    _INSTANCE,
)
INSTANCE_DRAINED: Final = Name(
    "orch_gateway_instance_drained",
    "gauge",
    "1 while an operator has taken an instance out of use.",
    _INSTANCE,
)
IN_FLIGHT: Final = Name("orch_gateway_in_flight", "gauge", "Requests in progress at an instance.", _INSTANCE)
LANE_CONNECTIONS: Final = Name(
    "orch_gateway_connections_limit", "gauge", "Limit of connections of a flow to an instance.", _LANE
)
LANE_BUSY: Final = Name(
    "orch_gateway_connections_busy", "gauge", "Connections of a flow to an instance that are in use.", _LANE
)
LANE_WAITING: Final = Name(
    "orch_gateway_waiting",
    "gauge",
    "Requests of a flow that are queued for a connection to an instance.",
    _LANE,
)
LANE_EJECTED: Final = Name(
    "orch_gateway_ejected", "gauge", "Whether an instance is ejected for a flow: 0 or 1.", _LANE
)
LANE_EJECTIONS: Final = Name(
    "orch_gateway_ejections_total", "counter", "Ejections of an instance for a flow.", _LANE
)
PLACES_LIMIT: Final = Name(
    "orch_gateway_concurrency_limit",
    "gauge",
    "Requests that an instance gets at a time, declared or found; absent without a limit.",
    _INSTANCE,
)
PLACES_TAKEN: Final = Name(
    "orch_gateway_concurrency",
    "gauge",
    "Requests in progress at an instance that has a limit.",
    _INSTANCE,
)
QUEUE_WAITING: Final = Name(
    "orch_gateway_queue", "gauge", "Requests of a class that wait for a place at a service.", _CLASS
)
QUEUE_LIMIT: Final = Name(
    "orch_gateway_queue_limit", "gauge", "Requests of a class that may wait for a place at a service.", _CLASS
)
QUEUED: Final = Name(
    "orch_gateway_queued_total", "counter", "Requests that had to wait for a place at a service.", _CLASS
)
SHED: Final = Name(
    "orch_gateway_shed_total",
    "counter",
    "Requests refused because a service has too much to do: they waited for too long, or the queue was full.",
    (*_CLASS, Label("reason", ("deadline", "queue_full"))),
)
HEDGES: Final = Name(
    "orch_gateway_hedges_total",
    "counter",
    "Extra requests to a second instance while one was slow.",
    (ROUTE,),
)
HEDGES_WON: Final = Name(
    "orch_gateway_hedges_won_total", "counter", "Extra requests that responded first.", (ROUTE,)
)
HEDGES_DECLINED: Final = Name(
    "orch_gateway_hedges_declined_total",
    "counter",
    "Extra requests that were due and not sent, by reason.",
    (ROUTE, Label("reason", ("budget", "retry_budget", "no_instance", "too_late", "suspended"))),
)
HEDGE_DELAY: Final = Name(
    "orch_gateway_hedge_delay_seconds", "gauge", "What is waited before an extra request.", (ROUTE,)
)
GATEWAY_PLACES: Final = Name("orch_gateway_places_taken", "gauge", "Clients' requests in progress.")
GATEWAY_PLACES_LIMIT: Final = Name(
    "orch_gateway_places_limit", "gauge", "Clients' requests that may be in progress."
)
GATEWAY_SPOOLED: Final = Name(
    "orch_gateway_spooled_bytes", "gauge", "Bytes of clients' request bodies spooled to disk."
)
GATEWAY_SPOOL_LIMIT: Final = Name(
    "orch_gateway_spooled_limit_bytes", "gauge", "Limit of the bytes of request bodies spooled to disk."
)
SOCKETS_OPEN: Final = Name("orch_gateway_websockets", "gauge", "Clients' WebSockets to back ends.")
SOCKETS_LIMIT: Final = Name(
    "orch_gateway_websockets_limit", "gauge", "Limit of clients' WebSockets to back ends."
)
SOCKETS_OPENED: Final = Name(
    "orch_gateway_websockets_opened_total", "counter", "WebSockets that a back end accepted."
)
SOCKETS_REFUSED: Final = Name(
    "orch_gateway_websockets_refused_total", "counter", "Handshakes that the gateway or a back end refused."
)
SOCKETS_ENDED: Final = Name(
    "orch_gateway_websockets_ended_total",
    "counter",
    "WebSockets that have ended, by how and by whom (closed_client, lost_back_end, silent_client, ...).",
    (
        Label(
            "how",
            tuple(
                f"{how}_{side}"
                for how in (
                    "closed",
                    "lost",
                    "silent",
                    "stalled",
                    "violation",
                    "flood",
                    "stopped",
                    "signed_out",
                )
                for side in ("client", "back_end", "gateway")
            ),
        ),
    ),
)
SOCKETS_BYTES: Final = Name(
    "orch_gateway_websockets_bytes_total",
    "counter",
    "Bytes of their frames, by who sent them.",
    (Label("sender", ("clients", "back_ends")),),
)
INSTANCE_SOCKETS: Final = Name(
    "orch_gateway_instance_websockets", "gauge", "WebSockets that are open to an instance.", _INSTANCE
)
DISCOVERED: Final = Name(
    "orch_discovery_instances", "gauge", "Instances of a service in the last good answer.", _SOURCE
)
DISCOVERY_AGE: Final = Name(
    "orch_discovery_age_seconds", "gauge", "Age of the last good answer about a service's instances.", _SOURCE
)
DISCOVERY_FAILURES: Final = Name(
    "orch_discovery_failures", "gauge", "Look-ups of a service's instances that failed in a row.", _SOURCE
)
RATE_LIMITED: Final = Name(
    "orch_gateway_rate_limited_total",
    "counter",
    "Requests refused by a rate limit.",
    (Label("limit", bound="the rate limits of the settings"),),
)
RATE_BUCKETS: Final = Name(
    "orch_gateway_rate_buckets", "gauge", "Token buckets of rate limits that are not full, in this worker."
)
RATE_UNCHECKED: Final = Name(
    "orch_gateway_rate_unchecked_total",
    "counter",
    "Requests let through because the rate limits could not be checked in the shared store.",
)
FALLBACKS: Final = Name(
    "orch_gateway_fallbacks_total",
    "counter",
    "Failed requests to routes with fallbacks, by the kind of the fallback that the client got, or none.",
    (ROUTE, Label("fallback", ("service", "cached", "static", "none"))),
)
FALLBACKS_ACTIVE: Final = Name(
    "orch_gateway_fallbacks_active", "gauge", "1 while requests to a route get fallbacks.", (ROUTE,)
)
FALLBACK_RESPONSES: Final = Name(
    "orch_gateway_fallback_cache_responses", "gauge", "Last good responses that are stored."
)
FALLBACK_BYTES: Final = Name(
    "orch_gateway_fallback_cache_bytes", "gauge", "Bytes of last good responses that are stored."
)
FALLBACK_EVICTED: Final = Name(
    "orch_gateway_fallback_cache_evicted_total",
    "counter",
    "Last good responses dropped to make room for others.",
)
