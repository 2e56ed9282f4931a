from base64 import b64encode
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from orch.gateway.headers import (
    HOP_BY_HOP,
    Client,
    Header,
    content_length,
    end_to_end,
    for_back_end,
    holds_token,
    of_our_own,
)
from orch.gateway.hops import Hops, LoopError
from tests.fakes.gateway import UNHURRIED

STRANGER = Client(address="203.0.113.9", scheme="https", host=b"front.example")
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
HOPS = Hops("orch-1")
PROXY = Client(address="127.0.0.1", scheme="http", host=b"front.example", trusted=LOOPBACK)


def all_sent(headers: list[Header], client: Client = STRANGER) -> dict[bytes, list[bytes]]:
    told: dict[bytes, list[bytes]] = {}
    for name, value in for_back_end(headers, client, b"id-1", HOPS):
        told.setdefault(name, []).append(value)
    return told


def sent(headers: list[Header], client: Client = STRANGER) -> dict[bytes, list[bytes]]:
    """Return what is sent beside what every request gets: Via and a trace."""
    told = all_sent(headers, client)
    assert len(told.pop(b"via")) == 1
    assert len(told.pop(b"traceparent")) == 1
    return told


def test_hop_by_hop_headers_are_removed() -> None:
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


def test_our_own_headers_cannot_be_removed() -> None:
    """``Connection: X-Forwarded-For`` removes the client's; ours is added after that."""
    told = sent(
        [
            (b"connection", b"x-forwarded-for, x-request-id, x-forwarded-proto, host"),
            (b"x-forwarded-for", b"10.0.0.1"),
        ]
    )
    assert told[b"x-forwarded-for"] == [b"203.0.113.9"]
    assert told[b"x-request-id"] == [b"id-1"]
    assert told[b"x-forwarded-proto"] == [b"https"]


def test_forwarding_headers_of_untrusted_peers_are_replaced() -> None:
    """Spoofed forwarding headers are replaced, and their spellings with underscores (WSGI) removed."""
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


@pytest.mark.parametrize(
    ("told", "chain"),
    [
        ([b"6.6.6.6, 198.51.100.7"], b"198.51.100.7, 127.0.0.1"),
        ([b"6.6.6.6", b"198.51.100.7, 127.0.0.2"], b"198.51.100.7, 127.0.0.2, 127.0.0.1"),
        ([b"198.51.100.7:4711"], b"198.51.100.7, 127.0.0.1"),
        ([b"[2001:db8::1]:80"], b"2001:db8::1, 127.0.0.1"),
        ([b"unknown"], b"127.0.0.1"),
        ([b"127.0.0.1'; drop"], b"127.0.0.1"),
    ],
)
def test_only_the_part_of_a_chain_that_trusted_proxies_saw_is_forwarded(
    told: list[bytes], chain: bytes
) -> None:
    """What a client put into the header itself stands before that, and never reaches a back end."""
    headers = [(b"x-forwarded-for", value) for value in told]
    assert sent(headers, PROXY)[b"x-forwarded-for"] == [chain]


def test_trusted_proxies_are_a_setting() -> None:
    """A proxy in the network is believed where it is named, one on the loopback is not where it is not."""
    networks = (ip_network("10.0.0.0/8"),)
    named = Client(address="10.1.2.3", scheme="http", host=b"in", trusted=networks)
    assert sent([(b"x-forwarded-for", b"198.51.100.7")], named)[b"x-forwarded-for"] == [
        b"198.51.100.7, 10.1.2.3"
    ]
    unnamed = Client(address="127.0.0.1", scheme="http", host=b"in", trusted=networks)
    assert sent([(b"x-forwarded-for", b"198.51.100.7")], unnamed)[b"x-forwarded-for"] == [b"127.0.0.1"]


