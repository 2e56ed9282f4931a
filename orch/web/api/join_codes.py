"""Short codes to join a session: created, listed and deleted by who may speak in it, resolved by anyone."""

from typing import Annotated, Literal

from msgspec import Meta, Struct
from quart import Blueprint, Response, request
from quart_schema import document_request, document_response

from orch.access.actors import actor_of
from orch.problems import ProblemError
from orch.protocol.join_codes import grouped
from orch.protocol.session_keys import Right
from orch.stores.records import JoinCode
from orch.web.json_api import json_response, read_json
from orch.websocket.sessions.join_codes import JoinCodes, Opened


class NewCode(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The code to create; ``right``: what those who join with it may do."""

    right: Literal["read", "speak"] = "read"


class CodeShown(Struct, frozen=True, kw_only=True):
    """A code of a session. ``shown``: in groups, to be read aloud; ``expires``: seconds since the epoch."""

    code: str
    shown: str
    right: Right
    expires: float


class CodesListed(Struct, frozen=True, kw_only=True):
    """The codes of a session: one for each right at most."""

    codes: tuple[CodeShown, ...]


class EnteredCode(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code as a person typed it: in any case, with spaces or hyphens."""

    code: Annotated[str, Meta(max_length=64)]


def blueprint(codes: JoinCodes) -> Blueprint:
    """Return the routes."""
    api = Blueprint("join_codes", __name__, url_prefix="/api")

    @api.post("/sessions/<session_id>/codes")
    @document_request(NewCode)
    @document_response(CodeShown, 201)
    async def create(session_id: str) -> Response:
        """Create a code to join a session, in place of its earlier one for this right.

        It is valid for 12 hours, and ends with the session. Requires the right to speak.
        """
        wanted = await read_json(NewCode, is_optional=True)
        code = await codes.create(actor_of(request.scope), session_id, Right(wanted.right))
        return json_response(_shown(code), status=201)

    @api.get("/sessions/<session_id>/codes")
    @document_response(CodesListed)
    async def listed(session_id: str) -> Response:
        """Return the codes of a session. Requires the right to speak."""
        return json_response(CodesListed(codes=tuple(_shown(code) for code in await codes.list(session_id))))

    @api.delete("/sessions/<session_id>/codes/<right>")
    async def delete(session_id: str, right: str) -> Response:
        """Delete the code for ``read`` or ``speak``: nobody can join with it any more."""
        if right not in ("read", "speak"):
            raise ProblemError("unknown_code", "A session has codes for read and for speak.")
        await codes.delete(session_id, Right(right))
        return Response(b"", status=204)

    @api.post("/join")
    @document_request(EnteredCode)
    @document_response(Opened)
    async def join() -> Response:
        """Return the session that a code opens, and the key to join it with."""
        entered = await read_json(EnteredCode)
        return json_response(await codes.resolve(actor_of(request.scope), entered.code))

    return api


def _shown(code: JoinCode) -> CodeShown:
    return CodeShown(code=code.code, shown=grouped(code.code), right=code.right, expires=code.expires)
