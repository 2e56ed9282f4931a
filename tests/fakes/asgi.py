"""A WebSocket client that speaks ASGI from the server's side: no sockets, no time of its own."""

import json
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from orch.access.actors import Actor

LOCAL_OPERATOR = Actor(is_operator=True, is_local=True, via="local", address="127.0.0.1")
"""Someone at the machine itself, where no token is set."""

STRANGER = Actor(is_operator=False, is_local=False, via="none", address="192.0.2.7")

Application = Callable[[Any, Any, Any], Awaitable[None]]


def as_actor(application: Application, actor: Actor = LOCAL_OPERATOR) -> Application:
    """Return the application as one that is told who asks, for tests behind a server that does not say."""

    async def told(scope: Any, receive: Any, send: Any) -> None:
        await application({**scope, "orch.actor": actor}, receive, send)

    return told


class FakeSocket:
    """One client. What the application sends is buffered up to ``buffer`` frames; then its send waits.

    A client that has stopped reading is one with a small buffer that is not read. ``is_linked``: the scope
    has the extension ``orch.link``, as the service's own front has it.
    """

    is_linked = False
    """For all of a test: ``tests/websocket/conftest.py`` runs the hub's tests both ways."""

    def __init__(
        self,
        *,
        headers: Sequence[tuple[str, str]] = (("host", "testserver"),),
        buffer: float = math.inf,
        extensions: dict[str, Any] | None = None,
        actor: Actor = LOCAL_OPERATOR,
    ) -> None:
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "scheme": "ws",
            "path": "/ws",
            "raw_path": b"/ws",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 3000),
            "subprotocols": [],
            "orch.actor": actor,
            "extensions": {"websocket.http.response": {}} if extensions is None else dict(extensions),
        }
        self.link = FakeLink(self) if self.is_linked else None
        if self.link is not None:
            self.scope["extensions"]["orch.link"] = self.link
        self._to_app, self._app_receives = trio.open_memory_channel[dict[str, Any]](math.inf)
        self._app_sends, self._from_app = trio.open_memory_channel[dict[str, Any]](buffer)
        self.is_accepted = False
        self.status: int | None = None
        self.body = b""
        self.close_code: int | None = None
        self.has_ended = trio.Event()
        self.is_gone = False
        self._to_app.send_nowait({"type": "websocket.connect"})

    async def serve(self, application: Application) -> None:
        """Run the application for this client."""
        try:
            async with trio.open_nursery() as nursery:
                if self.link is not None:
                    nursery.start_soon(self.link.run)
                await application(self.scope, self._app_receives.receive, self._send)
                nursery.cancel_scope.cancel()
        finally:
            self.has_ended.set()
            self._app_sends.close()

    async def _send(self, event: dict[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        if self.link is not None:
            await self.link.drained(1)
        if self.is_gone:
            raise OSError("the client is gone")
        kind = event["type"]
        if kind == "websocket.accept":
            assert not self.is_accepted
            self.is_accepted = True
        elif kind == "websocket.http.response.start":
            self.status = event["status"]
        elif kind == "websocket.http.response.body":
            self.body += event["body"]
        elif kind == "websocket.close":
            self.close_code = event["code"]
            await self._app_sends.send(event)
        else:
            assert self.is_accepted, "sent before it was accepted"
            assert self.close_code is None, "sent after the close"
            await self._app_sends.send(event)

    async def take(self, event: dict[str, Any]) -> None:
        """Be sent something by the link, once there is room for it."""
        await self._app_sends.send(event)

    def take_nowait(self, event: dict[str, Any]) -> None:
        """Be sent something by the link, if there is room for it."""
        self._app_sends.send_nowait(event)

    # What the client does.

    def say(self, message: dict[str, Any] | str | bytes) -> None:
        """Send a message: a dict as JSON, a str as it is, bytes as a binary frame."""
        event: dict[str, Any] = {"type": "websocket.receive", "text": None, "bytes": None}
        if isinstance(message, bytes):
            event["bytes"] = message
        else:
            event["text"] = message if isinstance(message, str) else json.dumps(message)
        self._to_app.send_nowait(event)

    def hang_up(self) -> None:
        """Go away: the server notices at its next receive or send."""
        self.is_gone = True
        self._to_app.send_nowait({"type": "websocket.disconnect", "code": 1006})

    async def hear(self) -> dict[str, Any]:
        """Return the next message; raises EndOfChannel once the connection is closed and all is read."""
        event = await self._from_app.receive()
        if event["type"] == "websocket.close":
            raise trio.EndOfChannel
        message: dict[str, Any] = json.loads(event["text"])
        return message

    async def hear_raw(self) -> str:
        """Return the next text frame as it was sent."""
        event = await self._from_app.receive()
        return str(event["text"])

    async def until(self, kind: str) -> dict[str, Any]:
        """Return the next message of a type; those before it are dropped."""
        while True:
            message = await self.hear()
            if message["type"] == kind:
                return message

    async def until_all(self, *kinds: str) -> dict[str, dict[str, Any]]:
        """Return the next message of each type, in whichever order they come; others are dropped."""
        heard: dict[str, dict[str, Any]] = {}
        while len(heard) < len(kinds):
            message = await self.hear()
            if message["type"] in kinds:
                heard.setdefault(message["type"], message)
        return heard

    async def ask(self, message: dict[str, Any] | str | bytes, kind: str | None = None) -> dict[str, Any]:
        """Say something and return the next message (of a type)."""
        self.say(message)
        return await (self.until(kind) if kind else self.hear())

    async def settle(self) -> list[dict[str, Any]]:
        """Return everything that has arrived once nothing more is under way."""
        await trio.testing.wait_all_tasks_blocked()
        heard: list[dict[str, Any]] = []
        while True:
            try:
                event = self._from_app.receive_nowait()
            except (trio.WouldBlock, trio.EndOfChannel):
                return heard
            if event["type"] == "websocket.send":
                heard.append(json.loads(event["text"]))
            await trio.testing.wait_all_tasks_blocked()


class FakeLink:
    """A link to a :class:`FakeSocket`: what its buffer does not take is queued here, as at a real socket."""

    def __init__(self, socket: FakeSocket) -> None:
        self._socket = socket
        self._queue: deque[bytes] = deque()
        self._work = trio.lowlevel.ParkingLot()
        self._progress = trio.lowlevel.ParkingLot()
        self._sending: trio.CancelScope | None = None
        self._closing: dict[str, Any] | None = None
        self.is_over = False
        self.queued_bytes = 0
        self.blocked_since: float | None = None

    @staticmethod
    def encode_text(payload: bytes) -> bytes:
        """Return a text frame (RFC 6455 §5.2)."""
        size = len(payload)
        if size < 126:
            return b"\x81" + bytes([size]) + payload
        if size < 65_536:
            return b"\x81\x7e" + size.to_bytes(2, "big") + payload
        return b"\x81\x7f" + size.to_bytes(8, "big") + payload

    def offer(self, wire: bytes) -> None:
        """Send at once what the client takes, queue the rest."""
        assert self._socket.is_accepted, "offered before it was accepted"
        if self.is_over or self._closing is not None:
            return
        if self._socket.is_gone:
            self._end()
            return
        if not self._queue:
            try:
                self._socket.take_nowait(_event(wire))
            except trio.WouldBlock:
                self.blocked_since = trio.current_time()
            else:
                return
        self._queue.append(wire)
        self.queued_bytes += len(wire)
        self._work.unpark()

    def evict(self, code: int, reason: str) -> None:
        """Drop what is queued; say the code if the client takes it soon."""
        assert len(reason.encode()) <= 123
        if self.is_over or self._closing is not None:
            return
        self._clear()
        self._closing = {"type": "websocket.close", "code": code, "reason": reason}
        if self._sending is not None:
            self._sending.cancel()
        self._work.unpark()

    async def drained(self, below: int) -> None:
        """Wait until fewer bytes are queued, or the connection is over."""
        while self.queued_bytes >= below and not self.is_over:
            await self._progress.park()

    async def moved(self) -> None:
        """Wait until some of what is queued was taken or dropped, or the connection is over."""
        if self.queued_bytes and not self.is_over:
            await self._progress.park()

    async def run(self) -> None:
        """Send what is queued as the client takes it."""
        while self._closing is None:
            if not self._queue:
                await self._work.park()
                continue
            with trio.CancelScope() as self._sending:
                await self._socket.take(_event(self._queue[0]))
                self.queued_bytes -= len(self._queue.popleft())
                self.blocked_since = trio.current_time() if self._queue else None
                self._progress.unpark_all()
            self._sending = None
        with trio.move_on_after(2):
            await self._socket.take(self._closing)
            self._socket.close_code = self._closing["code"]
        self._end()

    def _clear(self) -> None:
        self._queue.clear()
        self.queued_bytes, self.blocked_since = 0, None
        self._progress.unpark_all()

    def _end(self) -> None:
        self.is_over = True
        self._clear()
        self._socket.hang_up()


def _event(wire: bytes) -> dict[str, Any]:
    size = {126: 4, 127: 10}.get(wire[1], 2)
    return {"type": "websocket.send", "text": wire[size:].decode()}


@asynccontextmanager
async def connected(application: Application, **options: Any) -> AsyncIterator[FakeSocket]:
    """Connect a client for the length of the block and read its greeting."""
    socket = FakeSocket(**options)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(socket.serve, application)
        greeting = await socket.hear()
        assert greeting["type"] == "connected", greeting
        yield socket
        if not socket.has_ended.is_set():
            socket.hang_up()
            await socket.has_ended.wait()
