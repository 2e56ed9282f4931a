"""Typed text without what is no text."""

import pytest

from orch.protocol.plain_text import plain_lines, without_controls


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as it is, ünd so wéiter: 中文, हिन्दी", "as it is, ünd so wéiter: 中文, हिन्दी"),
        ("می\u200cشود", "می\u200cشود"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("a\x00b\x1b[31mc\x7f\x85", "ab[31mc"),
        ("at \u202e12:00\u2066\u200e", "at 12:00"),
        ("\ud800half", "half"),
    ],
)
def test_letters_of_every_script_stay_and_controls_do_not(text: str, expected: str) -> None:
    """Also the joiners within words and emoji."""
    assert without_controls(text) == expected


def test_lines_stay_lines() -> None:
    """However they are ended."""
    assert plain_lines("one\r\ntwo\rthree\n\nfour\tfive\u2028six") == "one\ntwo\nthree\n\nfour five\u2028six"
