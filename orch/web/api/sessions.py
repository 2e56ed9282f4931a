"""Sessions over HTTP: create, list, read and end them; their transcripts."""

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_request, document_response

from orch.access.actors import actor_of
from orch.problems import ProblemError
from orch.protocol.messages import Languages, PipelineChoice, SessionId, Title
from orch.protocol.terms import Terms
from orch.speech.exports import Choice
from orch.speech.text_search import QUERY_LENGTH, Found
from orch.web.audit import log_change
from orch.web.ended_sessions import EndedSessions
from orch.web.json_api import json_response, read_json, read_query
from orch.web.transcripts import FileBody, Transcripts
from orch.websocket.service import HubService
from orch.websocket.sessions.session import SessionDetails, SessionListed, SessionMade
from orch.websocket.sessions.session_pipeline import PipelineShown


class NewSession(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The session to create. Without ``session_id`` it gets a new name.

    ``terms``: its names and terms. ``pipeline``: what its speech passes through, a preset's name or settings.
    """

    session_id: SessionId | None = None
    config: dict[str, Any] = {}
    terms: Terms = ()
    pipeline: PipelineChoice | None = None


class NewTitle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session's title; an empty one removes it."""

    title: Title


class NewPipeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a session's speech passes through: a preset's name or settings; null: nothing."""

    pipeline: PipelineChoice | None


class Sessions(Struct, frozen=True, kw_only=True):
    """The sessions last active, newest first."""

    sessions: tuple[SessionListed, ...]


class TranscriptQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form of a transcript. ``languages``: translations, codes separated by commas.

    ``stream``: only this stream, such as a recording, with its own times.
    """

    format: str = "json"
    languages: Annotated[str, Meta(max_length=1200)] = ""
    original: bool = True
    stream: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


class SearchQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The words to search for."""

    query: Annotated[str, Meta(min_length=1, max_length=QUERY_LENGTH)]


def codes(text: str, *, path: str) -> tuple[str, ...]:
    """Return the codes of a list with commas; raise ``invalid_request`` if one is invalid."""
    try:
        return msgspec.convert([code.strip() for code in text.split(",") if code.strip()], Languages)
    except msgspec.ValidationError as error:
        raise ProblemError("invalid_request", str(error), path=path) from None


def _attachment(name: str) -> str:
    """Return ``Content-Disposition`` for a file (RFC 6266): its name, and one in ASCII for older clients."""
    plain = name.encode("ascii", "ignore").decode().lstrip("-")
    encoded = "" if name.isascii() else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{encoded}'


def blueprint(hub: HubService, ended: EndedSessions) -> Blueprint:
    """Return the routes."""
    api = Blueprint("sessions", __name__, url_prefix="/api/sessions")
    transcripts = Transcripts(hub)

    @api.post("/create")
    @document_request(NewSession)
    @document_response(SessionMade, 201)
    async def create() -> Response:
        """Create a session without participants; join it over the WebSocket, remotely with a key."""
        wanted = await read_json(NewSession, is_optional=True)
        session = await hub.create_session(
            wanted.session_id,
            wanted.config,
            terms=wanted.terms,
            pipeline=wanted.pipeline,
            actor=actor_of(request.scope),
        )
        return json_response(session, status=201, headers={"Location": f"/api/sessions/{session.session_id}"})

    @api.get("")
    @document_response(Sessions)
    async def sessions() -> Response:
        """Return the sessions last active, newest first."""
        return json_response(Sessions(sessions=await hub.list_sessions()))

    @api.get("/<session_id>")
    @document_response(SessionDetails)
    async def session(session_id: str) -> Response:
        """Return one session. From another machine it needs one of the session's keys (X-Session-Key).

        ``expires``: when it ends and its messages are deleted if it is not used again.
        """
        return json_response(await hub.get_session(session_id))

    @api.patch("/<session_id>")
    @document_request(NewTitle)
    @document_response(SessionDetails)
    async def change(session_id: str) -> Response:
        """Give a session a title, for everyone in it. For operators."""
        wanted = await read_json(NewTitle)
        await hub.title_session(session_id, wanted.title)
        log_change("session titled", session_id=session_id)
        return json_response(await hub.get_session(session_id))

    @api.get("/<session_id>/pipeline")
    @document_response(PipelineShown)
    async def pipeline(session_id: str) -> Response:
        """Return what a session's speech passes through. For operators."""
        return json_response(await hub.pipelines.shown(session_id))

    @api.put("/<session_id>/pipeline")
    @document_request(NewPipeline)
    @document_response(PipelineShown)
    async def set_pipeline(session_id: str) -> Response:
        """Have a session's speech pass through another pipeline, also while someone speaks. For operators."""
        wanted = await read_json(NewPipeline)
        await hub.pipelines.set(session_id, wanted.pipeline)
        log_change("session pipeline set", session_id=session_id)
        return json_response(await hub.pipelines.shown(session_id))

    @api.delete("/<session_id>")
    async def end(session_id: str) -> Response:
        """End a session: its participants are notified, and all its data is deleted."""
        await hub.end_session(session_id)
        await ended.ended(session_id)
        log_change("session ended", session_id=session_id)
        return Response(b"", status=204)

    @api.get("/<session_id>/transcript")
    @document_querystring(TranscriptQuery)
    async def transcript(session_id: str) -> Response:
        """Return the transcript as a file: json, txt, srt, vtt or docx.

        ``X-Transcript-Complete`` is ``false`` if the oldest captions are no longer stored.
        """
        query = read_query(TranscriptQuery)
        choice = Choice(
            original=query.original,
            languages=codes(query.languages, path="languages"),
            stream=query.stream,
        )
        file, complete = await transcripts.get(session_id, kind=query.format, choice=choice)
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": _attachment(file.name),
            "X-Transcript-Complete": str(complete).lower(),
        }
        response = Response(content_type=file.media_type, headers=headers)
        response.response = FileBody(file)
        response.content_length = len(file.content)
        return response

    @api.post("/<session_id>/search")
    @document_request(SearchQuery)
    @document_response(Found)
    async def search(session_id: str) -> Response:
        """Return the stored lines that have the words, in the original or in a translation.

        Case and accents make no difference. The words are in the body, so that no log has them.
        """
        wanted = await read_json(SearchQuery)
        return json_response(await transcripts.search(session_id, wanted.query))

    return api
