"""Refuses before Hypercorn reads it what Hypercorn's reader (h11) takes and should not. Pure.

h11 takes a Content-Length beside a Transfer-Encoding, several of either, folded lines and lines that end with
LF alone; two readers in a row may then see different requests in the same bytes. So what comes is read by the
service's own parser first, and handed on only as far as that finds nothing wrong.
"""

from typing import Final

from orch.front.http1 import BadRequestError, EndOfMessage, Event, RequestHead, RequestParser

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Sieve:
    """Reads along on one connection. The mutable state is the parser, and whether HTTP/1 is over here.

    ``is_http2``: the connection may begin with HTTP/2's preface, and is none of the sieve's business then.
    """

    __slots__ = ("_begun", "_is_open", "_parser")

    def __init__(self, *, is_http2: bool = False) -> None:
        self._parser = RequestParser()
        self._is_open = False
        self._begun: bytes | None = b"" if is_http2 else None

    def check(self, data: bytes) -> None:
        """Take bytes as they came, and return where they may be handed on. Raises BadRequestError."""
        if self._begun is not None:
            self._begun += data
            if PREFACE.startswith(self._begun[: len(PREFACE)]):
                self._is_open = len(self._begun) >= len(PREFACE)
                if self._is_open:
                    self._begun = None
                return
            data, self._begun = self._begun, None
        if self._is_open or not data:
            return
        events = self._parser.feed(data)
        while events:
            if any(map(_begins_frames, events)):
                self._is_open = True
                return
            if not isinstance(events[-1], EndOfMessage):
                return
            events = self._parser.next_request()


def _begins_frames(event: Event) -> bool:
    """Return whether frames follow. Raises BadRequestError where Hypercorn may see that otherwise."""
    if not isinstance(event, RequestHead) or event.upgrade != b"websocket":
        return False
    if event.method != b"GET" or event.has_body or not _is_plain(event):
        raise BadRequestError("malformed", "The upgrade is not one that can be answered.")
    return True


def _is_plain(head: RequestHead) -> bool:
    names = [name for name, _ in head.headers]
    return names.count(b"upgrade") == 1 and names.count(b"connection") == 1
