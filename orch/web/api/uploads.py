"""Resumable uploads of long recordings (tus 1.0.0): created, sent in pieces, removed.

``POST /api/sessions/ID/recordings?upload=UPLOAD_ID`` transcribes a complete one.
"""

from contextlib import aclosing

import trio
from quart import Blueprint, Response, request
from quart_schema import hide

from orch.access.actors import actor_of
from orch.access.addresses import group
from orch.settings.source import SettingsSource
from orch.web import tus
from orch.web.upload_files import UploadFiles
from orch.web.uploads import paced
from orch.websocket.service import HubService


def blueprint(settings: SettingsSource, hub: HubService, files: UploadFiles) -> Blueprint:
    """Return the routes."""
    api = Blueprint("uploads", __name__, url_prefix="/api/sessions")
    creating = trio.Lock()

    @api.route("/<session_id>/uploads", methods=["OPTIONS"])
    @hide
    async def describe(session_id: str) -> Response:  # noqa: ARG001 - part of the path
        """Return which version and extensions of tus the service supports, and the largest upload."""
        await trio.lowlevel.checkpoint()
        speech = settings.current.orchestration.speech
        headers = {**tus.capability_headers(speech.max_upload_bytes), "Allow": "OPTIONS, POST"}
        return Response(b"", status=204, headers=headers)

    @api.post("/<session_id>/uploads")
    async def create(session_id: str) -> Response:
        """Begin an upload of ``Upload-Length`` bytes; its address is in ``Location``.

        From another machine it needs the session's speak key (X-Session-Key).
        """
        tus.check_version(request.headers.get("Tus-Resumable"))
        speech = settings.current.orchestration.speech
        length = tus.read_length(request.headers.get("Upload-Length"), limit=speech.max_upload_bytes)
        await hub.get_session(session_id)
        address = group(actor_of(request.scope).address)
        new = tus.Held(session_id=session_id, address=address, length=length)
        async with creating:
            upload_id = await trio.to_thread.run_sync(files.create, new, speech)
        headers = {**tus.offset_headers(0), "Location": f"{request.path}/{upload_id}"}
        return Response(b"", status=201, headers=headers)

    @api.get("/<session_id>/uploads/<upload_id>")
    async def progress(session_id: str, upload_id: str) -> Response:
        """Return how many bytes have arrived (``Upload-Offset``). HEAD is what tus uses.

        From another machine it needs the session's speak key (X-Session-Key).
        """
        tus.check_version(request.headers.get("Tus-Resumable"))
        await hub.get_session(session_id)
        found = await trio.to_thread.run_sync(files.find, session_id, upload_id)
        headers = tus.offset_headers(found.offset, found.facts.length, written_at=found.written_at)
        return Response(b"", status=204, headers=headers)

    @api.patch("/<session_id>/uploads/<upload_id>")
    async def append(session_id: str, upload_id: str) -> Response:
        """Store a piece; what arrived of it stays when the connection is lost.

        From another machine it needs the session's speak key (X-Session-Key).
        """
        tus.check_version(request.headers.get("Tus-Resumable"))
        offset = tus.read_offset(request.headers.get("Upload-Offset"), request.mimetype)
        await hub.get_session(session_id)
        rate = settings.current.orchestration.speech.min_upload_rate
        with await trio.to_thread.run_sync(files.open_part, session_id, upload_id) as part:
            tus.check_offset(offset, part.offset)
            tus.check_room(part.offset, request.content_length or 0, part.facts.length)
            async with aclosing(paced(request.body, rate)) as body:
                async for block in body:
                    await trio.to_thread.run_sync(part.write, block)
            stored = part.offset
        return Response(b"", status=204, headers=tus.offset_headers(stored))

    @api.delete("/<session_id>/uploads/<upload_id>")
    async def remove(session_id: str, upload_id: str) -> Response:
        """Cancel an upload: remove what has arrived.

        From another machine it needs the session's speak key (X-Session-Key).
        """
        tus.check_version(request.headers.get("Tus-Resumable"))
        await hub.get_session(session_id)
        await trio.to_thread.run_sync(files.remove, session_id, upload_id)
        return Response(b"", status=204, headers={"Tus-Resumable": tus.VERSION})

    return api
