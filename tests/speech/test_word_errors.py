"""Texts are compared word by word, after a stated normalisation."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.speech.word_errors import MOST_WORDS, TooManyWordsError, word_errors, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ("hello", "world")),
        ("Don't  stop", ("don't", "stop")),
        ("don\u2019t 'quote'", ("don't", "quote")),
        ("twenty-one", ("twenty", "one")),
        ("Straße CAFÉ", ("strasse", "café")),
        ("cafe\u0301", ("café",)),
        ("20 %", ("20",)),
        ("今日は", ("今", "日", "は")),
        ("ok今日", ("ok", "今", "日")),
        ("नमस्ते दुनिया", ("नमस्ते", "दुनिया")),
        ("rock 'n' roll '", ("rock", "n", "roll")),
        ("snake_case", ("snake", "case")),
        ("\uff21\uff22", ("ab",)),
        ("…!?", ()),
    ],
)
def test_words_are_normalised_as_the_module_states(text: str, words: tuple[str, ...]) -> None:
    """Case, punctuation and forms of the same letter are no errors."""
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("reference", "recognised", "counts", "rate"),
    [
        ("the cat sat on the mat", "The cat sat on the mat.", (0, 0, 0), 0.0),
        ("the cat sat", "the cat sat down", (0, 0, 1), 1 / 3),
        ("the cat sat", "the sat", (0, 1, 0), 1 / 3),
        ("the cat sat", "the hat sat", (1, 0, 0), 1 / 3),
        ("the cat sat on the mat", "a cat on the mat now", (1, 1, 1), 0.5),
        ("one", "two three four", (1, 0, 2), 3.0),
        ("one two", "", (0, 2, 0), 1.0),
        ("", "one", (0, 0, 1), None),
        ("", "", (0, 0, 0), None),
    ],
)
def test_the_rate_is_errors_by_words_of_the_reference(
    reference: str, recognised: str, counts: tuple[int, int, int], rate: float | None
) -> None:
    """Substitutions, deletions and insertions count alike."""
    found = word_errors(reference, recognised)
    assert (found.substituted, found.deleted, found.inserted) == counts
    assert found.rate == (None if rate is None else pytest.approx(rate))


def test_the_alignment_names_each_word_once_in_order() -> None:
    """A page can mark the words that differ."""
    steps = word_errors("the cat sat on the mat", "a cat on the mat now").alignment
    assert [(step.kind, step.reference, step.recognised) for step in steps] == [
        ("substituted", "the", "a"),
        ("equal", "cat", "cat"),
        ("deleted", "sat", None),
        ("equal", "on", "on"),
        ("equal", "the", "the"),
        ("equal", "mat", "mat"),
        ("inserted", None, "now"),
    ]


TEXTS = st.lists(st.sampled_from("abc"), max_size=8).map(" ".join)


@given(TEXTS, TEXTS)
def test_no_alignment_has_fewer_errors(reference: str, recognised: str) -> None:
    """The counts add up to the Levenshtein distance by its recursive definition; the words are all there."""
    wanted, found = words_of(reference), words_of(recognised)

    @cache
    def distance(row: int, column: int) -> int:
        if not row or not column:
            return row + column
        same = wanted[row - 1] == found[column - 1]
        return min(
            distance(row - 1, column - 1) + (not same),
            distance(row - 1, column) + 1,
            distance(row, column - 1) + 1,
        )

    errors = word_errors(reference, recognised)
    assert errors.substituted + errors.deleted + errors.inserted == distance(len(wanted), len(found))
    assert tuple(step.reference for step in errors.alignment if step.reference is not None) == wanted
    assert tuple(step.recognised for step in errors.alignment if step.recognised is not None) == found


def test_texts_are_bounded() -> None:
    """An alignment needs memory and time by the product of both lengths."""
    assert word_errors("a " * MOST_WORDS, "a").deleted == MOST_WORDS - 1
    with pytest.raises(TooManyWordsError):
        word_errors("a " * (MOST_WORDS + 1), "a")
