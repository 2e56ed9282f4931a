"""Requests transcriptions from an audio-service, in the dialect of its API.

``livetranslate``: ``POST /api/transcribe``, multipart: ``audio`` (WAV), ``language``, ``session_id``,
``enable_vad``. ``openai``: ``POST /v1/audio/transcriptions`` (or the settings' ``path``), multipart:
``file``, ``model``, ``language``, ``response_format``, ``timestamp_granularities[]``; the API of
faster-whisper's servers, whisper.cpp's, LocalAI and vLLM. ``deepgram``: ``POST /v1/listen``, in
:mod:`orch.speech.dialects.deepgram`.

"Detect" is sent to an ``openai`` server as ``language=auto``: without a language whisper.cpp's server assumes
English. Servers that refuse it (OpenAI, vLLM, faster-whisper's) are sent no language from then on.
``temperature`` is not sent: 0 is every server's default, and at OpenAI, whisper.cpp and faster-whisper it
allows another attempt where a text repeats itself. ``prompt`` has names and terms in both dialects, those of
the session and the ``vocabulary`` of the settings, and never the text so far: an engine that is given its
earlier output tends to repeat it. It may also repeat the terms, where nobody speaks: a text that has nothing
else is requested again without them, and dropped if there is none then.

What responses mean: :mod:`orch.speech.transcription_responses`.
"""

import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from orch.audio.wav import wav
from orch.problems import ProblemError
from orch.protocol.terms import MOST_TERM_CHARACTERS, Terms, joined
from orch.settings import Service
from orch.settings.credentials import own_headers, with_query
from orch.settings.source import SettingsSource
from orch.speech.back_end import BackEnd
from orch.speech.dialects import deepgram
from orch.speech.languages import AUTO, closest, whisper_code
from orch.speech.live_socket import Dial, Dialer
from orch.speech.live_transcriber import LiveTranscriber
from orch.speech.requests import AUDIO, Fetch, Request, Response, multipart
from orch.speech.results import Transcription
from orch.speech.terms import is_echo, is_loop, merged, own_terms
from orch.speech.transcription_responses import (
    MODELS_PATH,
    OF_UTTERANCES,
    Limits,
    read_diarization,
    read_models,
    read_transcription,
)

DEFAULT_MODEL: Final = "whisper-1"  # OpenAI's dialect requires one; servers with a single model ignore it
LIVETRANSLATE_PATH: Final = "/api/transcribe"
OPENAI_PATH: Final = "/v1/audio/transcriptions"
_PATHS: Final = {
    "livetranslate": LIVETRANSLATE_PATH,
    "openai": OPENAI_PATH,
    "deepgram": deepgram.LISTEN_PATH,
}

