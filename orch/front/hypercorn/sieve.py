"""Refuses malformed requests that Hypercorn's parser (h11) would accept. Pure.

h11 accepts a Content-Length beside a Transfer-Encoding, several of either, folded lines and lines that end
with LF alone; two parsers in a row may then see different requests in the same bytes. So the service's own
parser reads all bytes first, and passes on only those in which it finds no fault.
"""

from typing import Final, Self

from orch.front.http1.request_parser import BadRequestError, EndOfMessage, Event, RequestHead, RequestParser
from orch.front.hypercorn.frame_meters import Http2Meter

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Sieve:
    """Checks the bytes of one connection.

    The mutable state is the parser, whether HTTP/1 is over, and the meter of HTTP/2 frames.
    ``is_http2``: the connection may begin with HTTP/2's preface; its frames are only counted then.
    """

    __slots__ = ("_begun", "_is_open", "_meter", "_parser")

    def __init__(self, *, is_http2: bool = False) -> None:
        self._parser = RequestParser()
        self._is_open = False
        self._begun: bytes | None = b"" if is_http2 else None
        self._meter: Http2Meter | None = None

    @classmethod
    def of_http2(cls) -> Self:
        """Return a sieve for a connection that negotiated HTTP/2 by ALPN."""
        sieve = cls()
        sieve._is_open = True
        sieve._meter = Http2Meter(skip=len(PREFACE))
        return sieve

    def check(self, data: bytes) -> int:
        """Check bytes before they are passed on. Raises BadRequestError.

        Returns how many small HTTP/2 frames begin in them.
        """
        if self._begun is not None:
            self._begun += data
            if PREFACE.startswith(self._begun[: len(PREFACE)]):
                self._is_open = len(self._begun) >= len(PREFACE)
                if not self._is_open:
                    return 0
                data, self._begun = self._begun, None
                self._meter = Http2Meter(skip=len(PREFACE))
            else:
                data, self._begun = self._begun, None
        if self._meter is not None:
            return self._meter.feed(data)
        if not self._is_open and data:
            self._read(data)
        return 0

    def _read(self, data: bytes) -> None:
        events = self._parser.feed(data)
        while events:
            if any(map(_begins_frames, events)):
                self._is_open = True
                return
            if not isinstance(events[-1], EndOfMessage):
                if not self._parser.has_more:
                    return
                events = self._parser.feed(b"")
                continue
            events = self._parser.next_request()


def _begins_frames(event: Event) -> bool:
    """Return whether WebSocket frames follow. Raises BadRequestError if Hypercorn may disagree."""
    if not isinstance(event, RequestHead) or event.upgrade != b"websocket":
        return False
    if event.method != b"GET" or event.has_body or not _is_plain(event):
        raise BadRequestError("malformed", "The upgrade is not one that can be answered.")
    return True


def _is_plain(head: RequestHead) -> bool:
    names = [name for name, _ in head.headers]
    return names.count(b"upgrade") == 1 and names.count(b"connection") == 1
