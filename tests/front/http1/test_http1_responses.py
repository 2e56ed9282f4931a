"""The client sees where each response ends, whatever the application sends."""

import h11
import pytest

from orch.front.http1.request_parser import RequestHead, RequestParser, ResponseEncoder, ResponseError
from tests.fakes.http1_samples import get

TEXT = (b"Content-Type", b"text/plain")


def encoder_for(data: bytes) -> ResponseEncoder:
    head = RequestParser().feed(data)[0]
    assert isinstance(head, RequestHead)
    return ResponseEncoder(head)


def read_by_h11(request: bytes, answer: bytes, *, is_closed: bool = False) -> tuple[h11.Response, bytes]:
    """Return the response as a client reads it; it has to be complete, without excess bytes."""
    method, target, _ = request.split(b"\r\n")[0].split(b" ")
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target=target, headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(answer)
    if is_closed:
        client.receive_data(b"")
    response = None
    body = b""
    while True:
        event = client.next_event()
        if isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            break
        else:
            assert isinstance(event, h11.InformationalResponse), event
    assert response is not None
    assert not client.trailing_data[0]
    return response, body


def test_a_known_length_is_sent() -> None:
    """With a Content-Length from the application, or a length that its server knows."""
    for headers, length in (([TEXT, (b"content-length", b"5")], None), ([TEXT], 5)):
        encoder = encoder_for(get())
        answer = encoder.start(200, headers, date=b"Thu, 01 Jan 1970 00:00:00 GMT", length=length)
        answer += encoder.data(b"he", more=True) + encoder.data(b"llo", more=False)
        response, body = read_by_h11(get(), answer)
        assert body == b"hello"
        assert sorted(response.headers) == [
            (b"content-length", b"5"),
            (b"content-type", b"text/plain"),
            (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
        ]
        assert encoder.is_done
        assert encoder.keep_alive


def test_an_unknown_length_is_chunked() -> None:
    """An empty piece of body must not end it."""
    encoder = encoder_for(get())
    answer = encoder.start(200, [TEXT, (b"Transfer-Encoding", b"chunked")])
    for piece in (b"a", b"", b"bc" * 1000):
        answer += encoder.data(piece, more=True)
    answer += encoder.data(b"", more=False)
    response, body = read_by_h11(get(), answer)
    assert body == b"a" + b"bc" * 1000
    assert (b"transfer-encoding", b"chunked") in response.headers
    assert encoder.keep_alive
    last = encoder_for(get())
    assert read_by_h11(get(), last.start(200, []) + last.data(b"x", more=False))[1] == b"x"


def test_http_1_0_ends_the_body_with_the_connection() -> None:
    """It has no chunks, so a body without a length ends with the connection."""
    request = get(b"Connection: keep-alive", first=b"GET / HTTP/1.0")
    encoder = encoder_for(request)
    answer = encoder.start(200, [TEXT]) + encoder.data(b"a", more=True) + encoder.data(b"b", more=False)
    assert not encoder.keep_alive
    assert b"connection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nab")
    kept = encoder_for(request)
    assert b"connection: keep-alive\r\n" in kept.start(200, [TEXT], length=1)
    assert kept.keep_alive


@pytest.mark.parametrize(("first", "status"), [(b"HEAD / HTTP/1.1", 200), (b"GET / HTTP/1.1", 304)])
def test_some_responses_have_the_length_of_a_body_and_no_body(first: bytes, status: int) -> None:
    """The application's body is left out, so that the next response can follow."""
    request = get(first=first)
    encoder = encoder_for(request)
    answer = encoder.start(status, [(b"content-length", b"5")]) + encoder.data(b"hello", more=False)
    response, body = read_by_h11(request, answer)
    assert body == b""
    assert (b"content-length", b"5") in response.headers
    assert encoder.is_done


def test_no_content_has_not_even_a_length() -> None:
    """RFC 9110, 8.6."""
    encoder = encoder_for(get())
    answer = encoder.start(204, [(b"content-length", b"0")]) + encoder.data(b"", more=False)
    response, _ = read_by_h11(get(), answer)
    assert not list(response.headers)