@pytest.mark.parametrize(
    ("hops", "told", "chain"),
    [
        # A CDN of unknown address in front of a load balancer on the loopback.
        (2, [b"198.51.100.7, 192.0.2.99"], b"198.51.100.7, 192.0.2.99, 127.0.0.1"),
        # What the client sent itself, however long it is, and whatever it looks like.
        (2, [b"6.6.6.6, 198.51.100.7, 192.0.2.99"], b"198.51.100.7, 192.0.2.99, 127.0.0.1"),
        (2, [b"127.0.0.1, 198.51.100.7, 127.0.0.1"], b"198.51.100.7, 127.0.0.1, 127.0.0.1"),
        (2, [b"6.6.6.6", b"6.6.6.6, 198.51.100.7", b"192.0.2.99"], b"198.51.100.7, 192.0.2.99, 127.0.0.1"),
        # The load balancer alone: a trusted address before it is a client's claim.
        (1, [b"6.6.6.6, 127.0.0.2"], b"127.0.0.2, 127.0.0.1"),
        # A shorter way than usual, and entries that are no addresses.
        (3, [b"198.51.100.7"], b"198.51.100.7, 127.0.0.1"),
        (2, [b"6.6.6.6, unknown, 192.0.2.99"], b"192.0.2.99, 127.0.0.1"),
        (2, [], b"127.0.0.1"),
    ],
)
def test_with_a_number_of_proxies_so_many_entries_are_counted_from_the_right(
    hops: int, told: list[bytes], chain: bytes
) -> None:
    headers = [(b"x-forwarded-for", value) for value in told]
    assert sent(headers, structs.replace(PROXY, trusted_hops=hops))[b"x-forwarded-for"] == [chain]


def test_a_number_of_proxies_believes_nobody_who_comes_without_them() -> None:
    """Whoever reaches the service directly could count, too."""
    stranger = structs.replace(STRANGER, scheme="http", trusted=LOOPBACK, trusted_hops=2)
    headers = [(b"x-forwarded-for", b"6.6.6.6, 7.7.7.7"), (b"x-forwarded-proto", b"https, https")]
    assert sent(headers, stranger)[b"x-forwarded-for"] == [(STRANGER.address or "").encode()]
    assert sent(headers, stranger)[b"x-forwarded-proto"] == [b"http"]


@pytest.mark.parametrize(
    ("hops", "protos", "proto"),
    [
        (2, [b"https, http"], b"https"),
        (2, [b"http, https, http"], b"https"),
        (2, [b"https", b"http"], b"https"),
        (2, [b"https"], b"https"),
        (3, [b"https, http"], b"http"),
        (0, [b"https, http"], b"http"),
        (2, [b"gopher, http"], b"http"),
    ],
)
def test_the_scheme_is_what_the_outermost_proxy_saw(hops: int, protos: list[bytes], proto: bytes) -> None:
    headers = [(b"X-Forwarded-Proto", value) for value in protos]
    assert sent(headers, structs.replace(PROXY, trusted_hops=hops))[b"x-forwarded-proto"] == [proto]


def test_the_host_is_what_the_outermost_proxy_saw() -> None:
    headers = [(b"x-forwarded-host", b"evil.example, front.example, inner.example")]
    proxy = structs.replace(PROXY, trusted_hops=2)
    assert sent(headers, proxy)[b"x-forwarded-host"] == [b"front.example"]


@pytest.mark.parametrize(
    "name",
    [
        b"Transfer_Encoding",
        b"Content_Length",
        b"content-Length",
        b"HOST",
        b"X-Original-URL",
        b"X-Original-Host",
        b"X_Original_Url",
        b"X-Rewrite-URL",
        b"Proxy",
        b"X-Gateway-Service",
        b"X_Gateway_Service",
        b"X-HTTP-Method-Override",
        b"X-HTTP-Method",
        b"X-Method-Override",
        b"X_Http_Method_Override",
        b"X-Forwarded-Prefix",
        b"X-Forwarded-User",
        b"X-Client-IP",
        b"True-Client-IP",
        b"Remote_User",
        b"Traceparent",
        b"Tracestate",
        b"Cookie",
        b"X-Session-Key",
        b"X_Session_Key",
        b"Content_Type",
        b"Expect",
    ],
)
def test_headers_that_pose_as_the_gateway_are_never_forwarded(name: bytes) -> None:
    """In no spelling that a CGI-like back end reads as the name that is meant."""
    assert b"v1" not in [value for values in sent([(name, b"v1")]).values() for value in values]


def test_the_services_own_credentials_are_removed() -> None:
    """A back end's key passes; the token for operators, cookies and session keys do not."""
    headers = [
        (b"Authorization", b"Bearer ours"),
        (b"Authorization", b"Bearer of-the-back-end"),
        (b"Cookie", b"__Host-session=abc; other=1"),
        (b"X-Session-Key", b"k"),
        (b"X-Api-Key", b"theirs"),
    ]
    kept = for_back_end(
        headers, STRANGER, b"id", HOPS, is_own_credential=lambda value: value == b"Bearer ours"
    )
    ours = (b"x-forw", b"x-requ", b"via", b"trace")
    assert [header for header in kept if not header[0].startswith(ours)] == [
        (b"authorization", b"Bearer of-the-back-end"),
        (b"x-api-key", b"theirs"),
    ]


