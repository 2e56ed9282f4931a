"""Asks an audio-service what was said, in the dialect it speaks.

``livetranslate``: ``POST /api/transcribe``, multipart: ``audio`` (WAV), ``language``, ``session_id``,
``enable_vad``. ``openai``: ``POST /v1/audio/transcriptions``, multipart: ``file``, ``model``, ``language``,
``response_format``; what faster-whisper's servers, whisper.cpp's and vLLM speak.

Confidence is what the back end says it is. OpenAI's dialect has none: its ``avg_logprob`` is a mean
log-likelihood of tokens, which is no statement about words being right, so an utterance's confidence is
null there; a word's ``probability``, where the server gives one, is passed on.
"""

import secrets
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec import Struct

from orch.problems import ProblemError
from orch.settings import Service, Settings
from orch.speech.backends import (
    AUDIO,
    SUCCESS,
    Answer,
    Fetch,
    Request,
    authorization,
    decode,
    multipart,
    share,
)
from orch.speech.languages import AUTO, closest, primary, reported
from orch.speech.wav import wav

DEFAULT_MODEL: Final = "whisper-1"  # OpenAI's dialect requires one; servers with a single model ignore it
LIVETRANSLATE_PATH: Final = "/api/transcribe"
MODELS_PATH: Final = "/api/models"
OPENAI_PATH: Final = "/v1/audio/transcriptions"
# With what a server says that it does not know verbose_json (vLLM, OpenAI's newer models, FastAPI's
# validation).
_NOT_KNOWN: Final = frozenset({400, 415, 422, 501})


class CurrentSettings(Protocol):
    """Where the settings of the moment are."""

    @property
    def current(self) -> Settings:
        """The settings now."""


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word; seconds from the beginning of the audio."""

    text: str
    start: float
    end: float
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Heard:
    """What the back end heard. ``language``: its own report, or None. ``seconds``: its own time, or None."""

    text: str
    language: str | None = None
    confidence: float | None = None
    words: tuple[HeardWord, ...] = ()
    model: str | None = None
    seconds: float | None = None


class _Word(Struct):
    word: str | None = None
    text: str | None = None
    start: float | None = None
    end: float | None = None
    confidence: float | None = None
    probability: float | None = None


class _Segment(Struct):
    words: tuple[_Word, ...] | None = None


class _Transcription(Struct):
    """Both dialects' answer: ``text`` is what must be there."""

    text: str
    segments: tuple[_Segment, ...] | None = None
    words: tuple[_Word, ...] | None = None
    language: str | None = None
    confidence: float | None = None
    processing_time: float | None = None
    model_used: str | None = None


class _Model(Struct):
    languages: tuple[str, ...] = ()


class _Models(Struct):
    models: tuple[_Model, ...] = ()
    languages: tuple[str, ...] = ()


def livetranslate_request(
    file: bytes, *, language: str, session_id: str, service: Service, boundary: str
) -> Request:
    """Return the question in the system's own dialect. The segmenter has found the speech: no second VAD."""
    fields = {"language": language, "session_id": session_id, "enable_vad": "false"}
    if service.model:
        fields["model"] = service.model
    headers, body = multipart(
        fields, file_field="audio", file_name="speech.wav", file=file, boundary=boundary
    )
    return Request("POST", LIVETRANSLATE_PATH, (*headers, *authorization(service.api_key)), body)


