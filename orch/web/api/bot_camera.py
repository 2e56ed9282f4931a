"""What a bot's camera shows, as a picture and as a stream."""

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, Response, request
from quart_schema import document_querystring

from orch.bots.control import BotsControl
from orch.bots.webcam.preview import MJPEG_TYPE
from orch.problems import ProblemError
from orch.web.bot_forms import read_bot_id
from orch.web.camera_viewers import LONGEST_SECONDS, CameraBody, CameraViewers
from orch.web.json_api import read_query
from orch.web.time_limits import command_limit


class PictureQuery(Struct, frozen=True, kw_only=True):
    """``frame``: the number of a frame that the bot's live state named; None: none was known."""

    frame: Annotated[int, Meta(ge=0)] | None = None


def blueprint(bots: BotsControl) -> Blueprint:
    """Return the routes."""
    api = Blueprint("bot_camera", __name__, url_prefix="/api/bots")
    viewers = CameraViewers()

    @api.get("/<bot_id>/webcam.png")
    @document_querystring(PictureQuery)
    async def picture(bot_id: str) -> Response:
        """Return what the camera shows now, as PNG.

        With ``frame``, a camera that is off since then is no error but 204: a page that reads the bot's live
        state asks for pictures until that says that the bot has left.
        """
        query = read_query(PictureQuery)
        try:
            with command_limit():
                frame = await bots.camera(read_bot_id(bot_id), "png")
        except ProblemError as problem:
            if problem.code != "camera_off" or query.frame is None:
                raise
            return Response(b"", status=204, headers={"Cache-Control": "no-store"})
        headers = {"Cache-Control": "no-store", "X-Camera-Frame": str(frame.number)}
        return Response(frame.file, content_type="image/png", headers=headers)

    @api.get("/<bot_id>/webcam.mjpg")
    async def stream(bot_id: str) -> Response:
        """Return what the camera shows, as MJPEG: a frame when it has changed, up to ten a second.

        It ends when the camera is switched off or the bot leaves, and after an hour.
        """
        bot_id = read_bot_id(bot_id)
        leave = viewers.enter(bot_id)
        try:
            with command_limit():
                first = await bots.camera(bot_id, "jpeg")
        except BaseException:
            leave()
            raise
        response = Response(b"", content_type=MJPEG_TYPE, headers={"Cache-Control": "no-store"})
        response.headers.pop("Content-Length", None)
        if request.method == "HEAD":
            leave()
            return response
        response.response = CameraBody(first, lambda number: bots.camera(bot_id, "jpeg", after=number), leave)
        response.timeout = LONGEST_SECONDS
        return response

    return api
