"""One connection to an instance, and one exchange at a time over it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, NamedTuple, NoReturn

import trio
from msgspec import Struct

from orch.gateway.headers import Header
from orch.gateway.http1 import SWITCHED, CutError, Head, KnownHeads, MalformedError, ResponseParser
from orch.gateway.nurseries import nursery_of_block
from orch.gateway.request_body import RequestBody
from orch.gateway.retries import Failure
from orch.gateway.tcp_stream import READ, Patience, TcpStream
from orch.gateway.timeouts import UNLIMITED, Due, Timeout, TryClock, in_words
from orch.gateway.transport import Address, Transport
from orch.shortages import WORDS, Shortage, own_shortage

IDLE_SECONDS: Final = 4.0
"""Seconds for which an idle connection may be reused; uvicorn, Hypercorn and Node close theirs after 5 s."""

CONTINUE_SECONDS: Final = 1.0
"""Seconds for which ``100 Continue`` is waited for before the body is sent; curl's."""


class UpstreamError(Exception):
    """An exchange that failed. The text is the reason, without the address."""

    def __init__(
        self,
        failure: Failure,
        text: str,
        *,
        shortage: Shortage | None = None,
        timeout: Timeout | None = None,
    ) -> None:
        super().__init__(text)
        self.failure = failure
        self.shortage = shortage
        self.timeout = timeout


class Request(Struct, frozen=True):
    """A request to a back end. ``target``: path and query. Host and framing are added to ``headers``.

    ``check_switch``: the request asks for another protocol; it returns what is wrong with the response that
    switches to it, "" if nothing. ``is_ours``: its credentials, if it has any, are the service's own.

    ``encoded`` returns the encoded head for an address, if it was prepared.
    """

    method: str
    target: str
    headers: tuple[Header, ...]
    body: RequestBody
    check_switch: Callable[[Head], str] | None = None
    encoded: Callable[[Address], bytes] | None = None
    is_ours: bool = False


class Switched(NamedTuple):
    """A connection that has become one of another protocol; ``rest``: what came with the response."""

    stream: trio.abc.Stream
    rest: bytes


class UpstreamResponse:
    """A response whose head has arrived. Its body is read from the connection as the caller asks for it."""

    def __init__(self, connection: "Connection", head: Head) -> None:
        self._connection = connection
        self.status = head.status
        self.headers = head.headers
        self.is_waiting = False
        """Whether the caller waits for the back end now."""

    @property
    def is_complete(self) -> bool:
        """Whether the whole body has been received (though perhaps not yet read by the caller)."""
        return self._connection.parser.is_complete

    @property
    def trailers(self) -> list[Header]:
        """The trailers, after the end of the body."""
        return self._connection.parser.trailers

    def switched(self) -> Switched:
        """Return the connection, after a response that has switched to another protocol."""
        assert self.status == SWITCHED, "it has switched"  # noqa: S101 - an invariant
        return Switched(self._connection.transport.stream, self._connection.parser.rest)

    async def receive(self) -> bytes:
        """Return the next piece of the body, empty at its end. Raises :class:`UpstreamError`."""
        parser = self._connection.parser
        clock = self._connection.clock
        clock.resume(trio.current_time())
        while True:
            data = parser.take_body()
            if data or parser.is_complete:
                clock.pause(trio.current_time())
                return data
            self.is_waiting = True
            await self._connection.read()
            self.is_waiting = False


