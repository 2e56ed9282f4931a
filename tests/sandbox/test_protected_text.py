from hypothesis import given
from hypothesis import strategies as st

from orch.sandbox.engines.protected_text import join, pieces, protect, restore

TEXT = st.text(alphabet=st.sampled_from("ab é.,'!?[]{}^$/\\@<>~*#|&%=_+`\x00\t\n0519 "), max_size=60)


@given(TEXT)
def test_an_engine_that_changes_nothing_gives_back_the_very_text(text: str) -> None:
    """Protecting and restoring a text loses nothing, whatever characters it has."""
    protected = protect(text)
    assert restore(protected.text, protected.kept) == text


@given(TEXT)
def test_no_sign_of_the_stream_format_reaches_the_engine(text: str) -> None:
    """Only numbers are in brackets, and no other special characters remain."""
    protected = protect(text)
    plain = "".join(pieces(protected))
    assert not set(plain) & set("[]{}^$/\\@<>~*#|&%=_+`\x00\n\t")


@given(TEXT)
def test_pieces_and_what_was_kept_make_the_text_again(text: str) -> None:
    protected = protect(text)
    assert join(pieces(protected), protected) == text


def test_words_in_marks_are_translated_and_addresses_are_not() -> None:
    protected = protect("I [really] paid $5 at https://a.b/c?d=e to foo@bar.com.")
    assert protected.text == "I [0]really[1] paid [2]5 at [3] to [4]."
    assert protected.kept == ("[", "]", "$", "https://a.b/c?d=e", "foo@bar.com")


def test_words_in_mark_up_are_translated_with_or_without_spaces() -> None:
    """A name in angle brackets that is no mark-up, such as a sound, is translated too."""
    protected = protect("A <b>red</b> un<i>like</I>ly <font color='red'>house<br/></font> <laughter> a<b")
    assert protected.text == "A [0]red[1] un[2]like[3]ly [4]house[5][6] [7]laughter[8] [9]"
    tags = ("<b>", "</b>", "<i>", "</I>", "<font color='red'>", "<br/>", "</font>")
    assert protected.kept == (*tags, "<", ">", "a<b")


def test_what_comes_back_without_a_number_is_refused() -> None:
    """The engine may move protected parts, but neither lose, duplicate nor invent them."""
    kept = ("<b>", "</b>")
    assert restore("[1] el perro [0]", kept) == "</b> el perro <b>"
    assert restore("[0] el perro", kept) is None
    assert restore("[0] el [1] perro [1]", kept) is None
    assert restore("[0] el [1] perro [2]", kept) is None
    assert restore("[0] el [1] [perro", kept) is None


def test_spaces_that_dropped_words_leave_behind_go_and_those_of_the_text_stay() -> None:
    protected = protect("he  married")
    assert restore(protected.text.replace("he", ""), protected.kept) == "  married"
    assert restore("Tuvo  casó", ()) == "Tuvo casó"
