"""The two ways to a browser's DevTools: the pipe of a browser of our own, the WebSocket of a foreign one.

A transport has ``send`` (one message), ``receive`` (the next messages) and ``aclose``. ``receive`` raises
:class:`~orch.bots.chromium.errors.ConnectionLostError` at the end, ``send`` when there is nobody to read.
"""

from collections.abc import Sequence
from typing import Protocol

import trio
import trio_websocket

from orch.bots.chromium.errors import ConnectionLostError
from orch.bots.chromium.messages import Event, Framing, Reply, Unusable, decode

Message = Reply | Event | Unusable

_PART = 256 * 1024
"""Bytes of one read from the pipe."""


class Transport(Protocol):
    """A connection that carries whole messages. Only one task sends, and only one receives."""

    async def send(self, data: bytes) -> None:
        """Send a command. A cancel in between leaves the connection unusable."""

    async def receive(self) -> Sequence[Message]:
        """Return the next messages, in order; maybe none."""

    async def aclose(self) -> None:
        """Close it."""


class PipeTransport:
    """``--remote-debugging-pipe``: the browser reads commands from one stream and writes to another one."""

    def __init__(self, commands: trio.abc.SendStream, messages: trio.abc.ReceiveStream) -> None:
        self._commands = commands
        self._messages = messages
        self._framing = Framing()

    async def send(self, data: bytes) -> None:
        """Send a command."""
        try:
            await self._commands.send_all(data + b"\0")
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLostError("The browser has closed its DevTools pipe.") from error

    async def receive(self) -> Sequence[Message]:
        """Return the messages that the next bytes complete."""
        try:
            part = await self._messages.receive_some(_PART)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLostError("The browser has closed its DevTools pipe.") from error
        if not part:
            raise ConnectionLostError("The browser has closed its DevTools pipe.")
        return [each if isinstance(each, Unusable) else decode(each) for each in self._framing.feed(part)]

    async def aclose(self) -> None:
        """Close both streams. Chromium then closes itself."""
        await trio.aclose_forcefully(self._commands)
        await trio.aclose_forcefully(self._messages)


class WebSocketTransport:
    """The DevTools of a browser that somebody else has started, over an open WebSocket.

    The connection is opened with ``max_message_size``; a larger message ends it (close code 1009).
    """

    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self._connection = connection

    async def send(self, data: bytes) -> None:
        """Send a command."""
        try:
            await self._connection.send_message(data.decode())
        except trio_websocket.ConnectionClosed as error:
            raise self._lost() from error

    async def receive(self) -> Sequence[Message]:
        """Return the next message."""
        try:
            message = await self._connection.get_message()
        except trio_websocket.ConnectionClosed as error:
            raise self._lost() from error
        return [decode(message)]

    async def aclose(self) -> None:
        """Close the connection. The browser and its pages go on."""
        await self._connection.aclose()

    def _lost(self) -> ConnectionLostError:
        reason = self._connection.closed
        code = f" (code {reason.code})" if reason is not None else ""
        return ConnectionLostError(f"The browser has closed its DevTools connection{code}.")
