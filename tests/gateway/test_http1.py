import contextlib
from collections.abc import Callable
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.http1 import (
    CutError,
    MalformedError,
    ResponseParser,
    UnsendableError,
    request_head,
)
from tests.fakes.gateway import UNHURRIED

OK = b"HTTP/1.1 200 OK\r\n"

TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-_!#$%&'*+.^`|~", min_size=1, max_size=12)
VALUES = st.binary(max_size=20).map(
    lambda raw: bytes(byte for byte in raw if byte >= 0x20 and byte != 0x7F).strip()
)
EXTRA = st.lists(st.tuples(TOKENS.map(lambda token: b"X-" + token.encode()), VALUES), max_size=5)

LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        if not data:
            break
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data] if data else pieces


def parse(
    data: bytes, *, method: str = "GET", sizes: list[int] | None = None, ends: bool = True
) -> ResponseParser:
    """Return the parser after all of it; its body is collected in ``parser.collected``."""
    parser = ResponseParser(method)
    for piece in cut(data, sizes or []):
        parser.feed(piece)
    if ends:
        parser.feed_end()
    return parser


def judged(data: bytes, *, method: str = "GET") -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body as h11 reads them. Raises EOFError if it is not all."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    head: h11.Response | None = None
    body = b""
    while True:
        event: Any = connection.next_event()
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            return head.status_code, [(bytes(n), bytes(v)) for n, v in head.headers], body
        elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
            raise EOFError


@UNHURRIED
@given(
    st.sampled_from(["GET", "POST", "DELETE", "M-SEARCH"]),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=30).map(
        lambda text: "/" + text
    ),
    EXTRA,
    st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    st.booleans(),
)
def test_h11_reads_the_request_as_intended(
    method: str,
    target: str,
    extra: list[tuple[bytes, bytes]],
    pieces: list[bytes],
    chunked: bool,  # noqa: FBT001 - drawn
) -> None:
    """Method, target, headers and body arrive as they were given, with a length as with chunks."""
    body = b"".join(pieces)
    framing = (b"transfer-encoding", b"chunked") if chunked else (b"content-length", b"%d" % len(body))
    data = request_head(method, target, [(b"host", b"x"), *extra, framing])
    data += b"".join(map(chunk, pieces)) + LAST_CHUNK if chunked else body
    judge = h11.Connection(h11.SERVER)
    judge.receive_data(data)
    request: Any = judge.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method, request.target) == (method.encode(), target.encode())
    assert list(request.headers)[1:-1] == [(name.lower(), value) for name, value in extra]
    read = b""
    while isinstance(event := judge.next_event(), h11.Data):
        read += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    assert read == body
    assert judge.next_event() is h11.PAUSED or judge.trailing_data == (b"", False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: request_head("GET /x", "/", []),
        lambda: request_head("GET", "/a b", []),
        lambda: request_head("GET", "/a\r\nX: y", []),
        lambda: request_head("GET", "http://x/", []),
        lambda: request_head("GET", "/ä", []),
        lambda: request_head("GET", "/a?b#c", []),
        lambda: request_head("GET", "/", [(b"a b", b"c")]),
        lambda: request_head("GET", "/", [(b"", b"c")]),
        lambda: request_head("GET", "/", [(b"a", b"b\r\nc: d")]),
        lambda: request_head("GET", "/", [(b"a", b"b\nc")]),
        lambda: request_head("GET", "/", [(b"a", b"b\x00c")]),
    ],
)
def test_nothing_can_be_smuggled_into_a_head(make: Callable[[], bytes]) -> None:
    """A line break anywhere would be another header, or another request."""
    with pytest.raises(UnsendableError):
        make()


