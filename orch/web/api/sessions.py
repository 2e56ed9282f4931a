"""Sessions over HTTP: create, list, look at, end; recordings into them and transcripts out of them."""

from typing import Annotated, Any, Final

import msgspec
import trio
from msgspec import Meta, Struct
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_request, document_response

from orch.access.actors import actor_of
from orch.access.table import Need
from orch.parts import Parts
from orch.problems import ProblemError
from orch.settings.structs import Speech
from orch.speech.exports import Choice
from orch.web.answers import answer, read_json, read_query
from orch.web.audit import log_change
from orch.web.transcripts import Transcripts
from orch.web.uploads import Uploads
from orch.websocket.limits import address_of
from orch.websocket.messages import Language, Languages, Name, SessionId
from orch.websocket.sessions import SessionListed, SessionMade, SessionSummary

KEY_HEADER: Final = "X-Session-Key"
"""Where a request carries the key of the session; never in the query string, which logs and proxies keep."""

LANGUAGES_PATIENCE: Final = 5.0
"""Seconds the back ends have to say which languages they know; then the recording is tried all the same."""


class NewSession(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The session to begin. Without ``session_id`` it is given a name."""

    session_id: SessionId | None = None
    config: dict[str, Any] = {}


class Sessions(Struct, frozen=True, kw_only=True):
    """The sessions last active, newest first."""

    sessions: tuple[SessionListed, ...]


class RecordingQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a recording is to be written down. ``target_languages``: codes with commas between them."""

    source_language: Language = "auto"
    target_languages: Annotated[str, Meta(max_length=1200)] = ""
    name: Name | None = None


class TranscriptQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which file to make of what was said. ``languages``: translations, codes with commas between them.

    ``stream``: only what was said in it, for instance in one recording, from its own beginning.
    """

    format: str = "json"
    languages: Annotated[str, Meta(max_length=1200)] = ""
    original: bool = True
    stream: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


class RecordingStarted(Struct, frozen=True, kw_only=True):
    """The recording is being written down; its captions' ``segment_id`` begins with ``stream_id``.

    ``seconds``: how long the recording says it is; null where it does not say it. ``track``: which of its
    ``tracks`` of sound is read, counted from 1.
    """

    session_id: str
    stream_id: str
    seconds: float | None
    tracks: int = 1
    track: int = 1


async def _require(parts: Parts, session_id: str, need: Need) -> None:
    """Refuse a request that may not do this in the session."""
    actor = actor_of(request.scope)
    await parts.hub.admission.require(actor, session_id, request.headers.get(KEY_HEADER), need)


def _address() -> str:
    """Return who a recording comes from, as the access rules see it."""
    return address_of(actor_of(request.scope).address)


def codes(text: str, *, path: str) -> tuple[str, ...]:
    """Return the languages in a list with commas. ProblemError ``invalid_request`` where one is none."""
    try:
        return msgspec.convert([code.strip() for code in text.split(",") if code.strip()], Languages)
    except msgspec.ValidationError as error:
        raise ProblemError("invalid_request", str(error), path=path) from None


def blueprint(parts: Parts) -> Blueprint:
    """Return the routes."""
    api = Blueprint("sessions", __name__, url_prefix="/api/sessions")
    transcripts = Transcripts(parts.hub)

    def speech() -> Speech:
        return parts.settings.current.orchestration.speech

    uploads = Uploads(speech)

    @api.post("/create")
    @document_request(NewSession)
    @document_response(SessionMade, 201)
    async def create() -> Response:
        """Begin a session that nobody is in yet; join it over the socket, from another machine with a key."""
        wanted = await read_json(NewSession, is_optional=True)
        session = await parts.hub.create_session(
            wanted.session_id, wanted.config, actor=actor_of(request.scope)
        )
        return answer(session, status=201, headers={"Location": f"/api/sessions/{session.session_id}"})

    @api.get("")
    @document_response(Sessions)
    async def sessions() -> Response:
        """Return the sessions last active, newest first."""
        return answer(Sessions(sessions=await parts.hub.list_sessions()))

    @api.get("/<session_id>")
    @document_response(SessionSummary)
    async def session(session_id: str) -> Response:
        """Return one session. From another machine it needs one of the session's keys (X-Session-Key)."""
        await _require(parts, session_id, Need.READ)
        return answer(await parts.hub.get_session(session_id))

    @api.delete("/<session_id>")
    async def end(session_id: str) -> Response:
        """End a session: everyone in it is told, and nothing of it is kept."""
        await parts.hub.end_session(session_id)
        log_change("session ended", session_id=session_id)
        return Response(b"", status=204)

    @api.get("/<session_id>/transcript")
    @document_querystring(TranscriptQuery)
    async def transcript(session_id: str) -> Response:
        """Return what was said as a file: json, txt, srt or vtt.

        ``X-Transcript-Complete`` is ``false`` where the oldest of it is no longer kept.
        """
        query = read_query(TranscriptQuery)
        choice = Choice(
            original=query.original,
            languages=codes(query.languages, path="languages"),
            stream=query.stream,
        )
        await _require(parts, session_id, Need.READ)
        file, complete = await transcripts.of(session_id, kind=query.format, choice=choice)
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{file.name}"',
            "X-Transcript-Complete": str(complete).lower(),
        }
        return Response(file.content, content_type=file.media_type, headers=headers)

    @api.post("/<session_id>/recordings")
    @document_querystring(RecordingQuery)
    @document_response(RecordingStarted, 202)
    async def record(session_id: str) -> Response:
        """Have a recording written down in the session; the body is the file, or a form's field ``audio``.

        From another machine it needs the session's speak key (X-Session-Key).
        """
        await _require(parts, session_id, Need.SPEAK)
        query = read_query(RecordingQuery)
        targets = codes(query.target_languages, path="target_languages")
        await parts.hub.get_session(session_id)  # an unknown one is refused before 25 MB are read
        with trio.move_on_after(LANGUAGES_PATIENCE):
            await parts.speech.require(query.source_language, targets)
        upload = await uploads.open(request, session_id=session_id, address=_address())
        try:
            opened = await parts.hub.open_recording(
                session_id,
                name=query.name,
                source_language=query.source_language,
                target_languages=targets,
                chunks=upload.chunks(),
                tracks=upload.tracks,
                held=upload.give_back,
            )
        except BaseException:
            await upload.close()
            upload.give_back()
            raise
        started = RecordingStarted(
            session_id=session_id,
            stream_id=opened.stream_id,
            seconds=upload.seconds,
            tracks=upload.tracks.tracks,
            track=upload.tracks.track,
        )
        return answer(started, status=202)

    @api.delete("/<session_id>/recordings/<stream_id>")
    async def cancel(session_id: str, stream_id: str) -> Response:
        """Break off a recording that is being written down; what was written down of it stays.

        From another machine it needs the session's speak key (X-Session-Key).
        """
        await _require(parts, session_id, Need.SPEAK)
        await parts.hub.cancel_recording(session_id, stream_id)
        return Response(b"", status=204)

    return api
