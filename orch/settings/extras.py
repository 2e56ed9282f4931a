"""Finds settings that need a package which is not installed."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Final

from orch.settings.structs import Fault, Settings

EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http"
HOW_TO_INSTALL: Final = "pip install 'orchestration-service[otel]'"


def has_package(name: str) -> bool:
    """Return whether a package can be imported. Its parent packages are imported, it is not."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a parent of it is missing
        return False


def find_extras_faults(settings: Settings, has: Callable[[str], bool] = has_package) -> list[Fault]:
    """Return the faults of settings whose extra is missing; a package is looked for only where it is used."""
    if not settings.orchestration.traces.endpoint or has(EXPORTER):
        return []
    expected = f'expected "", or the packages that export traces: {HOW_TO_INSTALL}'
    return [Fault("orchestration.traces.endpoint", expected)]
