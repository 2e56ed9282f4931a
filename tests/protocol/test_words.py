"""What one word is, for the number of settled words: the same for the service and the page."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.protocol.words import settled_part, word_spans

EXAMPLES = json.loads((Path(__file__).parents[1] / "data" / "words.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: repr(example["text"]))
def test_words_are_those_that_the_page_counts(example: dict[str, object]) -> None:
    """tests/js/words.test.js compares the browser's side with the same file."""
    text = example["text"]
    assert isinstance(text, str)
    assert [text[begin:end] for begin, end in word_spans(text)] == example["words"]


def test_a_text_is_split_after_its_settled_words() -> None:
    assert settled_part("He was not, an", 3) == ("He was not,", " an")
    assert settled_part("He was", 0) == ("", "He was")
    assert settled_part("He was", 9) == ("He was", "")
    assert settled_part("東京へ", 2) == ("東京", "へ")
    assert settled_part("", 1) == ("", "")


@given(st.text())
def test_words_contain_everything_but_white_space(text: str) -> None:
    spans = word_spans(text)
    assert "".join(text[begin:end] for begin, end in spans) == "".join(text.split())
    assert all(begin < end for begin, end in spans)


@given(st.text(), st.integers(0, 20))
def test_both_parts_together_are_the_text(text: str, settled: int) -> None:
    first, rest = settled_part(text, settled)
    assert first + rest == text
    assert len(word_spans(first)) == min(settled, len(word_spans(text)))
