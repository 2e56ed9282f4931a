"""Frames without content for the application, counted by their heads."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.front.hypercorn.frame_meters import Allowance, Http2Meter, WebSocketMeter
from orch.front.hypercorn.sieve import PREFACE, Sieve
from orch.front.websocket.frame_decoder import UNLIMITED, FrameDecoder
from orch.front.websocket.frames import BINARY, CONTINUATION, PING
from orch.front.websocket.small_frames import DEFAULT
from tests.fakes.frames_judge import frame
from tests.front.websocket.test_frames import conversations


def http2(kind: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """Return a frame of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + bytes(4) + payload


def fed(meter: WebSocketMeter | Http2Meter, wire: bytes, cuts: list[int]) -> int:
    """Return the count for bytes that arrive in pieces."""
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    return sum(meter.feed(wire[begin:end]) for begin, end in itertools.pairwise(edges))


@given(conversations(), st.lists(st.integers(0, 2000), max_size=8))
@settings(max_examples=150, deadline=None)
def test_the_meter_counts_what_the_decoder_counts(wire: bytes, cuts: list[int]) -> None:
    """However the bytes are cut."""
    decoder = FrameDecoder()
    decoder.allowance = UNLIMITED
    decoder.feed(wire)
    assert fed(WebSocketMeter(), wire, cuts) == UNLIMITED - decoder.allowance


@pytest.mark.parametrize("size", [0, 125, 126, 1023, 1024, 65_536])
def test_payloads_of_every_length_are_skipped(size: int) -> None:
    """A fragment below 1 KiB counts, whatever its payload looks like."""
    wire = frame(BINARY, bytes([0x89]) * size, is_last=False) + frame(PING) + frame(CONTINUATION, b"x" * 2000)
    assert fed(WebSocketMeter(), wire, [1, 3, 7, 100, 1000]) == 1 + (size < 1024)


@given(st.lists(st.integers(0, 200), max_size=6))
def test_frames_of_http2_are_counted_but_requests_and_data(cuts: list[int]) -> None:
    """Pings, settings, resets, unknown kinds, crumbs of data; of window updates one in four."""
    free = http2(1, b"head") + http2(0, b"a body") + http2(0, b"", 1)
    said_nothing = (
        http2(6, bytes(8)) + http2(4) + http2(3, bytes(4)) + http2(77, b"?") + http2(0) + http2(0, b"x")
    )
    assert fed(Http2Meter(), free * 3 + said_nothing + http2(8, bytes(4)) * 9, cuts) == 6 + 2


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_the_sieve_counts_after_the_preface(size: int) -> None:
    """Whether HTTP/2 was agreed on before, or begins with its preface."""
    wire = PREFACE + http2(4) + http2(6, bytes(8)) * 3
    for sieve in (Sieve(is_http2=True), Sieve.of_http2()):
        assert sum(sieve.check(wire[at : at + size]) for at in range(0, len(wire), size)) == 4


def test_an_allowance_is_restored_over_time() -> None:
    """All at once, then so many a second."""
    allowance = Allowance()
    assert allowance.take(DEFAULT.burst, now=50.0)
    assert not allowance.take(1, now=50.0)
    assert allowance.take(DEFAULT.per_second - 1, now=51.0)
    assert not allowance.take(DEFAULT.per_second, now=51.5)
