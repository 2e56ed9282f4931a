"""Reads and writes JSON for the control API with msgspec; errors become problem documents."""

from typing import Any, Final, TypeVar

import msgspec
from quart import Response, request

from orch.problems import ProblemError
from orch.protocol.request_id import instance
from orch.untrusted_json import UnreadableError, read_document

T = TypeVar("T")

JSON_LIMIT: Final = 65_536

_encoder: Final = msgspec.json.Encoder()


def json_response(data: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return ``data`` as JSON that is not cached."""
    response = Response(_encoder.encode(data), status=status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(headers or {})
    return response


def problem_response(error: ProblemError, *, request_id: str) -> Response:
    """Return the problem document (RFC 9457)."""
    response = Response(
        error.body(instance=instance(request_id)),
        status=error.status,
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store"},
    )
    response.headers.update(error.headers)
    return response


async def read_json(kind: type[T], *, is_optional: bool = False, limit: int = JSON_LIMIT) -> T:
    """Decode the body. Raises ProblemError with the fault and its place.

    ``is_optional``: an empty body means ``{}``. ``limit``: its bytes at most.

    Problems: ``unsupported_media_type``, ``body_too_large``, ``invalid_json``, ``invalid_request`` (with
    ``path``).
    """
    length = request.content_length
    if length is not None and length > limit:
        raise ProblemError(
            "body_too_large", f"A JSON body can have {limit} bytes at most; this one has {length}."
        )
    body = await request.get_data(cache=False)
    if len(body) > limit:
        raise ProblemError(
            "body_too_large", f"A JSON body can have {limit} bytes at most; this one has {len(body)}."
        )
    if not body and is_optional:
        body = b"{}"
    elif request.mimetype != "application/json":
        raise ProblemError(
            "unsupported_media_type",
            f"Send application/json, not {request.mimetype or 'a body without Content-Type'}.",
        )
    try:
        document: T = read_document(body, kind)
    except UnreadableError as error:
        if not error.is_json:
            raise ProblemError("invalid_json", str(error)) from None
        expected, _, path = str(error).partition(" - at `")
        raise ProblemError(
            "invalid_request", str(error), path=path.rstrip("`") or "$", expected=expected
        ) from None
    return document


def read_query(kind: type[T]) -> T:
    """Decode the query string into ``kind``; of a repeated field the first counts."""
    try:
        return msgspec.convert(request.args.to_dict(), kind, strict=False)
    except msgspec.ValidationError as error:
        expected, _, path = str(error).partition(" - at `")
        raise ProblemError(
            "invalid_request", str(error), path=path.rstrip("`") or "$", expected=expected
        ) from None
