"""What operators decide about sessions: they mute, rename and remove participants, lock and end sessions.

Its owner does the same over the WebSocket.
"""

from msgspec import Struct
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_request, document_response

from orch.access.actors import actor_of
from orch.problems import ProblemError
from orch.protocol.messages import Name, Speaking
from orch.protocol.session_keys import GivenKeys
from orch.web.json_api import json_response, read_json, read_query
from orch.websocket.moderation.decisions import Decisions
from orch.websocket.moderation.ending import Endings
from orch.websocket.moderation.moderator import Host, Moderator


class ModerationShown(Struct, frozen=True, kw_only=True):
    """What is decided about a session. Participants by ``participant_id``.

    ``locked``: nobody new can join. ``speaking``: ``host``: only owners and the ``speakers`` may speak.
    ``ending``: it ends once the last words are transcribed. ``muted``: the participants muted one by one.
    ``removed``: those removed last.
    """

    locked: bool
    speaking: Speaking
    ending: bool
    muted: tuple[str, ...]
    speakers: tuple[str, ...]
    removed: tuple[str, ...]


class ModerationChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is not given stays."""

    locked: bool | None = None
    speaking: Speaking | None = None


class ParticipantChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change about a participant; what is not given stays."""

    muted: bool | None = None
    name: Name | None = None


class RemovalQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``new_keys``: also replace the session's keys, so that former links and codes stop."""

    new_keys: bool = False


def blueprint(moderator: Moderator, endings: Endings) -> Blueprint:
    """Return the routes."""
    api = Blueprint("moderation", __name__, url_prefix="/api/sessions")

    @api.get("/<session_id>/moderation")
    @document_response(ModerationShown)
    async def decided(session_id: str) -> Response:
        """Return who is muted or removed in a session, and whether it is locked."""
        return json_response(_shown(await moderator.decided(session_id)))

    @api.patch("/<session_id>/moderation")
    @document_request(ModerationChange)
    @document_response(ModerationShown)
    async def change(session_id: str) -> Response:
        """Lock or unlock a session, and decide who may speak."""
        wanted = await read_json(ModerationChange)
        after = await moderator.set_session(
            _host(), session_id, locked=wanted.locked, speaking=wanted.speaking
        )
        return json_response(_shown(after))

    @api.patch("/<session_id>/participants/<participant_id>")
    @document_request(ParticipantChange)
    @document_response(ModerationShown)
    async def change_participant(session_id: str, participant_id: str) -> Response:
        """Mute a participant or let them speak, and rename them, also in earlier lines."""
        wanted = await read_json(ParticipantChange)
        if wanted.muted is None and wanted.name is None:
            raise ProblemError("invalid_request", "Send muted, name, or both.", path="muted")
        if wanted.name is not None:
            await moderator.rename(_host(), session_id, participant_id, wanted.name)
        if wanted.muted is not None:
            await moderator.mute(_host(), session_id, participant_id, muted=wanted.muted)
        return json_response(_shown(await moderator.decided(session_id)))

    @api.delete("/<session_id>/participants/<participant_id>")
    @document_querystring(RemovalQuery)
    @document_response(ModerationShown)
    async def remove(session_id: str, participant_id: str) -> Response:
        """Remove a participant: they cannot return as the same one, but may join with a valid link."""
        query = read_query(RemovalQuery)
        after = await moderator.remove(_host(), session_id, participant_id, new_keys=query.new_keys)
        return json_response(_shown(after))

    @api.post("/<session_id>/keys")
    @document_response(GivenKeys)
    async def replace_keys(session_id: str) -> Response:
        """Replace a session's keys: former links and codes stop, participants stay."""
        return json_response(await moderator.replace_keys(_host(), session_id))

    @api.post("/<session_id>/end")
    @document_response(ModerationShown, 202)
    async def end(session_id: str) -> Response:
        """End a session for everyone, once its last words are transcribed."""
        return json_response(_shown(await endings.end(_host(), session_id)), status=202)

    return api


def _host() -> Host:
    return Host(actor_of(request.scope))


def _shown(decided: Decisions) -> ModerationShown:
    return ModerationShown(
        locked=decided.locked,
        speaking=decided.speaking,
        ending=decided.ending,
        muted=decided.muted,
        speakers=decided.speakers,
        removed=decided.removed,
    )
