"""Where spans go: the settings, and the standard variables of OpenTelemetry. Pure.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

TRACES_PATH: Final = "/v1/traces"
TRACES_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
SERVICE_NAME: Final = "OTEL_SERVICE_NAME"
_DISABLED: Final = "OTEL_SDK_DISABLED"
_EXPORTER: Final = "OTEL_TRACES_EXPORTER"


class Destination(Struct, frozen=True):
    """A collector. ``url``: where spans are posted; ``variable``: what has set it, "" for the settings."""

    url: str
    variable: str = ""


def destination(endpoint: str, environ: Mapping[str, str]) -> Destination | None:
    """Return where spans go; None: nowhere.

    ``endpoint``: of the settings, which win. It is the address of a collector, to which ``/v1/traces`` is
    added, or that of its traces; so is ``OTEL_EXPORTER_OTLP_ENDPOINT``.
    ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`` is used as it is. The variables count for nothing where
    ``OTEL_SDK_DISABLED`` is true or ``OTEL_TRACES_EXPORTER`` names another exporter than ``otlp``.

    >>> destination("http://localhost:4318", {}).url
    'http://localhost:4318/v1/traces'
    """
    if endpoint:
        return Destination(_of_traces(endpoint))
    exporters = environ.get(_EXPORTER, "").strip().lower()
    if environ.get(_DISABLED, "").strip().lower() == "true" or exporters not in ("", "otlp"):
        return None
    if given := environ.get(TRACES_ENDPOINT, "").strip():
        return Destination(given, TRACES_ENDPOINT)
    if given := environ.get(ENDPOINT, "").strip():
        return Destination(_of_traces(given), ENDPOINT)
    return None


def is_usable(url: str) -> bool:
    """Return whether spans can be posted to an address: http or https, with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _of_traces(endpoint: str) -> str:
    base = endpoint.rstrip("/")
    return base if base.endswith(TRACES_PATH) else base + TRACES_PATH