def openai_request(
    file: bytes, *, language: str, service: Service, boundary: str, is_verbose: bool
) -> Request:
    """Return the question in OpenAI's dialect; ``auto`` is said by leaving the language out."""
    fields = {"model": service.model or DEFAULT_MODEL}
    if language != AUTO:
        fields["language"] = primary(language)
    if is_verbose:
        fields |= {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
    else:
        fields["response_format"] = "json"
    headers, body = multipart(fields, file_field="file", file_name="speech.wav", file=file, boundary=boundary)
    return Request("POST", OPENAI_PATH, (*headers, *authorization(service.api_key)), body)


def read_transcription(path: str, answer: Answer) -> Heard:
    """Return what an answer says; ProblemError in the back end's words where it says an error."""
    said = decode(AUDIO, path, answer, _Transcription)
    words = said.words or tuple(word for segment in said.segments or () for word in segment.words or ())
    return Heard(
        text=" ".join(said.text.split()),
        language=reported(said.language),
        confidence=share(said.confidence),
        words=tuple(heard for word in words if (heard := _word(word)) is not None),
        model=said.model_used,
        seconds=said.processing_time,
    )


def _word(word: _Word) -> HeardWord | None:
    """Return a word that has its times; others are in the text alone."""
    text = (word.word if word.word is not None else word.text or "").strip()
    if not text or word.start is None or word.end is None or not 0 <= word.start <= word.end:
        return None
    confidence = word.confidence if word.confidence is not None else word.probability
    return HeardWord(text=text, start=word.start, end=word.end, confidence=share(confidence))


def read_models(answer: Answer) -> tuple[str, ...]:
    """Return the languages that the models of an audio-service know, sorted."""
    said = decode(AUDIO, MODELS_PATH, answer, _Models)
    found = {*said.languages, *(language for model in said.models for language in model.languages)}
    return tuple(sorted(code for language in found if (code := reported(language)) is not None))


class Transcriber:
    """Asks the audio-service through ``fetch``. The settings are read at each question."""

    def __init__(self, *, fetch: Fetch, settings: CurrentSettings) -> None:
        self._fetch = fetch
        self._settings = settings
        # Servers that were found not to know verbose_json, as (url, model): asked for plain JSON at once.
        self._plain: set[tuple[str, str]] = set()
        self.offered: tuple[str, ...] | None = None

    @property
    def _service(self) -> Service:
        service = self._settings.current.services.get(AUDIO)
        if service is None:
            raise ProblemError("unknown_service", f"The settings name no {AUDIO}.", service=AUDIO)
        return service

    async def languages(self) -> tuple[str, ...] | None:
        """Return the languages it can write down; None where its dialect has no way to say."""
        service = self._service
        if service.dialect != "livetranslate":
            self.offered = None
            return None
        answer = await self._fetch(AUDIO, "GET", MODELS_PATH, headers=authorization(service.api_key))
        self.offered = read_models(answer) or None
        return self.offered

    async def transcribe(self, pcm: bytes, *, sample_rate: int, language: str, session_id: str) -> Heard:
        """Return what was said in 16-bit mono PCM. ``language``: a code, or ``auto``.

        ProblemError: the gateway's, or what the back end said. A cancelled question leaves nothing behind.
        """
        service = self._service
        file = wav(pcm, sample_rate)
        if self.offered is not None and language != AUTO:
            language = closest(language, self.offered) or language
        # 128 random bits: the chance to find them in the file is nil.
        boundary = secrets.token_hex(16)
        if service.dialect != "openai":
            request = livetranslate_request(
                file, language=language, session_id=session_id, service=service, boundary=boundary
            )
            return read_transcription(request.path, await self._send(request))
        known = (service.url, service.model)
        is_verbose = known not in self._plain
        request = openai_request(
            file, language=language, service=service, boundary=boundary, is_verbose=is_verbose
        )
        answer = await self._send(request)
        if is_verbose and answer.status in _NOT_KNOWN:
            plain = openai_request(
                file, language=language, service=service, boundary=boundary, is_verbose=False
            )
            answer = await self._send(plain)
            # Only a success shows that it was the format; a server that refuses both refuses something else.
            if answer.status in SUCCESS:
                self._plain.add(known)
        return read_transcription(request.path, answer)

    async def _send(self, request: Request) -> Answer:
        return await self._fetch(
            AUDIO, request.method, request.path, headers=request.headers, body=request.body
        )
