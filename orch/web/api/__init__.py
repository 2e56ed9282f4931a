"""The control API, one blueprint a resource."""

from quart import Blueprint

from orch.parts import Parts
from orch.web.api import (
    config,
    connections,
    gateway,
    health,
    languages,
    metrics,
    recordings,
    services,
    sessions,
    tree,
    workers,
)


def blueprints(parts: Parts) -> tuple[Blueprint, ...]:
    """Return every resource's routes."""
    return tuple(
        module.blueprint(parts)
        for module in (
            health,
            services,
            metrics,
            sessions,
            recordings,
            connections,
            languages,
            gateway,
            workers,
            tree,
            config,
        )
    )
