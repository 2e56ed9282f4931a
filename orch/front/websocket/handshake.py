"""The opening handshake of a WebSocket, the server's side (RFC 6455 §4.2). Pure."""

import base64
import binascii
import hashlib
from typing import Final

from msgspec import Struct

from orch.front.http1.request_head import RequestHead
from orch.front.websocket.deflate import Deflate, negotiate

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES: Final = 16
VERSION: Final = b"13"


class Accepted(Struct, frozen=True):
    """A valid handshake.

    ``accept``: the value of Sec-WebSocket-Accept. ``subprotocols``: those the client offers, in its order.
    ``deflate``: the parameters of permessage-deflate; None: messages are not compressed.
    """

    accept: bytes
    subprotocols: tuple[str, ...]
    deflate: Deflate | None = None

    def headers(self, subprotocol: str | None = None) -> list[tuple[bytes, bytes]]:
        """Return the headers of the response. ValueError for a ``subprotocol`` not offered."""
        answer = [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", self.accept),
        ]
        if self.deflate is not None:
            answer.append((b"sec-websocket-extensions", self.deflate.header()))
        if subprotocol is not None:
            if subprotocol not in self.subprotocols:
                raise ValueError(f"the client does not offer the subprotocol {subprotocol!r}")
            answer.append((b"sec-websocket-protocol", subprotocol.encode("ascii")))
        return answer


class BadHandshakeError(Exception):
    """The handshake is wrong: the response has ``status`` (400, 405 or 426), and the connection is closed."""

    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail


def accept(head: RequestHead, *, deflate: bool = False) -> Accepted:
    """Check the handshake; return how to accept it, or raise BadHandshakeError. ``deflate``: compress.

    ``head`` has a Host, is HTTP/1.1 and names ``websocket`` in Upgrade and ``upgrade`` in Connection: other
    requests are no handshakes and are served as HTTP.
    """
    if head.method != b"GET":
        raise BadHandshakeError(405, "handshake_method", "The method of a WebSocket handshake must be GET.")
    if head.content_length or head.is_chunked:
        raise BadHandshakeError(400, "handshake_body", "A WebSocket handshake must not have a body.")
    versions = _values(head, b"sec-websocket-version")
    if versions != [VERSION]:
        raise BadHandshakeError(
            426, "handshake_version", "This service supports version 13 of the WebSocket protocol."
        )
    keys = _values(head, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        raise BadHandshakeError(400, "handshake_key", "Sec-WebSocket-Key must be 16 bytes in base64.")
    digest = hashlib.sha1(keys[0] + _GUID, usedforsecurity=False).digest()
    offered = b",".join(_values(head, b"sec-websocket-protocol")).decode("latin-1")
    return Accepted(
        accept=base64.b64encode(digest),
        subprotocols=tuple(name for each in offered.split(",") if (name := each.strip())),
        deflate=negotiate(_values(head, b"sec-websocket-extensions")) if deflate else None,
    )


def _values(head: RequestHead, wanted: bytes) -> list[bytes]:
    return [value for name, value in head.headers if name == wanted]


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False
