"""One client's HTTP requests, each served by the application in the connection's own task."""

from collections.abc import Mapping
from typing import Any, Final

import structlog
import trio

from orch.front.answers import problem
from orch.front.http1 import (
    BadRequestError,
    Data,
    EndOfMessage,
    Event,
    RequestHead,
    RequestParser,
    ResponseEncoder,
    refuse,
)
from orch.front.link import Link
from orch.front.running import Running
from orch.problems import ProblemError

#: Bytes of a body that the application did not want which are read and dropped so that the connection can be
#: kept; with more to come the connection ends with the answer.
DISCARDED: Final = 65_536
#: Sends that the kernel took at once, in a row, before other tasks have a turn.
BREATH: Final = 16

#: Bytes of a body up to which it is copied to go out with the head in one call.
COPIED: Final = 65_536

NEVER: Final = float("inf")

_log = structlog.get_logger("front")


class ClientGoneError(OSError):
    """Nothing can be sent any more: ASGI's word to the application that its client is gone."""


class HttpConnection:
    """Serves one request after the other until the connection ends or becomes a WebSocket.

    The mutable state is the parser, the deadline that holds now, and whether the other side is there. A
    request's own state is its :class:`Exchange`'s.
    """

    __slots__ = (
        "_deadline",
        "_has_served",
        "_is_working",
        "base",
        "due_at",
        "is_expired",
        "is_gone",
        "link",
        "parser",
        "running",
        "slot",
    )

    def __init__(self, link: Link, running: Running, base: Mapping[str, Any]) -> None:
        self.link = link
        self.running = running
        self.base = base
        self.parser = RequestParser()
        self.is_gone = False
        self.slot = 0
        self.due_at = NEVER
        self._deadline = NEVER
        self.is_expired = False
        self._is_working = False
        self._has_served = False

    def __repr__(self) -> str:
        return f"<HttpConnection {self.link!r} {self.parser!r}>"

    async def run(self) -> RequestHead | None:
        """Serve until the end; return the request that asks for a WebSocket, the last one then."""
        self.set_deadline(self.running.now + self.running.patience.head)
        try:
            return await self._serve_requests()
        except BadRequestError as error:
            self.refuse(error)
            await self.linger()
            return None
        finally:
            self.running.disarm(self)

    async def _serve_requests(self) -> RequestHead | None:
        events = await self._read_head([])
        while events:
            head = events[0]
            assert isinstance(head, RequestHead)  # noqa: S101 - a request begins with it
            if head.upgrade == b"websocket" and not head.has_body:
                return head
            self._is_working = True
            self._deadline = NEVER
            is_kept = await Exchange(self, head, events[1:]).serve()
            self._is_working = False
            self._has_served = True
            if not is_kept or self.running.is_stopping or self.link.is_closed:
                return None
            self._deadline = self.running.now + self.running.patience.idle
            events = self.parser.next_request()
            if events:
                await trio.lowlevel.checkpoint()  # sent ahead: others have a turn all the same
            events = await self._read_head(events)
        return None

    async def _read_head(self, events: list[Event]) -> list[Event]:
        """Return the events of the next request, or none at the end."""
        while not events:
            if not self.parser.is_idle and self._has_served:
                self.set_deadline(min(self._deadline, self.running.now + self.running.patience.head))
            data = await self.read()
            if not data:
                if not self.is_expired:
                    self.is_gone = True
                    self.parser.eof()
                elif not self.parser.is_idle:
                    await self.linger()
                return []
            events = self.parser.feed(data)
        return events

    async def read(self) -> bytes:
        """Return what has come; nothing at the end, whether of the other side or of our patience."""
        while not (self.link.is_closed or self.is_expired):
            try:
                return await self.link.receive()
            except trio.ClosedResourceError:
                continue  # closed, expired, or woken for the one who waited before
        return b""

    # Deadlines.

    def set_deadline(self, at: float) -> None:
        """Give up waiting at ``at``."""
        self._deadline = at
        if at < self.due_at:
            self.running.arm(self, at)

    def on_due(self, now: float) -> float | None:
        """End the connection if what it waits for has not come."""
        if self.link.is_closed:
            return None
        if now < self._deadline:
            return min(self._deadline, now + self.running.patience.body)
        self.is_expired = True
        if self._is_working:
            self.running.refused["slow_body"] += 1
        elif not self.parser.is_idle:
            self.running.refused["slow_head"] += 1
            self.say_timeout("The request's head did not come in full in time.")
        elif not self._has_served:
            self.running.refused["silent"] += 1
        self.link.wake()
        return None

    def say_timeout(self, detail: str) -> None:
        """Tell the client that it has been waited for long enough."""
        self.link.offer(problem(ProblemError("request_timeout", detail), self.running.date))

    @property
    def is_fresh(self) -> bool:
        """Whether it has asked for nothing yet."""
        return not (self._is_working or self._has_served)

    def retire(self, *, even_fresh: bool = False) -> None:
        """End the connection, unless a request is being read or served or the first is still to come."""
        if not self._is_working and self.parser.is_idle and (even_fresh or self._has_served):
            self.is_expired = True
            self.link.wake()

    # The end.

    def refuse(self, error: BadRequestError) -> None:
        """Count a request that cannot be read, and say why where someone is there to be told."""
        self.running.refused[error.kind] += 1
        if not self.is_gone and not self.is_expired:
            self.link.offer(refuse(error, date=self.running.date))

    async def linger(self) -> None:
        """Let the client read our last words.

        Closing a socket with bytes unread resets the connection, and what was answered may be lost with it.
        """
        with trio.move_on_after(self.running.patience.close):
            await self.link.drained(1)
            self.link.end_output()
            while not self.is_gone:
                try:
                    self.is_gone = not await self.link.receive()
                except trio.ClosedResourceError:
                    return


