"""The back ends: the state of each, restarting one, and stopping a recovery."""

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, Response
from quart_schema import document_request, document_response

from orch.health.service import HealthService
from orch.health.statistics import ServicesStatistics
from orch.web.audit import log_change
from orch.web.json_api import json_response, read_json


class Restart(Struct, frozen=True, forbid_unknown_fields=True):
    """The back end to restart. ``force``: without waiting for its requests in progress.

    ``instance``: the name or URL of one of its instances that can be restarted alone; "": all of them.
    """

    service: Annotated[str, Meta(min_length=1, max_length=128)]
    force: bool = False
    instance: Annotated[str, Meta(max_length=2048)] = ""


class Restarting(Struct, frozen=True, kw_only=True):
    """The restart has begun; ``GET /api/services/status`` shows its progress."""

    service: str
    status: str = "restarting"


class StopRecovery(Struct, frozen=True, forbid_unknown_fields=True):
    """The back end whose recovery is stopped."""

    service: Annotated[str, Meta(min_length=1, max_length=128)]


class RecoveryStopped(Struct, frozen=True, kw_only=True):
    """The recovery has stopped; the back end is left as it is until it is up or is restarted."""

    service: str
    status: str = "stopped"


def blueprint(health: HealthService) -> Blueprint:
    """Return the routes."""
    api = Blueprint("services", __name__, url_prefix="/api/services")

    @api.get("/status")
    @document_response(ServicesStatistics)
    async def status() -> Response:
        """Return every back end with its instances, checks and recovery."""
        return json_response(health.statistics())

    @api.post("/restart")
    @document_request(Restart)
    @document_response(Restarting, 202)
    async def restart() -> Response:
        """Restart a back end: its process, or by the hook of its settings.

        Requests in progress are waited for, up to ``recovery.wait_for_work``, unless ``force`` is true.
        """
        wanted = await read_json(Restart)
        await health.restart(
            wanted.service,
            reason="An operator asked for it.",
            is_forced=wanted.force,
            instance=wanted.instance,
        )
        of = {"instance": wanted.instance} if wanted.instance else {}
        log_change("service restarted", service=wanted.service, force=wanted.force, **of)
        return json_response(Restarting(service=wanted.service), status=202)

    @api.post("/stop-recovery")
    @document_request(StopRecovery)
    @document_response(RecoveryStopped)
    async def stop_recovery() -> Response:
        """Stop the recovery of a back end, also while its hook runs."""
        wanted = await read_json(StopRecovery)
        await health.stop_recovery(wanted.service, reason="An operator asked for it.")
        log_change("recovery stopped", service=wanted.service)
        return json_response(RecoveryStopped(service=wanted.service))

    return api
