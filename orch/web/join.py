"""The page to join a session with a short code: a plain form, which works without JavaScript."""

from typing import Final
from urllib.parse import urlencode

from quart import Blueprint, Response, render_template, request
from quart_schema import hide

from orch.access.actors import actor_of
from orch.problems import ProblemError
from orch.web.pages import Page
from orch.websocket.sessions.join_codes import JoinCodes, Opened

PATH: Final = "/join"
PAGE: Final = Page(
    name="join", path=PATH, title="Join", description="Join a session with the code that you were given."
)
#: Maximum characters of what is accepted as a code.
_LONGEST: Final = 64


def blueprint(codes: JoinCodes) -> Blueprint:
    """Return the routes."""
    pages = Blueprint("join", __name__)

    async def page(*, status: int = 200, entered: str = "", error: ProblemError | None = None) -> Response:
        html = await render_template(PAGE.template, page=PAGE, entered=entered, error=error)
        response = Response(html, status=status, content_type="text/html; charset=utf-8")
        response.headers["Cache-Control"] = "no-store"
        if error is not None and "Retry-After" in error.headers:
            response.headers["Retry-After"] = error.headers["Retry-After"]
        return response

    @pages.get(PATH)
    @hide
    async def show() -> Response:
        """Show the form. A code behind the ``#`` of the address is filled in by the page's script."""
        return await page()

    @pages.post(PATH)
    @hide
    async def join() -> Response:
        """Lead to the session that the code opens."""
        entered = (await request.form).get("code", "")[: _LONGEST + 1]
        try:
            opened = await codes.resolve(actor_of(request.scope), entered[:_LONGEST])
        except ProblemError as error:
            return await page(status=error.status, entered=entered, error=error)
        return Response(
            b"", status=303, headers={"Location": session_address(opened), "Cache-Control": "no-store"}
        )

    return pages


def session_address(opened: Opened) -> str:
    """Return the link to a session; its key is behind the ``#``, which browsers send to no server."""
    return "/translation#" + urlencode({"session": opened.session_id, "key": opened.key})
