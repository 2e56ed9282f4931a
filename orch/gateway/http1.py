"""HTTP/1.1 from the client's side: encodes a request, parses a response. Pure.

The parser is llhttp (through httptools), strict. It accepts, and we refuse: transfer codings other than
``chunked`` (they would reach the client still coded, without the hop-by-hop header that names the coding), a
chunked response of HTTP/1.0, versions other than 1.0 and 1.1, an upgrade that was not requested, and endless
heads, trailers or chunk extensions.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import httptools
from msgspec import Struct

from orch.gateway.headers import Header

# Twice what nginx and Node allow; h11 and Envoy's default lie in between.
MAX_HEAD: Final = 65_536

_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")
_TARGET: Final = re.compile(r"/[!\"$-~]*")  # no "#": some back ends end the target there
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
_NAMES: Final = re.compile(_NAME.pattern.removesuffix(b"+") + b"*")
_VALUES: Final = re.compile(rb"[\t -~\x80-\xff]*")
_NO_BODY: Final = frozenset({204, 304})
_FIRST_FINAL: Final = 200
_LAST_STATUS: Final = 599
_CONTINUE: Final = 100
SWITCHED: Final = 101
"""The status with which a connection becomes one of another protocol."""
_MOST_KNOWN: Final = 64
"""Heads of responses that one instance's connections remember."""
_LONGEST_KNOWN: Final = 2048
"""Bytes of a head that is remembered."""


class UnsendableError(ValueError):
    """A request that HTTP/1.1 cannot express without changing its meaning."""


class MalformedError(ValueError):
    """A response that cannot be parsed. The text says what is wrong with it."""


class CutError(Exception):
    """The connection ended before the response did. ``any_byte``: a part of the response had arrived."""

    def __init__(self, *, any_byte: bool) -> None:
        super().__init__(
            "the connection was closed "
            + ("before the end of the response" if any_byte else "without a response")
        )
        self.any_byte = any_byte


def request_head(method: str, target: str, headers: Sequence[Header]) -> bytes:
    r"""Return a request's head, blank line included. Raises :class:`UnsendableError`.

    >>> request_head("GET", "/api/models?x=1", [(b"host", b"a:1")])
    b'GET /api/models?x=1 HTTP/1.1\r\nhost: a:1\r\n\r\n'
    """
    if not _METHOD.fullmatch(method):
        raise UnsendableError("the method is not a token")
    if not _TARGET.fullmatch(target):
        raise UnsendableError("the address holds a character that must be percent-encoded")
    names, values = b"".join([name for name, _ in headers]), b"".join([value for _, value in headers])
    # All at once, which for usual heads costs a fifth of looking at one header after the other.
    if not (_NAMES.fullmatch(names) and _VALUES.fullmatch(values) and all(name for name, _ in headers)):
        raise UnsendableError(_fault(headers))
    lines = [b"%b: %b" % (name, value.strip(b" \t")) for name, value in headers]
    return b"\r\n".join([f"{method} {target} HTTP/1.1".encode("ascii"), *lines, b"\r\n"])


def _fault(headers: Sequence[Header]) -> str:
    """Return what is wrong with the first header that cannot be sent."""
    for name, _ in headers:
        if not _NAME.fullmatch(name):
            return "a header's name is not a token"
    name = next(name for name, value in headers if not _VALUE.fullmatch(value.strip(b" \t")))
    return f"the header {name.decode()} holds a control character"


class Head(Struct, frozen=True):
    """A response's status and headers; names in lower case, values stripped."""

    status: int
    headers: tuple[Header, ...]

    def get(self, name: bytes) -> bytes | None:
        """Return the first header of this name (in lower case)."""
        return next((value for key, value in self.headers if key == name), None)


