"""The table of metrics, a module for each area. Pure.

A part of the program imports its area's module and yields a reading of each of its metrics:
``from orch.telemetry.names import gateway as names``.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Final

from orch.telemetry.names import (
    access,
    alerts,
    analytics,
    audio,
    bots,
    front,
    gateway,
    health,
    journey,
    process,
    settings,
    speech,
    stores,
    traces,
    translation,
    websocket,
)
from orch.telemetry.names.metric import Distribution, Label, Name, Reading

__all__ = ["AREAS", "NAMES", "Distribution", "Label", "Name", "Reading"]


def _names_in(module: ModuleType) -> tuple[Name, ...]:
    return tuple(value for value in vars(module).values() if isinstance(value, Name))


AREAS: Final[Mapping[str, tuple[Name, ...]]] = {
    module.__name__.rpartition(".")[2]: _names_in(module)
    for module in (
        process,
        front,
        gateway,
        health,
        websocket,
        speech,
        translation,
        audio,
        bots,
        stores,
        access,
        settings,
        journey,
        alerts,
        analytics,
        traces,
    )
}
"""All metrics, by area."""

NAMES: Final = tuple(name for names in AREAS.values() for name in names)
