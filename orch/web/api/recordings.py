"""Recordings over HTTP: uploaded into a session, listed while they are transcribed, cancelled."""

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Annotated, Final

import msgspec
import trio
from msgspec import Meta, Struct
from quart import Blueprint, Response, g, request
from quart_schema import document_querystring, document_response

from orch.access.actions import Action
from orch.access.actors import actor_of
from orch.access.addresses import group
from orch.problems import ProblemError
from orch.protocol.messages import Language, Name
from orch.settings.source import SettingsSource
from orch.speech.service import SpeechService
from orch.telemetry.traces import context
from orch.telemetry.traces.headers import traceparent_in
from orch.web.api.sessions import codes
from orch.web.http_door import is_allowed
from orch.web.json_api import json_response, read_query
from orch.web.upload_files import UploadFiles
from orch.web.uploads import Upload, Uploads
from orch.websocket.service import HubService
from orch.websocket.speech.recordings import RecordingListed

RECORDING_KEY_HEADER: Final = "X-Recording-Key"
"""The header with the key of a recording."""

LANGUAGES_TIMEOUT: Final = 5.0
"""Seconds for the back ends to list their languages; then the recording is accepted anyway."""


NO_RECORDING: Final = frozenset(
    {"not_audio", "empty_audio", "unsupported_sample_rate", "recording_too_long", "recording_too_costly"}
)
"""Problems of the file itself, which will be the same the next time."""


class RecordingQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a recording is transcribed. ``target_languages``: codes separated by commas.

    ``upload``: the id of a complete resumable upload, which is transcribed instead of the body.
    ``diarization``: several people speak, and the lines should say which.
    """

    source_language: Language = "auto"
    target_languages: Annotated[str, Meta(max_length=1200)] = ""
    name: Name | None = None
    upload: Annotated[str, Meta(max_length=64)] = ""
    diarization: bool = False


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


def _traceparent() -> str:
    """Return the trace of the upload, for its recording; where that is not recorded, neither is this."""
    if (span := g.get("span")) is not None:
        return str(span.traceparent)
    given = context.read(traceparent_in(request.scope["headers"]))
    return "" if given is None else str(given._replace(is_recorded=False))


async def _begin(
    hub: HubService, session_id: str, query: RecordingQuery, targets: Collection[str], upload: Upload
) -> RecordingStarted:
    """Transcribe an opened recording; it is closed if that fails."""
    try:
        opened = await hub.open_recording(
            session_id,
            name=query.name,
            source_language=query.source_language,
            target_languages=targets,
            diarization=query.diarization,
            chunks=upload.chunks(),
            facts=upload.facts,
            held=upload.release,
            traceparent=_traceparent(),
        )
    except BaseException:
        await upload.close()
        upload.release()
        raise
    return RecordingStarted(
        session_id=session_id,
        stream_id=opened.stream_id,
        recording_key=opened.recording_key,
        seconds=upload.seconds,
        tracks=upload.facts.tracks,
        track=upload.facts.track,
    )


async def _transcribe_stored(
    files: UploadFiles,
    uploads: Uploads,
    session_id: str,
    upload_id: str,
    begin: Callable[[Upload], Awaitable[RecordingStarted]],
) -> RecordingStarted:
    """Transcribe a complete resumable upload. A repeated request gets the first one's response.

    An upload that is no recording is removed; one that cannot be transcribed now stays. Problems:
    ``unknown_upload``, ``upload_in_use``, ``upload_incomplete``, and those of :meth:`Uploads.open_stored`.
    """
    found = await trio.to_thread.run_sync(files.find, session_id, upload_id)
    if found.facts.started is not None:
        return msgspec.convert(found.facts.started, RecordingStarted)
    with await trio.to_thread.run_sync(files.open_part, session_id, upload_id) as part:
        if part.offset != part.facts.length:
            raise ProblemError(
                "upload_incomplete", f"{part.offset} of {part.facts.length} bytes have arrived."
            )
        try:
            file = files.open_complete(upload_id)
            upload = await uploads.open_stored(file, session_id=session_id, address=_address())
        except ProblemError as error:
            if error.code in NO_RECORDING:
                await trio.to_thread.run_sync(files.remove, session_id, upload_id)
            raise
        started = await begin(upload)
        with trio.CancelScope(shield=True):  # it has begun: a repeated request must not begin it again
            noted = partial(files.note_started, upload_id, part.facts, msgspec.to_builtins(started))
            await trio.to_thread.run_sync(noted)
    return started


def blueprint(
    settings: SettingsSource, hub: HubService, speech: SpeechService, files: UploadFiles
) -> Blueprint:
    """Return the routes."""
    api = Blueprint("recordings", __name__, url_prefix="/api/sessions")

    uploads = Uploads(lambda: settings.current.orchestration.speech)

    @api.post("/<session_id>/recordings")
    @document_querystring(RecordingQuery)
    @document_response(RecordingStarted, 202)
    async def record(session_id: str) -> Response:
        """Transcribe a recording in the session; the body is the file, or a form's field ``audio``.

        With ``upload`` there is no body: a complete resumable upload is transcribed.

        From another machine it needs the session's speak key (X-Session-Key).
        """
        query = read_query(RecordingQuery)
        targets = codes(query.target_languages, path="target_languages")
        await hub.get_session(session_id)  # an unknown one is refused before 25 MB are read
        with trio.move_on_after(LANGUAGES_TIMEOUT):
            await speech.require(query.source_language, targets)
        begin = partial(_begin, hub, session_id, query, targets)
        if query.upload == "":
            upload = await uploads.open(request, session_id=session_id, address=_address())
            return json_response(await begin(upload), status=202)
        started = await _transcribe_stored(files, uploads, session_id, query.upload, begin)
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
