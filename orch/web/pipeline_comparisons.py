"""Compares two settings of the audio pipeline by what the audio-service recognises. No routes."""

from collections.abc import Awaitable, Callable
from typing import IO, Final

import trio
from msgspec import Struct

from orch.problems import ProblemError
from orch.speech.results import Transcription
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


class Transcript(Struct, frozen=True, kw_only=True):
    """What was recognised. ``text``: None: see ``problem``. ``word_errors``: against the reference."""

    text: str | None = None
    language: str | None = None
    confidence: float | None = None
    word_errors: WordErrors | None = None
    problem: TranscriptProblem | None = None


async def transcript(
    file: IO[bytes], size: int, *, transcribe: Transcribe, language: str, reference: str | None
) -> Transcript:
    """Transcribe a WAV file of ``size`` bytes. What prevents it is part of the result."""
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
        word_errors=None if reference is None else await errors_between(reference, recognised.text),
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
