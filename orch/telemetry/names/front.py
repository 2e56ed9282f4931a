"""Metrics of the server that accepts connections. Pure."""

from typing import Final

from orch.telemetry.names.metric import Label, Name

FRONT_OPEN: Final = Name("orch_front_connections", "gauge", "Open connections of any protocol.")
FRONT_ACCEPTED: Final = Name(
    "orch_front_connections_accepted_total", "counter", "Accepted connections of any protocol."
)
FRONT_REFUSED: Final = Name(
    "orch_front_refused_total",
    "counter",
    "Connections that the server refused or aborted, by kind.",
    (Label("kind", listed="orch.front.refusal_kinds:KINDS"),),
)
FRONT_FORCED: Final = Name(
    "orch_front_closed_by_force_total",
    "counter",
    "Connections that were cut because they did not end within the time for it.",
)
FRONT_REQUESTS: Final = Name(
    "orch_front_requests_total",
    "counter",
    "HTTP responses of the service and, through the gateway, of back ends, by class of status. What the "
    "server itself refused is in orch_front_refused_total.",
    (Label("status", ("1xx", "2xx", "3xx", "4xx", "5xx")),),
)
FRONT_SECONDS: Final = Name(
    "orch_front_response_seconds",
    "histogram",
    "Time from an HTTP request for a page, the API, a static file or a probe (/livez, /readyz, /metrics) of "
    "the service itself until its response is ready; those to back ends: orch_gateway_request_seconds.",
    (Label("door", ("page", "api", "static", "probe")),),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
CERTIFICATE_EXPIRY: Final = Name(
    "orch_certificate_expiry_timestamp_seconds",
    "gauge",
    "When a certificate expires: the service's own (front), or that of an instance of a back end.",
    (Label("certificate", bound="front, and the addresses of instances with TLS"),),
)
