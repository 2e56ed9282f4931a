"""What an operator may do to connections: say something to all, close one."""

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, Response
from quart_schema import document_request, document_response, security_scheme

from orch.parts import Parts
from orch.web.answers import answer, read_json
from orch.web.control import require_control
from orch.websocket.operating import Announced


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

    @api.post("/announcements")
    @document_request(Announcement)
    @document_response(Announced)
    @security_scheme([{"control": []}])
    async def announce() -> Response:
        """Say something to every connection, on all workers; answer how many took it, and in what time."""
        require_control(parts)
        wanted = await read_json(Announcement)
        return answer(await parts.hub.announce_everywhere(wanted.message))

    @api.delete("/connections/<connection_id>")
    @document_response(Closing, 202)
    @security_scheme([{"control": []}])
    async def close(connection_id: str) -> Response:
        """Close one connection, on whichever worker it is; its client is told not to come back."""
        require_control(parts)
        await parts.hub.close_connection(connection_id)
        return answer(Closing(connection_id=connection_id), status=202)

    return api