# Fields that a server may refuse, as it names them.
LANGUAGE: Final = "language"
FORMAT: Final = "response_format"
GRANULARITIES: Final = "timestamp_granularities"
PROMPT: Final = "prompt"


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A recording. ``content_type`` and ``name`` (with its suffix) state its format."""

    data: bytes
    content_type: str = "audio/wav"
    name: str = "speech.wav"


def livetranslate_request(
    file: bytes,
    *,
    language: str,
    session_id: str,
    service: Service,
    boundary: str,
    segment_id: str | None = None,
    is_interim: bool = False,
    terms: Terms = (),
) -> Request:
    """Return a request in the system's own dialect. The segmenter has found the speech: no second VAD.

    ``segment_id``: the name of an utterance whose speaker is requested too. ``is_interim``: the speech goes
    on, and its next request replaces this one's text.
    """
    fields = [("language", language), ("session_id", session_id), ("enable_vad", "false")]
    if segment_id is not None:
        fields += [("diarization", "true"), ("segment_id", segment_id)]
    if is_interim:
        fields.append(("interim", "true"))
    if service.model:
        fields.append(("model", service.model))
    if terms:
        fields.append((PROMPT, joined(terms)))
    headers, body = multipart(
        fields, file_field="audio", file_name="speech.wav", file=file, boundary=boundary
    )
    path = with_query(service, service.path or LIVETRANSLATE_PATH)
    return Request("POST", path, (*headers, *own_headers(service)), body)


def openai_request(
    file: AudioFile,
    *,
    language: str,
    service: Service,
    boundary: str,
    left_out: Collection[str] = (),
    terms: Terms = (),
) -> Request:
    """Return a request in OpenAI's dialect, without the optional fields that the server refuses."""
    fields = [("model", service.model or DEFAULT_MODEL)]
    if language != AUTO:
        fields.append(("language", whisper_code(language)))
    elif LANGUAGE not in left_out:
        fields.append(("language", AUTO))
    if terms and PROMPT not in left_out:
        fields.append((PROMPT, joined(terms)))
    if FORMAT in left_out:
        fields.append(("response_format", "json"))
    else:
        fields.append(("response_format", "verbose_json"))
        if GRANULARITIES not in left_out:
            # Both: if only words are requested, OpenAI leaves out the segments, with their probabilities.
            fields += [("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")]
    headers, body = multipart(
        fields,
        file_field="file",
        file_name=file.name,
        file=file.data,
        boundary=boundary,
        content_type=file.content_type,
    )
    path = with_query(service, service.path or OPENAI_PATH)
    return Request("POST", path, (*headers, *own_headers(service)), body)


def make_request(
    file: AudioFile,
    service: Service,
    language: str,
    session_id: str,
    segment_id: str | None,
    terms: Terms = (),
    left_out: Collection[str] = (),
    *,
    is_interim: bool,
) -> Request:
    """Return a request in the dialect of the service, without the optional fields that it refuses.

    ``terms``: names and terms that may be said.

    Speakers are requested in the system's own dialect alone: other servers' labels hold within one request,
    so those of two utterances cannot be compared.
    """
    if service.dialect == "deepgram":
        return deepgram.recording_request(
            file.data,
            content_type=file.content_type,
            language=language,
            service=service,
            terms=() if deepgram.KEYTERM in left_out else terms,
        )
    # 128 random bits: the chance to find them in the file is nil.
    boundary = secrets.token_hex(16)
    if service.dialect == "openai":
        return openai_request(
            file, language=language, service=service, boundary=boundary, left_out=left_out, terms=terms
        )
    return livetranslate_request(
        file.data,
        language=language,
        session_id=session_id,
        service=service,
        boundary=boundary,
        segment_id=segment_id,
        is_interim=is_interim,
        terms=terms,
    )


def read_response(service: Service, limits: Limits, response: Response) -> Transcription:
    """Return the transcription in a response of the service. Raises the error that it describes."""
    path = service.path or _PATHS[service.dialect]
    if service.dialect == "deepgram":
        return deepgram.read_recording(
            response,
            path,
            largest=limits.largest,
            longest_text=limits.longest_text,
            most_words=limits.most_words,
        )
    return read_transcription(path, response, limits=limits)


def optional_fields(service: Service, language: str, terms: Terms) -> tuple[str, ...]:
    """Return the names of the fields that a server may refuse."""
    if service.dialect == "deepgram":
        return (deepgram.KEYTERM,) if terms else ()
    if service.dialect != "openai":
        return ()
    prompt = (PROMPT,) if terms else ()
    return (GRANULARITIES, FORMAT, *prompt, *((LANGUAGE,) if language == AUTO else ()))


