"""The figures of captions: what counts as shown, as staying and as erased."""

import pytest

from benchmarks.caption_figures import figures, percentile
from orch.protocol.messages import Transcript, Word


def caption(text: str, *, number: int = 1, final: bool = False) -> Transcript:
    """Return a caption whose words end a second after one another."""
    start = 10.0 * (number - 1)
    words = tuple(
        Word(text=word, start=start + at, end=start + at + 1) for at, word in enumerate(text.split())
    )
    return Transcript(
        timestamp=0,
        session_id="s",
        segment_id=f"s1-{number}",
        revision=1,
        final=final,
        text=text,
        language="en",
        confidence=None,
        start=start,
        end=start + len(words),
        stream_started=0,
        words=words,
    )


def test_words_are_timed_from_their_end() -> None:
    found = figures(
        [(2.0, caption("One")), (3.5, caption("one two")), (4.0, caption("One, two.", final=True))]
    )
    assert found.shown == [1.0, 1.5]
    assert found.stays == [1.0, 1.5]
    assert (found.erased, found.words) == (0.0, 2)


def test_a_word_that_was_taken_back_stays_from_its_return_on() -> None:
    found = figures([(2.0, caption("one")), (3.0, caption("won two")), (4.0, caption("one two", final=True))])
    assert found.shown == [1.0, 1.0]
    assert found.stays == [3.0, 1.0]
    assert found.erased == 1.0  # "one", then "won", of two words


def test_words_that_move_to_the_next_line_at_once_are_not_erased() -> None:
    """A page draws both lines in one frame; a second later a reader has missed the word."""
    cut = caption("one two", final=True)
    rest = caption("three", number=2, final=True)
    carried = [(4.0, caption("one two three")), (5.0, cut), (5.0, caption("three", number=2)), (6.0, rest)]
    assert figures(carried).erased == 0.0
    late = [*carried[:2], (5.5, carried[2][1]), carried[3]]
    assert figures(late).erased == pytest.approx(1 / 3)


def test_finals_are_timed_from_the_end_of_the_utterance_unless_it_was_cut() -> None:
    """The one that is cut ends where the next one begins: its words are not over."""
    first = caption("a b c d e f g h i j", final=True)
    second = caption("one", number=2, final=True)
    assert figures([(12.0, first), (11.5, second)]).finals == [0.5]


def test_percentiles() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.95) == 3.0
    assert percentile([], 0.5) != percentile([], 0.5)