class Connection:
    """One connection, and the exchange on it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.clock = TryClock(UNLIMITED, 0.0)
        self.parser = ResponseParser("GET")
        self.is_reused = False
        self.is_sent = False
        self.malformed: MalformedError | None = None
        self._check_switch: Callable[[Head], str] | None = None
        self._reading: trio.CancelScope | None = None
        self._asked: trio.Event | None = None
        self._rest = b""
        self._ended = False
        self._keep_until = 0.0
        self._kept_for = IDLE_SECONDS
        self._read_head: Head | None = None

    def begin(self, request: Request, known: KnownHeads | None = None) -> None:
        """Begin an exchange. ``known``: heads of responses of the same instance."""
        upgrades = request.check_switch is not None
        self.parser = ResponseParser(request.method, known, upgrades=upgrades)
        self._check_switch = request.check_switch
        self.is_sent = False

    @property
    def is_clean(self) -> bool:
        """Whether it can be used again after the exchange."""
        return self.is_sent and self.parser.is_reusable and not self._ended

    def is_usable(self, now: float) -> bool:
        """Return whether it has not been idle for too long, and nothing came meanwhile."""
        return now < self._keep_until and self.transport.is_quiet()

    def rest(self, now: float) -> None:
        """Become idle, for as long as the peer announced or servers usually allow."""
        head = self.parser.head
        if head is not self._read_head:  # a head that is known is the same object each time
            self._read_head, self._kept_for = head, idle_seconds(head)
        self._keep_until = now + self._kept_for
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
        """Send what :meth:`offer` could not."""
        if self._rest:
            with _ending():
                await self._send(self._rest)
                self.is_sent = True
        self.clock.sent(trio.current_time())

    async def send_whole(self, head: bytes, body: RequestBody) -> None:
        """Send a request whose body is in memory."""
        with _ending():
            await self._send(head + (body.whole or b""))
            self.is_sent = True
        self.clock.sent(trio.current_time())

    async def send_streamed(self, head: bytes, request: Request) -> None:
        """Send a request whose body is read piece by piece."""
        body = request.body
        body.rewind()
        with _ending():
            await self.transport.stream.send_all(head)
            if body.expects_continue and not await self._is_asked_for_body():
                return
            while data := await self._next_piece(body):
                if body.is_chunked:
                    data = b"%x\r\n%b\r\n" % (len(data), data)
                await self.transport.stream.send_all(data)
                self.clock.moved(trio.current_time())
                self._look_at_clock()
            if body.is_chunked:
                await self.transport.stream.send_all(b"0\r\n\r\n")
            self.is_sent = True
        self.clock.sent(trio.current_time())
        self._look_at_clock()

    async def _is_asked_for_body(self) -> bool:
        """Wait for the peer to ask for the body; return False if it has responded without.

        RFC 9110, 10.1.1: a client "SHOULD NOT wait for an indefinite period before sending the content".
        """
        self._asked = trio.Event()
        with trio.move_on_after(CONTINUE_SECONDS):
            await self._asked.wait()
        return self.parser.head is None

    async def _next_piece(self, body: RequestBody) -> bytes:
        """Return the next piece of a body; the time that reading it takes is not the instance's."""
        self.clock.pause(trio.current_time())
        self._look_at_clock()
        data = await body.next()
        self.clock.resume(trio.current_time())
        self._look_at_clock()
        return data

    def _look_at_clock(self) -> None:
        """Move the end of the wait for a response, which may have begun before."""
        if self._reading is not None:
            self._reading.deadline = self.clock.due.at

    async def receive_head(self) -> UpstreamResponse:
        """Wait for the head of the response."""
        while self.parser.head is None:
            await self.read()
        if self.parser.head.status == SWITCHED and self._check_switch is not None:
            fault = self._check_switch(self.parser.head)
            if fault:
                raise UpstreamError(Failure.MALFORMED, fault)
        now = trio.current_time()
        self.clock.answered(now)
        self.clock.pause(now)  # until the caller asks for the body
        return UpstreamResponse(self, self.parser.head)

    async def read(self) -> None:
        """Wait for some bytes and parse them. Raises :class:`UpstreamError`."""
        if self.malformed is not None:
            raise UpstreamError(Failure.MALFORMED, str(self.malformed)) from self.malformed
        is_reset = False
        try:
            data = await self._receive()
        except trio.BrokenResourceError as error:
            if (shortage := own_shortage(error)) is not None:
                raise short(shortage) from error
            data, is_reset = b"", True
        except trio.ClosedResourceError:  # we closed it: Upstream.abort
            data, is_reset = b"", True
        self.clock.moved(trio.current_time())
        try:
            if data:
                self.parser.feed(data)
            else:
                self._ended = True
                self.parser.feed_end(is_reset=is_reset)
        except MalformedError as error:
            raise UpstreamError(Failure.MALFORMED, str(error)) from error
        except CutError as error:
            self._fail_cut(error)
        if self._asked is not None and (self.parser.is_continued or self.parser.head is not None):
            self._asked.set()

    async def _send(self, data: bytes) -> None:
        """Send bytes within the time-outs of the attempt. Raises :class:`UpstreamError` (TIMED_OUT)."""
        due = self.clock.due
        with trio.move_on_at(due.at) as limit:
            await self.transport.stream.send_all(data)
        if limit.cancelled_caught:
            raise _timed_out(due)

    async def _receive(self) -> bytes:
        """Return the bytes that have come. Raises :class:`UpstreamError` (TIMED_OUT)."""
        self._reading = trio.CancelScope(deadline=self.clock.due.at)
        try:
            with self._reading:
                return bytes(await self.transport.stream.receive_some(READ))
        finally:
            self._reading = None
        raise _timed_out(self.clock.due)

    def _fail_cut(self, error: CutError) -> NoReturn:
        if error.any_byte:
            raise UpstreamError(Failure.CUT, str(error)) from error
        raise UpstreamError(Failure.STALE if self.is_reused else Failure.LOST, str(error)) from error


