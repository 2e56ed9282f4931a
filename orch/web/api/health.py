"""Probes (alive, ready) and the health of the back ends."""

from typing import Final, Protocol

from msgspec import Struct
from quart import Blueprint, Response, request
from quart_schema import document_response

from orch.access.actions import Action
from orch.health.service import HealthService
from orch.stores.status import StoreStatus
from orch.supervision.branches import State, Tree
from orch.web.http_door import is_allowed
from orch.web.json_api import json_response
from orch.websocket.connections.connection_query import TOTALS_ONLY
from orch.websocket.service import HubService

# The back ends' states, best first; the service is as well as the worst of them.
ORDER: Final = ("healthy", "unknown", "degraded", "busy", "recovering", "unhealthy")

# A branch's state in the terms used for back ends.
BRANCH_STATES: Final = {
    State.WAITING: "recovering",
    State.STARTING: "recovering",
    State.RUNNING: "healthy",
    State.BACKING_OFF: "recovering",
    State.STOPPING: "unhealthy",
    State.STOPPED: "unhealthy",
    State.FAILED: "unhealthy",
}


class Store(Protocol):
    """The store of sessions."""

    def status(self) -> StoreStatus:
        """Return whether it can store sessions now."""
        ...


class Alive(Struct, frozen=True):
    """The process responds."""

    status: str = "alive"


class Ready(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether the service is ready for traffic, and if not, what is missing.

    ``degraded``: parts with a problem, while connected clients are served. ``reason``: why the service waits
    for its store at startup; its details are for operators.
    """

    status: str
    waiting_for: tuple[str, ...]
    degraded: tuple[str, ...] = ()
    reason: str = ""


class ConnectionCounts(Struct, frozen=True, kw_only=True):
    """WebSocket connections open now, and since the start."""

    active: int
    total: int


class Health(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The service's health. ``status`` is the worst of ``services``; ``uptime`` in whole seconds.

    ``services``: the back ends, the hub and the store of sessions; of the last, ``store`` says more.
    ``bot_store``: the store of bot sessions, if there is one.
    ``shortages``: what the service itself is out of, such as ``descriptors``; it is degraded then.
    """

    status: str
    services: dict[str, str]
    store: StoreStatus
    connections: ConnectionCounts
    uptime: int
    shortages: tuple[str, ...] = ()
    bot_store: StoreStatus | None = None


class PlainHealth(Struct, frozen=True):
    """The service's health in one word, for guests."""

    status: str


def worst(states: tuple[str, ...]) -> str:
    """Return the worst of the states; ``unknown`` if there are none."""
    return max(states, key=ORDER.index, default="unknown")


def _states(store: StoreStatus | None) -> tuple[str, ...]:
    return () if store is None else (store.state,)


def blueprint(
    tree: Tree, store: Store, health: HealthService, hub: HubService, bot_store: Store | None
) -> Blueprint:
    """Return the routes."""
    api = Blueprint("health", __name__)

    @api.get("/livez")
    @document_response(Alive)
    async def livez() -> Response:
        """Respond as long as the process runs."""
        return json_response(Alive())

    @api.get("/readyz")
    @document_response(Ready)
    @document_response(Ready, 503)
    async def readyz() -> Response:
        """Return 200 while every branch of the tree is running, else 503.

        An unavailable store is named, but does not change the status: it affects every worker, and connected
        clients are still served.
        """
        missing = tuple(name for name, state in tree.states().items() if state is not State.RUNNING)
        if tree.stopping.is_set():
            return json_response(Ready(status="stopping", waiting_for=missing), status=503)
        if missing:
            return json_response(
                Ready(status="starting", waiting_for=missing), status=503, headers={"Retry-After": "1"}
            )
        stores = {"store": store, "bot_store": bot_store}
        degraded = tuple(
            name for name, each in stores.items() if each is not None and each.status().state != "healthy"
        )
        return json_response(Ready(status="ready", waiting_for=(), degraded=degraded))

    @api.get("/api/health")
    @document_response(Health)
    async def status() -> Response:
        """Return the health of the service, its back ends, its hub and its store.

        Guests get only the state.
        """
        state = tree.states().get("websocket", State.STOPPED)
        store_status = store.status()
        of_bots = bot_store.status() if bot_store is not None else None
        services = dict(health.summary()) | {"websocket": BRANCH_STATES[state], "store": store_status.state}
        if not is_allowed(request.scope, Action.VIEW_OPERATIONS):
            return json_response(PlainHealth(status=worst((*services.values(), *_states(of_bots)))))
        connections = hub.statistics(TOTALS_ONLY)
        shortages = tuple(line.kind for line in health.statistics().shortages)
        return json_response(
            Health(
                status=worst((*services.values(), *_states(of_bots), *("degraded" for _ in shortages))),
                shortages=shortages,
                services=services,
                store=store_status,
                bot_store=of_bots,
                connections=ConnectionCounts(active=connections.active, total=connections.total),
                uptime=int(tree.uptime()),
            )
        )

    return api
