"""The frames of a proxied WebSocket, judged by the library ``websockets``."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from orch.gateway.sockets.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Control,
    FrameScanner,
    close_code,
    close_payload,
    control,
    is_close_code,
    masked,
)
from orch.gateway.sockets.messages import BUFFERED, Assembler, frame
from tests.fakes.gateway import UNHURRIED

LIMIT = 2**20


def encoded(
    opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True, rsv1: bool = False
) -> bytes:
    wire = Frame(Opcode(opcode), payload, fin=fin).serialize(mask=mask)
    return bytes((wire[0] | 0x40,)) + wire[1:] if rsv1 else wire


def scanner(**more: Any) -> FrameScanner:
    return FrameScanner(**{"masked": True, "limit": LIMIT, **more})


def passed(pieces: list[bytes | Control]) -> bytes:
    return b"".join(piece.wire if isinstance(piece, Control) else piece for piece in pieces)


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        if data[:size]:
            yield data[:size]
        data = data[size:]
    if data:
        yield data


def read_all(data: bytes, *, mask: bool) -> list[Frame]:
    """Return the frames in some bytes, as the library reads them."""
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    frames = []
    while True:
        step = Frame.parse(reader.read_exact, mask=mask, max_size=None)
        try:
            next(step)
        except StopIteration as done:
            frames.append(done.value)
        except EOFError:
            return frames


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([TEXT, BINARY]),
        st.lists(st.binary(max_size=300), min_size=1, max_size=3),
        st.lists(st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125)), max_size=2),
    ),
    max_size=4,
)


def wire_of(messages: Any, *, mask: bool) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Return messages as fragments with control frames between them, and the control frames."""
    wire, controls = b"", []
    for opcode, parts, between in messages:
        for at, part in enumerate(parts):
            kind = CONTINUATION if at else opcode
            wire += encoded(kind, part, fin=at == len(parts) - 1, mask=mask)
            for name, payload in between:
                wire += encoded(name, payload, mask=mask)
                controls.append((name, payload))
    return wire, controls


@UNHURRIED
@given(MESSAGES, st.lists(st.integers(1, 200), max_size=30), st.booleans())
def test_what_is_passed_on_is_what_came_however_it_is_divided(
    messages: Any,
    sizes: list[int],
    mask: bool,  # noqa: FBT001 - drawn
) -> None:
    """Not a byte is changed, or stored once it is known to be data; control frames are seen unmasked."""
    wire, controls = wire_of(messages, mask=mask)
    scan = scanner(masked=mask)
    pieces: list[bytes | Control] = []
    for piece in cut(wire, sizes):
        pieces += scan.feed(piece)
        # What was passed on so far ends with a frame, if it says so.
        if scan.is_between_frames:
            before = read_all(passed(pieces), mask=mask)
            assert (
                len(read_all(passed(pieces) + encoded(PING, b"x", mask=mask), mask=mask)) == len(before) + 1
            )
    assert scan.violation is None
    assert scan.is_between_frames
    assert passed(pieces) == wire
    assert [(one.opcode, one.payload) for one in pieces if isinstance(one, Control)] == controls


