"""Builds the messages of a stream's utterances. Pure.

Seconds count from the stream's first sample, to the millisecond. Confidence is the back end's, or null.
"""

from dataclasses import dataclass, field

from msgspec import UNSET, UnsetType

from orch.audio.resampling import BACK_END_RATE
from orch.problems import ProblemError
from orch.protocol.messages import CaptionError, Transcript, Translation, Word
from orch.protocol.terms import Terms
from orch.speech.agreement import Agreement
from orch.speech.caption_errors import error_text
from orch.speech.clauses import GrowingTranslation
from orch.speech.languages import AUTO
from orch.speech.requests import AUDIO, TRANSLATION
from orch.speech.results import Transcription, TranslatedText
from orch.speech.revision_window import WHOLE, RevisionWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The stream's session and speaker. ``started``: milliseconds since the epoch, of the first sample.

    ``diarization``: several people speak in it, and the back end is asked which of them. ``is_synthetic``: it
    is test speech, which counts in no figure of use.
    """

    session_id: str
    stream_id: str
    started: int
    source_language: str
    speaker: str | None = None
    participant_id: str | None = None
    diarization: bool = False
    is_synthetic: bool = False

    @property
    def is_recording(self) -> bool:
        """Whether it is a recording: no participant speaks it."""
        return self.participant_id is None


@dataclass(slots=True)
class Segment:
    """An utterance in progress. ``start``, ``end``: samples of the stream at the back ends' rate.

    ``pause``: the extent and audio it will have if it is over. ``speculated``: an extent and its
    transcription. ``transcription``: that of the whole. ``arrived_at``: when its last speech had arrived.
    ``agreement``: what its revisions agree on. ``window``: the part that they transcribe. ``is_carried``: it
    was cut, and its words after the cut are the next one's. ``terms``: the session's names and terms at its
    first request; None before that.
    """

    number: int
    start: int
    end: int = 0
    pcm: bytes = b""
    is_cut: bool = False
    pause: tuple[int, bytes] | None = None
    speculated: tuple[int, Transcription] | None = None
    transcription: Transcription | None = None
    arrived_at: float = 0.0
    error: ProblemError | None = None
    revision: int = 0
    shown: str = ""
    shown_settled: int = 0
    has_gap: bool = False
    agreement: Agreement = field(default_factory=Agreement)
    window: RevisionWindow = WHOLE
    is_carried: bool = False
    terms: Terms | None = None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.start) / BACK_END_RATE

    @property
    def is_shown(self) -> bool:
        """Whether readers see something of it that its final must replace."""
        return bool(self.shown) or self.has_gap


def segment_id(origin: Origin, number: int) -> str:
    """Return the name of an utterance: its stream's, then its number."""
    return f"{origin.stream_id}-{number}"


def transcript(
    origin: Origin,
    segment: Segment,
    transcription: Transcription,
    *,
    end: int,
    is_final: bool,
    timestamp: int,
    settled: int | UnsetType = UNSET,
    corrects: bool = False,
) -> Transcript:
    """Return the next revision of an utterance up to sample ``end``.

    ``settled``: how many of its words are; ``corrects``: it changes some that were.
    """
    segment.revision += 1
    segment.shown = transcription.text
    segment.shown_settled = 0 if settled is UNSET else settled
    segment.has_gap = False
    begin = segment.start / BACK_END_RATE
    return Transcript(
        timestamp=timestamp,
        session_id=origin.session_id,
        segment_id=segment_id(origin, segment.number),
        revision=segment.revision,
        final=is_final,
        text=transcription.text,
        language=language_of(origin, transcription),
        confidence=transcription.confidence,
        start=round(begin, 3),
        end=round(end / BACK_END_RATE, 3),
        stream_started=origin.started,
        speaker=origin.speaker,
        participant_id=origin.participant_id,
        recording=origin.is_recording or UNSET,
        settled=settled,
        corrects=corrects or UNSET,
        speaker_label=UNSET if not is_final or transcription.speaker is None else transcription.speaker,
        words=tuple(
            Word(
                text=word.text,
                start=round(begin + word.start, 3),
                end=round(begin + word.end, 3),
                confidence=word.confidence,
            )
            for word in transcription.words
        ),
    )


def gap(
    origin: Origin, segment: Segment, error: ProblemError, *, is_final: bool, timestamp: int
) -> Transcript:
    """Return the gap for an utterance without text, temporary or final."""
    segment.revision += 1
    segment.shown = ""
    segment.has_gap = True
    source = origin.source_language
    return Transcript(
        timestamp=timestamp,
        session_id=origin.session_id,
        segment_id=segment_id(origin, segment.number),
        revision=segment.revision,
        final=is_final,
        text="",
        language=None if source == AUTO else source,
        confidence=None,
        start=round(segment.start / BACK_END_RATE, 3),
        end=round(segment.end / BACK_END_RATE, 3),
        stream_started=origin.started,
        speaker=origin.speaker,
        participant_id=origin.participant_id,
        recording=origin.is_recording or UNSET,
        error=caption_error(error, service=AUDIO, is_final=is_final),
    )


def translation(
    final: Transcript, target: str, translated: TranslatedText, *, corrects: bool = False, timestamp: int
) -> Translation:
    """Return the translation of a final. ``corrects``: it differs from what was sent while the line grew."""
    return Translation(
        timestamp=timestamp,
        session_id=final.session_id,
        segment_id=final.segment_id,
        revision=final.revision,
        target_language=target,
        text=translated.text,
        confidence=translated.confidence,
        corrects=corrects or UNSET,
    )


def growing_translation(
    revision: Transcript, target: str, growing: GrowingTranslation, *, words: int, timestamp: int
) -> Translation:
    """Return the translation of a growing line's first ``words`` words."""
    return Translation(
        timestamp=timestamp,
        session_id=revision.session_id,
        segment_id=revision.segment_id,
        revision=revision.revision,
        target_language=target,
        text=growing.text,
        confidence=growing.confidence,
        growing=True,
        words=words,
    )


def translation_gap(
    final: Transcript, target: str, error: ProblemError, *, is_final: bool, timestamp: int
) -> Translation:
    """Return the error of a missing translation, temporary or final."""
    return Translation(
        timestamp=timestamp,
        session_id=final.session_id,
        segment_id=final.segment_id,
        revision=final.revision,
        target_language=target,
        text="",
        confidence=None,
        error=caption_error(error, service=TRANSLATION, is_final=is_final),
    )


def caption_error(error: ProblemError, *, service: str, is_final: bool) -> CaptionError:
    """Return an error of a caption, with a sentence for everyone in the session."""
    return CaptionError(
        code=error.code,
        detail=error_text(error, is_translation=service == TRANSLATION, is_final=is_final),
        service=str(error.extra.get("service", service)),
        final=is_final,
    )


def language_of(origin: Origin, transcription: Transcription) -> str | None:
    """Return the language: the back end's, else the one the speaker chose, else None."""
    if transcription.language is not None:
        return transcription.language
    return None if origin.source_language == AUTO else origin.source_language
