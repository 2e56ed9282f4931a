"""Sessions over HTTP: create, list, look at, end."""

from typing import Any, Final

from msgspec import Struct
from quart import Blueprint, Response
from quart_schema import document_request, document_response, security_scheme

from orch.parts import Parts
from orch.web.answers import answer, read_json
from orch.web.control import require_control
from orch.websocket.messages import SessionId
from orch.websocket.sessions import SessionSummary

RECORDING_LIMIT: Final = 25 * 2**20
RECORDING_OVERHEAD: Final = 65_536


class NewSession(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The session to begin. Without ``session_id`` it is given a name."""

    session_id: SessionId | None = None
    config: dict[str, Any] = {}


class Sessions(Struct, frozen=True, kw_only=True):
    """The sessions last active, newest first."""

    sessions: tuple[SessionSummary, ...]


def blueprint(parts: Parts) -> Blueprint:
    """Return the routes."""
    api = Blueprint("sessions", __name__, url_prefix="/api/sessions")

    @api.post("/create")
    @document_request(NewSession)
    @document_response(SessionSummary, 201)
    async def create() -> Response:
        """Begin a session that nobody is in yet; join it over the socket."""
        wanted = await read_json(NewSession, is_optional=True)
        session = await parts.hub.create_session(wanted.session_id, wanted.config)
        return answer(session, status=201, headers={"Location": f"/api/sessions/{session.session_id}"})

    @api.get("")
    @document_response(Sessions)
    async def sessions() -> Response:
        """Return the sessions last active, newest first."""
        return answer(Sessions(sessions=await parts.hub.list_sessions()))

    @api.get("/<session_id>")
    @document_response(SessionSummary)
    async def session(session_id: str) -> Response:
        """Return one session."""
        return answer(await parts.hub.get_session(session_id))

    @api.delete("/<session_id>")
    @security_scheme([{"control": []}])
    async def end(session_id: str) -> Response:
        """End a session: everyone in it is told, and nothing of it is kept."""
        require_control(parts)
        await parts.hub.end_session(session_id)
        return Response(b"", status=204)

    return api