class KnownHeads:
    """Heads of responses that were parsed before, byte for byte, with the length of the body that followed.

    Instances that are polled send the same head again and again, except its date. Only what left a
    connection clean is stored: one final response with a Content-Length (or no body at all) and nothing after
    it. So the same bytes followed by as many would be parsed to the same.
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, tuple[Head, int]] = {}

    def get(self, data: bytes) -> tuple[Head, bytes] | None:
        """Return the head and the body if ``data`` is a whole response with a head that is known."""
        end = data.find(b"\r\n\r\n") + 4
        known = self._heads.get(data[:end])
        if known is None or len(data) - end != known[1]:
            return None
        return known[0], data[end:]

    def add(self, data: bytes, head: Head, length: int) -> None:
        """Store the head of a whole response, whose body has ``length`` bytes."""
        end = data.find(b"\r\n\r\n") + 4
        if end > _LONGEST_KNOWN or len(data) - end != length:
            return
        if len(self._heads) >= _MOST_KNOWN:
            self._heads.clear()
        self._heads[data[:end]] = (head, length)


class ResponseParser:
    """Parses one response to a request of ``method``; informational responses before it are skipped.

    Feed it the bytes as they arrive; read ``head``, ``take_body()``, ``is_complete`` and then ``trailers``.
    ``upgrades``: the request asked for another protocol; after 101, ``rest`` has its first bytes.
    """

    def __init__(self, method: str, known: KnownHeads | None = None, *, upgrades: bool = False) -> None:
        self.head: Head | None = None
        self.is_complete = False
        self.is_continued = False
        """Whether the peer has asked for the request's body."""
        self.rest = b""
        self._method = method
        self._upgrades = upgrades
        self._known = None if method == "HEAD" or upgrades else known
        self._parser: Any = None
        self._headers: list[Header] = []
        self.trailers: list[Header] = []
        self._body: list[bytes] = []
        self._keeps_alive = False
        self._is_excess = False
        self._ends_with_connection = False
        self._is_chunked = False
        self._any_byte = False
        self._barren = 0
        self._progressed = False

    @property
    def is_reusable(self) -> bool:
        """Whether the connection may be reused: the response is complete and nothing follows it."""
        return self.is_complete and self._keeps_alive and not self._is_excess

    def feed(self, data: bytes) -> None:
        """Parse some bytes (not empty). After :class:`MalformedError` the parser cannot be used any more."""
        self._any_byte = True
        if self.is_complete:
            self._is_excess = True
            return
        if self._parser is not None:
            self._parse(data)
            return
        known = self._known
        if known is not None and (found := known.get(data)) is not None:
            self.head, body = found
            self.is_complete = self._keeps_alive = True
            if body:
                self._body.append(body)
            return
        self._parser = httptools.HttpResponseParser(self)
        self._parse(data)
        if known is not None and self.head is not None and self.is_reusable and not self._is_chunked:
            known.add(data, self.head, sum(map(len, self._body)))

    def _parse(self, data: bytes) -> None:
        self._progressed = False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.is_complete:
                # The error that a callback of ours raised is clearer than "callback error".
                cause = error.__context__ if isinstance(error.__context__, MalformedError) else error
                raise MalformedError(str(cause)) from error
            if isinstance(error, httptools.HttpParserUpgrade):
                self.rest = data[error.args[0] :]
            self._is_excess = True
        self._barren = 0 if self._progressed else self._barren + len(data)
        if self._barren > MAX_HEAD and not self.is_complete:
            raise MalformedError(
                f"more than {MAX_HEAD} bytes arrived that belong to neither a head nor a body"
            )

    def feed_end(self, *, is_reset: bool = False) -> None:
        """Note the end of the connection. Raises :class:`CutError` if the response is incomplete.

        ``is_reset``: the connection was reset rather than closed, so that a body that ends with the
        connection is incomplete, too.
        """
        self._keeps_alive = False
        if self.is_complete:
            return
        if self._ends_with_connection and not is_reset:
            self.is_complete = True
            return
        raise CutError(any_byte=self._any_byte)

    def take_body(self) -> bytes:
        """Return the bytes of the body that arrived since the last call, empty if none."""
        if len(self._body) == 1:
            return self._body.pop()
        data = b"".join(self._body)
        self._body.clear()
        return data

    # Callbacks of httptools. An exception stops it; feed() raises it.

    def on_message_begin(self) -> None:
        """Note the first byte of a response, or of bytes after it, which are excess."""
        if self.is_complete:
            self._is_excess = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header; after the head it is a trailer."""
        into = self._headers if self.head is None else self.trailers
        into.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """Check the head."""
        if self.is_complete:
            return
        version = self._parser.get_http_version()
        if version not in {"1.0", "1.1"}:
            raise MalformedError(f"the response is HTTP/{version}")
        status = self._parser.get_status_code()
        headers = tuple(self._headers)
        self._headers.clear()
        if status < _FIRST_FINAL:
            self._note_interim(status, headers)
            return
        if status > _LAST_STATUS:
            raise MalformedError(f"the status {status} does not exist")
        head = Head(status, headers)
        coding = head.get(b"transfer-encoding")
        if coding is not None:
            codings = [value for name, value in headers if name == b"transfer-encoding"]
            if len(codings) > 1 or coding.lower() != b"chunked":
                raise MalformedError("the response has a transfer coding other than chunked")
            if version == "1.0":
                raise MalformedError("a response of HTTP/1.0 cannot be chunked")
        tokens = {
            token.strip().lower()
            for name, value in headers
            if name == b"connection"
            for token in value.split(b",")
        }
        self._keeps_alive = b"close" not in tokens and (version == "1.1" or b"keep-alive" in tokens)
        has_body = self._method != "HEAD" and status not in _NO_BODY
        self._ends_with_connection = has_body and coding is None and head.get(b"content-length") is None
        if self._ends_with_connection:
            self._keeps_alive = False
        self._progressed = True
        self._is_chunked = coding is not None
        self.head = head
        # llhttp has no way to know that a response to HEAD has no body, whatever its headers are.
        self.is_complete = not has_body

    def _note_interim(self, status: int, headers: tuple[Header, ...]) -> None:
        self.is_continued |= status == _CONTINUE
        if status != SWITCHED:
            return
        if not self._upgrades:
            raise MalformedError("it switched to a protocol that was not requested")
        self._progressed = self.is_complete = True
        self.head = Head(status, headers)

    def on_body(self, data: bytes) -> None:
        """Store a piece of the body."""
        if self.is_complete:
            self._is_excess = True
            return
        self._progressed = True
        self._body.append(data)

    def on_message_complete(self) -> None:
        """Note the end of the response, unless it was an informational one."""
        if self.head is not None:
            self.is_complete = True
