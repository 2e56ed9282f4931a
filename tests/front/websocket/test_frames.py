"""WebSocket frames: by the RFC, and compared with wsproto."""

import itertools
import os

import pytest
import wsproto.events
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType

from orch.front.websocket.frame_decoder import FrameDecoder
from orch.front.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Binary,
    CloseFrame,
    Ping,
    Pong,
    ProtocolViolationError,
    Text,
    encode,
    encode_close,
    encode_deflated,
    encode_text,
)
from tests.fakes.frames_judge import LIMIT, UNLIMITED, Verdict, decode, deflated, differs, frame, judged


def test_messages_of_every_length_are_decoded_unchanged() -> None:
    """The three encodings of a length, at their borders."""
    for size in (0, 1, 125, 126, 127, 65_535, 65_536, 100_000):
        payload = os.urandom(size)
        events, code = decode(frame(BINARY, payload, mask=os.urandom(4)), limit=2**20)
        assert (events, code) == ([Binary(payload)], None)


def test_a_server_frame_is_read_by_a_client() -> None:
    """wsproto, as a client, reads what we write."""
    client = Connection(ConnectionType.CLIENT)
    for size in (0, 125, 126, 65_535, 65_536):
        client.receive_data(encode_text(b"x" * size))
        read = [event.data for event in client.events() if isinstance(event, wsproto.events.TextMessage)]
        assert "".join(read) == "x" * size
    client.receive_data(encode(PING, b"p") + encode(BINARY, b"b") + encode_close(4200, "bye"))
    ping, binary, close = list(client.events())
    assert isinstance(ping, wsproto.events.Ping)
    assert isinstance(binary, wsproto.events.BytesMessage)
    assert isinstance(close, wsproto.events.CloseConnection)
    assert (close.code, close.reason) == (4200, "bye")


def test_fragments_are_one_message_and_control_frames_may_stand_between_them() -> None:
    """A ping within a message is returned at once, the message once it is complete."""
    wire = (
        frame(TEXT, "né".encode()[:2], is_last=False)
        + frame(PING, b"here?")
        + frame(CONTINUATION, "né".encode()[2:], is_last=False)
        + frame(PONG)
        + frame(CONTINUATION, b"!")
        + frame(BINARY, b"after")
    )
    expected = [Ping(b"here?"), Pong(b""), Text("né!"), Binary(b"after")]
    assert decode(wire) == (expected, None)
    assert decode(wire, *range(len(wire))) == (expected, None)


@pytest.mark.parametrize(
    ("wire", "code", "kind"),
    [
        (frame(TEXT, b"x", mask=None), 1002, "not_masked"),
        (frame(TEXT, b"x", reserved=4), 1002, "reserved_bits"),
        (frame(TEXT, b"x", reserved=1), 1002, "reserved_bits"),
        (frame(3), 1002, "reserved_opcode"),
        (frame(0xB), 1002, "reserved_opcode"),
        (frame(PING, is_last=False), 1002, "fragmented_control"),
        (frame(PING, b"x" * 126), 1002, "control_too_large"),
        (frame(CONTINUATION, b"x"), 1002, "nothing_to_continue"),
        (frame(TEXT, b"x", is_last=False) + frame(TEXT, b"x"), 1002, "message_interrupted"),
        (frame(TEXT, b"x", width=2), 1002, "length_not_minimal"),
        (frame(TEXT, b"x" * 200, width=8), 1002, "length_not_minimal"),
        (b"\x81\xff" + b"\x80" + bytes(7) + b"mask", 1002, "length_too_large"),
        (frame(TEXT, b"\xff"), 1007, "not_utf8"),
        (frame(TEXT, b"\xc3"), 1007, "not_utf8"),
        (frame(TEXT, b"\xed\xa0\x80"), 1007, "not_utf8"),
        (frame(TEXT, b"\xc3", is_last=False) + frame(CONTINUATION, b"x"), 1007, "not_utf8"),
        (frame(TEXT, b"x" * (LIMIT + 1)), 1009, "message_too_large"),
        (b"\x81\xff" + (2**62).to_bytes(8, "big"), 1009, "message_too_large"),
        (frame(TEXT, b"x" * LIMIT, is_last=False) + frame(CONTINUATION, b"x"), 1009, "message_too_large"),
        (frame(CLOSE, b"\x03"), 1002, "close_too_short"),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007, "not_utf8"),
        *((frame(CLOSE, code.to_bytes(2, "big")), 1002, "close_code") for code in (0, 999, 1004, 1005, 1006)),
        *((frame(CLOSE, code.to_bytes(2, "big")), 1002, "close_code") for code in (1015, 2999, 5000, 65_535)),
    ],
)
def test_a_violation_has_its_code_however_the_bytes_are_split(wire: bytes, code: int, kind: str) -> None:
    """Each with the close code of the RFC and a kind of its own; messages before it are not lost."""
    before = frame(TEXT, b"before")
    for cuts in ((), range(len(before + wire)), (len(before),)):
        assert decode(before + wire, *cuts) == ([Text("before")], code)
    decoder = FrameDecoder(message_limit=LIMIT)
    for _ in range(2):
        with pytest.raises(ProtocolViolationError) as caught:
            decoder.feed(wire)
        assert caught.value.kind == kind


