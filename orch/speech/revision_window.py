"""Which part of a growing utterance a revision transcribes. Pure.

A long recording costs an engine more than a short one, and the beginning of a long utterance is settled
already. So from :data:`LONGEST` seconds on, a revision sends only the end of the utterance, and the settled
words before it are put in front of its text. This window begins at a settled word, if possible at the first
one of a sentence or a phrase, and contains a few settled words, by which the next hypothesis is matched. It
stays where it is until it is too long again: hypotheses with the same beginning agree more often.

The final always transcribes the whole utterance. An engine without word times gets it whole each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from orch.speech.agreement import Agreement
from orch.speech.clause_ends import is_end, is_sentence_end
from orch.speech.hypotheses import HypothesisWord, hypothesis_words, text_of, timed_words
from orch.speech.results import Transcription

LONGEST: Final = 8.0
"""Seconds: a window that is longer is moved."""
LEAST: Final = 4.0
"""Seconds that a window has at least: with less, engines recognise fewer of its words."""
OVERLAP: Final = 3
"""Settled words that a window has at least."""
LEAD: Final = 0.1
"""Seconds of sound before its first word."""


@dataclass(frozen=True, slots=True)
class RevisionWindow:
    """Where the newest revision begins: after ``count`` settled words, ``seconds`` into the utterance."""

    count: int = 0
    seconds: float = 0.0

    def moved(self, agreement: Agreement, *, seconds: float) -> "RevisionWindow":
        """Return the window for a revision of an utterance's first ``seconds``."""
        settled = agreement.settled
        if self.count > max(0, len(settled) - OVERLAP):
            return WHOLE  # what was settled has gone to another utterance
        if seconds - self.seconds <= LONGEST:
            return self
        latest = seconds - LEAST
        places = [
            at
            for at in range(self.count + 1, len(settled) - OVERLAP + 1)
            if (start := settled[at].start) is not None and start - LEAD <= latest
        ]
        if not places:
            return self
        best = max(places, key=lambda at: (_rank(settled, at), at))
        start = settled[best].start
        assert start is not None, settled  # noqa: S101 - places have a start
        return RevisionWindow(best, max(0.0, start - LEAD))

    def joined(self, agreement: Agreement, transcription: Transcription, *, seconds: float) -> Transcription:
        """Return a window's transcription as that of the utterance's first ``seconds``."""
        if not (self.count and transcription.text.strip()):
            return transcription
        if self.count >= len(agreement.settled):
            return replace(transcription, text="", words=())
        later = replace(
            transcription,
            words=tuple(
                replace(word, start=word.start + self.seconds, end=word.end + self.seconds)
                for word in transcription.words
            ),
        )
        words = list(hypothesis_words(later, seconds=seconds))
        known = agreement.settled[self.count]
        if words and words[0].letters == known.letters:
            # Its capital is that of the text's beginning, which it is not.
            words[0] = replace(words[0], text=known.text, is_apart=known.is_apart)
        elif words:
            words[0] = replace(words[0], is_apart=known.is_apart)
        whole = (*agreement.settled[: self.count], *words)
        return replace(later, text=text_of(whole), words=timed_words(whole))


WHOLE: Final = RevisionWindow()
"""From the utterance's beginning."""


def _rank(words: Sequence[HypothesisWord], at: int) -> int:
    """Return how well a window begins at a word: 2 after a sentence, 1 after another clause, else 0."""
    before = words[at - 1].text
    if not is_end(before, words[at].text):
        return 0
    return 2 if is_sentence_end(before) else 1
