"""An ASGI server for Trio: HTTP/1.1 and WebSocket on bare sockets.

One task for each connection, which is the application's as well: what the application asks for is read and
parsed where it asks. What it says goes straight to the socket (see :mod:`orch.front.link`). Deadlines stand
in one timer wheel (:mod:`orch.front.context`). So an idle connection costs a task that waits, a socket and a
few small objects; and no client can hold up anything but itself.
"""

import socket as stdlib_socket
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
import trio

from orch import sockets
from orch.front.admission import REFUSALS, Admission, Place
from orch.front.context import App, ServerContext, Timeouts
from orch.front.http1.connection import HttpConnection
from orch.front.http1.error_responses import problem
from orch.front.link import ClientGoneError, Link, TlsLink, drain
from orch.front.listeners import NEIGHBOUR_WAIT, Listener, detach_sockets
from orch.front.statistics import FrontStatistics
from orch.front.websocket import small_frames
from orch.front.websocket.connection import WebSocketConnection, shake_hands
from orch.front.websocket.small_frames import SmallFrameLimit
from orch.queued_bytes import QueuedBytes
from orch.shortages import Shortage, own_shortage
from orch.sockets import Bound

MESSAGE_LIMIT: Final = 2**20
"""Bytes of one WebSocket message; more is answered with close code 1009."""
DEFLATE_FROM: Final = 1024
"""Bytes of a message from which on it is worth compressing."""
ACCEPTED_AT_ONCE: Final = 64
"""Connections accepted in a row before those that are there have a turn."""
FIRST_REQUEST: Final = 1.0
"""Seconds that a stop leaves to a connection just accepted for its first request to come."""
FIRST_BYTES: Final = 65_536
"""Bytes read of a client that is turned away at once."""
SHORTAGE: Final = 0.1
"""Seconds without accepting where the process has no file descriptors or memory left for it."""

OUTGOING: Final = 2**28
"""Bytes that may wait for all clients together, where nothing else is said."""

_log = structlog.get_logger("front")