def test_a_long_frame_is_passed_on_as_it_comes() -> None:
    """Its head too; nothing of it is stored, and a control frame has to wait until it is complete."""
    scan = scanner(limit=2**40)
    wire = bytes((0x82, 0xFF)) + (2**30).to_bytes(8, "big") + b"mask"
    assert scan.feed(wire[:9]) == []
    assert scan.feed(wire[9:]) == [wire]
    assert not scan.is_between_frames
    block = bytes(65_536)
    ends = []
    for _ in range(2**30 // len(block)):
        assert scan.feed(block) == [block]
        ends.append(scan.is_between_frames)
    assert ends == [False] * (len(ends) - 1) + [True]
    assert repr(scan) == f"<FrameScanner 0 to come of the frame, {2**30} of the message>"


@pytest.mark.parametrize(
    ("wire", "code", "words"),
    [
        (encoded(TEXT, b"x", mask=False), 1002, "must mask"),
        (bytes((0x83, 0x80)), 1002, "Opcode 3 is reserved"),
        (bytes((0x8B, 0x80)), 1002, "Opcode 11 is reserved"),
        (bytes((0xC1, 0x80)), 1002, "Reserved bits"),
        (bytes((0xA1, 0x80)), 1002, "Reserved bits"),
        (bytes((0x09, 0x80)), 1002, "fragmented"),
        (bytes((0x89, 0xFE)), 1002, "125 bytes"),
        (bytes((0x80, 0x80)) + b"mask", 1002, "no message to continue"),
        (encoded(TEXT, b"x", fin=False) + encoded(TEXT, b"y"), 1002, "previous message"),
        (bytes((0x81, 0xFE)) + (125).to_bytes(2, "big") + b"mask", 1002, "no longer length"),
        (bytes((0x81, 0xFF)) + (65_535).to_bytes(8, "big") + b"mask", 1002, "no longer length"),
        (bytes((0x81, 0xFF)) + (2**63).to_bytes(8, "big") + b"mask", 1002, "first bit"),
        (bytes((0x81, 0xFF)) + (LIMIT + 1).to_bytes(8, "big") + b"mask", 1009, "1048576 bytes"),
        (encoded(CLOSE, b"x"), 1002, "two bytes"),
        (encoded(CLOSE, (1005).to_bytes(2, "big")), 1002, "1005 is not"),
        (encoded(CLOSE, (999).to_bytes(2, "big")), 1002, "999 is not"),
        (encoded(CLOSE, (5000).to_bytes(2, "big")), 1002, "5000 is not"),
    ],
    ids=itertools.count(),  # masks are drawn
)
def test_a_wrong_frame_is_not_passed_on(wire: bytes, code: int, words: str) -> None:
    """What came before it is; after it nothing, whatever it is."""
    good = encoded(BINARY, b"good")
    scan = scanner()
    out = passed(scan.feed(good + wire))
    assert out.startswith(good)
    assert wire[-6:] not in out
    assert scan.violation is not None
    assert scan.violation.code == code
    assert words in scan.violation.detail
    assert scan.feed(good) == []


def test_a_server_must_not_mask() -> None:
    """RFC 6455 §5.1: "A client MUST close a connection if it detects a masked frame."."""
    scan = scanner(masked=False)
    assert scan.feed(encoded(TEXT, b"x", mask=True)) == []
    assert scan.violation is not None
    assert "must not mask" in scan.violation.detail


def test_the_limit_is_that_of_a_message() -> None:
    """Fragments add up; the next message begins at zero."""
    scan = scanner(limit=10)
    assert scan.feed(encoded(TEXT, b"12345", fin=False) + encoded(CONTINUATION, b"67890"))
    scan.feed(encoded(TEXT, b"1234567890"))
    seen = [scan.violation]
    scan.feed(encoded(TEXT, b"123456", fin=False) + encoded(CONTINUATION, b"78901"))
    seen.append(scan.violation)
    assert [violation and violation.code for violation in seen] == [None, 1009]


def test_compressed_messages_pass_where_that_was_negotiated() -> None:
    """The first frame alone is marked (RFC 7692 §6.1); a marked control frame is wrong all the same."""
    scan = scanner(deflate=True)
    good = encoded(TEXT, b"\x01", fin=False, rsv1=True) + encoded(CONTINUATION, b"\x02")
    assert passed(scan.feed(good)) == good
    assert scan.violation is None
    scan.feed(encoded(PING, b"", rsv1=True))
    assert scan.violation is not None


def test_nothing_is_read_after_a_close_frame() -> None:
    """RFC 6455 §5.5.1."""
    scan = scanner()
    close = encoded(CLOSE, close_payload(4001, "bye"))
    out = scan.feed(close + encoded(TEXT, b"more"))
    assert passed(out) == close
    assert isinstance(out[0], Control)
    assert close_code(out[0].payload) == 4001
    assert scan.feed(encoded(TEXT, b"more")) == []


def test_small_frames_are_counted() -> None:
    """Control frames and small fragments; not messages, however small, and not the close."""
    scan = scanner()
    scan.feed(encoded(TEXT, b"x") * 5)
    assert scan.small == 0
    scan.feed(encoded(PING) * 3 + encoded(TEXT, b"a", fin=False) + encoded(CONTINUATION, b"b"))
    assert scan.small == 5
    scan.feed(encoded(TEXT, bytes(1_024), fin=False) + encoded(CONTINUATION, bytes(1_024)))
    assert scan.small == 5
    scan.feed(encoded(CLOSE))
    assert scan.small == 5


@given(st.sampled_from([CLOSE, PING, PONG]), st.binary(max_size=125), st.binary(min_size=4, max_size=4))
def test_our_control_frames_are_read_by_others(opcode: int, payload: bytes, mask: bytes) -> None:
    """Masked and not."""
    for wire, is_masked in ((control(opcode, payload), False), (control(opcode, payload, mask), True)):
        (read,) = read_all(wire, mask=is_masked)
        assert (read.opcode, bytes(read.data), read.fin) == (opcode, payload, True)
    assert masked(masked(payload, mask), mask) == payload


def test_a_reason_is_cut_between_letters() -> None:
    """123 bytes of UTF-8 (§5.5)."""
    payload = close_payload(1001, "é" * 100)
    assert len(payload) == 2 + 122
    assert payload[2:].decode() == "é" * 61
    assert close_payload(1005) == b""
    assert close_code(b"") == 1005


def test_which_codes_a_close_frame_may_have() -> None:
    """§7.4 and the IANA registry: 1000 to 1014 without three, and those of libraries and applications."""
    allowed = [code for code in range(6000) if is_close_code(code)]
    assert allowed[:12] == [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
    assert (allowed[12], allowed[-1], len(allowed)) == (3000, 4999, 2012)


# Whole messages, for other servers.


@UNHURRIED
@given(MESSAGES, st.lists(st.integers(1, 200), max_size=30))
def test_messages_are_put_together_however_they_are_divided(messages: Any, sizes: list[int]) -> None:
    """Fragments are joined, control frames between them left out."""
    binary = [(BINARY, parts, between) for _, parts, between in messages]
    wire, _ = wire_of(binary, mask=False)
    assembler = Assembler()
    out: list[Any] = []
    for piece in cut(wire, sizes):
        out += assembler.feed(piece)
    assert out == [b"".join(parts) for _, parts, _ in binary]
    assert assembler.violation is None


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200)), st.binary(min_size=4, max_size=4))
def test_a_message_becomes_one_masked_frame(message: str | bytes, mask: bytes) -> None:
    """As the library reads it."""
    (read,) = read_all(frame(message, mask), mask=True)
    payload = message.encode() if isinstance(message, str) else message
    assert (read.opcode, bytes(read.data)) == (TEXT if isinstance(message, str) else BINARY, payload)


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536])
def test_frames_of_all_lengths(size: int) -> None:
    """The three forms of a length (§5.2), at their borders, both ways."""
    message = bytes(size)
    assert bytes(read_all(frame(message, b"mask"), mask=True)[0].data) == message
    assert Assembler().feed(encoded(BINARY, message, mask=False)) == [message]


