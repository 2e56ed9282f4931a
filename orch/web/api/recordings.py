"""Recordings over HTTP: uploaded into a session, listed while they are transcribed, cancelled."""

from typing import Annotated, Final

import trio
from msgspec import Meta, Struct
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_response

from orch.access.actions import Action
from orch.access.actors import actor_of
from orch.access.addresses import group
from orch.protocol.messages import Language, Name
from orch.settings.source import SettingsSource
from orch.speech.service import SpeechService
from orch.web.api.sessions import codes
from orch.web.http_door import is_allowed
from orch.web.json_api import json_response, read_query
from orch.web.uploads import Uploads
from orch.websocket.service import HubService
from orch.websocket.speech.recordings import RecordingListed

RECORDING_KEY_HEADER: Final = "X-Recording-Key"
"""The header with the key of a recording."""

LANGUAGES_TIMEOUT: Final = 5.0
"""Seconds for the back ends to list their languages; then the recording is accepted anyway."""


class RecordingQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a recording is transcribed. ``target_languages``: codes separated by commas."""

    source_language: Language = "auto"
    target_languages: Annotated[str, Meta(max_length=1200)] = ""
    name: Name | None = None


class RecordingStarted(Struct, frozen=True, kw_only=True):
    """The recording is being transcribed; its captions' ``segment_id`` begins with ``stream_id``.

    ``recording_key``: a DELETE with it (X-Recording-Key) may cancel the recording, also from another page or
    after a reload. ``seconds``: its declared length, or null. ``track``: which of its ``tracks`` of audio is
    read, counted from 1.
    """

    session_id: str
    stream_id: str
    recording_key: str
    seconds: float | None
    tracks: int = 1
    track: int = 1


class RecordingsListed(Struct, frozen=True, kw_only=True):
    """The recordings that are being transcribed in a session, oldest first."""

    recordings: tuple[RecordingListed, ...]


def _address() -> str:
    """Return the uploader's address, as the limits count it."""
    return group(actor_of(request.scope).address)


def blueprint(settings: SettingsSource, hub: HubService, speech: SpeechService) -> Blueprint:
    """Return the routes."""
    api = Blueprint("recordings", __name__, url_prefix="/api/sessions")

    uploads = Uploads(lambda: settings.current.orchestration.speech)

    @api.post("/<session_id>/recordings")
    @document_querystring(RecordingQuery)
    @document_response(RecordingStarted, 202)
    async def record(session_id: str) -> Response:
        """Transcribe a recording in the session; the body is the file, or a form's field ``audio``.

        From another machine it needs the session's speak key (X-Session-Key).
        """
        query = read_query(RecordingQuery)
        targets = codes(query.target_languages, path="target_languages")
        await hub.get_session(session_id)  # an unknown one is refused before 25 MB are read
        with trio.move_on_after(LANGUAGES_TIMEOUT):
            await speech.require(query.source_language, targets)
        upload = await uploads.open(request, session_id=session_id, address=_address())
        try:
            opened = await hub.open_recording(
                session_id,
                name=query.name,
                source_language=query.source_language,
                target_languages=targets,
                chunks=upload.chunks(),
                facts=upload.facts,
                held=upload.release,
            )
        except BaseException:
            await upload.close()
            upload.release()
            raise
        started = RecordingStarted(
            session_id=session_id,
            stream_id=opened.stream_id,
            recording_key=opened.recording_key,
            seconds=upload.seconds,
            tracks=upload.facts.tracks,
            track=upload.facts.track,
        )
        return json_response(started, status=202)

    @api.get("/<session_id>/recordings")
    @document_response(RecordingsListed)
    async def recordings(session_id: str) -> Response:
        """Return the recordings that are being transcribed in the session, oldest first.

        From another machine it needs one of the session's keys (X-Session-Key).
        """
        await hub.get_session(session_id)
        return json_response(RecordingsListed(recordings=await hub.recordings_of(session_id)))

    @api.delete("/<session_id>/recordings/<stream_id>")
    async def cancel(session_id: str, stream_id: str) -> Response:
        """Cancel a recording that is being transcribed; its transcript so far stays.

        From another machine it needs the session's speak key (X-Session-Key) and the recording's own key
        (X-Recording-Key), which the upload returned. The session's owner cancels it over the WebSocket.
        """
        shown = request.headers.get(RECORDING_KEY_HEADER, "")
        key = None if is_allowed(request.scope, Action.CANCEL_ANY_RECORDING) else shown
        await hub.cancel_recording(session_id, stream_id, key=key)
        return Response(b"", status=204)

    return api
