"""The language of a stream whose speaker has not chosen one. Pure.

The language that an engine detects in the first seconds is a guess: Whisper's is wrong for a quarter of all
one-second beginnings, for few of two or three seconds, and was right for all of five. Words in a wrong
language are worse than none, and detection doubles the cost of a short request. So:

- a language is *sure* from a probability of :data:`SURE` on, or in :data:`LONG_ENOUGH` seconds of sound if
  the engine states no probability, or in :data:`LONG` seconds however improbable it is;
- until one is sure nothing is shown;
- the first sure one holds for the stream: revisions are requested in it;
- pauses and whole utterances are detected again; a sure language of a final replaces the one that holds.
"""

from dataclasses import dataclass, replace
from typing import Final

from orch.speech.languages import AUTO
from orch.speech.results import Transcription

SURE: Final = 0.6
LONG_ENOUGH: Final = 2.0
LONG: Final = 5.0


@dataclass(frozen=True, slots=True)
class StreamLanguage:
    """The language of one stream.

    ``chosen``: the speaker's code, or ``auto``; ``known``: the detected one that holds, or None.
    """

    chosen: str
    known: str | None = None

    def to_request(self, *, is_revision: bool) -> str:
        """Return the language to request: a code, or ``auto``."""
        return self.known if self.chosen == AUTO and is_revision and self.known is not None else self.chosen

    def is_sure(self, transcription: Transcription, *, requested: str, seconds: float) -> bool:
        """Return whether the language recognised in ``seconds`` of sound is sure.

        ``requested``: the code that the engine was given, which it repeats, or ``auto``.
        """
        if requested != AUTO or seconds >= LONG:
            return True
        if transcription.language_probability is None:
            return seconds >= LONG_ENOUGH
        return transcription.language_probability >= SURE

    def recognised(
        self, transcription: Transcription, *, requested: str, seconds: float, is_final: bool
    ) -> "StreamLanguage":
        """Return the language after a transcription."""
        if self.chosen != AUTO or requested != AUTO or transcription.language is None:
            return self
        if self.known is not None and not is_final:
            return self
        is_sure = self.is_sure(transcription, requested=requested, seconds=seconds)
        return replace(self, known=transcription.language) if is_sure else self

    def corrected(self, transcription: Transcription, *, requested: str, seconds: float) -> Transcription:
        """Replace an unsure language by the one that holds or None, and one not stated by that requested.

        Without a stated probability the engine's language stays as the better guess than none.
        """
        if requested != AUTO:
            return replace(transcription, language=transcription.language or requested)
        if self.is_sure(transcription, requested=requested, seconds=seconds):
            return transcription
        doubtful = None if transcription.language_probability is not None else transcription.language
        return replace(transcription, language=self.known or doubtful)
