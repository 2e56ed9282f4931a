"""The path ``/v1/realtime``: how many clients are served, and who is refused."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio

from orch.problems import ProblemError
from orch.sandbox.handshakes import refuse_handshake
from orch.sandbox.realtime.connection import RealtimeConnection, Receive, Send, Transcriber
from orch.sandbox.realtime.session import DEFAULT_LIMITS, RealtimeLimits

PATH: Final = "/v1/realtime"

Application = Callable[[Any, Any, Any], Awaitable[None]]


class RealtimeEndpoint:
    """An ASGI application: WebSockets are served here, at :data:`PATH`, everything else by ``app``.

    A connection beyond the limit, or while there is no engine, is refused with a problem document in place of
    the handshake. The mutable state is the open connections, the number of handshakes, and whether the
    service stops.
    """

    def __init__(
        self,
        app: Application,
        transcriber: Transcriber,
        limits: RealtimeLimits = DEFAULT_LIMITS,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._transcriber = transcriber
        self._limits = limits
        self._wall = wall
        self._connections: set[RealtimeConnection] = set()
        self._is_stopping = False
        self.sockets = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        await receive()  # websocket.connect
        if scope["path"] != PATH:
            await refuse_handshake(ProblemError("not_found", f"The only WebSocket is {PATH}."), send)
            return
        if self._is_stopping:
            await refuse_handshake(ProblemError("shutting_down", "The audio-service is stopping."), send)
            return
        if self.sockets >= self._limits.sockets:
            limit = f"{self._limits.sockets} clients can be connected at the same time."
            await refuse_handshake(
                ProblemError("too_many_connections", limit, headers={"Retry-After": "5"}), send
            )
            return
        self.sockets += 1
        try:
            await self._serve(receive, send)
        finally:
            self.sockets -= 1

    async def _serve(self, receive: Receive, send: Send) -> None:
        try:
            await self._transcriber.loaded()
        except ProblemError as error:
            await refuse_handshake(error, send)
            return
        await send({"type": "websocket.accept"})
        connection = RealtimeConnection(
            self._transcriber, receive, send, limits=self._limits, wall=self._wall()
        )
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def drain(self) -> None:
        """Close all connections: the service stops."""
        self._is_stopping = True
        for connection in self._connections:
            connection.stop()
        await trio.lowlevel.checkpoint()
