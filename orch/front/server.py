"""An ASGI server for Trio: HTTP/1.1 and WebSocket on bare sockets.

Each connection is one task, which also runs the application: bytes are read and parsed when the application
asks for them, and sent straight to the socket (see :mod:`orch.front.link`). Deadlines are kept in one timer
wheel (:mod:`orch.front.context`). So an idle connection costs a waiting task, a socket and a few small
objects, and a slow client delays only itself.
"""

import socket as stdlib_socket
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
import trio

from orch import sockets
from orch.front.admission import REFUSALS, Admission, Place
from orch.front.context import App, ServerContext, Timeouts
from orch.front.http1.connection import HttpConnection
from orch.front.http1.error_responses import problem
from orch.front.link import ClientGoneError, Link, drain
from orch.front.listeners import OTHER_WORKER_WAIT, Listener, detach_sockets
from orch.front.statistics import FrontStatistics, readings
from orch.front.tls_link import TlsLink
from orch.front.websocket.connection import WebSocketConnection, shake_hands
from orch.front.websocket.limits import WebSocketLimits
from orch.queued_bytes import QueuedBytes
from orch.readiness import Readiness, create_readiness
from orch.shortages import Shortage, own_shortage
from orch.sockets import Bound
from orch.telemetry.boundaries import Boundary
from orch.telemetry.names.metric import Reading

DEFLATE_FROM: Final = 1024
"""Bytes of a message from which on it is worth compressing."""
ACCEPTED_AT_ONCE: Final = 64
"""Connections accepted in a row before other tasks run."""
FIRST_REQUEST: Final = 1.0
"""Seconds that a connection accepted just before a stop has for its first request."""
FIRST_BYTES: Final = 65_536
"""Bytes read from a client that is refused at once."""
SHORTAGE: Final = 0.1
"""Seconds without accepting after the process ran out of file descriptors or memory."""

OUTGOING: Final = 2**28
"""Bytes that may be queued for all clients together, by default."""

_log = structlog.get_logger("front")


