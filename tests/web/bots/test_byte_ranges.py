"""Ranges of bytes."""

import pytest

from orch.web.byte_ranges import ByteRange, UnsatisfiableError, read_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=0-", ByteRange(0, 10)),
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=3-5", ByteRange(3, 6)),
        ("BYTES = 3 - 5", ByteRange(3, 6)),
        ("bytes=3-99", ByteRange(3, 10)),
        ("bytes=-4", ByteRange(6, 10)),
        ("bytes=-99", ByteRange(0, 10)),
        ("bytes=9-", ByteRange(9, 10)),
        # Not one range of bytes: ignored.
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("bytes=5-3", None),
        ("bytes=a-b", None),
        ("bytes=1", None),
        ("items=0-1", None),
        ("bytes=" + "9" * 400 + "-", None),
        ("bytes=٣-٤", None),
        ("bytes=+1-2", None),
    ],
)
def test_a_range_is_read(header: str | None, expected: ByteRange | None) -> None:
    """What is no single range of bytes means the whole file."""
    assert read_range(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)]
)
def test_a_range_outside_of_the_file_cannot_be_satisfied(header: str, size: int) -> None:
    """The response is 416."""
    with pytest.raises(UnsatisfiableError):
        read_range(header, size)


def test_a_range_says_where_it_is() -> None:
    """As Content-Range has it."""
    assert (ByteRange(3, 6).of(10), ByteRange(3, 6).length) == ("bytes 3-5/10", 3)