class Exchange:
    """One request and its answer: the application's ``receive`` and ``send``.

    ``receive`` reads the socket in the task that calls it, so that nothing is read which nobody asks for.
    After the body it waits for the client's end; what comes instead is the next request, which is kept up to
    the parser's bound.
    """

    __slots__ = (
        "_conn",
        "_continued",
        "_encoder",
        "_events",
        "_head",
        "_is_broken",
        "_is_received",
        "_is_watching",
        "_is_written",
        "_parked",
        "_started",
        "_unyielded",
    )

    def __init__(self, conn: HttpConnection, head: RequestHead, events: list[Event]) -> None:
        self._conn = conn
        self._head = head
        self._events = events
        self._encoder = ResponseEncoder(head)
        self._started: tuple[int, Any] | None = None
        self._continued = not head.expects_continue or bool(events)
        self._is_received = False
        self._is_broken = False
        self._is_watching = False
        self._is_written = False
        self._parked: trio.Event | None = None
        self._unyielded = 0

    async def serve(self) -> bool:
        """Run the application; return whether the connection can be used again."""
        conn = self._conn
        head = self._head
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": head.version,
            "method": head.method.decode("ascii"),
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query,
            "root_path": "",
            "headers": head.headers,
            "extensions": {},
            **conn.base,
        }
        try:
            await conn.running.app(scope, self.receive, self.send)
        except* ClientGoneError:
            _log.debug("client gone", path=head.path)
        except* Exception:  # noqa: BLE001 - the boundary of one request
            _log.exception("request failed", path=head.path, method=scope["method"])
        structlog.contextvars.clear_contextvars()
        return await self._end()

    # What the application calls.

    async def receive(self) -> dict[str, Any]:
        """Return the next part of the body, or the end of the client."""
        if self._is_received:
            await self._watch()
            return {"type": "http.disconnect"}
        while not self._events:
            if self._conn.is_gone or self._is_broken or self._encoder.is_done or not await self._read_body():
                return {"type": "http.disconnect"}
        event = self._events.pop(0)
        body = b""
        if isinstance(event, Data):
            body = event.data
            if self._events and isinstance(self._events[0], EndOfMessage):
                event = self._events.pop(0)
        self._is_received = isinstance(event, EndOfMessage)
        return {"type": "http.request", "body": body, "more_body": not self._is_received}

    async def send(self, message: dict[str, Any]) -> None:
        """Take a part of the answer; it waits while the client takes less than it is given."""
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            more = message.get("more_body", False)
            head = b"" if self._started is None else self._start(None if more else len(body))
            wire = self._encoder.data(body, more=more)
            if len(wire) > COPIED:
                await self._write(head, is_last=False)
            else:
                wire = head + wire
            await self._write(wire, is_last=not more)
        elif message["type"] == "http.response.start":
            if self._started is not None or self._encoder.has_started:
                raise RuntimeError("The answer has begun already.")
            self._started = (message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"There is no {message['type']} in an answer.")

    # How it is done.

    def _start(self, length: int | None) -> bytes:
        assert self._started is not None  # noqa: S101 - the caller has looked
        status, headers = self._started
        self._started = None
        return self._encoder.start(
            status,
            headers,
            close=self._conn.running.is_stopping or self._is_too_much_unread(),
            date=self._conn.running.date,
            length=length,
        )

    def _is_too_much_unread(self) -> bool:
        """Return whether so much of the body is still to come that the connection is better ended."""
        if self._is_received or any(isinstance(event, EndOfMessage) for event in self._events):
            return False
        if not self._continued:
            return True
        return self._head.is_chunked or (self._head.content_length or 0) > DISCARDED

    async def _write(self, wire: bytes, *, is_last: bool) -> None:
        """Hand ``wire`` on; raise ClientGoneError where nobody takes it."""
        conn = self._conn
        link = conn.link
        if link.is_closed or self._is_broken:
            raise ClientGoneError("the client is gone")
        if wire:
            self._is_written = True
            link.offer(wire)
        if is_last:
            self._end_watch()
        if link.queued_bytes:
            await drain(link, conn.running)
        elif not is_last:
            self._unyielded += 1
            if self._unyielded % BREATH == 0:
                await trio.lowlevel.checkpoint()
        if link.is_closed:
            raise ClientGoneError("the client is gone")

    async def _read_body(self) -> bool:
        """Read more of the body into the events; return whether there is more to hope for."""
        conn = self._conn
        if not self._continued:
            self._continued = True
            if not self._encoder.has_started:
                conn.link.offer(self._encoder.start(100, []))
        conn.set_deadline(conn.running.now + conn.running.patience.body)
        try:
            data = await conn.read()
            if data:
                self._events += conn.parser.feed(data)
                return True
            if conn.is_expired:
                self._is_broken = True
                if not self._is_written:
                    conn.say_timeout("The request's body did not come in full in time.")
            else:
                conn.is_gone = True
                conn.parser.eof()
        except BadRequestError as error:
            self._break(error)
        finally:
            conn.set_deadline(NEVER)
        return False

    def _break(self, error: BadRequestError) -> None:
        """End an exchange whose body turned out wrong; the application is told that its client is gone."""
        self._is_broken = True
        if self._is_written:
            self._conn.running.refused[error.kind] += 1
        else:
            self._conn.refuse(error)

    async def _watch(self) -> None:
        """Wait until the client is gone or the answer is complete."""
        conn = self._conn
        self._is_watching = True
        try:
            while not (conn.is_gone or self._encoder.is_done or conn.link.is_closed):
                if conn.parser.is_full:
                    self._parked = trio.Event()
                    await self._parked.wait()
                    continue
                try:
                    data = await conn.link.receive()
                except trio.ClosedResourceError:
                    continue
                if data:
                    conn.parser.feed(data)
                else:
                    conn.is_gone = True
        finally:
            self._is_watching = False

    def _end_watch(self) -> None:
        """Let whoever waits for the client's end know that the answer is complete."""
        if self._is_watching:
            if self._parked is not None:
                self._parked.set()
            self._conn.link.wake()

    async def _end(self) -> bool:
        """Complete what the application has left; return whether the connection can be used again."""
        conn = self._conn
        if self._is_broken:
            await conn.linger()
            return False
        if conn.link.is_closed or conn.is_gone:
            return False
        if not self._is_written:
            error = ProblemError("internal_error", "The service could not answer this request.")
            is_head = self._head.method == b"HEAD"
            conn.link.offer(problem(error, conn.running.date, is_head=is_head))
            await conn.linger()
            return False
        if not self._encoder.is_done:
            _log.error("answer not completed", path=self._head.path)
            return False
        if not self._encoder.keep_alive:
            if not self._is_everything_read():
                await conn.linger()
            return False
        return self._is_everything_read() or await self._discard()

    def _is_everything_read(self) -> bool:
        return self._is_received or any(isinstance(event, EndOfMessage) for event in self._events)

    async def _discard(self) -> bool:
        """Read the rest of a short body that the application did not want."""
        with trio.move_on_after(self._conn.running.patience.close):
            while await self._read_body():
                if self._is_everything_read():
                    return True
                self._events.clear()
        return False


async def drain(link: Link, running: Running) -> None:
    """Wait until the client has taken what is queued; one that takes too long is cut off."""
    allowed = running.patience.send + link.queued_bytes / running.patience.slowest
    with trio.move_on_after(allowed) as waiting:
        await link.drained(1)
    if waiting.cancelled_caught:
        running.refused["slow_reader"] += 1
        link.abort()
