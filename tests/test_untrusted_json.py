import gzip
import math
import zlib
from typing import Any

import pytest

from orch.untrusted_json import UnreadableError, read_document, unpacked


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 60_000,
        b'{"a":' * 60_000,
        b"[" * 60_000 + b"]" * 60_000,
        b"\xff",
        b'"\xed\xa0\x80"',
        b"",
        b"nan",
        b"1e",
        b"-",
        b"\x00",
        b'{"a": 1} {"b": 2}',
        "[" * 60_000,
        '"\ud800"',
    ],
)
@pytest.mark.parametrize("kind", [Any, dict[str, Any], list[int], str])
def test_whatever_the_bytes_there_is_a_value_or_one_error(data: bytes | str, kind: Any) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_document(data, kind)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e99999"])
def test_numbers_that_are_none_cost_nothing_but_themselves(number: bytes) -> None:
    """Python's own json writes them, and many servers are written in Python."""
    found = read_document(b'{"a": %b, "b": "x"}' % number)
    assert found["b"] == "x"
    assert not math.isfinite(found["a"])
    with pytest.raises(UnreadableError):
        read_document(b'{"a": %b, "b": "\\ud800"}' % number)


@pytest.mark.parametrize("data", [b'\xef\xbb\xbf{"a": 1}', '\ufeff{"a": 1}', bytearray(b'{"a": 1}')])
def test_a_byte_order_mark_is_passed_over(data: bytes | str) -> None:
    assert read_document(data) == {"a": 1}


def test_a_wrong_shape_is_told_from_what_is_no_json() -> None:
    with pytest.raises(UnreadableError) as caught:
        read_document(b'{"a": 1}', list[int])
    assert caught.value.is_json
    with pytest.raises(UnreadableError) as caught:
        read_document(b"[1,", list[int])
    assert not caught.value.is_json


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_what_is_packed_unasked_is_unpacked(level: int) -> None:
    """Told by its first bytes: the header that names the coding is missing or wrong often enough."""
    body = b'{"text": "hello"}' * 50
    for packed in (
        gzip.compress(body, level, mtime=0),
        zlib.compress(body, level),
        gzip.compress(gzip.compress(body, mtime=0)),
    ):
        assert unpacked(packed, limit=10_000) == body
    assert unpacked(body, limit=1) == body


def test_a_bomb_is_not_unpacked() -> None:
    """10 kB become 10 MB, and nested ones more: no more than the limit is ever made of them."""
    bomb = gzip.compress(b"a" * 10_000_000, mtime=0)
    for packed in (bomb, gzip.compress(bomb, mtime=0), zlib.compress(b"a" * 10_000_000)):
        with pytest.raises(UnreadableError, match="more than 50000 bytes"):
            unpacked(packed, limit=50_000)


@pytest.mark.parametrize(
    "packed", [gzip.compress(b"hello", mtime=0)[:-9], b"\x1f\x8bnonsense", b"\x78\x9cnonsense"]
)
def test_what_is_packed_and_broken_is_said(packed: bytes) -> None:
    with pytest.raises(UnreadableError, match="compressed data is"):
        unpacked(packed, limit=100)
