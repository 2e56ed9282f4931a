"""OpenAI's realtime socket for transcription, ``/v1/realtime?intent=transcription``. Pure.

Its documentation: https://developers.openai.com/api/docs/guides/realtime-transcription. Sound is appended to
a buffer, as base64 of 24 kHz PCM in JSON; a ``commit`` makes an *item* of what is in it. Turn detection is
off: utterances are this service's. ``…transcription.delta`` has more of an item's text (with models for
live speech while one speaks, with others after the commit), ``…transcription.completed`` the whole.

There are no times and no probabilities of words. So the text of a cut utterance cannot be divided: its sound
is taken out of the buffer (``clear``) and appended again up to the cut.
"""

import base64
from typing import Any, Final

import msgspec

from orch.audio.resampling import BACK_END_RATE, Resampler
from orch.protocol.terms import Terms, joined
from orch.settings import Service
from orch.settings.credentials import with_query
from orch.speech.dialects.live import CUT, Frame, Sound
from orch.speech.joined_text import joined_text
from orch.speech.languages import AUTO, whisper_code
from orch.speech.requests import AUDIO, Answer, RefusedError
from orch.speech.responses import text, unusable
from orch.speech.results import Transcription
from orch.untrusted_json import UnreadableError, read_document

REALTIME_PATH: Final = "/v1/realtime"
DEFAULT_MODEL: Final = "gpt-live-transcribe"
RATE: Final = 24_000
BLOCK: Final = RATE * 2 * 5  # bytes of sound in one message
MOST_PAST: Final = 64  # items of earlier utterances that are remembered
LONGEST_TEXT: Final = 20_000
KEYWORD_MODELS: Final = ("gpt-live-transcribe", "gpt-transcribe")
PROMPTED_MODELS: Final = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")
"""gpt-realtime-whisper and gpt-4o-transcribe-diarize accept neither keywords nor a prompt."""

_TRANSCRIPTION: Final = "conversation.item.input_audio_transcription."
_VLLM: Final = {
    "type": "invalid_request_error",
    "message": "This is vLLM's realtime protocol: set streaming_protocol to vllm.",
}
_EMPTY: Final = "input_audio_buffer_commit_empty"
# HTTP statuses with the meaning of an error's code, for those that say more than its type.
_STATUSES: Final = {
    "invalid_api_key": 401,
    "insufficient_quota": 402,
    "rate_limit_exceeded": 429,
    "model_not_found": 404,
    "session_expired": 503,
}


