"""Error responses: problem documents for programs, pages for people, a redirect to sign in."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from quart import Response, g, render_template, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.routing import RequestRedirect

from orch.access.origins import SAFE_METHODS
from orch.problems import ProblemError
from orch.telemetry.boundaries import Boundary
from orch.web.json_api import problem_response
from orch.web.pages import Page
from orch.web.sign_in import sign_in_address

log = structlog.get_logger("web")

# Responses under these paths are for programs: JSON or problem documents, never HTML.
PROGRAM_PATHS: Final = ("/api/", "/livez", "/readyz", "/metrics", "/openapi.json", "/ws")

# werkzeug's exceptions as problems.
_CODES: Final = {
    400: "invalid_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}

ERROR_PAGE: Final = Page(name="error", path="", title="Error", description="A resource was not found.")


def answer_errors(app: QuartTrio, boundary: Boundary) -> None:
    """Register the error handlers. ``boundary`` counts failures of our own."""

    async def answer_problem(error: ProblemError) -> Response:
        if _is_for_programs(request.path):
            return problem_response(error, request_id=g.request_id)
        if error.code == "token_required" and request.method in SAFE_METHODS:
            headers = {"Location": sign_in_address(request.path), "Cache-Control": "no-store"}
            return Response(b"", status=303, headers=headers)
        page = Response(
            await render_template("pages/error.html", page=ERROR_PAGE, error=error, request_id=g.request_id),
            status=error.status,
            content_type="text/html; charset=utf-8",
        )
        page.headers.update(error.headers)
        return page

    async def answer_http(error: HTTPException) -> Response:
        if isinstance(error, RequestRedirect):
            return Response(b"", status=error.code, headers={"Location": error.new_url})
        return await answer_problem(_translated(error))

    async def answer_failure(error: Exception) -> Response:
        boundary.count()
        log.error("request failed", method=request.method, path=request.path, exc_info=error)
        return await answer_problem(
            ProblemError("internal_error", f"The request {g.request_id} failed. The log has the reason.")
        )

    handlers: tuple[tuple[type[Exception], Callable[[Any], Awaitable[Response]]], ...] = (
        (ProblemError, answer_problem),
        (HTTPException, answer_http),
        (Exception, answer_failure),
    )
    for kind, handler in handlers:
        app.register_error_handler(kind, handler)


def _is_for_programs(path: str) -> bool:
    return path == "/api" or path.startswith(PROGRAM_PATHS)


def _translated(error: HTTPException) -> ProblemError:
    status = error.code or 500
    code = _CODES.get(status, "internal_error" if status >= 500 else "invalid_request")  # noqa: PLR2004 - the classes of HTTP
    headers = {}
    detail = error.description or ""
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
        detail = f"{request.path} supports {headers['Allow']}, not {request.method}."
    elif isinstance(error, NotFound):
        detail = f"The path {request.path} does not exist."
    elif isinstance(error, RequestEntityTooLarge):
        is_sound = request.path.endswith(("/recordings", "/speak"))
        code = "recording_too_large" if is_sound else "body_too_large"
        detail = "The body is larger than this path accepts."
    return ProblemError(code, detail, headers=headers)