@UNHURRIED
@given(
    st.sampled_from([200, 201, 204, 304, 404, 500, 503, 599]),
    EXTRA,
    st.lists(st.binary(min_size=1, max_size=50), max_size=5),
    st.sampled_from(["length", "chunked", "connection"]),
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.integers(0, 2),
    st.lists(st.integers(1, 30), max_size=40),
)
def test_our_reading_is_h11s(
    status: int,
    extra: list[tuple[bytes, bytes]],
    pieces: list[bytes],
    framing: str,
    method: str,
    continues: int,
    sizes: list[int],
) -> None:
    """Any valid response, in pieces of any size: status, headers and body are as h11 reads them."""
    body = b"".join(pieces)
    has_body = method != "HEAD" and status not in {204, 304}
    headers = list(extra)
    wire = body
    if framing == "length":
        headers.append((b"Content-Length", b"%d" % len(body)))
    elif framing == "chunked":
        headers.append((b"Transfer-Encoding", b"chunked"))
        wire = b"".join(map(chunk, pieces)) + LAST_CHUNK
    data = b"HTTP/1.1 100 Continue\r\n\r\n" * continues
    data += b"HTTP/1.1 %d Some\r\n" % status
    data += b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n"
    data += wire if has_body else b""
    expected = judged(data, method=method)
    parser = ResponseParser(method)
    read = b""
    for piece in cut(data, sizes):
        parser.feed(piece)
        read += parser.take_body()
    assert parser.is_complete is (framing != "connection" or not has_body)
    assert parser.is_reusable is parser.is_complete
    parser.feed_end()
    assert parser.head is not None
    assert (parser.head.status, list(parser.head.headers), read) == expected
    assert parser.is_complete


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.0 200 OK\r\n",
            b"Content-Length: 3\r\n",
            b"Content-Length: 4\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"X: a\r\n",
            b" folded\r\n",
            b"X : a\r\n",
            b"\r\n",
            b"\n",
            b"3\r\nabc\r\n",
            b"3;ext\r\nabc\r\n",
            b"0\r\n\r\n",
            b"abc",
            b"\r",
            b":",
        ]
    ),
    max_size=8,
).map(lambda pieces: b"HTTP/1.1 200 OK\r\n" + b"".join(pieces))


