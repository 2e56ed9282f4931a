"""Connections on all workers: list them, announce to all, close one."""

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response

from orch.web.audit import log_change
from orch.web.json_api import json_response, read_json, read_query
from orch.websocket.announcements import Announced
from orch.websocket.connections.connection_query import ConnectionQuery
from orch.websocket.service import HubService
from orch.websocket.statistics import ConnectionsStatistics


class Announcement(Struct, frozen=True, forbid_unknown_fields=True):
    """The text to send to every connection as ``system_announcement``."""

    message: Annotated[str, Meta(min_length=1, max_length=1000)]


class Closing(Struct, frozen=True, kw_only=True):
    """The connection is being closed with 4001, so that its client does not reconnect."""

    connection_id: str
    status: str = "closing"


def blueprint(hub: HubService) -> Blueprint:
    """Return the routes."""
    api = Blueprint("connections", __name__, url_prefix="/api")

    @api.get("/connections")
    @document_querystring(ConnectionQuery)
    @document_response(ConnectionsStatistics)
    async def connections() -> Response:
        """Return the connections of all workers: totals by activity, and the first that match.

        A worker that did not reply in time is in ``workers`` with ``answered`` false: its connections are not
        counted.
        """
        return json_response(await hub.cluster_connections.look(read_query(ConnectionQuery)))

    @api.post("/announcements")
    @document_request(Announcement)
    @document_response(Announced)
    async def announce() -> Response:
        """Send an announcement to every connection on all workers; return recipients and duration."""
        wanted = await read_json(Announcement)
        announced = await hub.announce_everywhere(wanted.message)
        log_change("announced", message=wanted.message, taken=announced.taken)
        return json_response(announced)

    @api.delete("/connections/<connection_id>")
    @document_response(Closing, 202)
    async def close(connection_id: str) -> Response:
        """Close one connection on any worker, with the code that stops its client from reconnecting."""
        await hub.close_connection(connection_id)
        log_change("connection closed", connection_id=connection_id)
        return json_response(Closing(connection_id=connection_id), status=202)

    return api
