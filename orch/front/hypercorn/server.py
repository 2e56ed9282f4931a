"""Hosts the ASGI application with Hypercorn's Trio connections, inside the tree.

Hypercorn's own ``serve`` would do, except for its shutdown: its sends are shielded and have no deadline, so
that one client that has stopped reading blocks the process for ever. Here the accept loop is ours and knows
every socket, so that sockets which are still open after the grace period are closed under Hypercorn.
"""

import socket as stdlib_socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from email.utils import formatdate
from functools import partial
from typing import Any, Final

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from orch.front.admission import REFUSAL_WITHIN, REFUSALS, Admission, Place
from orch.front.flooders import Flooders
from orch.front.http1 import plain_http
from orch.front.http1.error_responses import problem
from orch.front.hypercorn.connection import FIRST_BYTES, FORCED_CLOSE, Connection, Context
from orch.front.hypercorn.http3 import Datagrams, bind
from orch.front.listeners import Listener
from orch.front.statistics import FrontStatistics, readings
from orch.front.websocket import limits
from orch.front.websocket.small_frames import TOO_MANY
from orch.queued_bytes import QueuedBytes
from orch.shortages import Shortage
from orch.sockets import BACKLOG, addresses
from orch.telemetry.boundaries import Boundary
from orch.telemetry.names.metric import Reading

log = structlog.get_logger("front")


HANDSHAKE: Final = 10.0
"""Seconds that a client has to begin the TLS handshake."""
FIRST_REQUEST: Final = 1.0
"""Seconds that a connection accepted just before a stop has for its first request and the response."""

ALT_SVC: Final = 3600
"""Seconds for which a client may remember that HTTP/3 is offered (Alt-Svc)."""


