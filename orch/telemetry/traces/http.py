"""Spans of HTTP requests, in the words of OpenTelemetry's semantic conventions. Pure.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/

The conventions ask a server for ``url.path``; it is left out here, since paths name sessions and people.
``http.route`` says where a request led.
"""

from typing import Final

METHOD: Final = "http.request.method"
RESENT: Final = "http.request.resend_count"
STATUS: Final = "http.response.status_code"
ROUTE: Final = "http.route"
ERROR: Final = "error.type"
SCHEME: Final = "url.scheme"
ADDRESS: Final = "server.address"
PORT: Final = "server.port"
PROTOCOL: Final = "network.protocol.version"
REQUEST_ID: Final = "orch.request_id"
SERVICE: Final = "orch.service"
CANCELLED: Final = "orch.cancelled"

OTHER: Final = "_OTHER"
_METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)


def known_method(method: str) -> str:
    """Return a method, or ``_OTHER`` for one that anyone may have invented."""
    return method if method in _METHODS else OTHER


def span_name(method: str, route: str = "") -> str:
    """Return the name of a request's span: its method and its route, both of few values.

    >>> span_name("GET", "/api/audio")
    'GET /api/audio'
    """
    shown = "HTTP" if known_method(method) == OTHER else method
    return f"{shown} {route}" if route else shown
