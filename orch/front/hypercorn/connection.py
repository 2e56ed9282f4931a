"""Hypercorn's connection, with stricter parsing, limits on small frames, and an end that cannot hang."""

from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from typing import Any, Final, cast

import h11
import structlog
import trio
from hypercorn.events import Closed, Event, Updated
from hypercorn.protocol.events import Body, Data, EndData, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H2ProtocolAssumedError, H11Protocol
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from wsproto.events import CloseConnection
from wsproto.utilities import LocalProtocolError

from orch.front.admission import REFUSAL_WITHIN
from orch.front.http1.request_parser import BadRequestError, refuse
from orch.front.hypercorn.frame_meters import Allowance, WebSocketMeter
from orch.front.hypercorn.sieve import Sieve
from orch.front.websocket import small_frames

FIRST_BYTES: Final = 65_536
"""Bytes read at a time from a client that is refused."""
FORCED_CLOSE: Final = 0.5
"""Seconds a connection has to end after its socket was closed under it."""
UNANSWERED: Final = (h11.IDLE, h11.SEND_RESPONSE)
POLICY: Final = 1008
"""RFC 6455 §7.4.1."""
CALM: Final = b"\0\0\x08\x07\0\0\0\0\0" + bytes(4) + (0xB).to_bytes(4, "big")
"""GOAWAY with ENHANCE_YOUR_CALM (RFC 9113 §6.8, §7)."""

_log = structlog.get_logger("front")


class FloodError(Exception):
    """A client has exceeded the limit of small frames; ``wire`` are the last bytes to send to it."""

    def __init__(self, wire: bytes) -> None:
        super().__init__(small_frames.REASON)
        self.wire = wire


class Context(WorkerContext):
    """Hypercorn's worker context, for one connection: its sleeps end when the client disconnects."""

    def __init__(self, worker: WorkerContext) -> None:
        super().__init__(None)
        self.terminated = worker.terminated
        self.gone = trio.Event()

    async def sleep(self, wait: float) -> None:  # type: ignore[override]  # this one belongs to a connection
        """Sleep, at most until the client disconnects."""
        with trio.move_on_after(wait):
            await self.gone.wait()


