"""Requests are read as they are meant: heads, bodies, one after the other."""

import pytest

from orch.front.http1 import small_chunks
from orch.front.http1.request_parser import BadRequestError, Data, EndOfMessage, RequestHead, RequestParser
from tests.fakes.http1_judge import check_cuts, read_ours
from tests.fakes.http1_samples import CHUNKED, GOOD, get


def head_of(data: bytes) -> RequestHead:
    head = RequestParser().feed(data)[0]
    assert isinstance(head, RequestHead)
    return head


def test_a_head_is_read() -> None:
    """Names are lower-case, values without surrounding white space; empty values are allowed."""
    head = head_of(
        get(b"X-Spaced: \t b c \t ", b"X-EMPTY:", b"Cookie: \xe9", first=b"GET /a%20b?c=%20 HTTP/1.1")
    )
    assert head.method == b"GET"
    assert head.target == b"/a%20b?c=%20"
    assert (head.path, head.raw_path, head.query) == ("/a b", b"/a%20b", b"c=%20")
    assert head.version == "1.1"
    assert head.headers == [
        (b"host", b"a"),
        (b"x-spaced", b"b c"),
        (b"x-empty", b""),
        (b"cookie", b"\xe9"),
    ]
    assert head.keep_alive
    assert not head.has_body
    assert (head.upgrade, head.content_length, head.is_chunked, head.expects_continue) == (
        None,
        None,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/%C3%A9", "/é", b"/%C3%A9", b""),
        (b"/%ff", "/\ufffd", b"/%ff", b""),
        (b"/%zz%", "/%zz%", b"/%zz%", b""),
        (b"/a?b?c", "/a", b"/a", b"b?c"),
        (b"//a/../b", "//a/../b", b"//a/../b", b""),
        (b"http://b", "/", b"/", b""),
        (b"HTTP://b:80?c=/d", "/", b"/", b"c=/d"),
        (b"https://[::1]:3000/c/d?e", "/c/d", b"/c/d", b"e"),
    ],
)
def test_targets_are_split(target: bytes, path: str, raw_path: bytes, query: bytes) -> None:
    """The path is decoded once, and what cannot be decoded never raises."""
    head = head_of(get(first=b"GET " + target + b" HTTP/1.1"))
    assert (head.path, head.raw_path, head.query) == (path, raw_path, query)
    assert head.target == target


def test_options_may_have_the_target_asterisk() -> None:
    """The asterisk form is for OPTIONS alone."""
    assert head_of(get(first=b"OPTIONS * HTTP/1.1")).path == "*"


def test_an_absolute_target_replaces_the_host() -> None:
    """The Host header of the request is ignored (RFC 9112, 3.2.2)."""
    head = head_of(get(b"A: b", first=b"GET http://real:80/ HTTP/1.1"))
    assert head.headers == [(b"host", b"real:80"), (b"a", b"b")]


@pytest.mark.parametrize(
    ("lines", "version", "keep_alive"),
    [
        ([], b"1.1", True),
        ([b"Connection: close"], b"1.1", False),
        ([b"Connection: keep-alive, CLOSE"], b"1.1", False),
        ([b"Connection: a", b"Connection: close"], b"1.1", False),
        ([b"Connection: closed"], b"1.1", True),
        ([], b"1.0", False),
        ([b"Connection: Keep-Alive"], b"1.0", True),
        ([b"Connection: keep-alive, close"], b"1.0", False),
    ],
)
def test_when_a_connection_is_kept_alive(lines: list[bytes], version: bytes, keep_alive: bool) -> None:  # noqa: FBT001  # a column
    """By default in HTTP/1.1, only on request in HTTP/1.0."""
    assert head_of(get(*lines, first=b"GET / HTTP/" + version)).keep_alive is keep_alive


