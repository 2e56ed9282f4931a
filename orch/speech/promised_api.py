"""Serves ``/api/transcribe`` and ``/api/translate`` for clients, whatever API the back end speaks.

Clients of the gateway are promised the system's own API (dialect ``livetranslate``). Where a back end speaks
another one, its requests and responses are translated here, with the service's own key, path, headers and
query. Of a recording the file is passed on as it is: which formats are possible is the back end's matter.

Field by field as the back ends of this system respond: ``docs/gateway.md``. What a back end does not send is
null.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

import msgspec
import trio
from msgspec import Struct
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from orch.problems import ProblemError
from orch.settings import Service
from orch.settings.service_structs import DIALECTS
from orch.settings.source import SettingsSource
from orch.speech.languages import AUTO
from orch.speech.requests import AUDIO, TRANSLATION, Fetch, Headers
from orch.speech.results import TranscribedSegment, TranscribedWord, Transcription
from orch.speech.transcriber import LIVETRANSLATE_PATH as TRANSCRIBE_PATH
from orch.speech.transcriber import AudioFile, Transcriber
from orch.speech.transcription_responses import OF_RECORDINGS
from orch.speech.translator import LIVETRANSLATE_PATH as TRANSLATE_PATH
from orch.speech.translator import Translator

_KINDS: Final = {TRANSCRIBE_PATH: AUDIO, TRANSLATE_PATH: TRANSLATION}
LARGE: Final = 64 * 2**10  # bytes of a body that are parsed on the event loop
MOST_PARTS: Final = 32
LONGEST_FIELD: Final = 10_000
LONGEST_TEXT: Final = 10_000  # characters of a text to translate

# The suffix by which servers of OpenAI's dialect recognise a format.
_SUFFIXES: Final = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/mp4": "m4a",
    "audio/x-m4a": "m4a",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "audio/webm": "webm",
    "video/webm": "webm",
    "video/mp4": "mp4",
}
_SUFFIX: Final = re.compile(r"[A-Za-z0-9]{1,8}")
_TYPE: Final = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+")
_UNKNOWN_TYPE: Final = "application/octet-stream"


class ClientRequest(Protocol):
    """A client's complete request: the gateway's ``AdaptedRequest``."""

    @property
    def service(self) -> str:
        """The back end."""

    @property
    def path(self) -> str:
        """The back end's own path."""

    @property
    def query(self) -> str:
        """The query as it was sent."""

    @property
    def headers(self) -> Headers:
        """The headers, names in lower case."""

    @property
    def body(self) -> bytes:
        """The whole body."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A recording to transcribe, and the options of the request."""

    file: AudioFile
    language: str = AUTO
    session_id: str | None = None


class TranslationRequest(Struct, frozen=True):
    """``POST /api/translate``."""

    text: str
    target_language: str
    source_language: str = AUTO
    session_id: str | None = None


class PromisedWord(Struct, frozen=True):
    """One word; seconds."""

    text: str
    start: float
    end: float
    confidence: float | None


class PromisedSegment(Struct, frozen=True):
    """One segment; seconds. Its confidence is the mean of its words'."""

    start: float
    end: float
    text: str
    confidence: float | None
    words: tuple[PromisedWord, ...]


class PromisedTranscript(Struct, frozen=True, kw_only=True):
    """The response to ``POST /api/transcribe``. ``processing_time`` in seconds."""

    text: str
    segments: tuple[PromisedSegment, ...]
    language: str | None
    language_probability: float | None
    confidence: float | None
    processing_time: float
    model_used: str
    session_id: str | None


class PromisedTranslation(Struct, frozen=True, kw_only=True):
    """The response to ``POST /api/translate``. ``processing_time`` in seconds."""

    translated_text: str
    source_language: str | None
    target_language: str
    confidence_score: float | None
    processing_time: float
    backend_used: str


