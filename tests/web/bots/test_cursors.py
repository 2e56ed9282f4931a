"""Cursors lead to the next page, and nothing else does."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.problems import ProblemError
from orch.web.cursors import read_cursor, write_cursor

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=80)


@given(NUMBERS, TEXTS)
def test_a_cursor_is_read_as_it_was_written(value: float, key: str) -> None:
    """Exactly, or a record would be skipped."""
    assert read_cursor(write_cursor(value, key), float) == (value, key)


def written(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "äöü",
        "....",
        written("[1]"),
        written('["a", "b"]'),
        written("[1, 2]"),
        written('{"a": 1}'),
        written('[1, "a\\u0000b"]'),
        written("[" * 700),
        written('[1e999, "a"]'),
        "A" * 5_000,
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    """With the path and what was expected."""
    with pytest.raises(ProblemError) as caught:
        read_cursor(cursor, float)
    assert (caught.value.code, caught.value.extra["path"]) == ("invalid_request", "after")


def test_a_cursor_of_names_is_none_of_times() -> None:
    """Each list has cursors of its own kind."""
    assert read_cursor(write_cursor("Ann", "p1"), str) == ("Ann", "p1")
    with pytest.raises(ProblemError):
        read_cursor(write_cursor("Ann", "p1"), float)