def test_interim_responses_precede_the_final_one() -> None:
    """100 and 103 may be sent before the final response. HTTP/1.0 has neither."""
    encoder = encoder_for(get())
    answer = encoder.start(100, [])
    assert answer == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert not encoder.has_started
    answer += encoder.start(103, [(b"link", b"</a>")]) + encoder.start(200, [], length=0)
    answer += encoder.data(b"", more=False)
    assert read_by_h11(get(), answer)[0].status_code == 200
    assert encoder_for(get(first=b"GET / HTTP/1.0")).start(100, []) == b""


def test_switching_protocols_ends_http() -> None:
    """The head of 101 is sent as given: its Connection and Upgrade are the point of it."""
    encoder = encoder_for(get(b"Connection: upgrade", b"Upgrade: websocket"))
    block = encoder.start(101, [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")])
    assert block == b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert encoder.is_done
    assert not encoder.keep_alive
    with pytest.raises(ResponseError):
        encoder_for(get(first=b"GET / HTTP/1.0")).start(101, [])


def test_a_close_is_announced() -> None:
    """The client, the application or the server: each of them is enough."""
    for request, headers, close in (
        (get(b"Connection: close"), [], False),
        (get(), [(b"Connection", b"x, Close")], False),
        (get(), [], True),
    ):
        encoder = encoder_for(request)
        assert b"connection: close\r\n" in encoder.start(200, headers, close=close)
        assert not encoder.keep_alive
    stays = encoder_for(get())
    assert b"connection" not in stays.start(
        200, [(b"Connection", b"keep-alive"), (b"Keep-Alive", b"timeout=9")]
    )


@pytest.mark.parametrize(
    "headers",
    [
        [(b"a", b"b\r\nc: d")],
        [(b"a", b"b\nc")],
        [(b"a", b"b\rc")],
        [(b"a", b"b\0c")],
        [(b"a", b"b\x7f")],
        [(b"a\r\nb", b"c")],
        [(b"a:", b"b")],
        [(b"a b", b"c")],
        [(b"", b"b")],
        [(b"\xc3\xa9", b"b")],
        [(b"content-length", b"5"), (b"Content-Length", b"5")],
        [(b"content-length", b"+5")],
        [(b"content-length", b"")],
        [(b"content-length", b"5\r\n")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"date", b"x\r\ny: z")],
    ],
)
def test_headers_that_would_split_the_response_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    """Nothing has been sent then, so that another response can be."""
    encoder = encoder_for(get())
    with pytest.raises(ResponseError):
        encoder.start(200, headers)
    assert not encoder.has_started
    answer = encoder.start(500, [], length=0) + encoder.data(b"", more=False)
    assert read_by_h11(get(), answer)[0].status_code == 500


def test_a_body_has_its_length_or_the_connection_ends() -> None:
    """So that a client neither waits for missing bytes nor reads excess ones as the next response."""
    for pieces in ([(b"hel", False)], [(b"hel", True), (b"lo!", False)], [(b"hello!", True)]):
        encoder = encoder_for(get())
        encoder.start(200, [(b"content-length", b"5")])
        with pytest.raises(ResponseError):  # noqa: PT012  # the last piece is the one
            for piece, more in pieces:
                encoder.data(piece, more=more)
        assert not encoder.keep_alive
        assert encoder.is_done


def test_calls_out_of_order_are_refused() -> None:
    """No body before its head, no second head, nothing after the end, no status that is none."""
    encoder = encoder_for(get())
    with pytest.raises(ResponseError):
        encoder.data(b"x", more=False)
    for status in (99, 600, 0):
        with pytest.raises(ResponseError):
            encoder.start(status, [])
    encoder.start(299, [], length=0)
    with pytest.raises(ResponseError):
        encoder.start(200, [])
    encoder.data(b"", more=False)
    with pytest.raises(ResponseError):
        encoder.data(b"", more=False)
    assert "DONE" in repr(encoder)