class RealtimeConversation:
    """The conversation over one connection.

    The mutable state is the resampler and what was sent of the current utterance, the texts of its items, and
    which items were committed and completed.
    """

    keep_alive: str | None = None  # the WebSocket's own pings do
    closing: str | None = None

    def __init__(self, service: Service, language: str, *, terms: Terms = ()) -> None:
        """``terms``: names and terms that may be said."""
        self.news = 0
        self.path = with_query(service, f"{REALTIME_PATH}?intent=transcription")
        self._model = service.streaming_model or DEFAULT_MODEL
        self._language = language
        self._terms = terms
        self._resampler = Resampler(source=BACK_END_RATE, target=RATE)
        self._until = 0  # the stream's sample after the last one sent
        self._texts: dict[str, str] = {}
        self._past: list[str] = []
        self._commits = 0
        self._committed: list[str] = []
        self._completed: set[str] = set()

    def opening(self) -> list[Frame]:
        """Return the configuration of the session."""
        transcription: dict[str, Any] = {"model": self._model}
        if self._language != AUTO:
            transcription["language"] = whisper_code(self._language)
        if self._terms and self._model.startswith(KEYWORD_MODELS):
            transcription["keywords"] = [term.text for term in self._terms]
        elif self._terms and self._model.startswith(PROMPTED_MODELS) and "diarize" not in self._model:
            transcription["prompt"] = joined(self._terms)
        sound = {
            "format": {"type": "audio/pcm", "rate": RATE},
            "transcription": transcription,
            "turn_detection": None,
        }
        return [_event("session.update", session={"type": "transcription", "audio": {"input": sound}})]

    def begin(self, start: int) -> list[Frame]:
        """Begin an utterance. What is in the buffer of the one before is taken out."""
        was_used = self._until > 0
        self._forget()
        self._until = start
        return [_event("input_audio_buffer.clear")] if was_used else []

    def _forget(self) -> None:
        self._past = [*self._past, *self._texts][-MOST_PAST:]
        self._texts = {}
        self._committed = []
        self._completed = set()
        self._commits = 0
        self._resampler = Resampler(source=BACK_END_RATE, target=RATE)

    def sound(self, sound: Sound) -> list[Frame]:
        """Return what was not sent of the utterance."""
        begin = max(sound.start, self._until)
        if begin >= sound.end:
            return []
        self._until = sound.end
        return _appended(self._resampler.feed(sound.pcm[(begin - sound.start) * 2 :]))

    def finish(self, sound: Sound) -> list[Frame]:
        """Request the text of the whole utterance; if it was cut, of its sound alone."""
        frames: list[Frame] = []
        if self._until - sound.end > CUT:
            self._forget()
            self._until = sound.start
            frames.append(_event("input_audio_buffer.clear"))
        frames += self.sound(sound)
        frames += _appended(self._resampler.flush())
        self._commits += 1
        return [*frames, _event("input_audio_buffer.commit")]

    @property
    def can_begin(self) -> bool:
        """Whether no text is awaited: what was sent of an utterance that was given up can be left."""
        return not self.is_finishing

    def can_continue(self, sound: Sound) -> bool:  # noqa: ARG002 - whatever was sent
        """Return True: what was sent beyond the end of an utterance can be left out."""
        return True

    @property
    def is_finishing(self) -> bool:
        """Whether an item was requested and is not complete."""
        return self._commits > len(self._completed)

    @property
    def is_nearly_finished(self) -> bool:
        """Return False: every commit has an item."""
        return False

    def receive(self, message: Frame) -> None:
        """Apply a message."""
        try:
            document = read_document(message.encode() if isinstance(message, str) else message)
        except UnreadableError:
            raise unusable(AUDIO, REALTIME_PATH, {}, "JSON") from None
        kind = text(document.get("type")) if isinstance(document, dict) else None
        if kind == "error":
            self._error(document.get("error"))
        elif kind == "session.created" and "created" in document and "session" not in document:
            self._error(_VLLM)
        elif kind == "input_audio_buffer.committed":
            self._committed.append(text(document.get("item_id")) or "")
        elif kind is not None and kind.startswith(_TRANSCRIPTION):
            self._item(kind.removeprefix(_TRANSCRIPTION), text(document.get("item_id")) or "", document)

    def _item(self, kind: str, item: str, document: dict[str, Any]) -> None:
        if item in self._past:
            return
        if kind == "delta":
            grown = self._texts.get(item, "") + (text(document.get("delta")) or "")
            self._texts[item] = grown[:LONGEST_TEXT]
            self.news += 1
        elif kind == "completed":
            transcript = text(document.get("transcript"))
            if transcript is None:
                raise unusable(AUDIO, REALTIME_PATH, {}, "transcript")
            self._texts[item] = transcript[:LONGEST_TEXT]
            self._completed.add(item)
            self.news += 1
        elif kind == "failed":
            self._error(document.get("error"))

    def _error(self, error: Any) -> None:
        # Servers with another protocol at this path, such as vLLM's, send a sentence.
        known = {"message": error} if isinstance(error, str) else error if isinstance(error, dict) else {}
        code = text(known.get("code")) or ""
        if code == _EMPTY and self._commits:
            self._commits -= 1
            self.news += 1
            return
        kind = text(known.get("type")) or ""
        status = _STATUSES.get(code, 400 if kind == "invalid_request_error" else 502)
        raise RefusedError(REALTIME_PATH, Answer(status, (), msgspec.json.encode({"error": known})))

    def transcription(self, sound: Sound) -> Transcription:  # noqa: ARG002 - items have no times
        """Return the text of the utterance's items; once it is complete, of those that were committed."""
        items = list(self._texts)
        if not self.is_finishing and self._committed:
            items = [item for item in self._committed if item in self._texts]
        return Transcription(text=" ".join(joined_text(self._texts[item] for item in items).split()))


def _event(kind: str, **fields: Any) -> str:
    return msgspec.json.encode({"type": kind, **fields}).decode()


def _appended(pcm: bytes) -> list[Frame]:
    return [
        _event("input_audio_buffer.append", audio=base64.b64encode(pcm[at : at + BLOCK]).decode())
        for at in range(0, len(pcm), BLOCK)
    ]