class Begun:
    """A request that was sent over an idle connection, and whose response has not been read."""

    def __init__(self, connection: Connection, plain: TcpStream, end: Callable[[Connection], None]) -> None:
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


@asynccontextmanager
async def sending(connection: Connection, head: bytes, request: Request) -> AsyncIterator[None]:
    """Send head and body in a task beside the block; the end of the block ends the sending.

    A back end may respond before it has read the body, and go on reading while it responds. An error while
    reading the body ends the block and is raised in its place.
    """
    reading: Exception | None = None
    async with nursery_of_block() as nursery:

        async def send() -> None:
            nonlocal reading
            try:
                await connection.send_streamed(head, request)
            except Exception as error:  # noqa: BLE001 - raised below, out of the nursery
                reading = error
                nursery.cancel_scope.cancel()

        nursery.start_soon(send)
        yield
    if reading is not None:
        raise reading


def idle_seconds(head: Head | None) -> float:
    """Return for how long a connection may be idle after a response."""
    seconds = IDLE_SECONDS
    header = head.get(b"keep-alive") if head else None
    for parameter in (header or b"").split(b","):
        name, _, value = parameter.strip().partition(b"=")
        if name.lower() == b"timeout" and value.isdigit():
            # A second less than the peer announced, for the time on the way.
            seconds = min(seconds, int(value) - 1.0)
    return seconds


@contextmanager
def _ending() -> Iterator[None]:
    """Leave the block if the peer has closed: its response may give the reason; reading finds the end.

    Raises :class:`UpstreamError` (SHORTAGE) if the cause is this process.
    """
    try:
        yield
    except trio.ClosedResourceError:
        return
    except trio.BrokenResourceError as error:
        if (shortage := own_shortage(error)) is not None:
            raise short(shortage) from error


def _timed_out(due: Due) -> UpstreamError:
    return UpstreamError(Failure.TIMED_OUT, in_words(due.kind, due.seconds), timeout=due.kind)


def short(shortage: Shortage) -> UpstreamError:
    """Return the error of an exchange that failed because this process is short of something."""
    return UpstreamError(
        Failure.SHORTAGE, f"the orchestration service is {WORDS[shortage]}", shortage=shortage
    )
