"""Requests that repeat: served in the way that the application has left for their head (:mod:`orch.repeats`).

The framing of the response is decided by the same encoder as that of any other, once for the same headers;
afterwards its head is sent again as it was encoded, with the lines that differ.
"""

from collections.abc import Awaitable
from typing import Final

import structlog

from orch.front.http1.error_responses import problem
from orch.front.http1.request_parser import (
    Data,
    EndOfMessage,
    Event,
    RequestHead,
    ResponseEncoder,
    ResponseError,
)
from orch.front.http1.request_reader import RequestReader
from orch.front.link import drain
from orch.problems import ProblemError
from orch.repeats import Answer, Begun, Header, Slot

MAX_BODY: Final = 65_536
"""Bytes of a request's body that is served in this way."""

_log = structlog.get_logger("front")


class Repeats:
    """The requests with one head on one connection.

    The mutable state is the encoded head of the last response, what it was encoded from, whether a response
    was sent, and whether the connection ends with it.
    """

    __slots__ = (
        "_block",
        "_head",
        "_headers",
        "_is_dated",
        "_is_last",
        "_is_sent",
        "_length",
        "_reader",
        "_status",
        "slot",
    )

    def __init__(self, reader: RequestReader, head: RequestHead) -> None:
        self.slot = Slot(reader.parser.varying)
        self._reader = reader
        self._head = head
        self._headers: tuple[Header, ...] | None = None
        self._status = 0
        self._length = 0
        self._block = b""
        self._is_last = False
        self._is_sent = False
        self._is_dated = False

    def begin(self, events: list[Event]) -> Begun | None:
        """Begin to serve a request; None: it has to be served as the first one was.

        ``events``: of its head, and what has come of its body.
        """
        way = self.slot.way
        if way is None or self._reader.context.is_stopping or not isinstance(events[-1], EndOfMessage):
            return None
        if len(events) == 2:  # noqa: PLR2004 - the head and the end
            return way.begin(b"", self._reader.parser.values)
        piece = events[1]
        if len(events) > 3 or not isinstance(piece, Data) or len(piece.data) > MAX_BODY:  # noqa: PLR2004 - and the body
            return None
        return way.begin(piece.data, self._reader.parser.values)

    async def run(self, begun: Begun) -> bool | None:
        """Serve a request that has begun; return whether the connection can be used again.

        None: it has to be continued as an application.
        """
        reader = self._reader
        self._is_last = self._is_sent = False
        try:
            if not await begun.run(self._deliver):
                return None
        except Exception:  # noqa: BLE001 - the boundary of one request
            reader.context.request_boundary.count()
            _log.exception("request failed", path=self._head.path, method=self._head.method.decode("ascii"))
            if self._is_sent:
                return False
            error = ProblemError("internal_error", "The service could not handle this request.")
            reader.context.responses[error.status] += 1
            reader.link.offer(problem(error, reader.context.date))
            await reader.linger()
            return False
        return not self._is_last and not reader.link.is_closed

    def _deliver(self, answer: Answer) -> Awaitable[None] | None:
        reader = self._reader
        context, link = reader.context, reader.link
        if (
            answer.headers is not self._headers
            or answer.status != self._status
            or len(answer.body) != self._length
        ):
            self._encode(answer)
        end = b"\r\n" if self._is_dated else b"date: %b\r\n\r\n" % context.date
        if context.is_stopping:
            self._is_last = True
            end = b"connection: close\r\n" + end
        self._is_sent = True
        context.responses[answer.status] += 1
        link.offer(b"".join((self._block, answer.lines, end, answer.body)))
        return drain(link, context) if link.queued_bytes else None

    def _encode(self, answer: Answer) -> None:
        """Encode the head. Raises ResponseError, as for any other response."""
        encoder = ResponseEncoder(self._head)
        length = len(answer.body)
        block = encoder.start(answer.status, answer.headers, length=length)
        if encoder.data(answer.body, more=False) != answer.body or not encoder.keep_alive:
            raise ResponseError("A response of this kind ends a connection, or has no body.")
        self._headers, self._status, self._length = answer.headers, answer.status, length
        self._is_dated = any(name.lower() == b"date" for name, _ in answer.headers)
        self._block = block.removesuffix(b"\r\n")
