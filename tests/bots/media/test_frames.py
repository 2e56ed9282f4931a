"""The format of what a page sends: what is valid arrives exactly, everything else is refused."""

import json
import random
import struct

import pytest

from orch.bots.media.frames import (
    LARGEST,
    LONGEST,
    Began,
    Frame,
    Hello,
    ProtocolError,
    TrackShown,
    decode_frames,
    decode_text,
    encode_frames,
    encode_picture,
    encode_speech,
)
from orch.bots.webcam.canvas import Patch


def test_frames_arrive_as_they_were_sent() -> None:
    """Sound and silence of several tracks in one message."""
    frames = (Frame(3, 0, 2, 1.5, b"\1\2\3\4"), Frame(65_535, 2**40, 640, 1.764e9, None))
    message = encode_frames(7, frames)
    assert decode_frames(message).number == 7
    assert decode_frames(message).frames == frames


def frame(kind: int = 1, track: int = 1, samples: int = 1, first: float = 0, captured: float = 0) -> bytes:
    return struct.pack("<IBBHIdd", 0, kind, 0, track, samples, first, captured)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0\0\0",
        frame(kind=0) + b"\0\0",
        frame(kind=3) + b"\0\0",
        frame(samples=0),
        frame(kind=2, samples=LONGEST + 1),
        frame(samples=2) + b"\0\0\0",
        frame(first=-1) + b"\0\0",
        frame(first=0.5) + b"\0\0",
        frame(first=float("nan")) + b"\0\0",
        frame(first=float("inf")) + b"\0\0",
        frame(first=2.0**53) + b"\0\0",
        frame(captured=float("nan")) + b"\0\0",
        frame(captured=-1) + b"\0\0",
        frame() + b"\0\0" + b"\1",
        bytes(LARGEST + 1),
    ],
    ids=lambda message: f"{len(message)}-{message[4:24].hex()}",
)
def test_what_is_no_message_is_refused(message: bytes) -> None:
    """A cut, a count that is none, a size beyond the limit."""
    with pytest.raises(ProtocolError):
        decode_frames(message)


def test_random_bytes_are_refused_or_bounded() -> None:
    """No bytes raise anything else, or become more samples than they have."""
    draw = random.Random(4)
    good = encode_frames(0, [Frame(1, 0, 20, 1.0, bytes(40)), Frame(2, 0, 5, 1.0, None)])
    for _ in range(4_000):
        changed = bytearray(good)
        for _ in range(draw.randint(1, 6)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        try:
            found = decode_frames(bytes(changed[: draw.randint(0, len(changed))]))
        except ProtocolError:
            continue
        assert all(each.pcm is None or len(each.pcm) == 2 * each.samples for each in found.frames)
        assert all(0 < each.samples <= LONGEST for each in found.frames)


def test_texts_are_decoded_by_their_type() -> None:
    """As the page's script writes them."""
    track = {"number": 1, "id": "{a}", "heard": 640}
    hello = {"type": "hello", "page": "1-2", "tracks": [track], "camera": True, "microphone": False}
    shown = TrackShown(number=1, id="{a}", heard=640)
    assert decode_text(json.dumps(hello)) == Hello(page="1-2", tracks=(shown,), camera=True)
    assert decode_text(json.dumps({"type": "began", "track": track})) == Began(track=shown)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"type":"goodbye"}',
        '{"type":"hello"}',
        '{"type":"hello","page":"' + "x" * 65 + '"}',
        '{"type":"ended","number":65536}',
        '{"type":"ended","number":-1}',
        '{"type":"opened","device":"screen"}',
        '{"type":"played","number":1,"samples":1e99}',
        '{"type":"hello","page":"1","tracks":[' + ",".join(['{"number":1,"id":""}'] * 65) + "]}",
        '{"type":"hello","page":"1","tracks":' + "[" * 5_000,
        " " * 16_385,
    ],
    ids=lambda text: text[:40],
)
def test_texts_that_are_none_are_refused(text: str) -> None:
    """Unknown types, values out of range, lists and texts that are too long."""
    with pytest.raises(ProtocolError):
        decode_text(text)


def test_the_bytes_are_those_of_the_pages_script() -> None:
    """The same are in tests/js/bot-media.test.js."""
    frames = [Frame(3, 1000, 2, 0.1, b"\1\0\xff\x7f"), Frame(65_535, 2**40, 640, 1.2345, None)]
    assert encode_frames(7, frames).hex() == (
        "0700000001000300020000000000000000408f4000000000000059400100ff7f"
        "0200ffff80020000000000000000704200000000004a9340"
    )
    patches = [Patch(1, 2, 1, 1, b"abcd"), Patch(5, 6, 2, 1, b"efghijkl")]
    assert encode_picture(9, 1280, 720, patches).hex() == (
        "01000005d00202000900000001000200010001000500060002000100" + b"abcdefghijkl".hex()
    )
    assert encode_speech(5, b"\1\0\xff\x7f").hex() == "02000000050000000100ff7f"
