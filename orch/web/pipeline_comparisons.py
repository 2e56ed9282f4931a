"""Compares two settings of the audio pipeline by what the audio-service recognises. No routes."""

from collections.abc import Awaitable, Callable, Sequence
from typing import IO, Final

import trio
from msgspec import Struct

from orch.audio.pipeline_jobs import Output
from orch.audio.time_map import TimeMap
from orch.problems import ProblemError
from orch.speech.results import TranscribedWord, Transcription
from orch.speech.transcriber import AudioFile
from orch.speech.word_errors import TooManyWordsError, WordErrors, word_errors

LARGEST: Final = 25 * 2**20
"""Bytes of a file that is transcribed: 13 minutes at 16 kHz."""

Transcribe = Callable[[AudioFile, str], Awaitable[Transcription]]
"""``await transcribe(file, language)`` through the audio-service. Raises ProblemError."""


class TranscriptProblem(Struct, frozen=True, kw_only=True):
    """Why there is no transcript: a problem's code, and what happened."""

    code: str
    detail: str


class WordRecognised(Struct, frozen=True, kw_only=True):
    """A word; seconds from the beginning of the original file, also where ``silence`` cut before it."""

    text: str
    start: float
    end: float
    confidence: float | None


class Transcript(Struct, frozen=True, kw_only=True):
    """What was recognised. ``text``: None: see ``problem``. ``word_errors``: against the reference.

    ``words``: with their times, where the back end reports them.
    """

    text: str | None = None
    language: str | None = None
    confidence: float | None = None
    words: tuple[WordRecognised, ...] = ()
    word_errors: WordErrors | None = None
    problem: TranscriptProblem | None = None


async def transcript(
    file: IO[bytes],
    output: Output,
    *,
    rate: int,
    transcribe: Transcribe,
    language: str,
    reference: str | None,
) -> Transcript:
    """Transcribe the WAV file of an output; ``rate``: of its parts.

    What prevents it is part of the result.
    """
    size = output.file_bytes
    if output.emptied is not None:
        return Transcript(problem=TranscriptProblem(code="nothing_left", detail=output.emptied.detail))
    if size > LARGEST:
        text = f"A file of {size:,} bytes is not transcribed here; the limit is {LARGEST:,}."
        return Transcript(problem=TranscriptProblem(code="recording_too_large", detail=text))
    data = await trio.to_thread.run_sync(_content, file)
    try:
        recognised = await transcribe(AudioFile(data), language)
    except ProblemError as error:
        return Transcript(problem=TranscriptProblem(code=error.code, detail=error.detail))
    return Transcript(
        text=recognised.text,
        language=recognised.language,
        confidence=recognised.confidence,
        words=words_of_original(recognised.words, output, rate),
        word_errors=None if reference is None else await errors_between(reference, recognised.text),
    )


def words_of_original(
    words: Sequence[TranscribedWord], output: Output, rate: int
) -> tuple[WordRecognised, ...]:
    """Return the words with the times that they have in the original; ``rate``: of the output's parts."""
    times = TimeMap(tuple((start, source) for start, _, source in output.parts) or ((0, 0),))
    sample = 1 / rate
    return tuple(
        WordRecognised(
            text=word.text,
            start=round(times.seconds(word.start, rate), 6),
            # Of its last sample: a word that ends where something was cut does not last as long as that.
            end=round(times.seconds(max(word.start, word.end - sample), rate) + sample, 6),
            confidence=word.confidence,
        )
        for word in words
    )


async def errors_between(reference: str | None, recognised: str | None) -> WordErrors | None:
    """Return the word errors, computed in a thread; None without either text, or if one is too long."""
    if reference is None or recognised is None:
        return None
    try:
        return await trio.to_thread.run_sync(word_errors, reference, recognised)
    except TooManyWordsError:
        return None


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def check_reference(text: str | None) -> str | None:
    """Return a reference text. ProblemError ``invalid_request``: it has too many words, or none."""
    if text is None:
        return None
    try:
        found = word_errors(text, "")
    except TooManyWordsError as error:
        raise ProblemError("invalid_request", f"The reference has {error}.", path="reference") from None
    if found.rate is None:
        raise ProblemError("invalid_request", "The reference has no words.", path="reference")
    return text