def test_an_upgrade_needs_both_headers_and_http_1_1() -> None:
    """Upgrade without Connection is for the next hop, not for us; HTTP/1.0 has none."""
    both = [b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket"]
    assert head_of(get(*both)).upgrade == b"websocket"
    assert head_of(get(both[1])).upgrade is None
    assert head_of(get(both[0])).upgrade is None
    assert head_of(get(*both, first=b"GET / HTTP/1.0")).upgrade is None
    assert head_of(get(*both, b"Upgrade: h2c")).upgrade == b"websocket, h2c"


def test_bytes_after_an_upgrade_belong_to_the_other_protocol() -> None:
    """Frames sent before the response are not read as HTTP."""
    parser = RequestParser()
    events = parser.feed(get(b"Connection: Upgrade", b"Upgrade: websocket") + b"\x81\x80\0\0\0\0")
    assert isinstance(events[-1], EndOfMessage)
    assert parser.feed(b"more") == []
    assert parser.trailing() == b"\x81\x80\0\0\0\0more"
    with pytest.raises(RuntimeError):
        parser.feed(b"x")


def test_a_request_that_expects_100_continue_is_recognised() -> None:
    """Only with a body, and not in HTTP/1.0 (RFC 9110, 10.1.1)."""
    expect = b"Expect: 100-Continue"
    assert head_of(get(expect, b"Content-Length: 1")).expects_continue
    assert head_of(get(expect, b"Transfer-Encoding: chunked")).expects_continue
    assert not head_of(get(expect)).expects_continue
    assert not head_of(get(expect, b"Content-Length: 0")).expects_continue
    assert not head_of(get(expect, b"Content-Length: 1", first=b"POST / HTTP/1.0")).expects_continue
    assert not head_of(get(b"Expect: x", first=b"POST / HTTP/1.0")).expects_continue


def test_bodies_are_returned_in_the_pieces_that_arrive() -> None:
    """Pieces are returned at once, chunks that arrived together as one piece, trailers never."""
    parser = RequestParser()
    assert len(parser.feed(get(b"Content-Length: 5"))) == 1
    assert parser.feed(b"he") == [Data(b"he")]
    assert parser.feed(b"llo") == [Data(b"llo"), EndOfMessage()]
    parser.next_request()
    assert len(parser.feed(CHUNKED)) == 1
    assert parser.feed(b"3\r\nabc\r\n4;x=y\r\nde") == [Data(b"abcde")]
    assert parser.feed(b"fg\r") == [Data(b"fg")]
    assert parser.feed(b"\n0\r\nX-Sum: 1\r\n\r") == []
    assert parser.feed(b"\n") == [EndOfMessage()]


def test_pipelined_requests_wait_their_turn() -> None:
    """One request at a time, and nothing that arrived with it is lost."""
    parser = RequestParser()
    body = get(b"Content-Length: 2", first=b"POST /2 HTTP/1.1") + b"hi"
    events = parser.feed(get(first=b"GET /1 HTTP/1.1") + body + get(first=b"GET /3 HTTP/1.1")[:9])
    assert [type(event) for event in events] == [RequestHead, EndOfMessage]
    assert parser.feed(get(first=b"GET /3 HTTP/1.1")[9:]) == []
    second = parser.next_request()
    assert [type(event) for event in second] == [RequestHead, Data, EndOfMessage]
    third = parser.next_request()
    assert isinstance(third[0], RequestHead)
    assert third[0].path == "/3"
    assert parser.next_request() == []
    assert parser.is_idle


def test_pipelined_bytes_are_bounded_by_the_reader() -> None:
    """While the first of a thousand pipelined requests is served, no more is read."""
    parser = RequestParser()
    parser.feed(get())
    while not parser.is_full:
        parser.feed(get())
    assert "pending=327" in repr(parser)
    parser.next_request()
    assert not parser.is_full


def test_idle_means_that_nothing_has_come() -> None:
    """An empty line after a body, as old clients send it, does not begin a request."""
    parser = RequestParser()
    seen = []
    for data in (b"", b"\r\n", b"G"):
        parser.feed(data)
        seen.append(parser.is_idle)
    assert seen == [True, True, False]
    with pytest.raises(RuntimeError):
        parser.next_request()
    with pytest.raises(RuntimeError):
        parser.trailing()


@pytest.mark.parametrize("data", GOOD)
def test_cutting_the_bytes_changes_nothing(data: bytes) -> None:
    """Every cut in two, and byte by byte."""
    whole = read_ours([data])
    assert not whole.refusal
    assert all(message.is_complete for message in whole.messages)
    for cut in range(1, len(data)):
        check_cuts(data, [data[:cut], data[cut:]], whole)
    check_cuts(data, [data[i : i + 1] for i in range(len(data))], whole)


def test_the_same_head_again_is_the_same_request() -> None:
    """A connection's last head is remembered; what differs by a byte is read and judged anew."""
    parser = RequestParser()
    first = parser.feed(get())[0]
    parser.next_request()
    assert parser.feed(get()[:-2]) == []
    assert parser.feed(get()[-2:])[0] is first
    parser.next_request()
    other = get(b"Content-Length: 1") + b"x" + get()
    assert parser.feed(other) == [head_of(get(b"Content-Length: 1")), Data(b"x"), EndOfMessage()]
    assert parser.next_request() == [first, EndOfMessage()]
    parser.next_request()
    with pytest.raises(BadRequestError, match="host_repeated"):
        parser.feed(get()[:-2] + b"Host: b\r\n\r\n")


def test_a_large_head_is_not_cached() -> None:
    """The bytes stored between two requests are bounded by less than the largest head."""
    parser = RequestParser()
    large = get(b"X: " + b"x" * 3000)
    first = parser.feed(large)[0]
    parser.next_request()
    second = parser.feed(large)[0]
    assert second == first
    assert second is not first


def test_small_chunks_are_read_some_at_a_time() -> None:
    """So that others have a turn; nothing is lost, and what follows is the next request's."""
    parser = RequestParser()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    events = parser.feed(head + b"1\r\nx\r\n" * 2_000 + b"0\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    turns = 1
    while parser.has_more:
        events += parser.feed(b"")
        turns += 1
    assert turns > 3
    assert b"".join(event.data for event in events if isinstance(event, Data)) == b"x" * 2_000
    assert isinstance(events[-1], EndOfMessage)
    assert parser.small_chunks == 2_001
    assert isinstance(parser.next_request()[0], RequestHead)


def test_small_chunks_are_paced() -> None:
    """Many at once, then so many a second; a pause is never longer than what was sent deserves."""
    full_at = small_chunks.after(0.0, 100.0, small_chunks.BURST)
    assert small_chunks.pause(full_at, 100.0) == 0
    full_at = small_chunks.after(full_at, 100.0, 500)
    assert small_chunks.pause(full_at, 100.0) == pytest.approx(500 / small_chunks.PER_SECOND)
    assert small_chunks.pause(full_at, 101.0) == 0