class Transcriber:
    """Sends requests to the audio-service through ``fetch``. The settings are read at each request.

    ``fetch_later``: sends those of recordings. ``service``: another service that transcribes.
    """

    def __init__(
        self,
        *,
        fetch: Fetch,
        settings: SettingsSource,
        wall: Callable[[], float] = time.time,
        dial: Dial | None = None,
        fetch_later: Fetch | None = None,
        service: str = AUDIO,
    ) -> None:
        self.back_end: Final = BackEnd(
            service, fetch=fetch, settings=settings, wall=wall, fetch_later=fetch_later
        )
        self.offered: tuple[str, ...] | None = None
        self._dial = dial or Dialer()
        self.diarizes = False
        """Whether the audio-service said that it can distinguish speakers, when its languages were listed."""

    @property
    def is_streaming(self) -> bool:
        """Whether live speech goes over a WebSocket, by the settings as they are now."""
        try:
            return self.back_end.service.is_streaming
        except ProblemError:
            return False

    def live(self, language: str, *, diarizes: bool = False) -> LiveTranscriber:
        """Return what transcribes one stream over a WebSocket. ``language``: a code, or ``auto``.

        ``diarizes``: its speakers are distinguished, if the vendor can.
        """
        return LiveTranscriber(back_end=self.back_end, dial=self._dial, language=language, diarizes=diarizes)

    async def languages(self) -> tuple[str, ...] | None:
        """Return the languages it can transcribe; None if its dialect cannot list them."""
        service = self.back_end.service
        if service.dialect != "livetranslate":
            # Deepgram can, over its socket.
            self.offered = None
            self.diarizes = service.dialect == "deepgram" and service.is_streaming
            return None
        request = Request("GET", with_query(service, MODELS_PATH), own_headers(service))
        offered, self.diarizes = await self.back_end.send(
            lambda _: request, lambda response: (read_models(response), read_diarization(response))
        )
        self.offered = offered or None
        return self.offered

    async def transcribe(
        self,
        pcm: bytes,
        *,
        sample_rate: int,
        language: str,
        session_id: str,
        segment_id: str | None = None,
        is_interim: bool = False,
        is_recording: bool = False,
        terms: Terms = (),
        trace: str = "",
    ) -> Transcription:
        """Return the transcription of 16-bit mono PCM. ``language``: a code, or ``auto``.

        ``segment_id``: of an utterance whose speaker is requested too. ``is_interim``: of an utterance that
        goes on; the engine may prefer speed. ``is_recording``: live speech goes first. ``terms``: the
        session's names and terms; those of the settings are added. ``trace``: the ``traceparent`` of what the
        request belongs to; "": not recorded. ProblemError: the gateway's or the back end's. A cancelled
        request leaves nothing behind.
        """
        return await self.transcribe_file(
            AudioFile(wav(pcm, sample_rate)),
            language=language,
            session_id=session_id,
            segment_id=segment_id,
            is_interim=is_interim,
            is_recording=is_recording,
            terms=terms,
            trace=trace,
        )

    async def transcribe_file(
        self,
        file: AudioFile,
        *,
        language: str,
        session_id: str,
        segment_id: str | None = None,
        is_interim: bool = False,
        is_recording: bool = False,
        limits: Limits = OF_UTTERANCES,
        terms: Terms = (),
        fetch: Fetch | None = None,
        trace: str = "",
    ) -> Transcription:
        """Return the transcription of a recording. ``language``: a code, or ``auto``.

        ``fetch``: sends the request on behalf of a client, whose inputs are no news about the back end.
        ProblemError as in :meth:`transcribe`.
        """
        service = self.back_end.service
        if self.offered is not None and language != AUTO:
            language = closest(language, self.offered) or language

        async def send(sent: Terms) -> Transcription:
            return await self.back_end.send(
                partial(
                    make_request, file, service, language, session_id, segment_id, sent, is_interim=is_interim
                ),
                partial(read_response, service, limits),
                optional=optional_fields(service, language, sent),
                fetch=fetch,
                is_recording=is_recording,
                trace=trace,
            )

        known = merged(terms, own_terms(service), characters=MOST_TERM_CHARACTERS)
        transcription = await send(known)
        if not known or service.dialect == "deepgram" or not is_echo(transcription.text, known):
            return transcription
        # Either somebody said a name and nothing else, or the engine repeats its prompt.
        without = await send(())
        is_prompted = not without.text or is_loop(transcription.text, known)
        return without if is_prompted else transcription
