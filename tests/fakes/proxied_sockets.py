"""Both ends of a proxied WebSocket, in memory, each by the library ``websockets``."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import trio
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from orch.front.link import ClientGoneError
from orch.gateway.client_request import Message
from tests.fakes.bounded_pipes import bounded_pair
from tests.fakes.gateway import GatewayRig, Serve

LIMIT = 2**30


class Peer:
    """One end: its protocol, and the stream that it is connected by. ``frames``: those not taken yet."""

    def __init__(self, protocol: Any, stream: Any) -> None:
        self.protocol = protocol
        self.stream = stream
        self.frames: list[Frame] = []
        self.pongs = True
        self._sending = trio.Lock()

    async def text(self, text: str) -> None:
        self.protocol.send_text(text.encode())
        await self.flush()

    async def binary(self, data: bytes, *, fin: bool = True) -> None:
        self.protocol.send_binary(data, fin)
        await self.flush()

    async def flush(self) -> None:
        async with self._sending:
            for piece in self.protocol.data_to_send():
                if piece:
                    await self.stream.send_all(piece)

    async def raw(self, wire: bytes) -> None:
        async with self._sending:
            await self.stream.send_all(wire)

    async def next(self) -> Frame | None:
        """Return the next frame; None at the end of the stream. Pings are answered, unless not ``pongs``."""
        while not self.frames:
            data = await self.stream.receive_some(65_536)
            if not data:
                self.protocol.receive_eof()
                return None
            self.protocol.receive_data(data)
            self.frames = [event for event in self.protocol.events_received() if isinstance(event, Frame)]
            if self.pongs:
                # Its answer to a close frame may find the connection closed already.
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    await self.flush()
        return self.frames.pop(0)

    async def said(self) -> Any:
        """Return the next message or close: text, bytes, or the code; None at the end of the stream."""
        while (frame := await self.next()) is not None:
            if frame.opcode is Opcode.TEXT:
                return bytes(frame.data).decode()
            if frame.opcode is Opcode.BINARY:
                return bytes(frame.data)
            if frame.opcode is Opcode.CLOSE:
                return int.from_bytes(frame.data[:2], "big") if frame.data else 1005
        return None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.protocol.send_close(code, reason)
        await self.flush()

    async def ping(self, payload: bytes) -> None:
        self.protocol.send_ping(payload)
        await self.flush()


class Tunnel:
    """What our own server hands over, over a stream whose reader decides the speed."""

    def __init__(self, visitor: "Visitor", stream: Any) -> None:
        self._visitor = visitor
        self._stream = stream

    async def departed(self) -> None:
        while data := await self.receive():
            self._visitor.early += data

    def begin(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        lines = [b"HTTP/1.1 101 Switching Protocols", *(b"%b: %b" % header for header in headers), b"", b""]
        self._visitor.opened(b"\r\n".join(lines), list(headers))
        return self._visitor.early

    async def receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(65_536))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def send(self, wire: bytes) -> None:
        try:
            await self._stream.send_all(wire)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ClientGoneError from error

    def backlog(self) -> int:
        return self._visitor.backlog

    def finish(self) -> None:
        self._visitor.is_finished = True

    def abort(self) -> None:
        self._visitor.is_aborted = True
        self.shut()

    def shut(self) -> None:
        self._stream.send_stream.close()
        self._stream.receive_stream.close()


class Visitor:
    """A client of our own server, and its WebSocket once it is open. ``sent``: a refusal's response."""

    def __init__(
        self,
        path: str = "/api/audio/v1/realtime",
        *,
        headers: Sequence[tuple[bytes, bytes]] = (),
        subprotocols: Sequence[str] = (),
        is_deflated: bool = False,
        address: str = "203.0.113.9",
        early: bytes = b"",
        is_tunnelled: bool = True,
    ) -> None:
        protocol: Any = ClientProtocol(
            parse_uri(f"ws://front.example{path}"),
            subprotocols=list(subprotocols) or None,  # type: ignore[arg-type]
            extensions=[ClientPerMessageDeflateFactory()] if is_deflated else None,
            max_size=LIMIT,
        )
        request = protocol.connect()
        protocol.send_request(request)
        protocol.data_to_send()
        ours, theirs = bounded_pair()
        self.peer = Peer(protocol, ours)
        self.early = early
        self.headers: list[tuple[bytes, bytes]] = []
        self.sent: list[dict[str, Any]] = []
        self.is_open = trio.Event()
        self.is_over = trio.Event()
        self.is_aborted = False
        self.is_finished = False
        self.backlog = 0
        self._tunnel = Tunnel(self, theirs)
        given = [(name.lower().encode(), value.encode()) for name, value in request.headers.raw_items()]
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "path": path.partition("?")[0],
            "query_string": path.partition("?")[2].encode(),
            "headers": [*given, *headers],
            "client": (address, 5),
            "scheme": "ws",
            "http_version": "1.1",
            "subprotocols": list(subprotocols),
            "extensions": {"websocket.http.response": {}},
        }
        if is_tunnelled:
            self.scope["extensions"]["orch.tunnel"] = lambda: self._tunnel

    def opened(self, wire: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """Take the 101; the library checks it."""
        self.peer.protocol.receive_data(wire)
        self.peer.protocol.events_received()
        assert self.peer.protocol.handshake_exc is None, self.peer.protocol.handshake_exc
        self.headers = headers
        self.is_open.set()

    async def run(self, rig: GatewayRig) -> None:
        """Be served until the socket has ended."""
        connected = False

        async def receive() -> Message:
            nonlocal connected
            await trio.lowlevel.checkpoint()
            assert not connected, "what comes goes through the tunnel"
            connected = True
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            await trio.lowlevel.checkpoint()
            self.sent.append(dict(message))

        try:
            await rig.gateway.connect(self.scope, receive, send)
        finally:
            self._tunnel.shut()
            self.is_over.set()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


Talk = Callable[[Peer], Awaitable[None]]


def accepting(
    talk: Talk,
    *,
    subprotocols: Sequence[str] = (),
    is_deflated: bool = False,
    seen: list[Request] | None = None,
    with_response: bytes = b"",
) -> Serve:
    """Serve each connection as a WebSocket, by ``talk``. ``with_response``: sent together with the 101."""

    async def serve(stream: trio.abc.Stream) -> None:
        protocol: Any = ServerProtocol(
            subprotocols=list(subprotocols) or None,  # type: ignore[arg-type]
            extensions=[ServerPerMessageDeflateFactory()] if is_deflated else None,
            max_size=LIMIT,
        )
        request = None
        while request is None:
            data = await stream.receive_some(65_536)
            if not data:
                return
            protocol.receive_data(data)
            request = next(iter(protocol.events_received()), None)
        if seen is not None:
            seen.append(request)
        response = protocol.accept(request)
        protocol.send_response(response)
        await stream.send_all(b"".join(protocol.data_to_send()) + with_response)
        peer = Peer(protocol, stream)
        if response.status_code == 101:
            await talk(peer)

    return serve


async def echo(peer: Peer) -> None:
    """Send back what comes, with its kind, and close when the client does."""
    while isinstance(said := await peer.said(), str | bytes):
        if isinstance(said, str):
            await peer.text(said)
        else:
            await peer.binary(said)
    await peer.flush()