@pytest.mark.parametrize(
    ("value", "is_ours"),
    [
        (b"Bearer secret", True),
        (b"bearer  secret ", True),
        (b"Token secret", True),
        (b"secret", True),
        (b"Basic " + b64encode(b"operator:secret"), True),
        (b"Basic " + b64encode(b"secret:"), True),
        (b"Basic " + b64encode(b"other:word"), False),
        (b"Basic !", False),
        (b"Bearer secret2", False),
        (b"", False),
    ],
)
def test_the_token_is_recognised_in_any_scheme(value: bytes, is_ours: bool) -> None:  # noqa: FBT001 - a column
    """A token in the wrong form is a credential all the same."""
    assert holds_token(value, "secret") is is_ours
    assert not holds_token(value, "")


def test_a_proxy_on_the_loopback_is_continued() -> None:
    """The TLS proxy beside the service knows the client's address and scheme."""
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
        ("", False),
        (None, False),
    ],
)
def test_only_what_the_settings_name_is_trusted(
    address: str | None,
    is_trusted: bool,  # noqa: FBT001 - a column
) -> None:
    """A private address is somebody's machine, not ours."""
    assert Client(address=address, scheme="http", host=b"", trusted=LOOPBACK).is_trusted is is_trusted


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
    [
        *sorted(HOP_BY_HOP),
        b"x-a",
        b"X-Forwarded-For",
        b"x-request-id",
        b"accept",
        b"Host",
        b"Via",
        b"traceparent",
        b"Tracestate",
    ]
)
VALUES = st.sampled_from(
    [b"via, traceparent", b"x-a", b"close, X-A", b"accept", b"", b"x-forwarded-for , host", b","]
)


@UNHURRIED
@given(st.lists(st.tuples(NAMES, VALUES)), st.booleans())
def test_our_own_headers_occur_once_whatever_the_client_sends(headers: list[Header], trusted: bool) -> None:  # noqa: FBT001 - drawn
    """No combination of names in Connection removes or doubles a header of the gateway's own."""
    told = all_sent(headers, PROXY if trusted else STRANGER)
    assert not set(told) & HOP_BY_HOP
    ours = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id")
    for name in (*ours, b"via", b"traceparent"):
        assert len(told[name]) == 1
    assert b"tracestate" not in told  # no drawn traceparent is valid
    assert b"host" not in told


@pytest.mark.parametrize(
    ("given", "version", "via"),
    [
        ([], "1.1", b"1.1 orch-1"),
        ([], "2", b"2 orch-1"),
        ([], "3", b"3 orch-1"),
        ([], "9.9", b"1.1 orch-1"),
        (
            [b"1.0 fred, 1.1 p.example.net (Apache/1.1)"],
            "1.1",
            b"1.0 fred, 1.1 p.example.net (Apache/1.1), 1.1 orch-1",
        ),
        ([b"1.1 a", b"2 b"], "1.1", b"1.1 a, 2 b, 1.1 orch-1"),
        ([b"1.1 orch-10"], "1.1", b"1.1 orch-10, 1.1 orch-1"),
        ([b"1.1 caf\xe9"], "1.1", b"1.1 orch-1"),
        ([b"x" * 1025], "1.1", b"1.1 orch-1"),
        ([b""], "1.1", b"1.1 orch-1"),
    ],
)
def test_via_is_continued(given: list[bytes], version: str, via: bytes) -> None:
    """RFC 9110 §7.6.3: the entries before ours stay, unless they are no text or endless."""
    client = Client(address="203.0.113.9", scheme="https", host=b"front.example", http_version=version)
    assert all_sent([(b"Via", value) for value in given], client)[b"via"] == [via]


@pytest.mark.parametrize("via", [b"1.1 orch-1", b"1.1 a,1.1 orch-1\t,2 b", b"1.1 orch-1 (x)"])
def test_a_request_that_comes_back_is_a_loop(via: bytes) -> None:
    """Wherever our own entry stands, whatever other proxies have added."""
    with pytest.raises(LoopError):
        all_sent([(b"via", b"1.1 other"), (b"via", via)])


def test_connection_cannot_remove_via_or_the_trace() -> None:
    """What it names are the client's; ours are added after that."""
    told = all_sent([(b"connection", b"via, traceparent"), (b"via", b"1.1 a"), (b"traceparent", b"x")])
    assert told[b"via"] == [b"1.1 orch-1"]
    assert len(told[b"traceparent"]) == 1
