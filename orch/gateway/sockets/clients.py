"""The two ways in which a client's side of a WebSocket is reached.

Our own server hands over the connection (``orch.tunnel`` among the extensions of the scope): frames are
passed on as they are, of any length, compressed or not. Other servers offer whole messages: what they decode
is encoded again, and their own pings are the client's only ones.
"""

import os
from collections.abc import Sequence
from typing import Any, Final, Protocol

import trio

from orch.gateway.client_request import ClientGoneError, Receive, Send
from orch.gateway.headers import Header
from orch.gateway.sockets.frames import CLOSE, close_payload, control, is_close_code
from orch.gateway.sockets.handshake import PROTOCOL, Handshake
from orch.gateway.sockets.messages import Assembler, frame

ABNORMAL: Final = 1006
_MASK: Final = 4


class Tunnel(Protocol):
    """What our own server offers: see :class:`orch.front.websocket.tunnel.Tunnel`."""

    async def departed(self) -> None:
        """Wait, before the 101, until the client disconnects."""

    def begin(self, headers: Sequence[Header]) -> bytes:
        """Send the 101 with these headers; return the bytes that came after the request."""

    async def receive(self) -> bytes:
        """Return the bytes that have come, none at the end."""

    async def send(self, wire: bytes) -> None:
        """Send bytes, as fast as the client reads. Raises OSError."""

    def backlog(self) -> int:
        """Return the bytes that have not reached the client's machine, as far as that is known."""

    def finish(self) -> None:
        """Note that both close frames have passed."""

    def abort(self) -> None:
        """End the connection at once."""


class ClientEnd(Protocol):
    """A client's side, as bytes of frames."""

    passes_frames: bool
    """Whether frames pass as they are: control frames, and those that are compressed."""

    async def departed(self) -> None:
        """Wait, before :meth:`accept`, until the client disconnects."""

    async def accept(self, handshake: Handshake, chosen: Sequence[Header], headers: Sequence[Header]) -> None:
        """Complete the handshake. ``chosen``: the headers of the back end's response; ``headers``: others."""

    async def receive(self) -> bytes:
        """Return bytes of frames, none at the end."""

    async def send(self, wire: bytes) -> None:
        """Send bytes of frames, as fast as the client reads. Raises OSError, trio.BrokenResourceError."""

    def backlog(self) -> int:
        """Return the bytes that have not reached the client's machine, as far as that is known."""

    def finish(self) -> None:
        """Note that both close frames have passed."""

    def abort(self) -> None:
        """End the connection at once, if the server allows that."""


class FrontClient:
    """A client of our own server."""

    passes_frames = True

    def __init__(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel
        self._early = b""

    async def departed(self) -> None:
        """Wait until the client disconnects."""
        await self._tunnel.departed()

    async def accept(self, handshake: Handshake, chosen: Sequence[Header], headers: Sequence[Header]) -> None:
        """Complete the handshake with what the back end chose."""
        self._early = self._tunnel.begin([*handshake.for_client(chosen), *headers])

    async def receive(self) -> bytes:
        """Return bytes of frames, none at the end."""
        if self._early:
            await trio.lowlevel.checkpoint()
            early, self._early = self._early, b""
            return early
        return await self._tunnel.receive()

    async def send(self, wire: bytes) -> None:
        """Send bytes of frames."""
        await self._tunnel.send(wire)

    def backlog(self) -> int:
        """Return the bytes that have not reached the client's machine."""
        return self._tunnel.backlog()

    def finish(self) -> None:
        """Note that both close frames have passed."""
        self._tunnel.finish()

    def abort(self) -> None:
        """End the connection."""
        self._tunnel.abort()


class MessageClient:
    """A client of a server that offers messages alone.

    Of an end that the client announced with a close frame, Hypercorn says no more than that it came.
    """

    passes_frames = False

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._assembler = Assembler()
        self._is_over = False

    async def departed(self) -> None:
        """Wait until the client disconnects; no server passes on anything else before."""
        while (await self._receive())["type"] != "websocket.disconnect":
            pass
        self._is_over = True

    async def accept(self, handshake: Handshake, chosen: Sequence[Header], headers: Sequence[Header]) -> None:
        """Complete the handshake; the server makes its own, with the back end's subprotocol."""
        subprotocols = [name.decode("latin-1") for name in handshake.chosen(chosen)]
        await self._pass(
            {
                "type": "websocket.accept",
                "subprotocol": subprotocols[0] if subprotocols else None,
                "headers": [header for header in headers if header[0] != PROTOCOL],
            }
        )

    async def receive(self) -> bytes:
        """Return the next message as a frame, or the close frame; then nothing."""
        if self._is_over:
            await trio.lowlevel.checkpoint()
            return b""
        message = await self._receive()
        if message["type"] == "websocket.receive":
            text = message.get("text")
            return frame(message["bytes"] if text is None else text, os.urandom(_MASK))
        self._is_over = True
        code = message.get("code", ABNORMAL)
        if not is_close_code(code):
            return b""
        payload = close_payload(code, message.get("reason") or "")
        return control(CLOSE, payload, os.urandom(_MASK))

    async def send(self, wire: bytes) -> None:
        """Send the messages that are complete, or the close."""
        assembler = self._assembler
        for message in assembler.feed(wire):
            kind = "text" if isinstance(message, str) else "bytes"
            await self._pass({"type": "websocket.send", kind: message})
        if assembler.violation is not None:
            await self._close(assembler.violation.code, assembler.violation.detail)
            raise trio.BrokenResourceError(assembler.violation.detail)
        if assembler.closed is not None:
            await self._close(assembler.closed, assembler.reason)

    async def _close(self, code: int, reason: str) -> None:
        await self._pass(
            {"type": "websocket.close", "code": code if is_close_code(code) else 1000, "reason": reason}
        )

    def backlog(self) -> int:
        """Return 0: the server does not say, and pings the client itself."""
        return 0

    def finish(self) -> None:
        """Do nothing: the server sees to the end itself."""

    def abort(self) -> None:
        """Send nothing more; the server ends the connection when the application has returned."""
        self._is_over = True

    async def _pass(self, message: dict[str, Any]) -> None:
        try:
            await self._send(message)
        except ClientGoneError as error:
            raise trio.BrokenResourceError from error
