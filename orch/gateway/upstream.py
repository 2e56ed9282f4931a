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
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, NoReturn

import trio
from msgspec import Struct

from orch.gateway.headers import Header
from orch.gateway.http1 import (
    CutError,
    Head,
    MalformedError,
    ResponseParser,
    request_head,
)
from orch.gateway.request_body import RequestBody
from orch.gateway.retries import Failure
from orch.gateway.tcp_stream import Patience, TcpStream
from orch.gateway.transport import Address, Connect, Transport
from orch.shortages import WORDS, Shortage, own_shortage
from orch.tls.trust import in_words as tls_in_words

CONNECTIONS: Final = 64
"""Open connections of one flow to one instance. nginx and Go keep 32 to 100 per host."""
WAITING: Final = 256
"""Requests that may wait for one of the connections."""
IDLE_SECONDS: Final = 4.0
"""Seconds for which an idle connection may be reused; uvicorn, Hypercorn and Node close theirs after 5 s."""
CONNECT_SECONDS: Final = 3.0
"""Seconds for connecting; short, so that there is time left for another instance."""
READ: Final = 65_536
AT_ONCE: Final = 65_536
"""Bytes of a request, head included, that is sent without a task of its own. Linux buffers more than that."""

_BODY_EXPECTED: Final = frozenset({"POST", "PUT", "PATCH"})


class UpstreamError(Exception):
    """An exchange that failed. The text is the reason, without the address."""

    def __init__(self, failure: Failure, text: str, *, shortage: Shortage | None = None) -> None:
        super().__init__(text)
        self.failure = failure
        self.shortage = shortage


