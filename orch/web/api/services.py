"""The back ends: the state of each, and restarting one."""

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, Response
from quart_schema import document_request, document_response

from orch.health.service import HealthService
from orch.health.statistics import ServicesStatistics
from orch.web.audit import log_change
from orch.web.json_api import json_response, read_json


class Restart(Struct, frozen=True, forbid_unknown_fields=True):
    """The back end to restart."""

    service: Annotated[str, Meta(min_length=1, max_length=128)]


class Restarting(Struct, frozen=True, kw_only=True):
    """The restart has begun; ``GET /api/services/status`` shows its progress."""

    service: str
    status: str = "restarting"


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
        """Restart a back end: its process, or by its restart_command."""
        wanted = await read_json(Restart)
        await health.restart(wanted.service, reason="An operator asked for it.")
        log_change("service restarted", service=wanted.service)
        return json_response(Restarting(service=wanted.service), status=202)

    return api