class Server:
    """Accepts connections for ``app`` until ``stopping`` is set.

    Listens at ``host``:``port`` and at all of ``binds`` (``HOST:PORT`` or ``unix:PATH``), or on the listeners
    that ``listen`` returns. Port 0 is replaced by a free port once, which restarts of the branch keep.
    ``reuse_port`` lets other processes listen at the same ports. ``tls`` returns the TLS context of a new
    connection; without it the server speaks plain HTTP.

    ``deflate`` accepts permessage-deflate: messages that the application sends are compressed from
    ``deflate_from`` bytes on, encoded frames from ``orch.link`` never. ``limits``: what a
    WebSocket client may send.

    ``outgoing`` counts and bounds the bytes queued for all clients together.

    ``drain`` is called at a stop, after the last accepted connection had a moment for its first request; it
    and the requests in flight have ``grace`` seconds together. A WebSocket is pinged every ``heartbeat``
    seconds and ended if nothing arrives within ``heartbeat_timeout`` seconds after the ping.

    The mutable state is the set of open connections and the counts; both outlive a run, so that a run that
    was cancelled is counted in full.
    """

    def __init__(
        self,
        app: App,
        *,
        host: str,
        port: int,
        stopping: trio.Event,
        drain: Callable[[], Awaitable[None]],
        grace: Callable[[], float],
        heartbeat: Callable[[], float] = lambda: 25.0,
        heartbeat_timeout: Callable[[], float] | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
        listen: Callable[[], Sequence[Listener]] | None = None,
        binds: Sequence[str] = (),
        reuse_port: bool = False,
        deflate: bool = False,
        deflate_from: int = DEFLATE_FROM,
        limits: WebSocketLimits | None = None,
        timeouts: Timeouts | None = None,
        admission: Admission | None = None,
        on_shortage: Callable[[Shortage, str], None] = lambda _shortage, _what: None,
        outgoing: QueuedBytes | None = None,
        wall: Callable[[], float] = time.time,
        readiness: Callable[[], Readiness | None] = create_readiness,
    ) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._stopping = stopping
        self._drain = drain
        self._grace = grace
        self._heartbeat = heartbeat
        self._tls = tls
        self._listen_given = listen
        self._binds = tuple(binds)
        self._reuse_port = reuse_port
        self._deflate = deflate
        self._deflate_from = deflate_from
        self._limits = limits or WebSocketLimits()
        self._timeouts = timeouts or Timeouts()
        self._heartbeat_timeout = heartbeat_timeout or (lambda: self._timeouts.pong)
        self._admission = admission
        self._on_shortage = on_shortage
        self._outgoing = outgoing or QueuedBytes(OUTGOING)
        self._wall = wall
        self._readiness = readiness
        self._open: dict[Link, HttpConnection | None] = {}
        self._changed = trio.lowlevel.ParkingLot()
        self._accepted = 0
        self._forced = 0
        self._refused: Counter[str] = Counter()
        self._responses: Counter[int] = Counter()
        self._connection_boundary = Boundary("client connections")
        self._request_boundary = Boundary("client requests")
        self.bound: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Server at {', '.join(self.bound) or 'nothing'}, {len(self._open)} open>"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``stopping`` is set and all connections have ended, or until cancelled."""
        listening = await self._listen()
        try:
            async with trio.open_nursery() as connections:
                context = ServerContext(
                    self._app,
                    connections,
                    heartbeat=self._heartbeat,
                    heartbeat_timeout=self._heartbeat_timeout,
                    timeouts=self._timeouts,
                    limits=self._limits,
                    deflate=self._deflate,
                    deflate_from=self._deflate_from,
                    refused=self._refused,
                    responses=self._responses,
                    request_boundary=self._request_boundary,
                    wall=self._wall,
                    outgoing=self._outgoing,
                    readiness=self._readiness(),
                )
                try:
                    async with trio.open_nursery() as ticking:
                        ticking.start_soon(context.tick)
                        if context.readiness is not None:
                            ticking.start_soon(context.readiness.run)
                        async with trio.open_nursery() as accepting:
                            for bound in listening:
                                accepting.start_soon(self._accept, bound, context)
                            task_status.started()
                            await self._stopping.wait()
                            accepting.cancel_scope.cancel()
                        # New clients are refused, or accepted by another worker, rather than left waiting.
                        sockets.close(listening)
                        with trio.move_on_after(self._grace()):
                            await self._finish(context)
                        ticking.cancel_scope.cancel()
                finally:
                    self._close_all(connections)
        finally:
            sockets.close(listening)

    # Listening and accepting.

    async def _listen(self) -> list[Bound]:
        scheme = "http" if self._tls is None else "https"
        if self._listen_given is not None:
            listening = detach_sockets(self._listen_given(), scheme=scheme)
        else:
            places = (f"{self._host}:{self._port}", *self._binds)
            listening = await sockets.bind(places, scheme=scheme, reuse_port=self._reuse_port)
            if self._port == 0:
                self._port = listening[0].socket.getsockname()[1]
        self.bound = tuple(dict.fromkeys(bound.name for bound in listening))
        _log.info("listening", addresses=self.bound)
        return listening

    async def _accept(self, bound: Bound, context: ServerContext) -> None:
        """Accept from one socket until cancelled."""
        base = {
            "scheme": "http" if self._tls is None else "https",
            "server": (bound.path, None) if bound.path is not None else bound.socket.getsockname()[:2],
        }
        while True:
            await trio.lowlevel.wait_readable(bound.socket)
            if bound.is_of_other_worker:
                await trio.sleep(OTHER_WORKER_WAIT)
                if self._admission is not None and self._admission.is_full:
                    await trio.sleep(SHORTAGE)
                    continue  # that worker, or another one, may have room
            for _ in range(ACCEPTED_AT_ONCE):
                try:
                    sock, address = bound.socket.accept()
                except (BlockingIOError, InterruptedError):
                    break
                except OSError as error:
                    shortage = own_shortage(error)
                    if shortage is not None:
                        _log.warning("accept failed", reason=str(error))
                        self._refused["no_descriptor"] += 1
                        self._on_shortage(shortage, "New clients cannot be accepted.")
                        await trio.sleep(SHORTAGE)
                        break
                    continue  # this client disconnected before it was accepted
                self._start_connection(sock, address[:2] if bound.path is None else None, context, base)

    def _start_connection(
        self,
        sock: stdlib_socket.socket,
        client: tuple[str, int] | None,
        context: ServerContext,
        base: dict[str, Any],
    ) -> None:
        """Serve a connection in a task of its own, or refuse it."""
        self._accepted += 1
        place = self._place(client)
        if place is Place.CLOSED:
            self._refuse(sock, context)
            return
        try:
            sock.settimeout(0.0)
            if client is not None:
                sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
        except OSError:  # the client has disconnected, which some systems report only here
            self._leave(client, place)
            sock.close()
            return
        link = Link(sock, context) if self._tls is None else TlsLink(sock, context, self._tls())
        self._open[link] = None
        context.nursery.start_soon(self._serve, link, context, base, client, place, name="connection")

    def _place(self, client: tuple[str, int] | None) -> Place:
        """Return the place of a connection, and count it if it is refused."""
        if self._admission is None:
            return Place.SERVED
        place = self._admission.enter(client[0] if client else None)
        if place is not Place.SERVED:
            of_address = place is Place.REFUSED_ADDRESS
            self._refused["too_many_from_address" if of_address else "too_many_connections"] += 1
        return place

    def _refuse(self, sock: stdlib_socket.socket, context: ServerContext) -> None:
        """Close a connection for which there is no room, with a response if that needs no waiting.

        Bytes that have come are read first: closing a socket with bytes unread may lose the response.
        """
        with sock:
            sock.settimeout(0.0)
            if self._tls is None:
                with suppress(OSError):  # nothing has come yet, or the client has disconnected
                    sock.recv(FIRST_BYTES)
                with suppress(OSError):
                    sock.send(problem(REFUSALS[Place.REFUSED], context.date))

    def _leave(self, client: tuple[str, int] | None, place: Place) -> None:
        if self._admission is not None:
            self._admission.leave(client[0] if client else None, place)

    # One connection.

    async def _serve(
        self,
        link: Link,
        context: ServerContext,
        base: dict[str, Any],
        client: tuple[str, int] | None,
        place: Place,
    ) -> None:
        """Serve one connection; an exception ends only this connection."""
        websocket: WebSocketConnection | None = None
        try:
            if isinstance(link, TlsLink) and not await link.handshake():
                context.refused["tls_handshake"] += 1
                await link.refuse_plain_http()
                return
            websocket = await self._serve_http(link, context, {"client": client, **base}, place)
            del base
            if websocket is not None:
                is_failed = False
                # Not in a function of its own: each coroutine that waits costs a quarter of a kilobyte.
                try:
                    await websocket.application()
                except* ClientGoneError:
                    _log.debug("client gone")
                except* Exception:  # noqa: BLE001 - the boundary of the application
                    is_failed = True
                    self._connection_boundary.count()
                    _log.exception("connection failed")
                await websocket.end(is_failed=is_failed)
            if link.queued_bytes:
                await drain(link, context)
            if isinstance(link, TlsLink):
                await link.close_tls()
        except* OSError as errors:
            _log.debug("connection lost", reason=str(errors.exceptions[0]))
        except* Exception:  # noqa: BLE001 - the boundary of one connection
            self._connection_boundary.count()
            _log.exception("connection failed")
        finally:
            if websocket is not None:
                _forget(websocket, context, client)
            link.close()
            self._leave(client, place)
            del self._open[link]
            self._changed.unpark_all()

    async def _serve_http(
        self, link: Link, context: ServerContext, base: dict[str, Any], place: Place
    ) -> WebSocketConnection | None:
        """Serve requests; return the WebSocket if the connection becomes one."""
        connection = HttpConnection(link, context, base, REFUSALS.get(place))
        self._open[link] = connection
        head = await connection.run()
        client = base["client"]
        if (
            head is not None
            and client is not None
            and (wait := context.flooders.delay(client[0], context.now))
        ):
            await trio.sleep(wait)
        self._open[link] = None
        self._changed.unpark_all()
        if head is None:
            return None
        accepted = shake_hands(head, link, context)
        if accepted is None:
            await connection.linger()
            return None
        base["scheme"] = "wss" if base["scheme"] == "https" else "ws"
        return WebSocketConnection(link, context, accepted, head, base, connection.parser.trailing())

    # The end.

    async def _finish(self, context: ServerContext) -> None:
        """Serve the newest connections' first requests, ask clients to leave, and wait until all have."""
        context.is_stopping = True
        for connection in list(self._open.values()):
            if connection is not None:
                connection.retire()
        with trio.move_on_after(FIRST_REQUEST):
            await self._until(
                lambda: not any(each is not None and each.is_fresh for each in self._open.values())
            )
        for connection in list(self._open.values()):
            if connection is not None and connection.is_fresh:
                connection.retire(even_fresh=True)
        await self._drain()
        await self._until(lambda: not self._open)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._changed.park()

    def _close_all(self, connections: trio.Nursery) -> None:
        """Reset every connection that is still open."""
        for link in list(self._open):
            if not link.is_closed:
                self._forced += 1
                link.abort()
        connections.cancel_scope.cancel()

    def statistics(self) -> FrontStatistics:
        """Return the number of open connections and the other counts."""
        return FrontStatistics(
            bound=self.bound,
            open=len(self._open),
            accepted=self._accepted,
            closed_by_force=self._forced,
            refused=dict(self._refused),
            responses=dict(self._responses),
        )

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        return readings(self.statistics(), (self._connection_boundary, self._request_boundary))


def _forget(websocket: WebSocketConnection, context: ServerContext, client: tuple[str, int] | None) -> None:
    """Release what a WebSocket held, and note its address if it was closed for a flood."""
    websocket.forget()
    if websocket.has_flooded and client is not None:
        context.flooders.note(client[0], context.now)
