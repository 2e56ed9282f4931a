"""Connections on all workers: who they are, something said to all, one closed."""

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response

from orch.parts import Parts
from orch.web.audit import log_change
from orch.web.json_api import answer, read_json, read_query
from orch.websocket.announcements import Announced
from orch.websocket.connections.connection_query import ConnectionQuery
from orch.websocket.statistics import ConnectionsStatistics


class Announcement(Struct, frozen=True, forbid_unknown_fields=True):
    """What everyone who is connected is to be told, as ``system_announcement``."""

    message: Annotated[str, Meta(min_length=1, max_length=1000)]


class Closing(Struct, frozen=True, kw_only=True):
    """The connection is being closed, with the code that says not to come back (4001)."""

    connection_id: str
    status: str = "closing"


def blueprint(parts: Parts) -> Blueprint:
    """Return the routes."""
    api = Blueprint("connections", __name__, url_prefix="/api")

    @api.get("/connections")
    @document_querystring(ConnectionQuery)
    @document_response(ConnectionsStatistics)
    async def connections() -> Response:
        """Return how many connections do what, and the first of those that match, on all workers.

        A worker that did not answer in time is among ``workers`` with ``answered`` false: its connections are
        not counted.
        """
        return answer(await parts.hub.cluster_connections.look(read_query(ConnectionQuery)))

    @api.post("/announcements")
    @document_request(Announcement)
    @document_response(Announced)
    async def announce() -> Response:
        """Say something to every connection, on all workers; answer how many took it, and in what time."""
        wanted = await read_json(Announcement)
        announced = await parts.hub.announce_everywhere(wanted.message)
        log_change("announced", message=wanted.message, taken=announced.taken)
        return answer(announced)

    @api.delete("/connections/<connection_id>")
    @document_response(Closing, 202)
    async def close(connection_id: str) -> Response:
        """Close one connection, on whichever worker it is; its client is told not to come back."""
        await parts.hub.close_connection(connection_id)
        log_change("connection closed", connection_id=connection_id)
        return answer(Closing(connection_id=connection_id), status=202)

    return api
