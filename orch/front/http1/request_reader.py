"""Reads requests from one connection: the parser, the socket and the deadline for what is read next."""

from typing import Final

import trio

from orch.front.context import NEVER, READ_FIRST, ServerContext
from orch.front.http1.error_responses import problem
from orch.front.http1.request_parser import BadRequestError, RequestParser, refuse
from orch.front.link import Link
from orch.problems import ProblemError

HEAD_TIMEOUT: Final = "The request head did not arrive completely in time."


class RequestReader:
    """What a connection and the request that it serves share.

    The mutable state is the parser, the deadline, and whether the client is still there: ``is_gone`` after
    the end of the stream, ``is_expired`` once no more is read, at a deadline or at the server's stop. The
    owner sets ``is_working`` while the application serves a request and ``has_served`` after the first one.

    ``deadline`` is the time at which reading ends, on the clock of ``context.now``. A later one is simply
    assigned: the timer that is armed looks again when it is due. An earlier one needs :meth:`set_deadline`.
    """

    __slots__ = (
        "context",
        "deadline",
        "due_at",
        "has_served",
        "is_expired",
        "is_gone",
        "is_working",
        "link",
        "parser",
        "slot",
        "small_full_at",
    )

    def __init__(self, link: Link, context: ServerContext) -> None:
        self.link = link
        self.context = context
        self.parser = RequestParser()
        self.is_gone = False
        self.is_expired = False
        self.is_working = False
        self.has_served = False
        self.small_full_at = 0.0
        self.slot = 0
        self.due_at = NEVER
        self.deadline = NEVER

    def __repr__(self) -> str:
        return f"<RequestReader {self.link!r} {self.parser!r}>"

    async def read(self) -> bytes:
        """Return the bytes that have come; none at the end of the stream or at the deadline."""
        while not (self.link.is_closed or self.is_expired):
            try:
                return await self.link.receive()
            except trio.ClosedResourceError:
                continue  # closed, expired, or a wake-up meant for the previous reader
        return b""

    # Deadlines.

    def set_deadline(self, at: float) -> None:
        """Stop reading at ``at``, which may be earlier than the deadline before."""
        self.deadline = at
        if at < self.due_at:
            self.context.arm(self, at)

    def expire(self) -> None:
        """Stop reading, and wake the task that reads."""
        self.is_expired = True
        self.link.wake()

    def on_due(self, now: float) -> float | None:
        """End the reading if the deadline has passed; return when to look again, or None.

        A head that has come and was not read yet is not late: this process is, which has too much to do.
        """
        if self.link.is_closed:
            return None
        if now < self.deadline:
            return min(self.deadline, now + self.context.timeouts.body)
        if not self.is_working and self.link.has_unread():
            return now + READ_FIRST
        if self.is_working:
            self.context.refused["slow_body"] += 1
        elif not self.parser.is_idle:
            self.context.refused["slow_head"] += 1
            self.send_timeout(HEAD_TIMEOUT)
        elif not self.has_served:
            self.context.refused["silent"] += 1
        self.expire()
        return None

    # Refusals and the end.

    def send_timeout(self, detail: str) -> None:
        """Send 408 with ``detail``."""
        self.link.offer(problem(ProblemError("request_timeout", detail), self.context.date))

    def refuse(self, error: BadRequestError) -> None:
        """Count a request that cannot be read, and send the reason if the client can still read it."""
        self.context.refused[error.kind] += 1
        if not self.is_gone and not self.is_expired:
            self.link.offer(refuse(error, date=self.context.date))

    async def linger(self) -> None:
        """Wait, within bounds, until the client has read the last response and closes.

        Closing a socket with bytes unread resets the connection, and the response may be lost with it.
        """
        with trio.move_on_after(self.context.timeouts.close):
            await self.link.drained(1)
            self.link.end_output()
            while not self.is_gone:
                try:
                    self.is_gone = not await self.link.receive()
                except trio.ClosedResourceError:
                    return
