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
    "HTTP responses that were begun, by class of status; the gateway's are among them.",
    (Label("status", ("1xx", "2xx", "3xx", "4xx", "5xx")),),
)
FRONT_SECONDS: Final = Name(
    "orch_front_response_seconds",
    "histogram",
    "Time from an HTTP request to the beginning of its response: of the service's own pages and API, and of "
    "the gateway.",
    (Label("door", ("own", "gateway")),),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
CERTIFICATE_EXPIRY: Final = Name(
    "orch_certificate_expiry_timestamp_seconds",
    "gauge",
    "When a certificate expires: the service's own (front), or that of an instance of a back end.",
    (Label("certificate", bound="front, and the addresses of instances with TLS"),),
)
