"""One client's HTTP requests, each served by the application in the connection's own task."""

from collections.abc import Mapping
from typing import Any

import trio

from orch.front.admission import OPEN_PATHS, REFUSAL_WITHIN
from orch.front.context import NEVER, ServerContext
from orch.front.http1.error_responses import problem
from orch.front.http1.exchange import Exchange
from orch.front.http1.request_parser import BadRequestError, Event, RequestHead, RequestParser, refuse
from orch.front.link import Link
from orch.problems import ProblemError


class HttpConnection:
    """Serves one request after the other until the connection ends or becomes a WebSocket.

    The mutable state is the parser, the deadline that holds now, and whether the other side is there. A
    request's own state is its :class:`Exchange`'s.

    ``refused``: there is no room for it. Its one request is answered with that, unless it asks how the
    service is (:data:`OPEN_PATHS`).
    """

    __slots__ = (
        "_deadline",
        "_has_served",
        "_is_working",
        "base",
        "context",
        "due_at",
        "is_expired",
        "is_gone",
        "link",
        "parser",
        "refused",
        "slot",
        "small_full_at",
    )

    def __init__(
        self,
        link: Link,
        context: ServerContext,
        base: Mapping[str, Any],
        refused: ProblemError | None = None,
    ) -> None:
        self.link = link
        self.context = context
        self.base = base
        self.parser = RequestParser()
        self.refused = refused
        self.is_gone = False
        self.slot = 0
        self.due_at = NEVER
        self._deadline = NEVER
        self.is_expired = False
        self._is_working = False
        self._has_served = False
        self.small_full_at = 0.0

    def __repr__(self) -> str:
        return f"<HttpConnection {self.link!r} {self.parser!r}>"

    async def run(self) -> RequestHead | None:
        """Serve until the end; return the request that asks for a WebSocket, the last one then."""
        timeouts = self.context.timeouts.head if self.refused is None else REFUSAL_WITHIN
        self.set_deadline(self.context.now + timeouts)
        try:
            return await self._serve_requests()
        except BadRequestError as error:
            self.refuse(error)
            await self.linger()
            return None
        finally:
            self.context.disarm(self)

    async def _serve_requests(self) -> RequestHead | None:
        events = await self._read_head([])
        while events:
            head = events[0]
            assert isinstance(head, RequestHead)  # noqa: S101 - a request begins with it
            if self.refused is not None and head.path not in OPEN_PATHS:
                is_head = head.method == b"HEAD"
                self.link.offer(problem(self.refused, self.context.date, is_head=is_head))
                await self.linger()
                return None
            if head.upgrade == b"websocket" and not head.has_body:
                return head
            self._is_working = True
            self._deadline = NEVER
            is_kept = await Exchange(self, head, events[1:]).serve()
            self._is_working = False
            self._has_served = True
            is_last = self.refused is not None or self.context.is_stopping
            if not is_kept or is_last or self.link.is_closed:
                return None
            self._deadline = self.context.now + self.context.timeouts.idle
            events = self.parser.next_request()
            if events:
                await trio.lowlevel.checkpoint()  # sent ahead: others have a turn all the same
            events = await self._read_head(events)
        return None

    async def _read_head(self, events: list[Event]) -> list[Event]:
        """Return the events of the next request, or none at the end."""
        while not events:
            if not self.parser.is_idle and self._has_served:
                self.set_deadline(min(self._deadline, self.context.now + self.context.timeouts.head))
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
        """Return the bytes that have come; none at the end of the stream or of the time limit."""
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
            self.context.arm(self, at)

    def on_due(self, now: float) -> float | None:
        """End the connection if what it waits for has not come."""
        if self.link.is_closed:
            return None
        if now < self._deadline:
            return min(self._deadline, now + self.context.timeouts.body)
        self.is_expired = True
        if self._is_working:
            self.context.refused["slow_body"] += 1
        elif not self.parser.is_idle:
            self.context.refused["slow_head"] += 1
            self.say_timeout("The request's head did not come in full in time.")
        elif not self._has_served:
            self.context.refused["silent"] += 1
        self.link.wake()
        return None

    def say_timeout(self, detail: str) -> None:
        """Tell the client that it has been waited for long enough."""
        self.link.offer(problem(ProblemError("request_timeout", detail), self.context.date))

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
        self.context.refused[error.kind] += 1
        if not self.is_gone and not self.is_expired:
            self.link.offer(refuse(error, date=self.context.date))

    async def linger(self) -> None:
        """Let the client read our last words.

        Closing a socket with bytes unread resets the connection, and what was answered may be lost with it.
        """
        with trio.move_on_after(self.context.timeouts.close):
            await self.link.drained(1)
            self.link.end_output()
            while not self.is_gone:
                try:
                    self.is_gone = not await self.link.receive()
                except trio.ClosedResourceError:
                    return
