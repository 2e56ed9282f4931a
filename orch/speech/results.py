"""What the back ends return for a piece of speech and for a text. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TranscribedWord:
    """A word; seconds from the beginning of the audio. ``speaker``: the back end's number of who said it."""

    text: str
    start: float
    end: float
    confidence: float | None
    speaker: int | None = None


@dataclass(frozen=True, slots=True)
class TranscribedSegment:
    """A stretch of speech, as the back end divides it; seconds from the beginning of the audio."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Transcription:
    """What the back end recognised. ``language``: its own report, or None. ``seconds``: the time it took.

    ``language_probability``: its probability of the language that it detected, or None. ``doubted``: segments
    left out because of the engine's low confidence. ``segments``: those that have times. ``speaker``: the
    back end's label of who spoke, which holds in the session; ``?`` if it is unsure. ``speaker_corrections``:
    labels of earlier utterances, by their ``segment_id``.
    """

    text: str
    language: str | None = None
    confidence: float | None = None
    words: tuple[TranscribedWord, ...] = ()
    model: str | None = None
    seconds: float | None = None
    doubted: int = 0
    language_probability: float | None = None
    segments: tuple[TranscribedSegment, ...] = ()
    speaker: str | None = None
    speaker_corrections: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TranslatedText:
    """A translation. ``source``: the original's language, as the back end reports it."""

    text: str
    source: str | None = None
    confidence: float | None = None
