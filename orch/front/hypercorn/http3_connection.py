"""One client's HTTP/3 connection: aioquic is the protocol, Hypercorn's streams run the application.

aioquic does no I/O: datagrams and the time go in, datagrams and events come out. A connection is one task
that waits for datagrams and timers, and a task for each request. Unlike Hypercorn's own protocol it is
bounded: headers, bytes waiting to be sent, the time of a handshake and the time that a request is left
unread; and it ends in time, whatever a client sends.

WebSockets are not offered over HTTP/3: browsers open them over HTTP/1.1.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import pylsqpack
import trio
from aioquic.h3.connection import ErrorCode, FrameType, H3Connection, Setting
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionIdIssued,
    ConnectionIdRetired,
    ConnectionTerminated,
    HandshakeCompleted,
    ProtocolNegotiated,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.protocol.events import Body, EndBody, InformationalResponse, Request, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import filter_pseudo_headers

WAITING_DATAGRAMS: Final = 64
"""Datagrams queued from one client; further ones are dropped, and QUIC sends their content again."""
HEADER_BYTES: Final = 32 * 1024
"""Bytes of a request's headers, compressed or not: as over HTTP/1.1."""
HEADER_LINES: Final = 128
UNSENT_BYTES: Final = 256 * 1024
"""Bytes of one connection's responses that aioquic stores until the client acknowledges them."""
SLICE: Final = 32 * 1024
"""Bytes of a response passed to aioquic at a time."""
HANDSHAKE: Final = 10.0
"""Seconds that a client has for its handshake."""
UNREAD: Final = 30.0
"""Seconds a request's body may wait for the application, and the connection with it."""
LAST_WORDS: Final = 0.5
"""Seconds that the applications have to return after their client has disconnected."""

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that HTTP/3 does not have (RFC 9114 §4.2)."""

Address = tuple[Any, ...]
Send = Callable[[bytes, Address], None]


class Quic3(H3Connection):
    """An HTTP/3 connection without a dynamic table, so that few bytes cannot expand to megabytes."""

    def _init_connection(self) -> None:
        self._max_table_capacity = self._blocked_streams = 0
        self._decoder = pylsqpack.Decoder(0, 0)
        super()._init_connection()

    def _get_local_settings(self) -> dict[int, int]:
        settings = super()._get_local_settings()
        del settings[Setting.ENABLE_CONNECT_PROTOCOL]
        return settings | {Setting.MAX_FIELD_SECTION_SIZE: HEADER_BYTES}

    def is_overfull(self, stream_id: int) -> bool:
        """Whether a stream stores more of one frame than headers may have."""
        stream = self._stream.get(stream_id)
        return (
            stream is not None and stream.frame_type != FrameType.DATA and len(stream.buffer) > HEADER_BYTES
        )


class Http3Connection:
    """Serves one client until it disconnects, is idle, or the server stops.

    ``send`` sends a datagram, or drops it. ``names`` are the connection ids that the client may use;
    ``rename`` is called when they change. The mutable state is that of aioquic, the open streams, and the
    queued datagrams.
    """

    def __init__(
        self,
        quic: QuicConnection,
        app: ASGIWrapper,
        *,
        config: Config,
        context: WorkerContext,
        client: Address,
        server: tuple[str, int],
        send: Send,
        names: set[bytes],
        rename: Callable[[], None],
    ) -> None:
        self._quic = quic
        self._app = app
        self._config = config
        self._context = context
        self._client = (str(client[0]), int(client[1]))
        self._server = server
        self._send = send
        self.names = names
        self._rename = rename
        self._h3: Quic3 | None = None
        self._streams: dict[int, HTTPStream] = {}
        self._waiting = trio.CancelScope()
        self._confirmed = trio.Event()
        self._is_over = False
        self._is_leaving = False
        self._began = trio.current_time()
        self.is_established = False
        self._group = TaskGroup()
        self._put, self._take = trio.open_memory_channel[tuple[bytes, Address]](WAITING_DATAGRAMS)

    def __repr__(self) -> str:
        return f"<Http3Connection of {self._client[0]}, {len(self._streams)} requests>"

    def offer(self, data: bytes, address: Address) -> None:
        """Queue a datagram, or drop it if the queue is full."""
        try:
            self._put.send_nowait((data, address))
        except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            return

    def leave(self) -> None:
        """Accept no new request; end after the last response."""
        self._is_leaving = True
        self._waiting.cancel()

    async def run(self) -> None:
        """Serve until the connection is over, or until cancelled."""
        with self._put, self._take, trio.CancelScope() as scope:
            async with self._group:
                try:
                    while not self._is_over:
                        await self._step()
                finally:
                    self._is_over = True
                    self._look_again()
                    self._quic.close(ErrorCode.H3_NO_ERROR)
                    self._transmit()
                    with trio.move_on_after(LAST_WORDS, shield=True):
                        for stream in tuple(self._streams.values()):
                            await stream.handle(StreamClosed(stream_id=stream.stream_id))
                    scope.deadline = trio.current_time() + LAST_WORDS

    async def _step(self) -> None:
        """Wait for datagrams and timers, and handle them."""
        if self._is_leaving and not self._streams:
            self._is_over = True
            return
        received: tuple[bytes, Address] | None = None
        self._waiting = trio.CancelScope(deadline=self._next())
        with self._waiting:
            received = await self._take.receive()
        now = trio.current_time()
        while received is not None:
            self._quic.receive_datagram(*received, now)
            try:
                received = self._take.receive_nowait()
            except trio.WouldBlock:
                received = None
        timer = self._quic.get_timer()
        if timer is not None and timer <= now:
            self._quic.handle_timer(now)
        if not self.is_established and now >= self._began + HANDSHAKE:
            self._fail(ErrorCode.H3_EXCESSIVE_LOAD)
        while not self._is_over and (event := self._quic.next_event()) is not None:
            await self._handle(event)
        self._transmit()
        self._look_again()

    def _look_again(self) -> None:
        """Wake the requests that wait for room to send."""
        self._confirmed.set()
        self._confirmed = trio.Event()

    def _next(self) -> float:
        timer = self._quic.get_timer()
        handshake = math.inf if self.is_established else self._began + HANDSHAKE
        return min(math.inf if timer is None else timer, handshake)

    def _transmit(self) -> None:
        for data, address in self._quic.datagrams_to_send(trio.current_time()):
            self._send(data, address)
        self._waiting.deadline = self._next()

    def _fail(self, code: int) -> None:
        self._quic.close(code)
        self._is_over = True

    async def _handle(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            self._is_over = True
            return
        if isinstance(event, ConnectionIdIssued | ConnectionIdRetired):
            change = self.names.add if isinstance(event, ConnectionIdIssued) else self.names.discard
            change(event.connection_id)
            self._rename()
        elif isinstance(event, HandshakeCompleted):
            self.is_established = True
        elif isinstance(event, ProtocolNegotiated):
            self._h3 = Quic3(self._quic)
        if self._h3 is None:
            return
        if isinstance(event, StreamReset | StopSendingReceived):
            await self._lose(event.stream_id)
        for each in self._h3.handle_event(event):
            await self._request(each)
        if isinstance(event, StreamDataReceived) and self._h3.is_overfull(event.stream_id):
            self._fail(ErrorCode.H3_EXCESSIVE_LOAD)

    async def _lose(self, stream_id: int) -> None:
        """Send ``http.disconnect`` to the application of a request that the client has cancelled."""
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            self._look_again()
            await self._give(stream, StreamClosed(stream_id=stream_id))

    async def _request(self, event: H3Event) -> None:
        if isinstance(event, HeadersReceived):
            if event.stream_id in self._streams:
                # Trailers, which no application here reads.
                if event.stream_ended:
                    await self._give(self._streams[event.stream_id], EndBody(stream_id=event.stream_id))
                return
            await self._begin(event)
        elif isinstance(event, DataReceived):
            stream = self._streams.get(event.stream_id)
            if stream is None:
                return  # the response is complete
            if event.data:
                await self._give(stream, Body(stream_id=event.stream_id, data=event.data))
            if event.stream_ended:
                await self._give(stream, EndBody(stream_id=event.stream_id))

    async def _begin(self, event: HeadersReceived) -> None:
        stream_id = event.stream_id
        refused = self._refusal(event)
        if refused is not None:
            self._stop(stream_id, refused)
            self._quic.reset_stream(stream_id, refused)
            return
        named = dict(event.headers)
        stream = HTTPStream(
            self._app,
            self._config,
            self._context,
            self._group,
            True,  # noqa: FBT003 - there is no HTTP/3 without TLS
            self._client,
            self._server,
            self._answer,
            stream_id,
        )
        self._streams[stream_id] = stream
        request = Request(
            stream_id=stream_id,
            headers=filter_pseudo_headers(event.headers),
            http_version="3",
            method=named[b":method"].decode("ascii"),
            raw_path=named[b":path"],
            state=ConnectionState({}),
        )
        await self._give(stream, request)
        if event.stream_ended:
            await self._give(stream, EndBody(stream_id=stream_id))

    def _refusal(self, event: HeadersReceived) -> int | None:
        """Return why a request is refused, as an HTTP/3 error code, or None."""
        if self._is_leaving:
            return ErrorCode.H3_REQUEST_REJECTED
        size = sum(len(name) + len(value) + 32 for name, value in event.headers)  # RFC 9114 §4.2.2
        if size > HEADER_BYTES or len(event.headers) > HEADER_LINES:
            return ErrorCode.H3_EXCESSIVE_LOAD
        named = dict(event.headers)
        path, method, scheme = named.get(b":path", b""), named[b":method"], named.get(b":scheme")
        is_path = path.startswith(b"/") or (path == b"*" and method == b"OPTIONS")
        if not (is_path and path.isascii() and b"#" not in path):
            return ErrorCode.H3_MESSAGE_ERROR
        if not method.isascii() or method == b"CONNECT" or scheme != b"https" or b":protocol" in named:
            return ErrorCode.H3_MESSAGE_ERROR
        # The host occurs once (RFC 9114 §4.3.1).
        if named.get(b"host", named[b":authority"]) != named[b":authority"]:
            return ErrorCode.H3_MESSAGE_ERROR
        return None

    async def _give(self, stream: HTTPStream, event: StreamEvent) -> None:
        """Pass a part of a request to its application; reset the request if it is not read in time."""
        with trio.move_on_after(UNREAD) as waiting:
            await stream.handle(event)
        if waiting.cancelled_caught:
            self._streams.pop(stream.stream_id, None)
            self._stop(stream.stream_id, ErrorCode.H3_REQUEST_CANCELLED)
            self._quic.reset_stream(stream.stream_id, ErrorCode.H3_REQUEST_CANCELLED)

    def _stop(self, stream_id: int, code: int) -> None:
        with suppress(ValueError):  # all of it was received, and aioquic has dropped the stream
            self._quic.stop_stream(stream_id, code)

    async def _answer(self, event: StreamEvent) -> None:
        """Send a part of a response; wait while the client is behind."""
        if self._is_over or self._h3 is None or event.stream_id not in self._streams:
            return
        if isinstance(event, InformationalResponse | Response):
            head = [(b":status", b"%d" % event.status_code)]
            said = [(name.lower(), value) for name, value in event.headers if name.lower() not in HOP_BY_HOP]
            self._h3.send_headers(event.stream_id, head + said + self._config.response_headers("h3"))
        elif isinstance(event, Body):
            for begin in range(0, len(event.data), SLICE):
                if not await self._has_room(event.stream_id):
                    return
                self._h3.send_data(event.stream_id, event.data[begin : begin + SLICE], end_stream=False)
                self._transmit()
        elif isinstance(event, EndBody):
            self._h3.send_data(event.stream_id, b"", end_stream=True)
        elif isinstance(event, StreamClosed):
            stream = self._streams.pop(event.stream_id)
            if stream.state is not ASGIHTTPState.CLOSED:  # the application ended early
                self._quic.reset_stream(event.stream_id, ErrorCode.H3_INTERNAL_ERROR)
            self._stop(event.stream_id, ErrorCode.H3_NO_ERROR)  # of the request, if there is more
            if self._is_leaving:
                self._waiting.cancel()
        self._transmit()

    async def _has_room(self, stream_id: int) -> bool:
        """Wait until aioquic stores few bytes; return False if the client has disconnected."""
        while self._unsent() > UNSENT_BYTES:
            await self._confirmed.wait()
            if self._is_over or stream_id not in self._streams:
                return False
        return True

    def _unsent(self) -> int:
        """Return the bytes that the client has not acknowledged, also of requests that are over."""
        senders = (each.sender for each in self._quic._streams.values())  # noqa: SLF001 - aioquic does not say
        return sum(each._buffer_stop - each._buffer_start for each in senders)  # noqa: SLF001 - the same
