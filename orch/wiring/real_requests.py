"""The real requests that the health checks send, in the dialects that speech is sent in."""

import wave
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

from orch.audio.wav import wav
from orch.health.real_requests import Headers, RealRequest
from orch.problems import ProblemError
from orch.settings import Service
from orch.speech.requests import AUDIO, TRANSLATION, Answer, Request, Response
from orch.speech.transcriber import AudioFile, make_request, optional_fields, read_response
from orch.speech.transcription_responses import OF_UTTERANCES
from orch.speech.translator import TextRequest

SECONDS: Final = 1.0
TEXT: Final = "Good morning."
SESSION: Final = "health-check"


def make_real_request(name: str, service: Service) -> RealRequest | None:
    """Return a short real request to a service, without the fields that some servers refuse.

    None for services with other names: nothing is known of their API.
    """
    probe = service.probe
    if name == AUDIO:
        optional = optional_fields(service, probe.real_source, ())
        sent = make_request(
            AudioFile(_speech()),
            service,
            probe.real_source,
            SESSION,
            None,
            left_out=optional,
            is_interim=False,
        )
        return _real(sent, lambda response: read_response(service, OF_UTTERANCES, response))
    if name == TRANSLATION:
        text = TextRequest(
            TEXT, source=probe.real_source, target=probe.real_target, session_id=SESSION, service=service
        )
        return _real(text.make(text.optional), text.read)
    return None


def _real(request: Request, read: Callable[[Response], Any]) -> RealRequest:
    def fault(status: int, headers: Headers, body: bytes) -> str:
        try:
            read(Answer(status, headers, body))
        except ProblemError as error:
            return error.detail.rstrip(".")
        return ""

    return RealRequest(request.method, request.path, request.headers, request.body, fault)


def _speech() -> bytes:
    """Return the first second of the sample as WAV."""
    with files("orch.speech").joinpath("sample.wav").open("rb") as file, wave.open(file) as reader:
        rate = reader.getframerate()
        return wav(reader.readframes(int(SECONDS * rate)), rate)
