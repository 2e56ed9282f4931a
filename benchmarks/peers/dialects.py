"""What clients say to be in a session, to speak in it and to have something sent back, by protocol. Pure."""

import json
from typing import Any, Final, Protocol

TEXT: Final = 0x81
PONG: Final = 0x8A

#: What the message that everyone in a session is sent contains.
DELIVERED: Final = b'"session_message"'
#: What an echo contains.
ECHOED: Final = b'"test_message"'

_MASK: Final = b"\x37\xfa\x21\x3d"
_SHORT: Final = 126
_MEDIUM: Final = 65_536


def masked(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return a client's frame. Every client uses one mask: a server has to undo it all the same."""
    size = len(payload)
    head = (
        bytes((opcode, 0x80 | size)) if size < _SHORT else bytes((opcode, 0x80 | _SHORT)) + size.to_bytes(2)
    )
    mask = (_MASK * (size // 4 + 1))[:size]
    return head + _MASK + (int.from_bytes(payload) ^ int.from_bytes(mask)).to_bytes(size)


def unmasked(payload: bytes) -> bytes:
    """Return the frame that a server sends for a text."""
    size = len(payload)
    if size < _SHORT:
        return bytes((TEXT, size)) + payload
    if size < _MEDIUM:
        return bytes((TEXT, _SHORT)) + size.to_bytes(2) + payload
    return bytes((TEXT, _SHORT + 1)) + size.to_bytes(8) + payload


class Dialect(Protocol):
    """A protocol that sessions are spoken of in."""

    path: str
    heartbeat: bytes | None
    """A text that asks for a sign of life, where the protocol's own pings are not used."""
    alive: bytes

    def event(self, name: str, fields: dict[str, Any]) -> bytes:
        """Return the text of a message."""

    def greeting(self) -> list[tuple[bytes, bytes]]:
        """Return what is sent after the handshake, each with what the answer to it contains."""


class Json:
    """JSON objects with a ``type``: the service's protocol, which the plain peers speak as well."""

    path = "/ws"
    heartbeat: bytes | None = None
    alive = b""

    def event(self, name: str, fields: dict[str, Any]) -> bytes:
        """Return the text of a message."""
        return json.dumps({"type": name, **fields}, separators=(",", ":")).encode()

    def greeting(self) -> list[tuple[bytes, bytes]]:
        """Nothing is said before the first message."""
        return []


class SocketIo:
    """Socket.IO 5 over Engine.IO 4, on a WebSocket from the start."""

    path = "/socket.io/?EIO=4&transport=websocket"
    heartbeat: bytes | None = b"2"
    alive = b"3"

    def event(self, name: str, fields: dict[str, Any]) -> bytes:
        """Return the text of a message."""
        return b"42" + json.dumps([name, fields], separators=(",", ":")).encode()

    def greeting(self) -> list[tuple[bytes, bytes]]:
        """Ask for the namespace."""
        return [(masked(b"40"), b"40{")]


DIALECTS: Final[dict[str, Dialect]] = {"json": Json(), "socket.io": SocketIo()}


def joining(dialect: Dialect, session: str, *, creates: bool) -> list[tuple[bytes, bytes]]:
    """Return what is to be sent to be in a session, each frame with what the answer to it contains."""
    asked, answered = (
        ("create_session", b'"session_created"') if creates else ("join_session", b'"session_joined"')
    )
    message = dialect.event(asked, {"session_id": session})
    return [*dialect.greeting(), (masked(message), answered)]


def saying(dialect: Dialect, session: str, data: str) -> bytes:
    """Return the frame that says ``data`` to all in the session."""
    return masked(dialect.event("broadcast", {"session_id": session, "data": data}))


def echo(dialect: Dialect) -> bytes:
    """Return a frame that is sent back."""
    return masked(dialect.event("test_message", {"data": "0123456789abcdef0123456789abcdef"}))
