"""HTTP/1.1 and 1.0 as a server reads and writes them: bytes in, events and bytes out, no I/O. Pure.

The contract is four calls on two objects. One parser a connection, one encoder a request::

    parser = RequestParser(Limits())
    events = parser.feed(await stream.receive_some())    # 1. bytes in
    for event in events:
        match event:
            case RequestHead(): encoder = ResponseEncoder(event)
            case Data(): ...                             # event.data, the body as it comes
            case EndOfMessage(): ...                     # feed() goes no further than this
    await stream.send_all(encoder.start(200, headers, date=date))    # 2. the response's head
    await stream.send_all(encoder.data(b"...", more=False))          # 3. its body
    events = parser.next_request()                       # 4. what the client sent ahead (pipelining)

Rules for the caller:

- Call ``next_request()`` once, when the response is complete and ``encoder.keep_alive``, and treat its events
  as those of ``feed()``. Bytes that come before that are stored; while ``is_full``, do not read.
- A response that is complete before ``EndOfMessage``: close, or read and drop the rest of the body.
- ``head.expects_continue``: send ``encoder.start(100, [])`` when the application first asks for the body, and
  not at all if it responds without. (For HTTP/1.0 it is empty.)
- ``head.upgrade == b"websocket"``: after ``EndOfMessage``, ``encoder.start(101, ...)`` ends HTTP;
  ``parser.trailing()`` are the first bytes of the other protocol.
- :class:`BadRequestError`: send ``refuse(error)`` if no response has started, count ``error.kind``, close.
  Events of a refused message that were not returned yet are lost.
- At the end of the stream call ``eof()``: it raises for an incomplete message.
- ``is_idle`` selects the time limit: keep-alive if nothing of the next request has come, else that of
  the head or the body.
- If the whole body is known at the start, ``start(..., length=len(body))`` avoids chunking.
"""

from enum import Enum, auto
from typing import Final

from msgspec import Struct, structs

from orch.front.http1.chunk_decoder import ChunkDecoder
from orch.front.http1.head_pattern import HeadPattern, pattern_of
from orch.front.http1.refusals import FAULT, REFUSALS, BadRequestError
from orch.front.http1.request_head import Limits, RequestHead, read_head
from orch.front.http1.responses import ResponseEncoder, ResponseError, refuse
from orch.repeats import VARYING

__all__ = [
    "REFUSALS",
    "BadRequestError",
    "Data",
    "EndOfMessage",
    "Event",
    "Limits",
    "RequestHead",
    "RequestParser",
    "ResponseEncoder",
    "ResponseError",
    "refuse",
]


class Data(Struct, frozen=True):
    """A piece of the body, without its chunking; never empty."""

    data: bytes


class EndOfMessage(Struct, frozen=True):
    """The request is complete. Trailers were checked and left out."""


Event = RequestHead | Data | EndOfMessage

_END: Final = EndOfMessage()
_USUAL: Final = Limits()
_REMEMBERED: Final = 2048
"""Bytes of the previous head that a connection stores at most."""
_AROUND_TARGET: Final = 64
"""Bytes of a first line beside its target: a method, a version, two spaces."""
_CLEAN: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))


class _Part(Enum):
    HEAD = auto()
    BODY = auto()
    CHUNKS = auto()
    DONE = auto()
    TRAILING = auto()


# Python 3.11 looks a member up in 0.17 µs and a global in 0.01; these are read several times a request.
_HEAD: Final = _Part.HEAD
_BODY: Final = _Part.BODY
_CHUNKS: Final = _Part.CHUNKS
_DONE: Final = _Part.DONE
_TRAILING: Final = _Part.TRAILING


