"""HTTP/1.1 to one instance: its connections, and one exchange at a time over each.

The peer may close an idle connection at the very moment it is reused. So it is checked before it is reused
(an earlier close is noticed without sending a byte), and is not idle for longer than common servers allow. If
it is closed all the same before a byte of the response arrived, the failure is called *stale*: it shows
nothing about the instance, and an idempotent request is repeated on a new connection.

Only a clean connection is reused: the request was sent and the response received completely, and nothing
followed it.
"""

import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import trio

from orch.gateway.connection import (
    Begun,
    Connection,
    Request,
    UpstreamError,
    UpstreamResponse,
    sending,
    short,
)
from orch.gateway.http1 import SWITCHED, KnownHeads, request_head
from orch.gateway.retries import Failure
from orch.gateway.timeouts import UNLIMITED, Limits, TryClock, in_words
from orch.gateway.transport import Address, Connect
from orch.shortages import own_shortage
from orch.tls.trust import in_words as tls_in_words

CONNECTIONS: Final = 64
"""Open connections of one flow to one instance. nginx and Go keep 32 to 100 per host."""
WAITING: Final = 256
"""Requests that may wait for one of the connections."""
AT_ONCE: Final = 65_536
"""Bytes of a request, head included, that is sent without a task of its own. Linux buffers more than that."""

GONE: Final = "it has left the service"