class HypercornServer:
    """Accepts connections for ``app`` until ``stopping`` is set.

    The mutable state is the set of open sockets, and which of them have sent no request yet. Port 0 is
    replaced by a free port once, which restarts of the branch keep. ``drain`` is called at a stop, after the
    last accepted connection had a moment for its first request; it and the requests in flight have ``grace``
    seconds together. ``heartbeat_timeout`` and ``deflate`` are not used: Hypercorn sends pings but checks no
    answers, and accepts every offer of compression. ``http2`` accepts HTTP/2 from clients with prior
    knowledge; over TLS, ``tls`` must offer it. ``http3`` returns the certificate and key in use, in PEM; with
    it HTTP/3 is served at the same addresses. ``listen`` returns open listeners, which replace ``host`` and
    ``port``.
    """

    def __init__(
        self,
        app: Any,
        *,
        host: str,
        port: int,
        stopping: trio.Event,
        drain: Callable[[], Awaitable[None]],
        grace: Callable[[], float],
        heartbeat: Callable[[], float] = lambda: 25.0,
        heartbeat_timeout: Callable[[], float] | None = None,
        deflate: bool = True,
        tls: Callable[[], ssl.SSLContext] | None = None,
        listen: Callable[[], Sequence[Listener]] | None = None,
        admission: Admission | None = None,
        on_shortage: Callable[[Shortage, str], None] | None = None,
        outgoing: QueuedBytes | None = None,
        http2: bool = False,
        http3: Callable[[], tuple[bytes, bytes]] | None = None,
    ) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._stopping = stopping
        self._drain = drain
        self._grace = grace
        self._heartbeat = heartbeat
        del heartbeat_timeout, deflate, on_shortage  # Trio's own accept loop waits when descriptors are short
        del outgoing  # every send waits, so nothing is queued here
        self._admission = admission
        self._tls = tls
        self._listen_given = listen
        self._sockets: set[trio.socket.SocketType] = set()
        self._fresh: dict[trio.socket.SocketType, float] = {}
        self._settled = trio.Event()
        self._emptied: trio.Event | None = None
        self._accepted = 0
        self._forced = 0
        self._is_http2 = http2
        self._http3 = http3
        self._datagrams: Datagrams | None = None
        self._refused: Counter[str] = Counter()
        self._responses: Counter[int] = Counter()
        self._connection_boundary = Boundary("client connections")
        self._datagram_boundary = Boundary("datagrams")
        self._flooders = Flooders()
        self._bound_to: frozenset[tuple[str, int]] = frozenset()
        self.bound: tuple[str, ...] = ()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``stopping`` is set and all connections have ended, or until cancelled."""
        listeners = await self._listen()
        context = WorkerContext(None)
        datagram_sockets: list[stdlib_socket.socket] = []
        try:
            if self._http3 is not None:
                datagram_sockets = bind([_name(listener) for listener in listeners])
                self._datagrams = self._make_datagrams(self._http3, context)
            async with trio.open_nursery() as reading:
                async with trio.open_nursery() as connections:
                    if self._datagrams is not None:
                        reading.start_soon(self._datagrams.serve, datagram_sockets, connections)
                    try:
                        async with trio.open_nursery() as accepting:
                            accepting.start_soon(
                                partial(
                                    trio.serve_listeners,
                                    partial(self._serve_connection, context),
                                    listeners,
                                    handler_nursery=connections,
                                )
                            )
                            task_status.started()
                            await self._stopping.wait()
                            accepting.cancel_scope.cancel()
                        # New clients are refused, or accepted by another worker, rather than left waiting.
                        for listener in listeners:
                            await listener.aclose()
                        with trio.move_on_after(self._grace()):
                            await self._finish(context)
                    finally:
                        self._close_all(connections)
                reading.cancel_scope.cancel()
        finally:
            for each in datagram_sockets:
                trio.lowlevel.notify_closing(each)
                each.close()
            with trio.move_on_after(FORCED_CLOSE, shield=True):
                for listener in listeners:
                    await listener.aclose()

    async def _finish(self, context: WorkerContext) -> None:
        """Serve the newest connections' first requests, ask clients to leave, and wait until all have."""
        await self._answer_first_requests()
        await context.terminated.set()
        await self._drain()
        if self._datagrams is not None:
            self._datagrams.leave()
        if self._open:
            self._emptied = trio.Event()
            await self._emptied.wait()

    @property
    def _open(self) -> int:
        return len(self._sockets) + (0 if self._datagrams is None else self._datagrams.open)

    def _has_ended(self) -> None:
        if self._emptied is not None and not self._open:
            self._emptied.set()

    def _make_datagrams(self, pair: Callable[[], tuple[bytes, bytes]], context: WorkerContext) -> Datagrams:
        return Datagrams(
            app_at=self._bound_app,
            config=self._config,
            context=context,
            pair=pair,
            admission=self._admission,
            on_empty=self._has_ended,
            boundary=self._datagram_boundary,
        )

    async def _answer_first_requests(self) -> None:
        """Wait until every connection has sent a request, for :data:`FIRST_REQUEST` at most.

        A client that has just connected would otherwise get no response, which it has no reason to expect
        while workers are replaced.
        """
        while self._fresh:
            self._settled = trio.Event()
            now = trio.current_time()
            left = [at + FIRST_REQUEST - now for at in self._fresh.values() if at + FIRST_REQUEST > now]
            if not left:
                return
            with trio.move_on_after(max(left)):
                await self._settled.wait()

    def _has_asked(self, sock: trio.socket.SocketType) -> None:
        self._fresh.pop(sock, None)
        if not self._fresh:
            self._settled.set()

    def _close_all(self, connections: trio.Nursery) -> None:
        """Cancel every connection and close the sockets under those that cannot be cancelled.

        Shutting a socket down makes a blocked send fail at once, which is what ends a shielded one.
        """
        for sock in self._sockets:
            self._forced += 1
            try:
                sock.shutdown(stdlib_socket.SHUT_RDWR)
            except OSError:
                continue  # the client has closed it; the connection is ending by itself
        connections.cancel_scope.cancel()

    async def _listen(self) -> list[trio.abc.Listener[Any]]:
        opened: Sequence[Listener]
        if self._listen_given is not None:
            opened = self._listen_given()
        else:
            opened = await trio.open_tcp_listeners(self._port, host=self._host, backlog=BACKLOG)
        names = addresses((listener.socket for listener in opened), scheme="https" if self._tls else "http")
        if self._port == 0 or self._http3 is not None:
            self._port = opened[0].socket.getsockname()[1]
        self.bound = tuple(dict.fromkeys(names))
        self._bound_to = frozenset(listener.socket.getsockname()[:2] for listener in opened)
        log.info("listening", addresses=self.bound)
        return list(opened)

    async def _serve_connection(self, context: WorkerContext, stream: Any) -> None:
        """Serve one connection; an exception ends only this connection."""
        sock = stream.socket
        if self._tls is not None:
            if not await _begins_with_tls(sock):
                await _answer_plain(stream)
                return
            stream = trio.SSLStream(stream, self._tls(), server_side=True, https_compatible=True)
        if self._admission is None:
            await self._serve_admitted(context, stream, sock)
            return
        try:
            host = str(sock.getpeername()[0])
        except OSError:
            await trio.aclose_forcefully(stream)  # the client has disconnected
            return
        place = self._admission.enter(host)
        try:
            if place is Place.SERVED:
                await self._serve_admitted(context, stream, sock)
            else:
                await _refuse(stream, place)
        finally:
            self._admission.leave(host, place)

    async def _serve_admitted(
        self, context: WorkerContext, stream: Any, sock: trio.socket.SocketType
    ) -> None:
        self._sockets.add(sock)
        self._fresh[sock] = trio.current_time()
        self._accepted += 1
        host = _host(sock)
        app = ASGIWrapper(self._bound_app(sock.getsockname()[:2], host))
        connection = Connection(app, self._config(), Context(context), ConnectionState({}), stream)
        connection.on_request = partial(self._has_asked, sock)
        connection.on_refused = partial(self._count_refused, host)
        connection.is_http2 = self._is_http2
        try:
            await connection
        except* OSError:
            log.debug("connection lost")
        except* Exception:
            self._connection_boundary.count()
            log.exception("connection failed")  # the boundary of one connection
        finally:
            self._sockets.discard(sock)
            self._has_asked(sock)
            self._has_ended()

    def _count_refused(self, host: str, kind: str) -> None:
        self._refused[kind] += 1
        if kind == TOO_MANY and host:
            self._flooders.note(host, trio.current_time())

    def _bound_app(self, own: tuple[str, int], host: str = "") -> Any:
        """Return the application with the bound address as ``server``, rather than the one the client used.

        A service that listens on every address is reached at 127.0.0.1 as well, but is not local to this
        machine.
        """
        everywhere = "::" if ":" in own[0] else "0.0.0.0"  # noqa: S104 - it says what is bound
        bound = own if own in self._bound_to else (everywhere, own[1])

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                await trio.sleep(self._flooders.delay(host, trio.current_time()))

            async def counted(message: Any) -> None:
                if message["type"] == "http.response.start":
                    self._responses[message["status"]] += 1
                await send(message)

            await self._app({**scope, "server": bound}, receive, counted)

        return app

    def _config(self) -> Config:
        config = Config()
        config.websocket_max_message_size = limits.MESSAGE
        config.websocket_ping_interval = self._heartbeat()
        config.keep_alive_timeout = 75
        config.h11_max_incomplete_size = 32 * 1024
        config.include_server_header = False
        config.accesslog = None
        if self._http3 is not None:
            config.alt_svc_headers = [f'h3=":{self._port}"; ma={ALT_SVC}']
        return config

    def statistics(self) -> FrontStatistics:
        """Return the number of open connections and the other counts."""
        return FrontStatistics(
            bound=self.bound,
            open=self._open,
            accepted=self._accepted + (0 if self._datagrams is None else self._datagrams.accepted),
            closed_by_force=self._forced,
            refused=dict(self._refused),
            responses=dict(self._responses),
        )

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        return readings(self.statistics(), (self._connection_boundary, self._datagram_boundary))


