"""Names and terms: the limits of a session's, and how lines of text state them."""

import json
from pathlib import Path

import pytest

from orch.protocol.terms import MOST_TERM_CHARACTERS, Term, TermsError, cleaned, read_line

EXAMPLES = json.loads((Path(__file__).parents[1] / "data" / "terms.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["line"])
def test_a_line_states_a_term(example: dict[str, object]) -> None:
    """The page reads lines in the same way: the examples are its test too."""
    term = read_line(str(example["line"]))
    found = None if term is None else {"text": term.text, "translations": term.translations}
    wanted = example["term"]
    assert found == (None if wanted is None else {"translations": {}, **wanted})  # type: ignore[dict-item]


def test_terms_are_cleaned_and_each_is_kept_once() -> None:
    """The first one's translations count, and a later one adds languages."""
    given = (
        Term(" Rose\n Baker\u202e"),
        Term("chair", {"de": " Vorsitz ", "fr": ""}),
        Term("Rose Baker"),
        Term("chair", {"de": "Stuhl", "es": "presidencia"}),
    )
    assert cleaned(given) == (Term("Rose Baker"), Term("chair", {"de": "Vorsitz", "es": "presidencia"}))
    assert cleaned(()) == ()


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ([Term(f"term {n}") for n in range(10_000)], "10,000 terms; a session can have 100 at most"),
        ([Term("x" * 400), Term("y" * 199)], "601 characters in all terms; they can have 600"),
        ([Term("x", {"de": "y" * 6_001})], "6,001 characters in all translations; they can have 6,000"),
        ([Term("Norland"), Term(" \u200b")], r"\$.terms\[1\].text: Expected a name"),
        ([Term("...")], "Expected a name or a word"),
        ([Term("a=b")], "no equals sign"),
        ([Term("a", {"no such code": "b"})], "Expected codes of languages"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(terms: list[Term], words: str) -> None:
    """With the number, so that people know how much to leave out."""
    with pytest.raises(TermsError, match=words) as caught:
        cleaned(terms)
    assert str(caught.value).startswith(caught.value.path)


def test_terms_at_the_limit_are_accepted() -> None:
    """The separators count: they are in the prompt."""
    terms = (Term("x" * 300), Term("y" * (MOST_TERM_CHARACTERS - 302)))
    assert cleaned(terms) == terms
    assert len(cleaned(Term(f"{n:03}") for n in range(100))) == 100
