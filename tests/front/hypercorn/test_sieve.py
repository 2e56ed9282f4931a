"""Which requests may be passed to a more tolerant parser."""

import pytest

from orch.front.http1.request_parser import BadRequestError
from orch.front.hypercorn.sieve import PREFACE, Sieve

HEAD = b"GET /ws HTTP/1.1\r\nHost: a\r\n"
UPGRADE = b"Connection: upgrade\r\nUpgrade: websocket\r\n"


def cut(sieve: Sieve, sent: bytes, size: int) -> None:
    """Hand bytes over in pieces."""
    for begin in range(0, len(sent), size):
        sieve.check(sent[begin : begin + size])


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_frames_after_an_upgrade_are_not_read_as_requests(size: int) -> None:
    """However the bytes are cut."""
    sieve = Sieve()
    sent = HEAD + UPGRADE + b"\r\n" + bytes(range(256))
    cut(sieve, sent, size)


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + UPGRADE + b"Connection: x\r\n\r\n",
        HEAD + b"Connection: x\r\n" + UPGRADE + b"\r\n",
        HEAD.replace(b"GET", b"POST") + UPGRADE + b"\r\n",
        HEAD + UPGRADE + b"Content-Length: 5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\nHost: a\n\n",
        PREFACE,
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_requests_that_two_parsers_may_read_differently_are_refused(sent: bytes, size: int) -> None:
    """Upgrades that one of them alone sees, a fault in the second request, HTTP/2 where it is not spoken."""
    sieve = Sieve()
    with pytest.raises(BadRequestError):
        cut(sieve, sent, size)


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_http2_passes_the_sieve_only_with_its_preface_and_where_it_is_enabled(size: int) -> None:
    """What only looks like it at first is read as HTTP/1."""
    sent = PREFACE + bytes(200)
    sieve = Sieve(is_http2=True)
    cut(sieve, sent, size)
    other = Sieve(is_http2=True)
    with pytest.raises(BadRequestError):
        cut(other, b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + bytes(60), size)
    plain = Sieve(is_http2=True)
    plain.check(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    with pytest.raises(BadRequestError):
        plain.check(b"GET / HTTP/1.1\nHost: a\n\n")
