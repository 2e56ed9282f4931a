"""h11 as the judge: what both read is the same, and what we read h11 does not refuse."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.http1_judge import check_cuts, judge, read_ours
from tests.fakes.http1_samples import BAD, GOOD, ODD
from tests.front.http1.test_http1_responses import encoder_for, read_by_h11

NAMES = st.sampled_from(
    [
        b"Host",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Connection",
        b"Upgrade",
        b"Expect",
        b"X-A",
        b"cookie",
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [b"a", b"a:80", b"[::1]", b"3", b"5", b"0", b"03", b"chunked", b"Chunked", b"gzip, chunked", b"close"]
    ),
    st.sampled_from([b"keep-alive, upgrade", b"websocket", b"100-continue", b"", b" \t x \t ", b"\xe9"]),
    st.binary(max_size=8),
)
TARGETS = st.one_of(
    st.sampled_from([b"/", b"*", b"/a?b", b"http://b/c", b"https://b:1?d", b"a:80", b"/%00", b"//"]),
    st.binary(min_size=1, max_size=8).map(b"/".__add__),
)
CHUNKS = st.lists(
    st.one_of(
        st.binary(max_size=6).map(lambda data: b"%x\r\n%b\r\n" % (len(data), data)),
        st.binary(min_size=1, max_size=6).map(lambda data: b"%X;a=b\r\n%b\r\n" % (len(data), data)),
        st.sampled_from(
            [b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"00\r\nContent-Length: 1\r\n\r\n", b"5\r\nabc"]
        ),
    ),
    max_size=4,
).map(b"".join)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Return a request that is nearly right, and a body that may be its."""
    method = draw(st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"get", b"X"]))
    version = draw(st.sampled_from([b"HTTP/1.1"] * 6 + [b"HTTP/1.0"] * 2 + [b"HTTP/2.0", b"HTTP/1.11"]))
    fields = draw(st.lists(st.tuples(NAMES, VALUES), max_size=4))
    if draw(st.booleans()):
        fields = [(b"Host", b"a"), *((name, value) for name, value in fields if name != b"Host")]
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    body = draw(st.one_of(st.just(b""), st.just(b"abc"), st.binary(max_size=8), CHUNKS))
    return b"%b %b %b\r\n%b\r\n%b" % (method, draw(TARGETS), version, lines, body)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Return a few requests after one another, some of them again, with a few bytes of them changed."""
    sample = st.sampled_from([*GOOD, *(data for _, data in BAD if len(data) < 1000)])
    different = draw(st.lists(st.one_of(requests(), sample), min_size=1, max_size=3))
    data = b"".join(draw(st.lists(st.sampled_from(different), min_size=1, max_size=4)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 3)))
        data = data[:start] + draw(st.sampled_from(ODD)) + data[end:]
    return data


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=streams(), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_h11_reads_what_we_accept_in_the_same_way(data: bytes, cuts: list[int]) -> None:
    """Method, target, headers, body, following bytes; however the bytes are split."""
    whole = judge(data)
    points = [0, *sorted({min(cut, len(data)) for cut in cuts}), len(data)]
    pieces = [data[start:end] for start, end in pairwise(points)]
    check_cuts(data, pieces, whole)
    check_cuts(data, [data[i : i + 1] for i in range(len(data))], whole)


def test_samples_are_compared_with_h11_too() -> None:
    """Those that are read, h11 reads alike; those that are refused, whatever h11 makes of them."""
    for data in GOOD:
        assert not judge(data).refusal
    for kind, data in BAD:
        assert judge(data).refusal == kind


PIECES = st.lists(st.binary(max_size=20), max_size=4)


@settings(max_examples=200, deadline=None)
@given(pieces=PIECES, is_announced=st.booleans(), method=st.sampled_from([b"GET", b"HEAD", b"POST"]))
def test_h11_reads_what_we_write(pieces: list[bytes], is_announced: bool, method: bytes) -> None:  # noqa: FBT001  # drawn
    """However the application splits its body, the client receives all of it and knows its end."""
    request = method + b" / HTTP/1.1\r\nHost: a\r\n\r\n"
    encoder = encoder_for(request)
    whole = b"".join(pieces)
    headers = [(b"content-length", b"%d" % len(whole))] if is_announced else []
    answer = encoder.start(200, headers)
    answer += b"".join(encoder.data(piece, more=True) for piece in pieces) + encoder.data(b"", more=False)
    assert read_by_h11(request, answer)[1] == (b"" if method == b"HEAD" else whole)


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(st.binary(min_size=1, max_size=20), max_size=5), cut=st.integers(1, 30))
def test_bodies_arrive_complete(pieces: list[bytes], cut: int) -> None:
    """What a client sends in chunks is what the application reads."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    data = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    reading = read_ours([data[i : i + cut] for i in range(0, len(data), cut)])
    assert reading.messages[0].body == b"".join(pieces)
    assert reading.messages[0].is_complete