def test_invalid_text_is_refused_before_the_frame_is_complete() -> None:
    """A client cannot have us wait for the rest of a text that is wrong already."""
    decoder = FrameDecoder(message_limit=LIMIT)
    wire = frame(TEXT, b"\xff" + b"x" * 1000)
    with pytest.raises(ProtocolViolationError):
        decoder.feed(wire[:10])


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
def test_close_codes_that_may_stand_in_a_frame(code: int) -> None:
    """They are returned unchanged, and nothing after them is read."""
    wire = frame(CLOSE, code.to_bytes(2, "big") + "adiós".encode()) + frame(TEXT, b"late")
    assert decode(wire) == ([CloseFrame(code, "adiós")], None)
    assert decode(wire, *range(len(wire))) == ([CloseFrame(code, "adiós")], None)


def test_a_close_without_a_code_is_1005() -> None:
    """As in the RFC; the reply has no code either."""
    assert decode(frame(CLOSE)) == ([CloseFrame(1005, "")], None)
    assert encode_close(1005) == b"\x88\x00"


def test_a_reason_that_is_too_long_is_cut_between_characters() -> None:
    """A close frame has 125 bytes at most."""
    wire = encode_close(4000, "é" * 100)
    assert len(wire) == 2 + 2 + 122
    assert wire[4:].decode() == "é" * 61
    with pytest.raises(ValueError, match="1006"):
        encode_close(1006)


# permessage-deflate.


def inflate(wire: bytes, *cuts: int) -> Verdict:
    """As :func:`decode`, where compression was agreed on."""
    return decode(wire, *cuts, deflate=True)


def test_a_compressed_message_is_inflated_however_it_is_split() -> None:
    """Beside messages that are not compressed, in fragments, with a ping between them."""
    data = deflated("né!".encode() * 50)
    wire = (
        frame(TEXT, b"plain")
        + frame(TEXT, data[:3], is_last=False, reserved=4)
        + frame(PING)
        + frame(CONTINUATION, data[3:])
        + frame(BINARY, deflated(b""), reserved=4)
        + frame(BINARY, b"plain")
    )
    expected = [Text("plain"), Ping(b""), Text("né!" * 50), Binary(b""), Binary(b"plain")]
    assert inflate(wire) == inflate(wire, *range(len(wire))) == (expected, None)
    short = deflated(b"x" * 300)
    assert encode_deflated(TEXT, b"x" * 300) == bytes((0xC1, len(short))) + short


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (frame(BINARY, deflated(bytes(LIMIT + 1)), reserved=4), 1009),
        (frame(BINARY, deflated(bytes(2**24))[:LIMIT], reserved=4), 1009),
        (frame(TEXT, deflated(b"\xff"), reserved=4), 1007),
        (frame(TEXT, b"\xff\xff\xff", reserved=4), 1007),
        (frame(TEXT, deflated(b"\xff" + bytes(LIMIT)), reserved=4), 1007),  # and too long, but only then
        (frame(TEXT, b"x", is_last=False) + frame(CONTINUATION, b"x", reserved=4), 1002),
        (frame(PING, b"x", reserved=4), 1002),
        (frame(TEXT, b"x", reserved=6), 1002),
    ],
)
def test_messages_that_inflate_to_too_much_or_not_at_all_are_refused(wire: bytes, code: int) -> None:
    """A small frame cannot have us hold a large message; what was compressed is judged as what was not."""
    assert inflate(wire) == inflate(wire, *range(len(wire))) == ([], code)