@UNHURRIED
@given(FRAGMENTS, st.lists(st.integers(1, 9), max_size=20))
def test_responses_that_both_accept_are_read_alike(data: bytes, sizes: list[int]) -> None:
    """For random responses: ours may refuse more, but never reads a different body from the same bytes."""
    parser = ResponseParser("GET")
    read = b""
    try:
        for piece in cut(data, sizes):
            parser.feed(piece)
            read += parser.take_body()
        parser.feed_end()
    except (MalformedError, CutError):
        return
    assert parser.head is not None
    with contextlib.suppress(EOFError):
        assert (parser.head.status, list(parser.head.headers), read) == judged(data)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding"),
        (OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "Content-Length"),
        (OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "Content-Length"),
        (OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "Content-Length"),
        (OK + b"Content-Length: 3, 3\r\n\r\nabc", "Content-Length"),
        (OK + b"Content-Length: -1\r\n\r\n", "Content-Length"),
        (OK + b"Content-Length: 0x3\r\n\r\nabc", "Content-Length"),
        (OK + b"Content-Length: 99999999999999999999999\r\n\r\n", "Content-Length"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "coding"),
        (OK + b"Transfer-Encoding: gzip\r\n\r\n", "coding"),
        (OK + b"Transfer-Encoding: xchunked\r\n\r\n", "coding"),
        (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "coding"),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.0"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "HTTP/2.0"),
        (b"HTTP/0.9 200 OK\r\n\r\n", "HTTP/0.9"),
        (b"HTTP/1.1 600 No\r\n\r\n", "600"),
        (b"HTTP/1.1 99 No\r\n\r\n", "status"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "protocol"),
        (OK + b"X : a\r\n\r\n", "token"),
        (OK + b": a\r\n\r\n", "token"),
        (OK + b"X: a\r\n folded\r\n\r\n", "whitespace"),
        (OK + b"X: a\nY: b\r\n\r\n", "CR"),
        (OK + b"X: a\rY: b\r\n\r\n", "LF"),
        (OK + b"X: a\x00b\r\n\r\n", "char"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n", "LF|chunk"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n", "CR"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3;a\nabc\r\n0\r\n\r\n", "CR"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3;a\rb\r\nabc\r\n0\r\n\r\n", "LF"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "chunk"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n-3\r\n", "chunk"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "overflow"),
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP"),
        (b"SSH-2.0-OpenSSH\r\n", "HTTP"),
        (b"\x16\x03\x01\x00", "HTTP"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_malformed_response_is_refused_however_it_is_split(answer: bytes, why: str, size: int) -> None:
    """Smuggling, folding, bare line ends, other protocols: the text names the fault."""
    with pytest.raises(MalformedError, match=why):
        parse(answer, sizes=[size] * len(answer), ends=False)


@pytest.mark.parametrize(
    ("endless", "start"),
    [
        (b"X: %b\r\n" % (b"a" * 1000), OK),
        (b"a" * 1000, OK + b"X: "),
        (b"HTTP/1.1 102 Processing\r\n\r\n", b""),
        (b"X: %b\r\n" % (b"a" * 1000), OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"),
        (b"a" * 1000, OK + b"Transfer-Encoding: chunked\r\n\r\n3;"),
    ],
    ids=["headers", "header", "informational", "trailers", "extension"],
)
def test_endless_heads_and_trailers_are_refused(endless: bytes, start: bytes) -> None:
    """Whatever is neither a head in good time nor a body is bounded."""
    parser = ResponseParser("GET")
    if start:
        parser.feed(start)

    def for_ever() -> None:
        for _ in range(200_000 // len(endless)):
            parser.feed(endless)

    with pytest.raises(MalformedError, match="more than 65536 bytes"):
        for_ever()


@pytest.mark.parametrize(
    ("answer", "method", "is_reusable"),
    [
        (OK + b"Content-Length: 3\r\n\r\nabc", "GET", True),
        (OK + b"Content-Length: 3\r\n\r\nabcd", "GET", False),
        (OK + b"Content-Length: 3\r\nConnection: close\r\n\r\nabc", "GET", False),
        (OK + b"Content-Length: 3\r\nConnection: close\r\n\r\nabcde", "GET", False),
        (OK + b"Content-Length: 3\r\nConnection: x, Close\r\n\r\nabc", "GET", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "GET", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", "GET", True),
        (OK + b"Content-Length: 3\r\n\r\n", "HEAD", True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", "HEAD", True),
        (OK + b"Content-Length: 3\r\n\r\nabc", "HEAD", False),
        (b"HTTP/1.1 204 No\r\n\r\n", "GET", True),
        (b"HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\nabc", "GET", False),
        (b"HTTP/1.1 304 Not\r\nContent-Length: 3\r\n\r\n", "GET", True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: y\r\n\r\n", "GET", True),
        (OK + b"Content-Length: 0\r\n\r\n" + OK, "GET", False),
    ],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_connection_is_reusable_only_if_it_is_clean(
    answer: bytes,
    method: str,
    is_reusable: bool,  # noqa: FBT001 - a column
    size: int,
) -> None:
    """Complete, allowed by both sides, and not a byte after the response."""
    parser = parse(answer, method=method, sizes=[size] * len(answer), ends=False)
    assert parser.is_complete
    assert parser.is_reusable is is_reusable


def test_a_response_that_ends_too_soon_is_incomplete() -> None:
    """With a length, in chunks, in its head; any_byte distinguishes these from no response at all."""
    for answer in (
        OK + b"Content-Length: 3\r\n\r\nab",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        OK + b"X: ",
    ):
        with pytest.raises(CutError) as caught:
            parse(answer)
        assert caught.value.any_byte
    with pytest.raises(CutError) as caught:
        parse(b"")
    assert not caught.value.any_byte


def test_a_body_that_ends_with_the_connection_is_incomplete_after_a_reset() -> None:
    """A close is its end, a reset is not."""
    parser = ResponseParser("GET")
    parser.feed(OK + b"\r\nabc")
    with pytest.raises(CutError):
        parser.feed_end(is_reset=True)
    parser.feed_end()
    assert parser.is_complete
    assert not parser.is_reusable


def test_trailers_do_not_become_headers() -> None:
    """A trailer with the name of a header must not change the head."""
    parser = parse(
        OK
        + b"X-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-A: 2\r\nContent-Type: x\r\n\r\n",
        ends=False,
    )
    assert parser.head is not None
    assert parser.head.headers == ((b"x-a", b"1"), (b"transfer-encoding", b"chunked"))
    assert parser.take_body() == b"abc"
