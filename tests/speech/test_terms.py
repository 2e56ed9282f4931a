"""Where a text has terms, and how they survive a translation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.protocol.terms import MOST_TERM_CHARACTERS, Term
from orch.speech.terms import (
    MOST_MATCHES,
    is_echo,
    is_loop,
    marked,
    matches,
    mentioned,
    merged,
    pieces,
    rejoined,
    restored,
)

ROSE, BAKER, NAME = Term("Rose"), Term("Baker"), Term("Rose Baker")
CHAIR = Term("chair", {"de": "Vorsitz", "pt-BR": "presidência"})


def found(text: str, *terms: Term, target: str = "de") -> list[tuple[str, str]]:
    """Return the terms in a text, and what the translation has in their place."""
    return [(text[one.begin : one.end], one.translated) for one in matches(text, terms, target)]


@pytest.mark.parametrize(
    ("text", "terms", "expected"),
    [
        ("I met Rose Baker.", (ROSE, BAKER, NAME), ["Rose Baker"]),
        ("Rose, Baker and Rose  Baker", (NAME, BAKER, ROSE), ["Rose", "Baker", "Rose  Baker"]),
        ("She rose; a baker, roses, Rosemary", (ROSE, BAKER), []),
        ("ROSE BAKER IS HERE", (NAME,), ["ROSE BAKER"]),
        ("Rose's and (Rose) and Rose-Marie", (ROSE,), ["Rose", "Rose", "Rose"]),
        ("iPhoneを買う", (Term("iPhone"),), ["iPhone"]),
        ("明日東京へ行く", (Term("東京"),), ["東京"]),
        ("قابلت نورلاند أمس", (Term("نورلاند"),), ["نورلاند"]),
        ("नीलम और नील", (Term("नील"),), ["नील"]),
        ("नीली", (Term("नील"),), []),
        ("Cafe\u0301s, Cafe\u0301", (Term("Cafe"),), []),
        ("C++ and C", (Term("C++"), Term("C")), ["C++", "C"]),
        ("a.b[0](c)", (Term("b[0]"),), ["b[0]"]),
        ("", (ROSE,), []),
    ],
)
def test_terms_are_found_at_the_borders_of_words(
    text: str, terms: tuple[Term, ...], expected: list[str]
) -> None:
    """The longest first; a name only as it is written, so that a rose is none."""
    assert [term for term, _ in found(text, *terms)] == expected


def test_a_given_translation_is_used_in_its_language_alone() -> None:
    """Elsewhere the word is translated as any other; under the star, in every other language."""
    assert found("The chair spoke", CHAIR) == [("chair", "Vorsitz")]
    assert found("The chair spoke", CHAIR, target="de-AT") == [("chair", "Vorsitz")]
    assert found("The chair spoke", CHAIR, target="pt") == [("chair", "presidência")]
    assert found("The chair spoke", CHAIR, target="fr") == []
    both = Term("chair", {"de": "Vorsitz", "*": "Chair"})
    assert found("The chair spoke", both, target="fr") == [("chair", "Chair")]


def test_a_common_word_is_found_in_any_case_and_its_translation_follows() -> None:
    """At the beginning of a sentence the translation has its capital too."""
    board = Term("board", {"es": "junta"})
    assert found("Board and board", board, target="es") == [("Board", "Junta"), ("board", "junta")]


def test_a_text_that_has_marks_of_its_own_survives() -> None:
    """Neither "[0]" nor a private character is taken for a mark."""
    text = "see [0] and \ue000 \ue001: Rose"
    marks = marked(text, matches(text, (ROSE,), "de"))
    assert marks.text == "see [0] and \ue000 \ue001: \ue002"
    assert restored(marks.text, marks) == text
    full = "".join(chr(code) for code in range(0xE000, 0xF900)) + " Rose"
    marks = marked(full, matches(full, (ROSE,), "de"))
    assert restored(marks.text, marks) == full


def test_a_translation_that_lost_or_doubled_a_mark_is_translated_in_pieces() -> None:
    """What is between the terms is then translated by itself, so that no term is lost."""
    text = "Rose met Baker."
    marks = marked(text, matches(text, (ROSE, BAKER), "de"))
    first, second = marks.translated
    assert restored(f"{second} traf {first}", marks) == "Baker traf Rose"
    assert restored(f"{first} traf", marks) is None
    assert restored(f"{first} {second} {second}", marks) is None
    assert pieces(marks) == ["", " met ", "."]
    assert rejoined(["", " traf ", "."], marks) == "Rose traf Baker."
    assert pieces(marked("no term", ())) == ["no term"]


@given(
    st.text(alphabet="ab AB.[]0\ue000東é\u0301", max_size=40),
    st.lists(st.text(alphabet="abAB東 ", min_size=1, max_size=4).filter(str.strip), max_size=4),
)
def test_marking_and_restoring_changes_nothing(text: str, names: list[str]) -> None:
    """Whatever the text and the names are, and whether as a whole or in pieces."""
    marks = marked(text, matches(text, [Term(" ".join(name.split())) for name in names], "de"))
    assert restored(marks.text, marks) == text
    assert rejoined(pieces(marks), marks) == text


def test_a_text_of_nothing_but_terms_is_bounded() -> None:
    """The work for one text has an end."""
    assert len(matches("a " * 5_000, (Term("a"),), "de")) == MOST_MATCHES


def test_the_session_s_terms_come_before_the_service_s() -> None:
    """Each once; what does not fit is left out, and what is shorter may still fit."""
    assert merged((NAME, CHAIR), (Term("chair"), ROSE)) == (NAME, CHAIR, ROSE)
    assert len(merged(Term(f"{n}") for n in range(300))) == 100
    long, short = Term("x" * 590), Term("Norland")
    assert merged((long,), (Term("y" * 20), short), characters=MOST_TERM_CHARACTERS) == (long, short)
    assert merged((), ()) == ()


def test_only_terms_that_a_text_may_have_are_sent_on() -> None:
    """In any form that begins with them: a model knows endings."""
    terms = (NAME, CHAIR, Term("Norland"))
    assert mentioned("The CHAIRS met rose  baker", terms) == (NAME, CHAIR)


@pytest.mark.parametrize(
    ("text", "echo", "loop"),
    [
        ("Norland, Elinor.", True, False),
        ("norland elinor norland, Norland", True, True),
        ("Norland.", True, False),
        ("Norland is far", False, False),
        ("Norlands", False, False),
        ("...", False, False),
        ("", False, False),
    ],
)
def test_a_text_of_nothing_but_terms_may_be_an_echo_of_the_prompt(
    text: str, *, echo: bool, loop: bool
) -> None:
    """In silence an engine may repeat what it was given."""
    terms = (Term("Norland"), Term("Elinor", {"de": "Ellinor"}))
    assert is_echo(text, terms) == echo
    assert is_loop(text, terms) == loop
    assert not is_echo(text, ())