class Request(Struct, frozen=True):
    """A request to a back end. ``target``: path and query. Host and framing are added to ``headers``."""

    method: str
    target: str
    headers: tuple[Header, ...]
    body: RequestBody


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Connections of one instance: ``busy`` and ``idle`` ones, and requests ``waiting`` for one."""

    busy: int
    idle: int
    waiting: int


class UpstreamResponse:
    """A response whose head has arrived. Its body is read from the connection as the caller asks for it."""

    def __init__(self, connection: "_Connection", head: Head) -> None:
        self._connection = connection
        self.status = head.status
        self.headers = head.headers
        self.is_waiting = False
        """Whether the caller waits for the back end now."""

    @property
    def is_complete(self) -> bool:
        """Whether the whole body has been received (though perhaps not yet read by the caller)."""
        return self._connection.parser.is_complete

    async def receive(self) -> bytes:
        """Return the next piece of the body, empty at its end. Raises :class:`UpstreamError`."""
        parser = self._connection.parser
        while True:
            data = parser.take_body()
            if data or parser.is_complete:
                return data
            self.is_waiting = True
            await self._connection.read()
            self.is_waiting = False


class Upstream:
    """One flow's connections to one instance, at most ``limit``.

    A request that finds all of them busy waits for the next free one, first come, first served; if
    ``waiting`` requests wait already, it fails at once (OVERLOADED). Connections are reused only while
    ``reuses_connections``; :meth:`close_idle` closes the idle ones.

    The mutable state is ``_idle`` (most recently used last), the number of busy slots and the queue.
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
        self._idle: deque[_Connection] = deque()

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

    def set_address(self, address: Address) -> None:
        """Set the address for new connections, and close the idle ones to the old address."""
        if address != self.address:
            self.address = address
            self.close_idle()

    def close_idle(self, now: float | None = None) -> None:
        """Close the idle connections; with ``now``, only those idle for too long or closed by the peer."""
        kept: deque[_Connection] = deque()
        for connection in self._idle:
            if now is not None and connection.is_usable(now):
                kept.append(connection)
            else:
                connection.transport.close()
        self._idle = kept

    def begin(self, request: Request) -> "Begun | None":
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
        connection.begin(request.method)
        connection.offer(plain, wire)
        return Begun(connection, plain, self._end)

    def _end(self, connection: "_Connection") -> None:
        self._put_back(connection)
        self._release_slot()

    @asynccontextmanager
    async def exchange(
        self,
        request: Request,
        *,
        fresh: bool = False,
        begun: "Begun | None" = None,
        on_slot: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[UpstreamResponse]:
        """Send a request, and yield its response as soon as the head has arrived.

        ``fresh``: on a new connection; ``begun``: continue what has begun. ``on_slot`` is called when the
        wait in our own queue is over and the exchange with the instance begins.

        Raises :class:`UpstreamError`, :class:`~orch.gateway.http1.UnsendableError` before anything is sent,
        and what reading the request's body raises. In every case the connection is returned or closed and its
        slot freed without a checkpoint.
        """
        if begun is not None:
            try:
                await begun.connection.send_rest()
                yield await begun.connection.receive_head()
            finally:
                begun.end()
            return
        head = self._head(request)
        await self._take_slot()
        try:
            on_slot()
            connection = None if fresh else self._take_idle()
            if connection is None:
                connection = await self._open()
            try:
                connection.begin(request.method)
                if request.body.whole is None:
                    async with _sending(connection, head, request):
                        yield await connection.receive_head()
                else:
                    await connection.send_whole(head, request.body)
                    yield await connection.receive_head()
            finally:
                self._put_back(connection)
        finally:
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

    def _take_idle(self) -> "_Connection | None":
        now = trio.current_time()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable(now):
                return connection
            connection.transport.close()
        return None

    def _put_back(self, connection: "_Connection") -> None:
        if self.reuses_connections and connection.is_clean:
            connection.rest(trio.current_time())
            self._idle.append(connection)
        else:
            connection.transport.close()

    async def _open(self) -> "_Connection":
        try:
            with trio.fail_after(CONNECT_SECONDS):
                return _Connection(await self._connect(self.address))
        except trio.TooSlowError as error:
            raise UpstreamError(
                Failure.REFUSED, f"no connection within {CONNECT_SECONDS:g} seconds"
            ) from error
        # ValueError: a host name that DNS cannot represent.
        except (OSError, ValueError, MemoryError, trio.BrokenResourceError) as error:
            if (shortage := own_shortage(error)) is not None:
                raise _short(shortage) from error
            raise UpstreamError(Failure.REFUSED, _reason(error)) from error
        except RuntimeError as error:  # no thread can be started to resolve the host name
            if (shortage := own_shortage(error)) is None:
                raise
            raise _short(shortage) from error

    def _head(self, request: Request) -> bytes:
        body = request.body
        headers = [(b"host", self.address.authority), *request.headers]
        user = self.address.authorization
        if user is not None and not any(name == b"authorization" for name, _ in headers):
            headers.append((b"authorization", user))
        if body.length or request.method in _BODY_EXPECTED:
            headers.append((b"content-length", b"%d" % body.length))
        return request_head(request.method, self.address.base + request.target, headers)


class Begun:
    """A request that was sent over an idle connection, and whose response has not been read."""

    def __init__(
        self, connection: "_Connection", plain: TcpStream, end: "Callable[[_Connection], None]"
    ) -> None:
        self.connection = connection
        self._plain = plain
        self._end = end

    async def receive_within(self, patience: Patience) -> Head | None:
        """Wait a little for the response; return its head if the response is complete.

        None: it is late, or incomplete, or invalid; :meth:`Upstream.exchange` continues, and raises what is
        wrong. Raises trio.Cancelled and nothing else.
        """
        connection = self.connection
        try:
            data = await self._plain.receive_within(patience)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return None  # which the next read finds again
        if not data:
            return None
        try:
            connection.parser.feed(data)
        except MalformedError as error:
            connection.malformed = error
            return None
        return connection.parser.head if connection.parser.is_complete else None

    def body(self) -> bytes:
        """Return the body of a complete response."""
        return self.connection.parser.take_body()

    def end(self) -> None:
        """Return the connection or close it, and free its slot, without a checkpoint."""
        self._end(self.connection)


class _Connection:
    """One connection, and the exchange on it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.parser = ResponseParser("GET")
        self.is_reused = False
        self.is_sent = False
        self.malformed: MalformedError | None = None
        self._rest = b""
        self._ended = False
        self._keep_until = 0.0

    def begin(self, method: str) -> None:
        self.parser = ResponseParser(method)
        self.is_sent = False

    @property
    def is_clean(self) -> bool:
        return self.is_sent and self.parser.is_reusable and not self._ended

    def is_usable(self, now: float) -> bool:
        return now < self._keep_until and self.transport.is_quiet()

    def rest(self, now: float) -> None:
        seconds = IDLE_SECONDS
        header = self.parser.head.get(b"keep-alive") if self.parser.head else None
        for parameter in (header or b"").split(b","):
            name, _, value = parameter.strip().partition(b"=")
            if name.lower() == b"timeout" and value.isdigit():
                # A second less than the peer announced, for the time on the way.
                seconds = min(seconds, int(value) - 1.0)
        self._keep_until = now + seconds
        self.is_reused = True

    def offer(self, plain: TcpStream, wire: bytes) -> None:
        """Send a request as far as the kernel accepts it now; :meth:`send_rest` sends what is left."""
        sent = len(wire)
        # If the peer has closed, reading finds the end.
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            sent = plain.offer(wire)
        self._rest = wire[sent:]
        self.is_sent = not self._rest

    async def send_rest(self) -> None:
        if self._rest:
            with _ending():
                await self.transport.stream.send_all(self._rest)
                self.is_sent = True

    async def send_whole(self, head: bytes, body: RequestBody) -> None:
        with _ending():
            await self.transport.stream.send_all(head + (body.whole or b""))
            self.is_sent = True

    async def send_streamed(self, head: bytes, request: Request) -> None:
        body = request.body
        body.rewind()
        with _ending():
            await self.transport.stream.send_all(head)
            while data := await body.next():
                await self.transport.stream.send_all(data)
            self.is_sent = True

    async def receive_head(self) -> UpstreamResponse:
        while self.parser.head is None:
            await self.read()
        return UpstreamResponse(self, self.parser.head)

    async def read(self) -> None:
        if self.malformed is not None:
            raise UpstreamError(Failure.MALFORMED, str(self.malformed)) from self.malformed
        is_reset = False
        try:
            data = await self.transport.stream.receive_some(READ)
        except trio.BrokenResourceError as error:
            if (shortage := own_shortage(error)) is not None:
                raise _short(shortage) from error
            data, is_reset = b"", True
        try:
            if data:
                self.parser.feed(bytes(data))
            else:
                self._ended = True
                self.parser.feed_end(is_reset=is_reset)
        except MalformedError as error:
            raise UpstreamError(Failure.MALFORMED, str(error)) from error
        except CutError as error:
            self._fail_cut(error)

    def _fail_cut(self, error: CutError) -> NoReturn:
        if error.any_byte:
            raise UpstreamError(Failure.CUT, str(error)) from error
        raise UpstreamError(Failure.STALE if self.is_reused else Failure.LOST, str(error)) from error


@asynccontextmanager
async def _sending(connection: _Connection, head: bytes, request: Request) -> AsyncIterator[None]:
    """Send head and body in a task beside the block; the end of the block ends the sending.

    A back end may respond before it has read the body, and go on reading while it responds. An error while
    reading the body ends the block and is raised in its place.
    """
    reading: Exception | None = None
    inside: Exception | None = None
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            nonlocal reading
            try:
                await connection.send_streamed(head, request)
            except Exception as error:  # noqa: BLE001 - raised below, out of the nursery
                reading = error
                nursery.cancel_scope.cancel()

        nursery.start_soon(send)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised below, so that no group is wrapped around it
            inside = error
        nursery.cancel_scope.cancel()
    if reading is not None:
        raise reading
    if inside is not None:
        raise inside


@contextmanager
def _ending() -> Iterator[None]:
    """Leave the block if the peer has closed: its response may give the reason; reading finds the end.

    Raises :class:`UpstreamError` (SHORTAGE) if the cause is this process.
    """
    try:
        yield
    except trio.BrokenResourceError as error:
        if (shortage := own_shortage(error)) is not None:
            raise _short(shortage) from error


def _short(shortage: Shortage) -> UpstreamError:
    return UpstreamError(
        Failure.SHORTAGE, f"the orchestration service is {WORDS[shortage]}", shortage=shortage
    )


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
        if isinstance(reason, socket.gaierror):
            return "its host name does not resolve"
        reason = reason.__cause__
    return "no connection could be made"