_BODY_EXPECTED: Final = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Connections of one instance: ``busy`` and ``idle`` ones, and requests ``waiting`` for one."""

    busy: int
    idle: int
    waiting: int


class Upstream:
    """One flow's connections to one instance, at most ``limit``.

    A request that finds all of them busy waits for the next free one, first come, first served; if
    ``waiting`` requests wait already, it fails at once (OVERLOADED). Connections are reused only while
    ``reuses_connections``; :meth:`close_idle` closes the idle ones.

    The mutable state is ``_idle`` (most recently used last), the connections in use, the number of busy slots
    and the queue.
    """

    def __init__(
        self, url: str, *, connect: Connect, limit: int = CONNECTIONS, waiting: int = WAITING
    ) -> None:
        self.address = Address.of(url)
        self.reuses_connections = False
        self.limit = limit
        self.waiting_limit = waiting
        self._connect = connect
        self._busy = 0
        self._queue = trio.lowlevel.ParkingLot()
        self._in_use: set[Connection] = set()
        self._is_aborted = False
        self._idle: deque[Connection] = deque()
        self._known = KnownHeads()

    def __repr__(self) -> str:
        now = self.statistics()
        counts = f"{now.busy} busy, {now.idle} idle, {now.waiting} waiting"
        return f"<Upstream {self.address.authority.decode()}: {counts}>"

    def resize(self, *, limit: int, waiting: int) -> None:
        """Change the limits. Requests beyond them go on; no more are added."""
        self.limit, self.waiting_limit = limit, waiting
        while self._queue and self._busy < limit:
            self._busy += 1
            self._queue.unpark()

    def statistics(self) -> PoolStatistics:
        """Return the counts now."""
        return PoolStatistics(busy=self._busy, idle=len(self._idle), waiting=len(self._queue))

    @property
    def has_free_slot(self) -> bool:
        """Whether a request would get a connection, or could open one, without waiting."""
        return self._busy < self.limit and not self._queue

    def set_address(self, address: Address) -> None:
        """Set the address for new connections, and close the idle ones to the old address."""
        if address != self.address:
            self.address = address
            self.close_idle()

    def close_idle(self, now: float | None = None) -> None:
        """Close the idle connections; with ``now``, only those idle for too long or closed by the peer."""
        kept: deque[Connection] = deque()
        for connection in self._idle:
            if now is not None and connection.is_usable(now):
                kept.append(connection)
            else:
                connection.transport.close()
        self._idle = kept

    def abort(self) -> None:
        """End all exchanges, as if the peer had closed their connections, and open no more of them."""
        self._is_aborted = True
        for connection in self._in_use:
            connection.transport.close()

    def begin(self, request: Request) -> Begun | None:
        """Send a small request over an idle connection at once; None if that is not possible now.

        What has begun is ended by its :meth:`Begun.end`, or continued by :meth:`exchange`. Raises
        :class:`~orch.gateway.http1.UnsendableError`.
        """
        body = request.body.whole
        if body is None or self._busy >= self.limit or self._queue or not self._idle:
            return None
        wire = self._head(request) + body
        if len(wire) > AT_ONCE or (connection := self._take_idle()) is None:
            return None
        plain = connection.transport.plain
        if plain is None or not plain.is_watched:
            self._idle.append(connection)
            return None
        self._busy += 1
        self._in_use.add(connection)
        connection.begin(request, self._known)
        connection.offer(plain, wire)
        return Begun(connection, plain, self._end)

    def _end(self, connection: Connection) -> None:
        self._put_back(connection)
        self._release_slot()

    @asynccontextmanager
    async def exchange(
        self,
        request: Request,
        *,
        fresh: bool = False,
        begun: Begun | None = None,
        on_slot: Callable[[], None] = lambda: None,
        limits: Limits = UNLIMITED,
    ) -> AsyncIterator[UpstreamResponse]:
        """Send a request, and yield its response as soon as the head has arrived.

        ``fresh``: on a new connection; ``begun``: continue what has begun. ``on_slot`` is called when the
        wait in our own queue is over and the exchange with the instance begins. ``limits``: the time-outs;
        the total is the caller's.

        A connection that has switched to another protocol belongs to the block, needs no slot, and is closed
        at its end; :meth:`abort` closes it before.

        Raises :class:`UpstreamError`, :class:`~orch.gateway.http1.UnsendableError` before anything is sent,
        and what reading the request's body raises. In every case the connection is returned or closed and its
        slot freed without a checkpoint.
        """
        if begun is not None:
            try:
                begun.connection.clock = TryClock(limits, trio.current_time())
                await begun.connection.send_rest()
                yield await begun.connection.receive_head()
            finally:
                begun.end()
            return
        head = self._head(request)
        await self._take_slot()
        has_slot = True
        try:
            on_slot()
            clock = TryClock(limits, trio.current_time())
            connection = None if fresh else self._take_idle()
            if connection is None:
                connection = await self._open(clock)
            connection.clock = clock
            self._in_use.add(connection)
            try:
                connection.begin(request)
                if request.body.whole is None:
                    async with sending(connection, head, request):
                        yield await connection.receive_head()
                else:
                    await connection.send_whole(head, request.body)
                    response = await connection.receive_head()
                    if response.status == SWITCHED:
                        # It may last for hours, and requests need the slot.
                        has_slot = False
                        self._release_slot()
                    yield response
            finally:
                self._put_back(connection)
        finally:
            if has_slot:
                self._release_slot()

    async def _take_slot(self) -> None:
        if self._busy < self.limit and not self._queue:
            self._busy += 1
        elif len(self._queue) >= self.waiting_limit:
            raise UpstreamError(Failure.OVERLOADED, "too many requests are queued for it")
        else:
            await self._queue.park()  # the one that unparks it passes its slot on

    def _release_slot(self) -> None:
        if self._queue and self._busy <= self.limit:
            self._queue.unpark()
        else:
            self._busy -= 1

    def _take_idle(self) -> "Connection | None":
        now = trio.current_time()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable(now):
                return connection
            connection.transport.close()
        return None

    def _put_back(self, connection: Connection) -> None:
        self._in_use.discard(connection)
        if self.reuses_connections and connection.is_clean:
            connection.rest(trio.current_time())
            self._idle.append(connection)
        else:
            connection.transport.close()

    async def _open(self, clock: TryClock) -> Connection:
        self._require_not_aborted()
        due = clock.connect
        try:
            with trio.fail_at(due.at):
                connection = Connection(await self._connect(self.address))
        except trio.TooSlowError as error:
            raise UpstreamError(Failure.REFUSED, in_words(due.kind, due.seconds), timeout=due.kind) from error
        # ValueError: a host name that DNS cannot represent.
        except (OSError, ValueError, MemoryError, trio.BrokenResourceError) as error:
            if (shortage := own_shortage(error)) is not None:
                raise short(shortage) from error
            raise UpstreamError(Failure.REFUSED, _reason(error)) from error
        except RuntimeError as error:  # no thread can be started to resolve the host name
            if (shortage := own_shortage(error)) is None:
                raise
            raise short(shortage) from error
        try:
            self._require_not_aborted()
        except UpstreamError:
            connection.transport.close()
            raise
        return connection

    def _require_not_aborted(self) -> None:
        if self._is_aborted:
            raise UpstreamError(Failure.REFUSED, GONE)

    def _head(self, request: Request) -> bytes:
        return head_of(request, self.address) if request.encoded is None else request.encoded(self.address)


def head_of(request: Request, address: Address) -> bytes:
    """Return a request's head for an instance. Raises :class:`~orch.gateway.http1.UnsendableError`."""
    body = request.body
    headers = [(b"host", address.authority), *request.headers]
    user = address.authorization
    if user is not None and not any(name == b"authorization" for name, _ in headers):
        headers.append((b"authorization", user))
    if body.is_chunked:
        headers.append((b"transfer-encoding", b"chunked"))
    elif body.length or request.method in _BODY_EXPECTED:
        headers.append((b"content-length", b"%d" % body.length))
    return request_head(request.method, address.base + request.target, headers)


def _reason(error: BaseException) -> str:
    """Return why no connection was made, without the address."""
    reason: BaseException | None = error
    while reason is not None:
        if isinstance(reason, BaseExceptionGroup):
            reason = reason.exceptions[0]
            continue
        if isinstance(reason, ssl.SSLError):
            return tls_in_words(reason)
        if isinstance(reason, ConnectionRefusedError):
            return "the connection was refused"
        if isinstance(reason, FileNotFoundError):
            return "its socket does not exist"
        if isinstance(reason, PermissionError):
            return "this service must not open its socket"
        if isinstance(reason, socket.gaierror):
            return "its host name does not resolve"
        reason = reason.__cause__
    return "no connection could be made"