class PromisedApi:
    """Serves both paths for services of another dialect, whatever the services are called.

    A service with another name (a vendor that is a fallback) is sent each request as if it were its first:
    its refusals of optional fields and its pauses are not remembered. There is no state of its own.
    """

    def __init__(self, *, transcriber: Transcriber, translator: Translator, settings: SettingsSource) -> None:
        self._transcriber = transcriber
        self._translator = translator
        self._settings = settings

    def adapts(self, service: str, method: str, path: str) -> bool:
        """Return whether a request is for one of the two paths, and its back end has another API."""
        kind = _KINDS.get(path) if method == "POST" else None
        if kind is None or (service in DIALECTS and service != kind):
            return False
        configured = self._settings.current.services.get(service)
        return (
            configured is not None
            and configured.dialect != "livetranslate"
            and configured.dialect in DIALECTS[kind]
        )

    async def respond(self, request: ClientRequest, fetch: Fetch) -> bytes:
        """Return the response's JSON. ProblemError: of the request, of ``fetch``, of the back end."""
        service = self._settings.current.services[request.service]
        if _KINDS.get(request.path) == AUDIO:
            return await self._transcribe(request, service, fetch)
        return await self._translate(request, service, fetch)

    def _transcriber_of(self, name: str, fetch: Fetch) -> Transcriber:
        if name == AUDIO:
            return self._transcriber
        return Transcriber(fetch=fetch, settings=self._settings, service=name)

    def _translator_of(self, name: str, fetch: Fetch) -> Translator:
        if name == TRANSLATION:
            return self._translator
        return Translator(fetch=fetch, settings=self._settings, service=name)

    async def _transcribe(self, request: ClientRequest, service: Service, fetch: Fetch) -> bytes:
        upload = await _in_thread_if_large(read_upload, request)
        began = trio.current_time()
        transcription = await self._transcriber_of(request.service, fetch).transcribe_file(
            upload.file,
            language=upload.language,
            session_id=upload.session_id or "",
            limits=OF_RECORDINGS,
            fetch=fetch,
        )
        seconds = trio.current_time() - began
        return msgspec.json.encode(promised_transcript(transcription, upload, service, seconds=seconds))

    async def _translate(self, request: ClientRequest, service: Service, fetch: Fetch) -> bytes:
        asked = read_translation_request(request)
        began = trio.current_time()
        translated = await self._translator_of(request.service, fetch).translate(
            asked.text,
            source=asked.source_language or AUTO,
            target=asked.target_language,
            session_id=asked.session_id or "",
            fetch=fetch,
        )
        source = translated.source or (None if asked.source_language == AUTO else asked.source_language)
        return msgspec.json.encode(
            PromisedTranslation(
                translated_text=translated.text,
                source_language=source,
                target_language=asked.target_language,
                confidence_score=translated.confidence,
                processing_time=round(trio.current_time() - began, 4),
                backend_used=_name_of(service, None),
            )
        )


async def _in_thread_if_large(read: Any, request: ClientRequest) -> Any:
    if len(request.body) <= LARGE:
        return read(request)
    return await trio.to_thread.run_sync(read, request)


def read_upload(request: ClientRequest) -> Upload:
    """Return the recording in a request: a form with the file in ``audio``, or the file alone.

    ProblemError ``unsupported_media_type``, ``empty_audio``, ``invalid_request``.
    """
    kind, options = parse_options_header(_header(request, b"content-type"))
    if kind == "multipart/form-data":
        fields, file = _read_form(request.body, options.get("boundary", ""))
        if file is None:
            raise ProblemError(
                "invalid_request", 'The form must have the recording in the field "audio".', path="audio"
            )
    elif kind.startswith(("audio/", "video/")) or kind == _UNKNOWN_TYPE:
        fields, file = dict(parse_qsl(request.query)), AudioFile(request.body, kind, "")
    else:
        raise ProblemError(
            "unsupported_media_type",
            f"Send multipart/form-data, or audio with its own content type, not {kind[:80] or 'no type'}.",
        )
    if not file.data:
        raise ProblemError("empty_audio", "The upload is empty.")
    return Upload(named(file), fields.get("language", AUTO) or AUTO, fields.get("session_id"))


def named(file: AudioFile) -> AudioFile:
    """Return a client's file with a type and a name that can be sent on: the suffix shows its format."""
    kind = file.content_type.lower()
    suffix = file.name.rpartition(".")[2] if "." in file.name else ""
    if not _SUFFIX.fullmatch(suffix):
        suffix = _SUFFIXES.get(kind, "wav")
    if kind == _UNKNOWN_TYPE or not _TYPE.fullmatch(kind):
        kind = next((each for each, known in _SUFFIXES.items() if known == suffix.lower()), _UNKNOWN_TYPE)
    return AudioFile(file.data, kind, f"recording.{suffix.lower()}")