class RequestParser:
    """Reads the requests of one connection, one at a time.

    The mutable state is the part that is being read and the bytes that cannot be used yet: an incomplete head
    or chunk line (bounded by ``limits``), or bytes after a complete request, which the caller bounds by not
    reading while ``is_full``. How the bytes are divided into calls changes only where the pieces of the body
    end.

    Clients that poll (probes, scrapers) often send the same head again on a kept connection, byte for byte
    except for the id and the trace of a request. So the previous head is stored, and bytes that begin with it
    are not parsed again.
    """

    __slots__ = (
        "_checked",
        "_chunks",
        "_error",
        "_last",
        "_last_block",
        "_left",
        "_limits",
        "_part",
        "_pattern",
        "_pending",
        "_skipped",
        "is_repeated",
        "small_chunks",
        "values",
    )

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or _USUAL
        self._part = _HEAD
        self._pending = b""
        self._checked = 0
        self._left = 0
        self._skipped = False
        self._chunks: ChunkDecoder | None = None
        self._error: BadRequestError | None = None
        #: Small chunks that were read so far, of all requests.
        self.small_chunks = 0
        self._last: RequestHead | None = None
        self._last_block = b""
        self._pattern: HeadPattern | None = None
        #: Whether the head of this request is that of the one before except for the values that may differ.
        self.is_repeated = False
        #: These values, of the headers called :attr:`varying`.
        self.values: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        """Show which part comes next."""
        kind = f" refused={self._error.kind}" if self._error else ""
        return f"<RequestParser {self._part.name} pending={len(self._pending)}{kind}>"

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request has come since the last one was complete."""
        return self._part is _HEAD and not self._pending

    @property
    def varying(self) -> tuple[bytes, ...]:
        """The names of the headers whose values may differ in the head that repeats, in its order."""
        return () if self._pattern is None else self._pattern.names

    @property
    def has_more(self) -> bool:
        """Whether :meth:`feed` stopped early so that other tasks can run: call it again with no bytes."""
        return self._chunks is not None and self._chunks.has_more

    @property
    def is_full(self) -> bool:
        """Whether the bytes behind a complete request reach the limit of a head: stop reading."""
        return self._part is _DONE and len(self._pending) >= self._limits.head_bytes

    def feed(self, data: bytes) -> list[Event]:
        """Parse bytes; return the events they complete, up to the end of one request.

        Raises :class:`BadRequestError`, and the same again on every later call.
        """
        if self._error is not None:
            raise self._error
        if self._part is _TRAILING:
            raise RuntimeError("The bytes after the request were taken: this is no longer HTTP.")
        if self._pending:
            data = self._pending + data
        if self._part is _DONE:
            self._pending = data
            return []
        events: list[Event] = []
        try:
            self._pending = self._read(data, events)
        except BadRequestError as error:
            self._error = error
            self._pending = b""
            raise
        return events

    def next_request(self) -> list[Event]:
        """Go on to the next request; return the events of its bytes that have already come."""
        if self._part is not _DONE:
            raise RuntimeError(f"There is a request that is not complete ({self._part.name}).")
        self._part = _HEAD
        self._skipped = False
        self._checked = 0
        return self.feed(b"") if self._pending else []

    def trailing(self) -> bytes:
        """Stop parsing HTTP and return the bytes after the complete request."""
        if self._part is not _DONE:
            raise RuntimeError(f"There is a request that is not complete ({self._part.name}).")
        self._part = _TRAILING
        trailing, self._pending = self._pending, b""
        return trailing

    def eof(self) -> None:
        """Note the end of the stream; raises :class:`BadRequestError` if a message is incomplete."""
        if self._error is not None:
            raise self._error
        if self._part in (_BODY, _CHUNKS):
            self._error = BadRequestError("body_incomplete")
        elif self._part is _HEAD and self._pending:
            self._error = BadRequestError("head_incomplete")
        if self._error is not None:
            raise self._error

    def _read(self, data: bytes, events: list[Event]) -> bytes:
        """Parse ``data`` from the current part on; return the bytes that cannot be used yet."""
        if self._part is not _HEAD:
            return self._read_body(data, events)
        if not self._skipped and data.startswith(b"\r\n"):
            # "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty
            # line (CRLF) received prior to the request-line" (RFC 9112, 2.2). We ignore one.
            self._skipped = True
            self._checked = 0
            data = data[2:]
        head, used = self._repeated(data)
        self.is_repeated = head is not None
        if head is None:
            used = self._find_head(data)
            if not used:
                return data
            head = self._read_head(data[:used])
        events.append(head)
        data = data[used:]
        if not head.has_body:
            self._finish(events)
            return data
        self._begin_body(head)
        return self._read_body(data, events)

    def _repeated(self, data: bytes) -> tuple[RequestHead | None, int]:
        """Return the head that ``data`` begins with, and its length, if it is like the one before."""
        head, pattern = self._last, self._pattern
        if head is None:
            return None, 0
        if pattern is None:
            first = self._last_block
            if not data.startswith(first[: first.find(b"\r")]):
                return None, 0
            # In absolute form the headers are others than the lines.
            varying = VARYING if head.target.startswith(b"/") else ()
            pattern = self._pattern = pattern_of(first, varying)
        found = pattern.match(data)
        if found is None:
            return None, 0
        used, self.values = found
        if self.values:
            headers = head.headers.copy()
            for place, name, value in zip(pattern.places, pattern.names, self.values, strict=True):
                headers[place] = (name, value)
            head = structs.replace(head, headers=headers)
        return head, used

    def _read_body(self, data: bytes, events: list[Event]) -> bytes:
        if self._part is _BODY:
            piece = data if len(data) <= self._left else data[: self._left]
            if piece:
                self._left -= len(piece)
                events.append(Data(piece))
                data = data[len(piece) :]
            if not self._left:
                self._finish(events)
        elif self._chunks is not None:
            before = self._chunks.small
            piece, used = self._chunks.feed(data)
            self.small_chunks += self._chunks.small - before
            if piece:
                events.append(Data(piece))
            data = data[used:]
            if self._chunks.is_done:
                self._finish(events)
        return data

    def _read_head(self, block: bytes) -> RequestHead:
        try:
            head = read_head(block, self._limits)
        except BadRequestError:
            # A folded line is refused below, by llhttp or because there are fewer headers than lines. That it
            # is one comes first among what is wrong with a head, as it does when it is seen before the end.
            if FAULT.search(block, 0, len(block) - 2):
                raise BadRequestError("folded_line") from None
            raise
        if len(block) <= _REMEMBERED:
            self._last, self._last_block, self._pattern = head, block, None
        return head

    def _begin_body(self, head: RequestHead) -> None:
        limits = self._limits
        if head.is_chunked:
            self._chunks = ChunkDecoder(
                body_bytes=limits.body_bytes, trailer_bytes=limits.head_bytes, trailers=limits.headers
            )
            self._part = _CHUNKS
            return
        self._left = head.content_length or 0
        if limits.body_bytes is not None and self._left > limits.body_bytes:
            raise BadRequestError("body_too_large")
        self._part = _BODY

    def _finish(self, events: list[Event]) -> None:
        self._part = _DONE
        self._chunks = None
        events.append(_END)

    def _find_head(self, data: bytes) -> int:
        """Return where the head ends, its empty line included, or 0 if it is incomplete.

        Bytes are checked in order, up to the limit that holds there, so that the result does not depend on
        how they were divided into calls.
        """
        limits = self._limits
        line_limit = min(limits.target_bytes + _AROUND_TARGET, limits.head_bytes)
        line_end = data.find(b"\r\n", 0, line_limit)
        is_line_long = line_end < 0 and len(data) >= line_limit
        bound = line_limit if is_line_long else limits.head_bytes
        end = data.find(b"\r\n\r\n", max(0, self._checked - 3), bound)
        if end >= 0:
            if len(data[:end].translate(None, _CLEAN)) == 2 * data.count(b"\r\n", 0, end):
                return end + 4  # what is left are the ends of lines, and nothing else
            bound = end + 2
        fault = FAULT.search(data, max(0, self._checked - 1), bound)
        if fault is not None:
            raise BadRequestError(fault.lastgroup or "malformed")
        if len(data) >= bound:
            raise BadRequestError("target_too_long" if is_line_long else "head_too_large")
        self._checked = len(data)
        return 0
