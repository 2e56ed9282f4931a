"""The text of a growing utterance as it is sent: words are only ever added. Pure.

Engines change their mind about the newest words, and a ``transcription.delta`` cannot be taken back. So a
word is sent when it is settled (:mod:`orch.speech.agreement`): two successive hypotheses have it, and it
ended before the end of their sound. What the last transcription has after the settled words is added at the
end.
"""

from dataclasses import replace

from orch.sandbox.engines.recorded_speech import Segment
from orch.sandbox.realtime.growing_sound import Step
from orch.speech.agreement import Agreement, split_at_cut
from orch.speech.hypotheses import HypothesisWord, text_of
from orch.speech.results import TranscribedWord, Transcription
from orch.speech.revision_window import WHOLE


class GrowingText:
    """The text of one utterance.

    Times count from the window's beginning. The mutable state is the text that was sent, its last word, and
    the settled words of the window with the newest hypothesis.
    """

    def __init__(self) -> None:
        self.text = ""
        self._last: tuple[HypothesisWord, ...] = ()
        self._agreement = Agreement()

    def add(self, step: Step, transcription: Transcription) -> str:
        """Apply the transcription of a step; return what is new of the text, often nothing."""
        if step.kind == "hypothesis":
            known = len(self._agreement.settled)
            self._agreement = self._agreement.revised(transcription, seconds=step.seconds)
            return self._append(self._agreement.settled[known:])
        before, after = self._agreement, Agreement()
        if step.kind == "piece":
            before, after = split_at_cut(before, transcription, at=step.seconds)
        self._agreement = after
        if after.settled:
            return ""  # what is after the cut was sent already: nothing can be put before it
        # A growing utterance's words in another language are no continuation; a last opinion is all there is.
        last = replace(transcription, language=before.language or transcription.language)
        whole = replace(before, growing=(), rest=()).revised(last, seconds=step.seconds)
        return self._append((*whole.settled[len(before.settled) :], *whole.rest))

    def forget(self, position: float) -> float:
        """Forget settled words but the last few; return how many seconds of the window they have, often 0.

        ``position``: seconds that the newest hypothesis had.
        """
        window = WHOLE.moved(self._agreement, seconds=position)
        if not window.count:
            return 0.0
        _, self._agreement = split_at_cut(self._agreement, None, at=window.seconds)
        return window.seconds

    def _append(self, words: tuple[HypothesisWord, ...]) -> str:
        if not words:
            return ""
        before = text_of(self._last)
        new = text_of((*self._last, *words))[len(before) :]
        self.text += new
        self._last = words[-1:]
        return new


def transcription_of(segments: tuple[Segment, ...], language: str) -> Transcription:
    """Return an engine's segments as a transcription."""
    return Transcription(
        text=" ".join(segment.text for segment in segments if segment.text),
        language=language,
        words=tuple(
            TranscribedWord(word.text, word.start, word.end, word.confidence)
            for segment in segments
            for word in segment.words
        ),
    )
