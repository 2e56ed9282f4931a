"""The local server of the bots' media: one WebSocket server on loopback for all bots of a process.

Any program of this machine can connect to it. Each bot has a secret of 32 random bytes, which its page's
script has and nothing else: a connection is refused without it, and sees only that bot with it.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Never

import trio
import trio_websocket
from msgspec import Struct

from orch.bots.media.channel import Channel
from orch.bots.media.frames import LARGEST
from orch.bots.media.scripts import PageMedia, page_script
from orch.telemetry.boundaries import Boundary

PATH: Final = "/media/"

HANDSHAKE: Final = 5.0
"""Seconds that a connection may take to show its secret."""

MOST_STRANGERS: Final = 128
"""Connections that have not shown a secret yet; more are closed at once."""

_REFUSED: Final = 403


class ServerStatistics(Struct, frozen=True, kw_only=True):
    """The server's state. ``refused``: connections without a right secret."""

    channels: int
    strangers: int
    refused: int


class MediaServer:
    """All channels of a process. The mutable state is the channels by the digests of their secrets."""

    def __init__(self) -> None:
        self._port = 0
        self._channels: dict[bytes, Channel] = {}
        self._strangers = 0
        self._refused = 0
        self.boundary = Boundary("media of bots")
        """Around each connection."""

    def __repr__(self) -> str:
        return f"<MediaServer port {self._port}, {len(self._channels)} bots, {self._refused} refused>"

    def statistics(self) -> ServerStatistics:
        """Return the server's state."""
        return ServerStatistics(
            channels=len(self._channels), strangers=self._strangers, refused=self._refused
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Serve until cancelled; ``started()`` once channels can be made.

        Error handling: OSError if no port can be opened. A connection's fault ends that connection alone.
        """
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self._port = listeners[0].socket.getsockname()[1]
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(trio.serve_listeners, self._serve, listeners)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._port = 0
        raise AssertionError("It serves until it is cancelled.")

    @contextmanager
    def channel(
        self, bot_id: str, *, camera: tuple[int, int] | None = (1280, 720), video: bool = False
    ) -> Iterator[Channel]:
        """Make a bot's channel for the length of the block; then its page is disconnected.

        ``camera``: the size of its frame at first; None: the bot has no camera. ``video``: whether it
        receives the others' video, which nobody sees and costs much of a processor. RuntimeError if the
        server does not run.
        """
        if not self._port:
            raise RuntimeError("The media server does not run.")
        secret = secrets.token_urlsafe(32)
        width, height = camera or (0, 0)
        media = PageMedia(
            address=f"ws://127.0.0.1:{self._port}{PATH}{secret}",
            camera=camera is not None,
            video=video,
            width=width,
            height=height,
        )
        channel = Channel(bot_id, (page_script(media),))
        key = _digest(secret)
        self._channels[key] = channel
        try:
            yield channel
        finally:
            del self._channels[key]
            channel.end()

    async def _serve(self, stream: trio.SocketStream) -> None:
        if self._strangers >= MOST_STRANGERS:
            self._refused += 1
            await trio.aclose_forcefully(stream)
            return
        async with stream:
            with self.boundary.item():
                async with trio.open_nursery() as nursery:
                    found = await self._entered(stream, nursery)
                    if found is not None:
                        channel, socket = found
                        await channel.serve(socket)
                    nursery.cancel_scope.cancel()

    async def _entered(
        self, stream: trio.SocketStream, nursery: trio.Nursery
    ) -> tuple[Channel, trio_websocket.WebSocketConnection] | None:
        """Return the channel of a connection that shows its secret, and its socket."""
        self._strangers += 1
        try:
            with trio.move_on_after(HANDSHAKE):
                request = await trio_websocket.wrap_server_stream(
                    nursery, stream, message_queue_size=1, max_message_size=LARGEST, receive_buffer_size=65536
                )
                channel = self._channels.get(_digest(request.path.removeprefix(PATH)))
                if channel is not None:
                    return channel, await request.accept()
                await request.reject(_REFUSED)
        except trio_websocket.ConnectionClosed:
            pass
        finally:
            self._strangers -= 1
        self._refused += 1
        return None


def _digest(secret: str) -> bytes:
    """Return what a secret is looked up by: how long that takes says nothing about the secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