def test_a_message_of_exactly_the_limit_is_inflated() -> None:
    """The limit is the message's, not the frame's."""
    assert inflate(frame(BINARY, deflated(bytes(LIMIT)), reserved=4)) == ([Binary(bytes(LIMIT))], None)


def test_control_frames_and_small_fragments_are_counted_one_by_one() -> None:
    """Complete messages and large fragments are not: the application limits those."""
    ping, pong = frame(PING), frame(PONG, b"unasked")
    free = frame(TEXT) + frame(TEXT, b"whole") + frame(BINARY, bytes(1024), is_last=False)
    free += frame(CONTINUATION, bytes(1024)) + frame(CLOSE)
    assert decode(free, allowance=0)[1] is None
    parts = frame(TEXT, b"a", is_last=False) + frame(CONTINUATION, is_last=False)
    for wire, weight in ((ping + pong, 2), (parts + frame(CONTINUATION, b"c"), 3), (parts * 1 + ping, 3)):
        assert decode(wire, allowance=weight)[1] is None
        assert decode(wire, allowance=weight - 1)[1] == 1008


# wsproto as judge.


MASKS = st.binary(min_size=4, max_size=4)
CONTROLS = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
CLOSES = st.tuples(st.sampled_from([1000, 1001, 1011, 3000, 4200]), st.text(max_size=20))


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """Return what a client may send: messages in fragments, control frames between them, perhaps a close."""
    wire = b""
    for payload in draw(st.lists(st.text(max_size=300) | st.binary(max_size=300), max_size=5)):
        opcode, data = (TEXT, payload.encode()) if isinstance(payload, str) else (BINARY, payload)
        cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
        edges = [0, *cuts, len(data)]
        for number, (begin, end) in enumerate(itertools.pairwise(edges)):
            for kind, control in draw(st.lists(CONTROLS, max_size=1)):
                wire += frame(kind, control, mask=draw(MASKS))
            wire += frame(
                opcode if number == 0 else CONTINUATION,
                data[begin:end],
                is_last=number == len(cuts),
                mask=draw(MASKS),
            )
    if draw(st.booleans()):
        code, reason = draw(CLOSES)
        wire += frame(CLOSE, code.to_bytes(2, "big") + reason.encode(), mask=draw(MASKS))
    return wire


@given(conversations(), st.lists(st.integers(0, 2000), max_size=8))
@settings(max_examples=150, deadline=None)
def test_valid_client_frames_are_read_as_wsproto_reads_them(wire: bytes, cuts: list[int]) -> None:
    """However it is cut."""
    expected = judged(wire)
    assert expected[1] is None
    assert decode(wire, *cuts) == decode(wire) == expected


@given(
    conversations(), st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=3)), max_size=3)
)
@example(b"\x81\x80\x00\x00\x00\x00", [(0, b"\x00\x7f")])  # wsproto waits for more before it refuses
@settings(max_examples=300, deadline=None)
def test_invalid_client_frames_are_refused_where_wsproto_refuses_them(
    wire: bytes, damage: list[tuple[int, bytes]]
) -> None:
    """Random changes: the same messages, then the same refusal, also byte by byte."""
    changed = bytearray(wire)
    for at, replacement in damage:
        if changed:
            begin = at % len(changed)
            changed[begin : begin + len(replacement)] = replacement
    damaged = bytes(changed)
    ours = decode(damaged, limit=UNLIMITED)
    assert decode(damaged, *range(len(damaged)), limit=UNLIMITED) == ours
    assert differs(damaged, ours) is None


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused_alike_however_they_are_split(wire: bytes, cuts: list[int]) -> None:
    """Never any other exception."""
    assert decode(wire, *cuts) == decode(wire)


def test_one_call_decodes_a_limited_number_of_messages() -> None:
    """A flood of tiny frames lets other tasks run, and stays in order."""
    decoder = FrameDecoder()
    events = decoder.feed(b"".join(frame(TEXT, b"%d" % number) for number in range(3_000)) + frame(PING))
    turns = 1
    while decoder.has_more:
        events += decoder.feed(b"")
        turns += 1
    assert turns == 3
    assert events == [*(Text(str(number)) for number in range(3_000)), Ping(b"")]