def _name(listener: Any) -> tuple[int, tuple[Any, ...]]:
    """Return a listener's address, family first."""
    return listener.socket.family, listener.socket.getsockname()


def _host(sock: trio.socket.SocketType) -> str:
    """Return the client's address; empty if it has disconnected."""
    try:
        return str(sock.getpeername()[0])
    except OSError:
        return ""


async def _begins_with_tls(sock: trio.socket.SocketType) -> bool:
    """Return whether a client begins with TLS; also true if it sends nothing in time."""
    with trio.move_on_after(HANDSHAKE):
        try:
            return plain_http.is_tls(await sock.recv(1, stdlib_socket.MSG_PEEK))
        except OSError:
            pass  # disconnected, which the handshake finds
    return True


async def _answer_plain(stream: trio.SocketStream) -> None:
    """Respond to plain HTTP at a TLS port, and close."""
    try:
        with trio.move_on_after(REFUSAL_WITHIN):
            received = await stream.receive_some(FIRST_BYTES)
            wire = plain_http.response(bytes(received), formatdate(usegmt=True).encode())
            if wire:
                await stream.send_all(wire)
                await stream.send_eof()
                await stream.receive_some(FIRST_BYTES)
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
        log.debug("connection lost")
    finally:
        await trio.aclose_forcefully(stream)


async def _refuse(stream: Any, place: Place) -> None:
    """Send the refusal of a full service as HTTP/1.1, and close."""
    try:
        if place in REFUSALS:
            with trio.move_on_after(REFUSAL_WITHIN):
                await stream.send_all(problem(REFUSALS[place], formatdate(usegmt=True).encode()))
                if isinstance(stream, trio.SocketStream):
                    await stream.send_eof()
                while await stream.receive_some(FIRST_BYTES):
                    pass  # closing with bytes unread would reset the connection, and lose the response
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
        log.debug("connection lost")
    finally:
        await trio.aclose_forcefully(stream)
