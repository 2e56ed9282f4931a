"""LocalAgreement-2 as the benchmarks have it: when words are confirmed, and what is transcribed again."""

import numpy as np

from benchmarks.peers.local_agreement import RATE, HeardWord, Hypothesis, LocalAgreement, Samples

SECOND = np.zeros(RATE, dtype=np.float32)


class ScriptedEngine:
    """Returns the hypotheses one after the other; keeps what it was given."""

    def __init__(self, *hypotheses: Hypothesis) -> None:
        self._hypotheses = list(hypotheses)
        self.given: list[tuple[float, str]] = []

    def __call__(self, sound: Samples, prompt: str) -> Hypothesis:
        self.given.append((len(sound) / RATE, prompt))
        return self._hypotheses.pop(0)


def hypothesis(text: str, *, start: float = 0.0, ends: tuple[float, ...] = ()) -> Hypothesis:
    """Return words of half a second each, and the ends of the segments."""
    words = [
        HeardWord(start + at / 2, start + at / 2 + 0.5, f" {word}") for at, word in enumerate(text.split())
    ]
    return Hypothesis(tuple(words), ends or (words[-1].end if words else 0.0,))


def texts(words: list[HeardWord]) -> str:
    return "".join(word.text for word in words).strip()


def test_words_on_which_two_transcriptions_agree_are_confirmed() -> None:
    """From the first unconfirmed word on; the others wait for the next transcription."""
    engine = ScriptedEngine(
        hypothesis("he was"), hypothesis("he was not a"), hypothesis("he was not an ill"), hypothesis("")
    )
    policy = LocalAgreement(engine)
    assert texts(policy.add(SECOND)) == ""
    assert texts(policy.add(SECOND)) == "he was"
    assert texts(policy.add(SECOND)) == "not"
    assert texts(policy.finish()) == "an ill"
    assert texts(policy.confirmed) == "he was not an ill"
    assert engine.given == [(1.0, ""), (2.0, ""), (3.0, "")]


def test_a_word_that_only_differs_in_its_punctuation_is_not_confirmed() -> None:
    """As published: words are compared as they are."""
    policy = LocalAgreement(ScriptedEngine(hypothesis("was he"), hypothesis("was, he")))
    policy.add(SECOND)
    assert texts(policy.add(SECOND)) == ""


def test_confirmed_words_that_come_again_are_dropped() -> None:
    """Their times may move by a little from one transcription to the next."""
    later = hypothesis("was not an", start=0.95)
    policy = LocalAgreement(ScriptedEngine(hypothesis("he was"), hypothesis("he was not"), later))
    policy.add(SECOND)
    policy.add(SECOND)
    assert texts(policy.add(SECOND)) == "not"


def test_a_long_buffer_is_cut_at_a_segment_whose_words_are_confirmed() -> None:
    """What was cut off is the prompt, and the times go on."""
    said = hypothesis("a b c d e f", ends=(2.0, 4.0, 6.0))
    engine = ScriptedEngine(said, said, hypothesis("e f g"), hypothesis("e f g"))
    policy = LocalAgreement(engine)
    policy.add(SECOND)
    assert texts(policy.add(np.zeros(15 * RATE, dtype=np.float32))) == "a b c d e f"
    assert texts(policy.add(SECOND)) == ""
    assert engine.given[2] == (15.0, " a b c d")
    assert texts(policy.add(SECOND)) == "g"
    assert policy.confirmed[-1].end == 3.5


def test_a_buffer_without_confirmed_segments_is_not_cut() -> None:
    """So it goes on growing, as the published one does."""
    engine = ScriptedEngine(hypothesis("a b"), hypothesis("c d"), hypothesis("e f"))
    policy = LocalAgreement(engine)
    for _ in range(3):
        policy.add(np.zeros(10 * RATE, dtype=np.float32))
    assert [seconds for seconds, _ in engine.given] == [10.0, 20.0, 30.0]