def _read_form(body: bytes, boundary: str) -> tuple[dict[str, str], AudioFile | None]:
    """Return the fields of a form, and the file in ``audio``."""
    if not boundary or not boundary.isascii():
        raise ProblemError("invalid_request", "The form has no boundary in its content type.")
    fields: dict[str, str] = {}
    file: AudioFile | None = None
    try:
        for part, content in _parts(body, boundary.encode("ascii")):
            if isinstance(part, Field):
                fields[part.name] = content[:LONGEST_FIELD].decode("utf-8", "replace")
            elif part.name == "audio":
                kind, _ = parse_options_header(part.headers.get("content-type", ""))
                file = AudioFile(content, kind, part.filename)
    except RequestEntityTooLarge as error:
        raise ProblemError("invalid_request", f"The form has more than {MOST_PARTS} parts.") from error
    except (ValueError, RuntimeError) as error:
        raise ProblemError(
            "invalid_request", "The form is incomplete, or not multipart/form-data."
        ) from error
    return fields, file


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[Field | File, bytes]]:
    """Yield the parts of a form with their contents. Raises ValueError, RequestEntityTooLarge."""
    decoder = MultipartDecoder(boundary, max_parts=MOST_PARTS)
    decoder.receive_data(body)
    decoder.receive_data(None)
    part: Field | File | None = None
    pieces: list[bytes] = []
    while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
        if isinstance(event, Field | File):
            part, pieces = event, []
        elif isinstance(event, Data) and part is not None:
            pieces.append(event.data)
            if not event.more_data:
                yield part, b"".join(pieces)
    if isinstance(event, NeedData):
        raise ValueError("the form has no end")  # noqa: TRY004 - about the form, not a type


def read_translation_request(request: ClientRequest) -> TranslationRequest:
    """Return the text and the languages. ProblemError ``invalid_request``, ``body_too_large``."""
    try:
        asked = msgspec.json.decode(request.body, type=TranslationRequest)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ProblemError(
            "invalid_request", f"The body is no request for a translation: {error}."
        ) from error
    if len(asked.text) > LONGEST_TEXT:
        raise ProblemError(
            "body_too_large",
            f"A text can have {LONGEST_TEXT} characters at most; this one has {len(asked.text)}.",
        )
    if not asked.target_language.strip():
        raise ProblemError("invalid_request", "target_language is missing.", path="$.target_language")
    return asked


def promised_transcript(
    transcription: Transcription, upload: Upload, service: Service, *, seconds: float
) -> PromisedTranscript:
    """Return a transcription in the shape that clients are promised."""
    language = transcription.language or (None if upload.language == AUTO else upload.language)
    return PromisedTranscript(
        text=transcription.text,
        segments=tuple(_segments(transcription)),
        language=language,
        language_probability=transcription.language_probability,
        confidence=transcription.confidence,
        processing_time=round(seconds, 4),
        model_used=_name_of(service, transcription.model),
        session_id=upload.session_id,
    )


def _segments(transcription: Transcription) -> Iterable[PromisedSegment]:
    """Yield the segments with their words; all words in one, if the back end does not divide them."""
    words = transcription.words
    segments: Sequence[TranscribedSegment] = transcription.segments
    if not segments and words:
        segments = [TranscribedSegment(transcription.text, words[0].start, max(word.end for word in words))]
    begin = 0
    for index, segment in enumerate(segments):
        end = begin
        is_last = index == len(segments) - 1
        while end < len(words) and (is_last or (words[end].start + words[end].end) / 2 < segment.end):
            end += 1
        yield _promised_segment(segment, words[begin:end])
        begin = end


def _promised_segment(segment: TranscribedSegment, words: Sequence[TranscribedWord]) -> PromisedSegment:
    known = [word.confidence for word in words if word.confidence is not None]
    return PromisedSegment(
        start=segment.start,
        end=segment.end,
        text=segment.text,
        confidence=round(sum(known) / len(known), 6) if known else None,
        words=tuple(PromisedWord(word.text, word.start, word.end, word.confidence) for word in words),
    )


def _name_of(service: Service, model: str | None) -> str:
    """Return what a client sees of the engine: the dialect, and the model if it is known."""
    used = model or service.model
    return f"{service.dialect}/{used}" if used else service.dialect


def _header(request: ClientRequest, name: bytes) -> str:
    found: Mapping[bytes, bytes] = dict(request.headers)
    return found.get(name, b"").decode("latin-1")
