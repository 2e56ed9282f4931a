"""One client's HTTP requests, each served by the application in the connection's own task."""

from collections.abc import Mapping
from typing import Any

import trio

from orch.front.admission import OPEN_PATHS, REFUSAL_WITHIN
from orch.front.context import NEVER, ServerContext
from orch.front.http1.error_responses import problem
from orch.front.http1.exchange import Exchange
from orch.front.http1.repeats import Repeats
from orch.front.http1.request_parser import BadRequestError, Event, RequestHead, RequestParser
from orch.front.http1.request_reader import RequestReader
from orch.front.link import Link
from orch.problems import ProblemError


class HttpConnection:
    """Serves one request after the other until the connection ends or becomes a WebSocket.

    The mutable state is that of the :class:`RequestReader`, which it shares with the :class:`Exchange` of the
    request being served.

    ``refused``: the server has no room for this connection. Its only request gets that response, unless it is
    for one of :data:`OPEN_PATHS` (the probes).
    """

    __slots__ = ("_base", "_context", "_reader", "_refused", "_repeats")

    def __init__(
        self,
        link: Link,
        context: ServerContext,
        base: Mapping[str, Any],
        refused: ProblemError | None = None,
    ) -> None:
        self._context = context
        self._reader = RequestReader(link, context)
        self._base = base
        self._refused = refused
        self._repeats: Repeats | None = None

    def __repr__(self) -> str:
        return f"<HttpConnection {self._reader!r}>"

    @property
    def parser(self) -> RequestParser:
        """The parser, which has the first bytes of the WebSocket that the connection becomes."""
        return self._reader.parser

    async def run(self) -> RequestHead | None:
        """Serve until the end; return the request that asks for a WebSocket, which is the last request."""
        reader = self._reader
        limit = self._context.timeouts.head if self._refused is None else REFUSAL_WITHIN
        reader.set_deadline(self._context.now + limit)
        try:
            return await self._serve_requests()
        except BadRequestError as error:
            reader.refuse(error)
            await reader.linger()
            return None
        finally:
            self._context.disarm(reader)

    async def _serve_requests(self) -> RequestHead | None:
        reader, context = self._reader, self._context
        events = await self._read_head([])
        while events:
            head = events[0]
            assert isinstance(head, RequestHead)  # noqa: S101 - a request begins with it
            if self._refused is not None and head.path not in OPEN_PATHS:
                is_head = head.method == b"HEAD"
                reader.link.offer(problem(self._refused, context.date, is_head=is_head))
                await reader.linger()
                return None
            if head.upgrade == b"websocket" and not head.has_body:
                return head
            reader.is_working = True
            reader.deadline = NEVER
            if reader.parser.is_repeated:
                is_kept = await self._serve_again(head, events)
            else:
                self._repeats = None
                is_kept = await Exchange(reader, self._base, head, events[1:]).serve()
            reader.is_working = False
            reader.has_served = True
            is_last = self._refused is not None or context.is_stopping
            if not is_kept or is_last or reader.link.is_closed:
                return None
            reader.deadline = context.now + context.timeouts.idle
            events = reader.parser.next_request()
            if events:
                await trio.lowlevel.checkpoint()  # a pipelined request: other tasks run first
            events = await self._read_head(events)
        return None

    async def _serve_again(self, head: RequestHead, events: list[Event]) -> bool:
        """Serve a request whose head repeats the one before; return whether the connection is kept."""
        reader, repeats = self._reader, self._repeats
        if repeats is None:
            repeats = self._repeats = Repeats(reader, head)
        elif (begun := repeats.begin(events)) is not None:
            kept = await repeats.run(begun)
            if kept is not None:
                return kept
            return await Exchange(reader, self._base, head, events[-1:], app=begun).serve()
        return await Exchange(reader, self._base, head, events[1:], slot=repeats.slot).serve()

    async def _read_head(self, events: list[Event]) -> list[Event]:
        """Return the events of the next request, or none at the end."""
        reader, context = self._reader, self._context
        while not events:
            if not reader.parser.is_idle and reader.has_served:
                reader.set_deadline(min(reader.deadline, context.now + context.timeouts.head))
            data = await reader.read()
            if not data:
                if not reader.is_expired:
                    reader.is_gone = True
                    reader.parser.eof()
                elif not reader.parser.is_idle:
                    await reader.linger()
                return []
            events = reader.parser.feed(data)
        return events

    @property
    def is_fresh(self) -> bool:
        """Whether no request has been read yet."""
        return not (self._reader.is_working or self._reader.has_served)

    def retire(self, *, even_fresh: bool = False) -> None:
        """End the connection, unless a request is being read or served or the first one has not come yet.

        A request that has come and was not read yet is served too: closing the socket would reset it.
        """
        reader = self._reader
        is_at_rest = not reader.is_working and reader.parser.is_idle and (even_fresh or reader.has_served)
        if is_at_rest and not reader.link.has_unread():
            reader.expire()

    async def linger(self) -> None:
        """Wait, within bounds, until the client has read the last response."""
        await self._reader.linger()
