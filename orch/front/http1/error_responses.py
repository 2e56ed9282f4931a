"""Complete responses of the server itself; after each the connection is closed. Pure."""

from collections.abc import Iterable
from http import HTTPStatus

import msgspec

from orch.front.websocket.handshake import VERSION, BadHandshakeError
from orch.problems import TYPE_PREFIX, ProblemError


def problem(error: ProblemError, date: bytes, *, is_head: bool = False) -> bytes:
    """Return a problem (RFC 9457) as a response; without its body if ``is_head``."""
    return _written(error.status, b"" if is_head else error.body(), date, length=len(error.body()))


def refused_handshake(error: BadHandshakeError, *, date: bytes) -> bytes:
    """Return the response to a wrong WebSocket handshake; it names the supported version (RFC 6455 §4.4)."""
    document = {
        "type": TYPE_PREFIX + error.kind,
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "code": error.kind,
    }
    body = msgspec.json.encode(document)
    headers = [(b"sec-websocket-version", VERSION)]
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append((b"allow", b"GET"))
    if error.status == HTTPStatus.UPGRADE_REQUIRED:
        headers.append((b"upgrade", b"websocket"))
    return _written(error.status, body, date, length=len(body), headers=headers)


def _written(
    status: int, body: bytes, date: bytes, *, length: int, headers: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    lines = (
        b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode()),
        b"content-type: application/problem+json",
        b"content-length: %d" % length,
        *(b"%b: %b" % header for header in headers),
        b"date: %b" % date,
        b"connection: close",
        b"",
        body,
    )
    return b"\r\n".join(lines)