class Connection(TCPServer):
    """Hypercorn's connection, with its WebSocket pings and its closing replaced.

    Hypercorn's pings sleep from one to the next even when the client has disconnected, and the connection
    ends only after they wake. Its closing after the last response runs in the task of the application, which
    is notified first and cancels itself: a client that waits for the end of the connection would wait for
    ever.

    ``on_request`` is called when a request begins, ``on_refused`` with what was refused: bytes are checked
    before Hypercorn reads them (:mod:`orch.front.hypercorn.sieve`). An upgrade to HTTP/2 without TLS is
    ignored, as a server may: browsers never send it, and its headers end Hypercorn's connection in disorder.
    Small frames of HTTP/2 and of each WebSocket are limited (:mod:`orch.front.hypercorn.frame_meters`).
    """

    on_request: Callable[[], None]
    on_refused: Callable[[str], None]
    is_http2: bool

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._allowance = Allowance()

    async def _close(self) -> None:
        with trio.move_on_after(FORCED_CLOSE, shield=True):
            await super()._close()

    async def _read_data(self) -> None:
        try:
            await self._read_sieved()
            # A client that has disconnected is not idle; the task would keep it until its time-out.
            await self.idle_task.stop()
        finally:
            if isinstance(self.context, Context):
                self.context.gone.set()

    async def _read_sieved(self) -> None:
        protocol = self.protocol.protocol
        if isinstance(protocol, H11Protocol):
            check = partial(_take_preface, protocol) if self.is_http2 else _leave_alone
            setattr(protocol, "_check_protocol", check)  # noqa: B010 - a method of the library's
            sieve = Sieve(is_http2=self.is_http2)
        else:
            sieve = Sieve.of_http2()
        stream: Any = self.stream
        self.stream = cast("Any", _Sieved(stream, sieve, self._weigh))
        wire = b""
        try:
            await super()._read_data()
            return
        except BadRequestError as error:
            self.on_refused(error.kind)
            # The reason is sent if no response has started.
            if isinstance(protocol, H11Protocol) and protocol.connection.our_state in UNANSWERED:
                wire = refuse(error, date=formatdate(usegmt=True).encode())
        except FloodError as flood:
            self.on_refused(small_frames.TOO_MANY)
            wire = flood.wire
        finally:
            self.stream = stream
        await self._end(stream, wire)

    async def _end(self, stream: Any, wire: bytes) -> None:
        """Send the reason, if there is one, and end the connection."""
        if wire:
            with trio.move_on_after(REFUSAL_WITHIN):
                async with self.send_lock:
                    try:
                        await stream.send_all(wire)
                        if isinstance(stream, trio.SocketStream):
                            await stream.send_eof()
                        while await stream.receive_some(FIRST_BYTES):
                            pass  # closing with bytes unread would reset the connection
                    except (trio.BrokenResourceError, trio.ClosedResourceError):
                        _log.debug("connection lost")
        await self.protocol.handle(Closed())

    def _weigh(self, count: int) -> None:
        """Count small frames of HTTP/2, and have those of each WebSocket counted. Raises FloodError."""
        if count and not self._allowance.take(count, trio.current_time()):
            raise FloodError(CALM)
        protocol = self.protocol.protocol
        streams = tuple(protocol.streams.values()) if isinstance(protocol, H2Protocol) else (protocol.stream,)
        for stream in streams:
            if isinstance(stream, WSStream) and "handle" not in vars(stream):
                handle = partial(self._handle_counted, stream, WebSocketMeter(), Allowance())
                setattr(stream, "handle", handle)  # noqa: B010 - a method of the library's

    async def _handle_counted(
        self, stream: WSStream, meter: WebSocketMeter, allowance: Allowance, event: StreamEvent
    ) -> None:
        """Pass a WebSocket's bytes on, or close it for a flood."""
        if isinstance(event, Body | Data) and not allowance.take(
            meter.feed(bytes(event.data)), trio.current_time()
        ):
            await self._close_flooded(stream)
            return
        await WSStream.handle(stream, event)

    async def _close_flooded(self, stream: WSStream) -> None:
        """Close a WebSocket with the reason; an HTTP/2 connection, which other streams share, stays open."""
        try:
            wire = stream.connection.send(CloseConnection(code=POLICY, reason=small_frames.REASON))
        except LocalProtocolError:
            wire = b""  # it is closing already
        if isinstance(self.protocol.protocol, H11Protocol):
            raise FloodError(wire)
        self.on_refused(small_frames.TOO_MANY)
        with trio.move_on_after(REFUSAL_WITHIN):
            await stream.send(Data(stream_id=stream.stream_id, data=wire))
            await stream.send(EndData(stream_id=stream.stream_id))
        await stream.send(StreamClosed(stream_id=stream.stream_id))

    async def protocol_send(self, event: Event) -> None:
        """Send an event of the protocol, and report the beginning of requests."""
        await super().protocol_send(event)
        if isinstance(event, Updated) and not event.idle:
            self.on_request()  # only now: a stop closes idle connections


async def _leave_alone(_request: h11.Request) -> None:
    """Serve a request with an Upgrade header as a plain request."""


async def _take_preface(protocol: H11Protocol, request: h11.Request) -> None:
    """Switch to HTTP/2 for a client with prior knowledge only."""
    if (request.method, request.target, request.http_version) == (b"PRI", b"*", b"2.0"):
        trailing = cast("h11.Connection", protocol.connection).trailing_data[0]
        raise H2ProtocolAssumedError(b"PRI * HTTP/2.0\r\n\r\n" + trailing)


class _Sieved:
    """A stream whose bytes are passed on after the sieve has checked them and their frames were counted."""

    def __init__(self, stream: Any, sieve: Sieve, weigh: Callable[[int], None]) -> None:
        self._stream = stream
        self._sieve = sieve
        self._weigh = weigh

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def receive_some(self, most: int) -> bytes:
        """Return the bytes that have come. Raises BadRequestError and FloodError."""
        data = bytes(await self._stream.receive_some(most))
        self._weigh(self._sieve.check(data))
        return data
