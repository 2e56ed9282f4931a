"""Ambiguous requests are refused, each with its kind, however the bytes are split."""

import pytest

from orch.front.http1.request_parser import REFUSALS, BadRequestError, Limits, RequestParser, refuse
from tests.fakes.http1_judge import check_cuts, read_ours
from tests.fakes.http1_samples import BAD, CHUNKED, GOOD, get


@pytest.mark.parametrize(("kind", "data"), BAD, ids=[f"{kind}-{i}" for i, (kind, _) in enumerate(BAD)])
def test_each_smuggling_attempt_is_refused_with_its_kind(kind: str, data: bytes) -> None:
    """Nothing of a refused message reaches the application, and the kind is always the same word."""
    reading = read_ours([data])
    assert reading.refusal == kind
    assert not reading.messages


@pytest.mark.parametrize(("kind", "data"), BAD, ids=[f"{kind}-{i}" for i, (kind, _) in enumerate(BAD)])
def test_a_refusal_does_not_depend_on_how_the_bytes_are_cut(kind: str, data: bytes) -> None:
    """A proxy that splits a head at another byte must not change what is let through."""
    whole = read_ours([data])
    step = 1 if len(data) < 3000 else 997
    check_cuts(data, [data[i : i + step] for i in range(0, len(data), step)], whole)
    if len(data) < 3000:
        for cut in range(1, len(data)):
            check_cuts(data, [data[:cut], data[cut:]], whole)


def test_every_kind_is_tried() -> None:
    """The table has no word that nothing leads to."""
    tried = {kind for kind, _ in BAD} | {"head_incomplete", "body_incomplete", "body_too_large", "malformed"}
    assert tried == set(REFUSALS)


def test_a_refused_parser_stays_refused() -> None:
    """After a refusal the beginning of the next request is unknown, so nothing more is read."""
    parser = RequestParser()
    with pytest.raises(BadRequestError):
        parser.feed(b"GET / HTTP/1.1\n")
    with pytest.raises(BadRequestError) as again:
        parser.feed(get())
    assert again.value.kind == "bare_lf"
    with pytest.raises(BadRequestError):
        parser.eof()


def test_a_request_before_a_refused_one_still_gets_its_response() -> None:
    """Pipelining: the first is complete, and only the next call finds the second wrong."""
    parser = RequestParser()
    assert len(parser.feed(get() + b"GET / HTTP/1.1\nHost: a\n\n")) == 2
    with pytest.raises(BadRequestError) as refusal:
        parser.next_request()
    assert refusal.value.kind == "bare_lf"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"GET / HT", "head_incomplete"),
        (b"\r", "head_incomplete"),
        (get(b"Content-Length: 5") + b"hell", "body_incomplete"),
        (CHUNKED, "body_incomplete"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", "body_incomplete"),
    ],
)
def test_a_message_cut_short_is_refused(data: bytes, kind: str) -> None:
    """The end of the stream never stands for the end of a body."""
    parser = RequestParser()
    parser.feed(data)
    with pytest.raises(BadRequestError) as refusal:
        parser.eof()
    assert refusal.value.kind == kind


@pytest.mark.parametrize("data", [b"", b"\r\n", get(), get() + b"GET"])
def test_an_end_of_the_stream_between_requests_is_no_error(data: bytes) -> None:
    """A client may close after its response."""
    parser = RequestParser()
    parser.feed(data)
    parser.eof()


@pytest.mark.parametrize(
    "data",
    [
        get(b"Content-Length: 11"),
        CHUNKED + b"b\r\n",
        CHUNKED + b"6\r\nabcdef\r\n5\r\nabcde\r\n",
    ],
)
def test_a_body_beyond_the_limit_is_refused_when_announced(data: bytes) -> None:
    """413 before the bytes arrive, not after."""
    with pytest.raises(BadRequestError) as refusal:
        RequestParser(Limits(body_bytes=10)).feed(data)
    assert (refusal.value.kind, refusal.value.status) == ("body_too_large", 413)


@pytest.mark.parametrize("data", GOOD)
def test_limits_hold_exactly(data: bytes) -> None:
    """A head of as many bytes as allowed is read; one byte less allowed, and it is not."""
    first = data.removeprefix(b"\r\n")
    head = first[: first.index(b"\r\n\r\n") + 4]
    assert not read_ours([head], Limits(head_bytes=len(head))).refusal
    assert read_ours([head], Limits(head_bytes=len(head) - 1)).refusal == "head_too_large"
    assert read_ours([head[:-1]], Limits(head_bytes=len(head) - 1)).refusal == "head_too_large"


def test_the_number_of_headers_is_limited_exactly() -> None:
    """A hundred headers pass, the Host among them."""
    assert not read_ours([get(*[b"A: b"] * 99)]).refusal
    assert read_ours([get(*[b"A: b"] * 100)]).refusal == "too_many_headers"
    target = b"/" + b"a" * 8191
    assert not read_ours([get(first=b"GET " + target + b" HTTP/1.1")]).refusal
    assert read_ours([get(first=b"GET " + target + b"a HTTP/1.1")]).refusal == "target_too_long"


@pytest.mark.parametrize("kind", sorted(REFUSALS))
def test_a_refusal_is_a_complete_response(kind: str) -> None:
    """A problem document (RFC 9457) that announces the end of the connection."""
    error = BadRequestError(kind)
    answer = refuse(error, date=b"Thu, 01 Jan 1970 00:00:00 GMT")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % error.status)
    assert b"connection: close" in head
    assert b"date: Thu" in head
    assert b"content-length: %d" % len(body) in head
    assert f'"code":"{kind}"'.encode() in body
