"""One request and its response, between the application and the connection."""

from collections.abc import Mapping
from typing import Any, Final

import structlog
import trio

from orch.front.context import NEVER, App
from orch.front.http1 import small_chunks
from orch.front.http1.error_responses import problem
from orch.front.http1.request_parser import (
    BadRequestError,
    Data,
    EndOfMessage,
    Event,
    RequestHead,
    ResponseEncoder,
)
from orch.front.http1.request_reader import RequestReader
from orch.front.link import SENDS_IN_A_ROW, ClientGoneError, drain
from orch.front.scopes import http_scope
from orch.problems import ProblemError
from orch.repeats import EXTENSION, Slot

#: Bytes of a body that the application left unread which are read and dropped to keep the connection open;
#: if more is to come, the connection ends with the response.
DISCARDED: Final = 65_536
#: Bytes of a body up to which it is copied, so that head and body are sent in one call.
COPIED: Final = 65_536

_log = structlog.get_logger("front")


class Exchange:
    """One request and its response: the application's ``receive`` and ``send``.

    ``receive`` reads the socket in the task that calls it, so that nothing is read before the application
    asks for it. After the body it waits until the client disconnects; bytes that come instead belong to the
    next request, and the parser stores them up to its limit.

    ``app``: instead of the server's. ``slot``: where the application may leave a way for the next request
    with the same head.
    """

    __slots__ = (
        "_app",
        "_base",
        "_continued",
        "_encoder",
        "_events",
        "_has_trailers",
        "_head",
        "_is_broken",
        "_is_read",
        "_is_received",
        "_is_watching",
        "_is_written",
        "_parked",
        "_reader",
        "_slot",
        "_started",
        "_unyielded",
    )

    def __init__(
        self,
        reader: RequestReader,
        base: Mapping[str, Any],
        head: RequestHead,
        events: list[Event],
        *,
        app: App | None = None,
        slot: Slot | None = None,
    ) -> None:
        self._reader = reader
        self._app = app or reader.context.app
        self._slot = slot
        self._base = base
        self._head = head
        self._events = events
        self._encoder = ResponseEncoder(head)
        self._started: tuple[int, Any] | None = None
        self._continued = not head.expects_continue or bool(events)
        self._is_read = bool(events) and isinstance(events[-1], EndOfMessage)
        self._is_received = False
        self._is_broken = False
        self._is_watching = False
        self._is_written = False
        self._has_trailers = False
        self._parked: trio.Event | None = None
        self._unyielded = 0

    async def serve(self) -> bool:
        """Run the application; return whether the connection can be used again."""
        reader = self._reader
        head = self._head
        scope = http_scope(head, self._base)
        if self._slot is not None:
            scope["extensions"][EXTENSION] = self._slot
        try:
            await self._app(scope, self.receive, self.send)
        except* ClientGoneError:
            _log.debug("client gone", path=head.path)
        except* Exception:  # noqa: BLE001 - the boundary of one request
            reader.context.request_boundary.count()
            _log.exception("request failed", path=head.path, method=scope["method"])
        structlog.contextvars.clear_contextvars()
        return await self._end()

    # What the application calls.

    async def receive(self) -> dict[str, Any]:
        """Return the next part of the body, or ``http.disconnect``."""
        if self._is_received:
            await self._watch()
            return {"type": "http.disconnect"}
        while not self._events:
            if (
                self._reader.is_gone
                or self._is_broken
                or self._encoder.is_done
                or not await self._read_body()
            ):
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
        """Send a part of the response; wait while the client reads more slowly than the application sends."""
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            more = message.get("more_body", False)
            is_open = more or self._has_trailers
            head = b"" if self._started is None else self._start(None if is_open else len(body))
            more = more or (self._has_trailers and self._encoder.is_chunked)
            wire = self._encoder.data(body, more=more)
            if len(wire) > COPIED:
                await self._write(head, is_last=False)
            else:
                wire = head + wire
            await self._write(wire, is_last=not more)
        elif message["type"] == "http.response.start":
            if self._started is not None or self._encoder.has_started:
                raise RuntimeError("The response has already started.")
            self._started = (message["status"], message.get("headers", ()))
            self._has_trailers = message.get("trailers", False)
        elif message["type"] == "http.response.trailers":
            if not self._encoder.is_done:  # a body with a length, or none, has no trailers
                await self._write(self._encoder.trailers(message.get("headers", ())), is_last=True)
        else:
            raise RuntimeError(f"{message['type']} is not a part of an HTTP response.")

    # Internals.

    def _start(self, length: int | None) -> bytes:
        assert self._started is not None  # noqa: S101 - the caller has looked
        status, headers = self._started
        self._started = None
        context = self._reader.context
        head = self._encoder.start(
            status,
            headers,
            close=context.is_stopping or self._is_too_much_unread(),
            date=context.date,
            length=length,
        )
        context.responses[status] += 1
        return head

    def _is_too_much_unread(self) -> bool:
        """Return whether so much of the body is still to come that the connection should end."""
        if self._is_read:
            return False
        if not self._continued:
            return True
        return self._head.is_chunked or (self._head.content_length or 0) > DISCARDED

    async def _write(self, wire: bytes, *, is_last: bool) -> None:
        """Send ``wire``; raise ClientGoneError if the client has disconnected."""
        reader = self._reader
        link = reader.link
        if link.is_closed or self._is_broken:
            raise ClientGoneError("the client has disconnected")
        if wire:
            self._is_written = True
            link.offer(wire)
        if is_last:
            self._end_watch()
        if link.queued_bytes:
            await drain(link, reader.context)
        elif not is_last:
            self._unyielded += 1
            if self._unyielded % SENDS_IN_A_ROW == 0:
                await trio.lowlevel.checkpoint()
        if link.is_closed:
            raise ClientGoneError("the client has disconnected")

    async def _read_body(self) -> bool:
        """Read more of the body into the events; return False if no more will come."""
        reader = self._reader
        if not self._continued:
            self._continued = True
            if not self._encoder.has_started:
                reader.link.offer(self._encoder.start(100, []))
        reader.set_deadline(reader.context.now + reader.context.timeouts.body)
        try:
            data = b"" if reader.parser.has_more else await reader.read()
            if data or reader.parser.has_more:
                await self._parse(data)
                self._is_read = bool(self._events) and isinstance(self._events[-1], EndOfMessage)
                return True
            if reader.is_expired:
                self._is_broken = True
                if not self._is_written:
                    reader.send_timeout("The request body did not arrive completely in time.")
            else:
                reader.is_gone = True
                reader.parser.eof()
        except BadRequestError as error:
            self._break(error)
        finally:
            reader.set_deadline(NEVER)
        return False

    async def _parse(self, data: bytes) -> None:
        """Parse bytes of the body, and pause if it comes in too many small chunks."""
        reader = self._reader
        while True:
            before = reader.parser.small_chunks
            self._events += reader.parser.feed(data)
            count = reader.parser.small_chunks - before
            if count:
                now = trio.current_time()
                reader.small_full_at = small_chunks.after(reader.small_full_at, now, count)
                await trio.sleep(small_chunks.pause(reader.small_full_at, now))
            if not reader.parser.has_more:
                return
            data = b""

    def _break(self, error: BadRequestError) -> None:
        """Refuse a request whose body is malformed; the application receives ``http.disconnect``."""
        self._is_broken = True
        if self._is_written:
            self._reader.context.refused[error.kind] += 1
        else:
            self._reader.refuse(error)

    async def _watch(self) -> None:
        """Wait until the client has disconnected or the response is complete."""
        reader = self._reader
        self._is_watching = True
        try:
            while not (reader.is_gone or self._encoder.is_done or reader.link.is_closed):
                if reader.parser.is_full:
                    self._parked = trio.Event()
                    await self._parked.wait()
                    continue
                try:
                    data = await reader.link.receive()
                except trio.ClosedResourceError:
                    continue
                if data:
                    reader.parser.feed(data)
                else:
                    reader.is_gone = True
        finally:
            self._is_watching = False

    def _end_watch(self) -> None:
        """Wake the task that waits in :meth:`_watch`: the response is complete."""
        if self._is_watching:
            if self._parked is not None:
                self._parked.set()
            self._reader.link.wake()

    async def _end(self) -> bool:
        """Finish the response if the application did not; return whether the connection can be used again."""
        reader = self._reader
        if self._is_broken:
            await reader.linger()
            return False
        if reader.link.is_closed or reader.is_gone:
            return False
        if not self._is_written:
            error = ProblemError("internal_error", "The service could not handle this request.")
            reader.context.responses[error.status] += 1
            is_head = self._head.method == b"HEAD"
            reader.link.offer(problem(error, reader.context.date, is_head=is_head))
            await reader.linger()
            return False
        if not self._encoder.is_done:
            _log.error("response not completed", path=self._head.path)
            return False
        if not self._encoder.keep_alive:
            if not self._is_read:
                await reader.linger()
            return False
        return self._is_read or await self._discard()

    async def _discard(self) -> bool:
        """Read and drop the rest of a short body that the application left unread."""
        with trio.move_on_after(self._reader.context.timeouts.close):
            while await self._read_body():
                if self._is_read:
                    return True
                self._events.clear()
        return False
