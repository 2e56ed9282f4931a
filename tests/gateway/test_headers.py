import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.headers import (
    HOP_BY_HOP,
    Client,
    Header,
    content_length,
    end_to_end,
    for_back_end,
    for_client,
    of_our_own,
    request_id,
)
from tests.fakes.gateway import UNHURRIED

STRANGER = Client(address="203.0.113.9", scheme="https", host=b"front.example")
PROXY = Client(address="127.0.0.1", scheme="http", host=b"front.example")


def sent(headers: list[Header], client: Client = STRANGER) -> dict[bytes, list[bytes]]:
    told: dict[bytes, list[bytes]] = {}
    for name, value in for_back_end(headers, client, b"id-1"):
        told.setdefault(name, []).append(value)
    return told


def test_hop_by_hop_headers_end_here() -> None:
    """The nine fixed ones and whatever Connection names, in any case, in any number of Connection headers."""
    headers = [
        *((name, b"x") for name in HOP_BY_HOP if name != b"connection"),
        (b"Connection", b"close, X-Private"),
        (b"connection", b" x-other "),
        (b"X-Private", b"1"),
        (b"x-OTHER", b"2"),
        (b"Accept", b"*/*"),
    ]
    assert end_to_end(headers) == [(b"accept", b"*/*")]


def test_our_own_headers_cannot_be_taken_off() -> None:
    """``Connection: X-Forwarded-For`` takes off the client's, and then ours is put on."""
    told = sent(
        [
            (b"connection", b"x-forwarded-for, x-request-id, x-forwarded-proto, host"),
            (b"x-forwarded-for", b"10.0.0.1"),
        ]
    )
    assert told[b"x-forwarded-for"] == [b"203.0.113.9"]
    assert told[b"x-request-id"] == [b"id-1"]
    assert told[b"x-forwarded-proto"] == [b"https"]


def test_a_strangers_account_of_itself_is_not_believed() -> None:
    """Spoofed forwarding headers are replaced, their underscore twins (WSGI reads them alike) are gone."""
    told = sent(
        [
            (b"x-forwarded-for", b"127.0.0.1"),
            (b"X-Forwarded-For", b"10.0.0.1"),
            (b"x_forwarded_for", b"127.0.0.1"),
            (b"x-forwarded-proto", b"ftp"),
            (b"x-forwarded-host", b"evil.example"),
            (b"forwarded", b"for=127.0.0.1"),
            (b"x-real-ip", b"127.0.0.1"),
            (b"x_request-id", b"spoof"),
        ]
    )
    assert told == {
        b"x-forwarded-for": [b"203.0.113.9"],
        b"x-forwarded-proto": [b"https"],
        b"x-forwarded-host": [b"front.example"],
        b"x-request-id": [b"id-1"],
    }


def test_a_proxy_on_the_loopback_is_continued() -> None:
    """The TLS proxy beside the service knows who the client is and how it came."""
    told = sent(
        [
            (b"x-forwarded-for", b"198.51.100.7"),
            (b"x-forwarded-proto", b"https"),
            (b"x-forwarded-host", b"public.example"),
            (b"x-real-ip", b"198.51.100.7"),
        ],
        PROXY,
    )
    assert told[b"x-forwarded-for"] == [b"198.51.100.7, 127.0.0.1"]
    assert told[b"x-forwarded-proto"] == [b"https"]
    assert told[b"x-forwarded-host"] == [b"public.example"]
    assert b"x-real-ip" not in told


@pytest.mark.parametrize(
    ("address", "is_trusted"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("192.168.1.1", False),
        ("fe80::1%eth0", False),
        ("localhost", False),
        ("", False),
        (None, False),
    ],
)
def test_only_the_loopback_is_trusted(
    address: str | None,
    is_trusted: bool,  # noqa: FBT001 - a column
) -> None:
    """A private address is somebody's machine, not ours."""
    assert Client(address=address, scheme="http", host=b"").is_trusted is is_trusted


def test_an_answer_keeps_its_headers_but_not_a_claim_to_be_ours() -> None:
    """Cookies stay apart; X-Gateway-*, X-Request-Id, Date and Server are said here, once."""
    answer = [
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"Content-Length", b"3"),
        (b"X-Gateway-Service", b"spoof"),
        (b"X-Request-Id", b"other"),
        (b"Date", b"then"),
        (b"Server", b"old"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Connection", b"x-hop"),
        (b"X-Hop", b"1"),
    ]
    assert for_client(answer, [(b"x-gateway-service", b"audio-service")]) == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-length", b"3"),
        (b"x-gateway-service", b"audio-service"),
    ]


@pytest.mark.parametrize(
    ("given_ids", "kept"),
    [
        ([b"abc-123"], b"abc-123"),
        ([b"a" * 128], b"a" * 128),
        ([b"a" * 129], b"made"),
        ([b"a b"], b"made"),
        ([b"a\nb"], b"made"),
        ([b""], b"made"),
        ([b"a", b"b"], b"made"),
        ([], b"made"),
    ],
)
def test_a_sane_request_id_is_kept(given_ids: list[bytes], kept: bytes) -> None:
    """It goes into logs: one word, no longer than 128."""
    assert request_id([(b"X-Request-Id", value) for value in given_ids], "made") == kept


def test_a_request_of_our_own_may_bring_its_id() -> None:
    """So that a log line of the speech flow and one of the gateway can be laid side by side."""
    assert of_our_own([(b"X-Request-Id", b"mine"), (b"Host", b"x")], b"new") == [(b"x-request-id", b"mine")]
    assert of_our_own([], b"new") == [(b"x-request-id", b"new")]


@pytest.mark.parametrize("values", [[b"1", b"2"], [b"-1"], [b"+1"], [b"1, 1"], [b"x"], [b""]])
def test_a_length_that_is_no_number_is_refused(values: list[bytes]) -> None:
    """Whatever the front let through."""
    with pytest.raises(ValueError, match="not one number"):
        content_length([(b"content-length", value) for value in values])


NAMES = st.sampled_from(
    [*sorted(HOP_BY_HOP), b"x-a", b"X-Forwarded-For", b"x-request-id", b"accept", b"Host"]
)
VALUES = st.sampled_from([b"x-a", b"close, X-A", b"accept", b"", b"x-forwarded-for , host", b","])


@UNHURRIED
@given(st.lists(st.tuples(NAMES, VALUES)), st.booleans())
def test_whatever_comes_ours_stand_once(headers: list[Header], trusted: bool) -> None:  # noqa: FBT001 - drawn
    """No combination of names in Connection removes or doubles a header of the gateway's own."""
    told = sent(headers, PROXY if trusted else STRANGER)
    assert not set(told) & HOP_BY_HOP
    for name in (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id"):
        assert len(told[name]) == 1
    assert b"host" not in told