class Server:
    """Accepts connections for ``app`` until told to stop.

    Listens at ``host``:``port`` and at every one of ``binds`` (``HOST:PORT`` or ``unix:PATH``), or, with
    ``listen``, on sockets that are there already. Port 0 is chosen once and kept over restarts of the branch.
    ``reuse_port`` lets other processes listen beside this one. ``tls`` gives the context of a new connection,
    at all of them.

    ``deflate`` accepts permessage-deflate: messages that the application sends are compressed from
    ``deflate_from`` bytes on, encoded frames from ``orch.link`` never. ``message_limit``: bytes of one
    WebSocket message (close code 1009). ``small_frames``: how many control frames and small fragments a
    client may send (close code 1008).

    ``outgoing``: counts and bounds what waits for all clients together.

    ``drain`` is called when stopping, after the last connection was accepted and has had a moment to ask; it
    has ``grace`` seconds together with what is in flight. Every ``heartbeat`` seconds a WebSocket is pinged;
    one from which nothing is heard for ``heartbeat_timeout`` seconds then is ended.

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
        message_limit: int = MESSAGE_LIMIT,
        small_frames: SmallFrameLimit = small_frames.DEFAULT,
        timeouts: Timeouts | None = None,
        admission: Admission | None = None,
        on_shortage: Callable[[Shortage, str], None] = lambda _shortage, _what: None,
        outgoing: QueuedBytes | None = None,
        wall: Callable[[], float] = time.time,
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
        self._message_limit = message_limit
        self._small_frames = small_frames
        self._timeouts = timeouts or Timeouts()
        self._heartbeat_timeout = heartbeat_timeout or (lambda: self._timeouts.pong)
        self._admission = admission
        self._on_shortage = on_shortage
        self._outgoing = outgoing or QueuedBytes(OUTGOING)
        self._wall = wall
        self._open: dict[Link, HttpConnection | None] = {}
        self._changed = trio.lowlevel.ParkingLot()
        self._accepted = 0
        self._forced = 0
        self._refused: Counter[str] = Counter()
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
                    message_limit=self._message_limit,
                    small_frames=self._small_frames,
                    deflate=self._deflate,
                    deflate_from=self._deflate_from,
                    refused=self._refused,
                    wall=self._wall,
                    outgoing=self._outgoing,
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
                        # Who comes now is refused, or taken by another worker, rather than left to wait.
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
            if bound.is_neighbours:
                await trio.sleep(NEIGHBOUR_WAIT)
                if self._admission is not None and self._admission.is_full:
                    await trio.sleep(SHORTAGE)
                    continue  # the neighbour, or a third, may have room
            for _ in range(ACCEPTED_AT_ONCE):
                try:
                    sock, address = bound.socket.accept()
                except (BlockingIOError, InterruptedError):
                    break
                except OSError as error:
                    shortage = own_shortage(error)
                    if shortage is not None:
                        _log.warning("cannot accept", reason=str(error))
                        self._refused["no_descriptor"] += 1
                        self._on_shortage(shortage, "New clients cannot be accepted.")
                        await trio.sleep(SHORTAGE)
                        break
                    continue  # this one was gone while it waited
                self._welcome(sock, address[:2] if bound.path is None else None, context, base)

    def _welcome(
        self,
        sock: stdlib_socket.socket,
        client: tuple[str, int] | None,
        context: ServerContext,
        base: dict[str, Any],
    ) -> None:
        """Have a connection served, or turn it away."""
        self._accepted += 1
        place = self._place(client)
        if place is Place.CLOSED:
            self._turn_away(sock, context)
            return
        try:
            sock.settimeout(0.0)
            if client is not None:
                sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
        except OSError:  # gone already, as some systems say only now
            self._give_up(client, place)
            sock.close()
            return
        link = Link(sock, context) if self._tls is None else TlsLink(sock, context, self._tls())
        self._open[link] = None
        context.nursery.start_soon(self._serve, link, context, base, client, place, name="connection")

    def _place(self, client: tuple[str, int] | None) -> Place:
        """Return whether there is room for a connection; where there is none, count that it was refused."""
        if self._admission is None:
            return Place.SERVED
        place = self._admission.enter(client[0] if client else None)
        if place is not Place.SERVED:
            of_address = place is Place.REFUSED_ADDRESS
            self._refused["too_many_from_address" if of_address else "too_many_connections"] += 1
        return place

    def _turn_away(self, sock: stdlib_socket.socket, context: ServerContext) -> None:
        """Close a connection that has no place, with an answer where one can be given without waiting.

        What has come is read first: closing a socket with bytes unread may lose the answer.
        """
        with sock:
            sock.settimeout(0.0)
            if self._tls is None:
                with suppress(OSError):  # nothing has come yet, or the client is gone
                    sock.recv(FIRST_BYTES)
                with suppress(OSError):
                    sock.send(problem(REFUSALS[Place.REFUSED], context.date))

    def _give_up(self, client: tuple[str, int] | None, place: Place) -> None:
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
        """Serve one connection; whatever it raises ends only itself."""
        websocket: WebSocketConnection | None = None
        try:
            if isinstance(link, TlsLink) and not await link.handshake():
                context.refused["tls_handshake"] += 1
                await link.say_plainly()
                return
            websocket = await self._serve_http(link, context, {"client": client, **base}, place)
            del base
            if websocket is not None:
                is_failed = False
                # Here, and in no function of its own: each one that waits is a quarter of a kilobyte.
                try:
                    await websocket.application()
                except* ClientGoneError:
                    _log.debug("client gone")
                except* Exception:  # noqa: BLE001 - the boundary of the application
                    is_failed = True
                    _log.exception("connection failed")
                await websocket.end(is_failed=is_failed)
            if link.queued_bytes:
                await drain(link, context)
            if isinstance(link, TlsLink):
                await link.farewell()
        except* OSError as errors:
            _log.debug("connection lost", reason=str(errors.exceptions[0]))
        except* Exception:  # noqa: BLE001 - the boundary of one connection
            _log.exception("connection failed")
        finally:
            if websocket is not None:
                _forget(websocket, context, client)
            link.close()
            self._give_up(client, place)
            del self._open[link]
            self._changed.unpark_all()

    async def _serve_http(
        self, link: Link, context: ServerContext, base: dict[str, Any], place: Place
    ) -> WebSocketConnection | None:
        """Serve requests; return the WebSocket that the connection has become, if it has."""
        connection = HttpConnection(link, context, base, REFUSALS.get(place))
        self._open[link] = connection
        head = await connection.run()
        client = base["client"]
        if (
            head is not None
            and client is not None
            and (wait := context.flooders.wait(client[0], context.now))
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
        """Answer who has just come, tell clients to go, then wait until the last has."""
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
        """End every connection that is still there, without a word."""
        for link in list(self._open):
            if not link.is_closed:
                self._forced += 1
                link.abort()
        connections.cancel_scope.cancel()

    def statistics(self) -> FrontStatistics:
        """Return what is open now."""
        return FrontStatistics(
            bound=self.bound,
            open=len(self._open),
            accepted=self._accepted,
            closed_by_force=self._forced,
            refused=dict(self._refused),
        )


def _forget(websocket: WebSocketConnection, context: ServerContext, client: tuple[str, int] | None) -> None:
    """Have nothing of a WebSocket left but that it has flooded, where it has."""
    websocket.forget()
    if websocket.has_flooded and client is not None:
        context.flooders.note(client[0], context.now)
