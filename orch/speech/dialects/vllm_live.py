"""The realtime socket of vLLM for transcription, ``/v1/realtime``. Pure.

Its documentation: https://docs.vllm.ai/en/stable/serving/online_serving/speech_to_text/#realtime-api, and
``vllm/entrypoints/openai/realtime/connection.py``. It resembles OpenAI's and is another protocol: sound is
16 kHz, a first ``commit`` begins an utterance and one with ``final`` ends its sound, ``transcription.delta``
has more of the text while one speaks, and ``transcription.done`` the whole.

Sound cannot be taken back, and what is sent between the final commit and ``transcription.done`` is dropped by
vLLM. So an utterance that was given up, or cut before what was sent of it, needs another connection.
"""

import base64
from typing import Any, Final

import msgspec

from orch.audio.resampling import BACK_END_RATE
from orch.settings import Service
from orch.settings.credentials import with_query
from orch.speech.dialects.live import CUT, Frame, Sound
from orch.speech.languages import AUTO, whisper_code
from orch.speech.requests import AUDIO, Answer, RefusedError
from orch.speech.responses import text, unusable
from orch.speech.results import Transcription
from orch.untrusted_json import UnreadableError, read_document

REALTIME_PATH: Final = "/v1/realtime"
BLOCK: Final = BACK_END_RATE * 2 * 5  # bytes of sound in one message
LONGEST_TEXT: Final = 20_000

# HTTP statuses with the meaning of an error's code; all others are failures of the server.
_STATUSES: Final = {
    "invalid_json": 400,
    "invalid_audio": 400,
    "unknown_event": 400,
    "model_not_validated": 400,
    "model_not_found": 404,
}


class VllmConversation:
    """The conversation over one connection.

    The mutable state is the utterance: how far it was sent, its text, and whether its sound is complete.
    """

    keep_alive: str | None = None  # the WebSocket's own pings do
    closing: str | None = None

    def __init__(self, service: Service, language: str) -> None:
        self.news = 0
        self.path = with_query(service, REALTIME_PATH)
        self._model = service.streaming_model or service.model or None
        self._language = language
        self._until = 0  # the stream's sample after the last one sent
        self._text = ""
        self._is_begun = False
        self._is_finishing = False

    def opening(self) -> list[Frame]:
        """Return the choice of the model; null is the one that is loaded."""
        # vLLM ignores the language: its models for live speech detect it.
        language = {} if self._language == AUTO else {"language": whisper_code(self._language)}
        return [_event("session.update", model=self._model, **language)]

    @property
    def can_begin(self) -> bool:
        """Whether no utterance is in progress."""
        return not self._is_begun

    def can_continue(self, sound: Sound) -> bool:
        """Return whether nothing was sent that does not belong to the utterance."""
        return not self._is_begun or self._until - sound.end <= CUT

    def begin(self, start: int) -> list[Frame]:
        """Begin an utterance."""
        self._until = start
        self._text = ""
        self._is_begun = True
        return [_event("input_audio_buffer.commit", final=False)]

    def sound(self, sound: Sound) -> list[Frame]:
        """Return what was not sent of the utterance."""
        begin = max(sound.start, self._until)
        if begin >= sound.end or not self._is_begun or self._is_finishing:
            return []
        self._until = sound.end
        pcm = sound.pcm[(begin - sound.start) * 2 :]
        return [
            _event("input_audio_buffer.append", audio=base64.b64encode(pcm[at : at + BLOCK]).decode())
            for at in range(0, len(pcm), BLOCK)
        ]

    def finish(self, sound: Sound) -> list[Frame]:
        """Request the text of the whole utterance, unless it has come."""
        if not self._is_begun:
            return []
        frames = self.sound(sound)
        self._is_finishing = True
        return [*frames, _event("input_audio_buffer.commit", final=True)]

    @property
    def is_finishing(self) -> bool:
        """Whether the whole text was requested and has not come."""
        return self._is_finishing

    @property
    def is_nearly_finished(self) -> bool:
        """Return False: every utterance has its ``transcription.done``."""
        return False

    def receive(self, message: Frame) -> None:
        """Apply a message."""
        try:
            document = read_document(message.encode() if isinstance(message, str) else message)
        except UnreadableError:
            raise unusable(AUDIO, REALTIME_PATH, {}, "JSON") from None
        if not isinstance(document, dict):
            return
        kind = document.get("type")
        if kind == "error":
            self._error(document)
        elif kind == "session.created" and "session" in document:
            raise _refused(400, "This is OpenAI's realtime protocol: set streaming_protocol to openai.")
        elif kind == "transcription.delta" and self._is_begun:
            self._text = (self._text + (text(document.get("delta")) or ""))[:LONGEST_TEXT]
            self.news += 1
        elif kind == "transcription.done" and self._is_begun:
            self._done(document)

    def _done(self, document: dict[str, Any]) -> None:
        whole = text(document.get("text"))
        if whole is None:
            raise unusable(AUDIO, REALTIME_PATH, {}, "text")
        if not self._is_finishing:
            raise _refused(502, "The server ended an utterance before its sound was complete.")
        self._text = whole[:LONGEST_TEXT]
        self._is_begun = self._is_finishing = False
        self.news += 1

    def _error(self, document: dict[str, Any]) -> None:
        sentence = text(document.get("error")) or "The server sent an error without a reason."
        raise _refused(_STATUSES.get(text(document.get("code")) or "", 502), sentence)

    def transcription(self, sound: Sound) -> Transcription:  # noqa: ARG002 - words have no times
        """Return the text of the utterance so far."""
        return Transcription(text=" ".join(self._text.split()))


def _event(kind: str, **fields: Any) -> str:
    return msgspec.json.encode({"type": kind, **fields}).decode()


def _refused(status: int, sentence: str) -> RefusedError:
    return RefusedError(
        REALTIME_PATH, Answer(status, (), msgspec.json.encode({"error": {"message": sentence}}))
    )
