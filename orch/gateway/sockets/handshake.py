"""The opening handshake with a back end (RFC 6455 §4). Pure.

What a client offers is passed on: its subprotocols as they are, and of its extensions ``permessage-deflate``
alone, since what any other extension does to frames is not known here. What the back end chooses of it is
passed back, so both ends agree with each other, and the gateway passes compressed frames on as they are.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from orch.gateway.headers import Header
from orch.gateway.http1 import Head

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PREFIX: Final = b"sec-websocket-"
KEY: Final = b"sec-websocket-key"
PROTOCOL: Final = b"sec-websocket-protocol"
EXTENSIONS: Final = b"sec-websocket-extensions"
ACCEPT: Final = b"sec-websocket-accept"
DEFLATE: Final = b"permessage-deflate"
METHOD: Final = "WEBSOCKET"
"""What stands for the method of a handshake in settings and explanations."""
UPGRADE: Final[tuple[Header, ...]] = ((b"connection", b"Upgrade"), (b"upgrade", b"websocket"))


class Handshake:
    """One handshake. ``headers``: the client's, in lower case; ``key``: Sec-WebSocket-Key for the back end.

    ``passes_extensions``: whether the client's frames are passed on as they are, compressed or not.
    """

    def __init__(self, headers: Iterable[Header], key: bytes, *, passes_extensions: bool) -> None:
        named = [(name, value) for name, value in headers if name.startswith(_PREFIX)]
        self.subprotocols = _tokens(value for name, value in named if name == PROTOCOL)
        self._offers: list[bytes] = []
        if passes_extensions:
            offered = _tokens(value for name, value in named if name == EXTENSIONS)
            self._offers = [offer for offer in offered if _name(offer) == DEFLATE]
        self._key = key

    def for_back_end(self, headers: Iterable[Header]) -> list[Header]:
        """Return the headers of the request, from those of a request without a handshake."""
        sent = [header for header in headers if not header[0].startswith(_PREFIX)]
        sent += UPGRADE
        sent += (b"sec-websocket-version", b"13"), (KEY, self._key)
        if self.subprotocols:
            sent.append((PROTOCOL, b", ".join(self.subprotocols)))
        if self._offers:
            sent.append((EXTENSIONS, b", ".join(self._offers)))
        return sent

    def fault(self, head: Head) -> str:
        """Return what is wrong with a 101 (§4.1), "" if nothing."""
        if _lower(head, b"upgrade") != [b"websocket"] or b"upgrade" not in _lower(head, b"connection"):
            return "it switched to another protocol than WebSocket"
        if [value for name, value in head.headers if name == ACCEPT] != [accept_of(self._key)]:
            return "its handshake does not belong to the request"
        chosen = self.chosen(head.headers)
        if len(chosen) > 1 or not set(chosen) <= set(self.subprotocols):
            return "it chose a subprotocol that was not offered"
        extensions = self._extensions(head.headers)
        if extensions and (len(extensions) > 1 or _name(extensions[0]) != DEFLATE or not self._offers):
            return "it chose an extension that was not offered"
        return ""

    def chosen(self, headers: Iterable[Header]) -> list[bytes]:
        """Return the subprotocol in the back end's response, in a list, which is empty without one."""
        return _tokens(value for name, value in headers if name == PROTOCOL)

    def is_compressed(self, headers: Iterable[Header]) -> bool:
        """Return whether the back end's response chooses permessage-deflate."""
        return bool(self._extensions(headers))

    def for_client(self, headers: Sequence[Header]) -> list[Header]:
        """Return the handshake's headers of the back end's 101 for a client that has sent the key itself."""
        return [
            *UPGRADE,
            *((name, value) for name, value in headers if name in (ACCEPT, PROTOCOL, EXTENSIONS)),
        ]

    def _extensions(self, headers: Iterable[Header]) -> list[bytes]:
        return _tokens(value for name, value in headers if name == EXTENSIONS)


def accept_of(key: bytes) -> bytes:
    """Return Sec-WebSocket-Accept (§4.2.2).

    >>> accept_of(b"dGhlIHNhbXBsZSBub25jZQ==")
    b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def _tokens(values: Iterable[bytes]) -> list[bytes]:
    return [token for part in b",".join(values).split(b",") if (token := part.strip())]


def _name(extension: bytes) -> bytes:
    return extension.partition(b";")[0].strip().lower()


def _lower(head: Head, wanted: bytes) -> list[bytes]:
    return [token.lower() for token in _tokens(value for name, value in head.headers if name == wanted)]
