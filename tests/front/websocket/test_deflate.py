"""Which offers of permessage-deflate are accepted, and what is compressed then (RFC 7692)."""

import zlib

import pytest

from orch.front.websocket.deflate import Deflate, negotiate
from orch.front.websocket.frames import BINARY, encode_deflated

TAKEOVER = b"; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    "offer",
    [
        b"permessage-deflate",
        b"permessage-deflate; client_max_window_bits",
        b"permessage-deflate; client_max_window_bits=8",
        b'x-thing, permessage-deflate; client_max_window_bits="10"; server_no_context_takeover',
        b"permessage-deflate ;client_no_context_takeover; client_max_window_bits = 15",
        b"permessage-deflate; unknown, permessage-deflate",
    ],
)
def test_an_offer_without_a_limit_of_our_window_is_accepted(offer: bytes) -> None:
    """The response never names the client's window, which is the client's choice."""
    agreed = negotiate([offer])
    assert agreed == Deflate()
    assert agreed.header() == b"permessage-deflate" + TAKEOVER


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("form", ["%d", '"%d"'])
def test_a_limit_of_our_window_is_accepted_and_repeated(bits: int, form: str) -> None:
    """RFC 7692 §7.1.2.1: a server accepts it by a parameter of the same or a smaller value."""
    agreed = negotiate([b"permessage-deflate; server_max_window_bits=" + (form % bits).encode()])
    assert agreed == Deflate(bits, is_limited=True)
    assert agreed.header() == b"permessage-deflate" + TAKEOVER + b"; server_max_window_bits=%d" % bits


@pytest.mark.parametrize(
    "parameters",
    [
        b"server_max_window_bits=8",
        b"server_max_window_bits=7",
        b"server_max_window_bits=16",
        b"server_max_window_bits=010",
        b"server_max_window_bits",
        b"server_max_window_bits=",
        b"client_max_window_bits=7",
        b"client_max_window_bits=",
        b"client_max_window_bits=x",
        b"client_max_window_bits; client_max_window_bits=10",
        b"server_no_context_takeover; server_no_context_takeover",
        b"server_no_context_takeover=1",
        b"client_no_context_takeover=",
        b"unknown",
        b"",
    ],
)
def test_an_offer_that_we_cannot_meet_is_declined(parameters: bytes) -> None:
    """§7.1: unknown or repeated parameters and invalid values; and the window that zlib does not make."""
    assert negotiate([b"permessage-deflate; " + parameters]) is None


def test_offers_are_tried_in_the_order_of_the_client() -> None:
    """Over several headers; what was declined does not spoil the next offer."""
    offers = [
        b"permessage-deflate; server_max_window_bits=8",
        b"permessage-deflate; server_max_window_bits=9",
    ]
    assert negotiate([*offers, b"permessage-deflate"]) == Deflate(9, is_limited=True)
    assert negotiate([b"", b"x-webkit-deflate-frame"]) is None
    assert negotiate([]) is None


@pytest.mark.parametrize("bits", range(9, 16))
def test_compression_stays_within_the_agreed_window(bits: int) -> None:
    """A client that inflates with just that window reads it, also what repeats beyond the window."""
    payload = bytes(range(256)) * 2 + b"".join(number.to_bytes(4, "big") for number in range(20_000))
    payload += payload
    frame = encode_deflated(BINARY, payload, window_bits=bits)
    data = frame[4:] if frame[1] == 126 else frame[10:]
    assert zlib.decompressobj(wbits=-bits).decompress(data + b"\x00\x00\xff\xff") == payload


def test_zlib_has_no_raw_stream_with_the_smallest_window() -> None:
    """Why ``server_max_window_bits=8`` is declined: should this fail one day, it can be accepted."""
    with pytest.raises(ValueError, match="Invalid initialization option"):
        zlib.compressobj(wbits=-8)