def test_a_message_that_is_too_large_to_store_is_refused_at_its_head() -> None:
    """Before a byte of it was stored; fragments add up."""
    for wire in (
        encoded(BINARY, bytes(BUFFERED + 1), mask=False)[:10],
        encoded(BINARY, bytes(BUFFERED), fin=False, mask=False) + encoded(CONTINUATION, b"x", mask=False),
    ):
        assembler = Assembler()
        assert assembler.feed(wire) == []
        assert assembler.violation is not None
        assert assembler.violation.code == 1009


def test_text_has_to_be_utf8() -> None:
    """Over the fragments together."""
    assembler = Assembler()
    parts = "é".encode()
    wire = encoded(TEXT, parts[:1], fin=False, mask=False) + encoded(CONTINUATION, parts[1:], mask=False)
    assert assembler.feed(wire) == ["é"]
    assembler.feed(encoded(TEXT, b"\xff", mask=False))
    assert assembler.violation is not None
    assert assembler.violation.code == 1007


def test_the_close_of_a_back_end_is_noted() -> None:
    """With code and reason; what follows is not read."""
    assembler = Assembler()
    wire = encoded(CLOSE, close_payload(4002, "later"), mask=False) + encoded(TEXT, b"x", mask=False)
    assert assembler.feed(encoded(TEXT, b"a", mask=False) + wire) == ["a"]
    assert (assembler.closed, assembler.reason) == (4002, "later")
