"""Sign-in and sign-out: the page asks for the token once, then a cookie replaces it."""

import re
from typing import Final
from urllib.parse import quote, urlsplit

from quart import Blueprint, Response, render_template, request
from quart_schema import hide

from orch.access.actions import Action
from orch.access.actors import actor_of
from orch.access.service import Access
from orch.problems import ProblemError
from orch.web.http_door import is_allowed
from orch.web.pages import Page

PATH: Final = "/sign-in"
PAGE: Final = Page(
    name="sign-in", path=PATH, title="Sign in", description="Sign in as an operator with the control token."
)
#: Maximum characters of a token, and of a path to return to.
LONGEST: Final = 4096


def sign_in_address(path: str) -> str:
    """Return the sign-in URL that leads to ``path`` afterwards."""
    return f"{PATH}?next={quote(path, safe='/')}"


def own_path(wanted: str) -> str:
    """Return ``wanted`` if it is a path of this service, else the first page (no open redirects)."""
    if len(wanted) > LONGEST or not re.fullmatch(r"/[!-\[\]-~]*", wanted):
        return "/"
    parts = urlsplit(wanted)
    is_own = not parts.scheme and not parts.netloc and not wanted.startswith("//") and parts.path != PATH
    return wanted if is_own else "/"


def blueprint(access: Access) -> Blueprint:
    """Return the routes."""
    pages = Blueprint("sign_in", __name__)

    async def page(
        *, status: int, next_path: str, fault: str = "", headers: dict[str, str] | None = None
    ) -> Response:
        html = await render_template(
            PAGE.template, page=PAGE, next_path=next_path, fault=fault, has_token=access.has_token
        )
        response = Response(html, status=status, content_type="text/html; charset=utf-8")
        response.headers["Cache-Control"] = "no-store"
        response.headers.update(headers or {})
        return response

    @pages.get(PATH)
    @hide
    async def show() -> Response:
        """Show the sign-in form, or redirect if no sign-in is needed."""
        next_path = own_path(request.args.get("next", "/"))
        if is_allowed(request.scope, Action.VIEW_OPERATIONS):
            return _go_on(next_path)
        return await page(status=200, next_path=next_path)

    @pages.post(PATH)
    @hide
    async def sign_in() -> Response:
        """Check the token and respond with a cookie."""
        form = await request.form
        next_path, token = own_path(form.get("next", "/")), form.get("token", "").strip()
        if not token or len(token) > LONGEST:
            return await page(status=400, next_path=next_path, fault="Enter the control token.")
        try:
            cookie = await access.sign_in(request.scope, actor_of(request.scope), token)
        except ProblemError as error:
            headers = {name: value for name, value in error.headers.items() if name == "Retry-After"}
            return await page(status=error.status, next_path=next_path, fault=error.detail, headers=headers)
        response = _go_on(next_path)
        response.headers["Set-Cookie"] = cookie
        return response

    @pages.post("/sign-out")
    @hide
    async def sign_out() -> Response:
        """End the sign-in on all workers and close its open pages."""
        cookie = await access.sign_out(request.scope, actor_of(request.scope))
        response = _go_on(PATH)
        response.headers["Set-Cookie"] = cookie
        return response

    return pages


def _go_on(path: str) -> Response:
    return Response(b"", status=303, headers={"Location": path, "Cache-Control": "no-store"})
