"""The figures of growing translations: what counts as shown, before the final, and as corrected."""

import pytest
from msgspec import UNSET

from benchmarks.translation_figures import translation_figures
from orch.protocol.messages import Transcript, Translation, Word


def said(
    text: str, *, number: int = 1, revision: int = 1, final: bool = False, start: float = 0
) -> Transcript:
    """Return a caption whose words end a second after one another."""
    each = text.split()
    return Transcript(
        timestamp=0,
        session_id="s",
        segment_id=f"s1-{number}",
        revision=revision,
        final=final,
        text=text,
        language="en",
        confidence=None,
        start=start,
        end=start + len(each),
        stream_started=0,
        words=tuple(Word(text=word, start=start + at, end=start + at + 1) for at, word in enumerate(each)),
    )


def read(
    text: str, *, number: int = 1, revision: int = 1, words: int | None = None, corrects: bool = False
) -> Translation:
    """Return a translation: of a growing line's first ``words``, or of the final."""
    return Translation(
        timestamp=0,
        session_id="s",
        segment_id=f"s1-{number}",
        revision=revision,
        target_language="es",
        text=text,
        confidence=None,
        growing=UNSET if words is None else True,
        words=UNSET if words is None else words,
        corrects=corrects or UNSET,
    )


FIRST = "a b c d, e f"


def test_a_clause_is_shown_when_its_last_word_is() -> None:
    found = translation_figures(
        [
            (5.0, said(FIRST)),
            (5.5, read("A B C D,", words=4)),
            (6.5, said("a b c d, e f.", revision=2, final=True)),
            (7.0, read("A B C D, E F.", revision=2)),
        ],
        "es",
    )
    assert found.clauses == [1.5, 1.0]
    assert found.words == [4.5, 3.5, 2.5, 1.5, 2.0, 1.0]
    assert (found.clauses_early, found.words_early) == (1, 4)
    assert (found.committed, found.corrected) == (4, 0)


def test_only_what_was_translated_again_is_late() -> None:
    found = translation_figures(
        [
            (10.0, said("a b c d, e f g h, i")),
            (10.0, read("A B C D,", words=4)),
            (10.5, read("A B C D, E F G H,", words=8)),
            (11.0, said("a b c d, e f g x, i", revision=2, final=True)),
            (12.0, read("A B C D, E F G X, I", revision=2, corrects=True)),
        ],
        "es",
    )
    assert found.words == [9.0, 8.0, 7.0, 6.0, 7.0, 6.0, 5.0, 4.0, 3.0]
    assert (found.committed, found.corrected) == (8, 4)
    assert found.clauses_early == 1


@pytest.mark.parametrize("is_carried", [True, False])
def test_words_after_a_cut_are_shown_as_long_as_one_of_the_lines_has_them(*, is_carried: bool) -> None:
    """The following line has their translation before the first one's loses them."""
    carried = [(8.0, read("E F G H,", number=2, words=4))] if is_carried else []
    found = translation_figures(
        [
            (7.0, said("a b c d, e f g h, i")),
            (7.0, read("A B C D, E F G H,", words=8)),
            (8.0, said("a b c d,", revision=2, final=True)),
            (8.0, said("e f g h, i", number=2, start=4)),
            *carried,
            (8.5, read("A B C D,", revision=2)),
            (12.0, said("e f g h, i", number=2, revision=2, final=True, start=4)),
            (13.0, read("E F G H, I", number=2, revision=2)),
        ],
        "es",
    )
    assert found.clauses == [3.0, -1.0 if is_carried else 5.0, 4.0]
