"""The events of vLLM's ``/v1/realtime``. Pure.

Source: ``vllm/entrypoints/openai/realtime/protocol.py`` and ``connection.py`` of vLLM. All events are JSON in
text frames:

    client   session.update             ``model``; before the first commit
             input_audio_buffer.append  ``audio``: base64 of 16-bit PCM, 16 kHz, mono
             input_audio_buffer.commit  starts an utterance; with ``final`` its sound is complete
    server   session.created            ``id``, ``created`` (seconds since 1970)
             transcription.delta        ``delta``: more of the text
             transcription.done         ``text``: all deltas in one, ``usage``
             error                      ``error``: a sentence, ``code``

It resembles OpenAI's realtime API, and is another one: there ``session.update`` has a session, sound has
24 kHz, and the text of each item comes in events with other names.

Stricter than vLLM: base64 with foreign characters is ``invalid_audio`` (vLLM ignores them), and so is an
unknown model ``model_not_found`` (vLLM looks it up and ignores the result). ``usage`` is null, which vLLM's
type allows: these engines have no tokens.
"""

import base64
import binascii
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from orch.untrusted_json import UnreadableError, read_document

UPDATE: Final = "session.update"
APPEND: Final = "input_audio_buffer.append"
COMMIT: Final = "input_audio_buffer.commit"

LONGEST_NAME: Final = 100
"""Characters of a client's text that are repeated in an error."""

Code = Literal[
    "invalid_json",
    "invalid_audio",
    "unknown_event",
    "model_not_validated",
    "model_not_found",
    "processing_error",
]


class EventError(Exception):
    """An event was refused; the connection stays open. The text is a sentence for the client."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code: Final[Code] = code


class Update(Struct, frozen=True):
    """Choose the model (None: the one that is loaded) and the language (None: it is detected)."""

    model: str | None
    language: str | None


class Append(Struct, frozen=True):
    """More sound: 16-bit PCM, 16 kHz, mono."""

    pcm: bytes


class Commit(Struct, frozen=True):
    """Start an utterance, or (``is_final``) end its sound."""

    is_final: bool


def decode(text: str) -> Update | Append | Commit:
    """Return a client's event. Raises :class:`EventError`."""
    try:
        event = read_document(text)
    except UnreadableError as error:
        raise EventError("invalid_json", f"Invalid JSON: {error}.") from None
    if not isinstance(event, dict):
        raise EventError("processing_error", "An event is a JSON object.")
    kind = event.get("type")
    if kind == UPDATE:
        return Update(_optional_text(event, "model", is_required=True), _optional_text(event, "language"))
    if kind == APPEND:
        return Append(_pcm(event.get("audio")))
    if kind == COMMIT:
        is_final = event.get("final", False)
        if not isinstance(is_final, bool):
            raise EventError("processing_error", f"final of {COMMIT} must be true or false.")
        return Commit(is_final)
    raise EventError("unknown_event", f"Unknown event type: {shortened(kind)}")


def _optional_text(event: dict[str, Any], name: str, *, is_required: bool = False) -> str | None:
    if is_required and name not in event:
        raise EventError("processing_error", f"{UPDATE} must have the field {name}; it may be null.")
    value = event.get(name)
    if value is not None and not isinstance(value, str):
        raise EventError("processing_error", f"{name} of {UPDATE} must be text or null.")
    return value


def _pcm(audio: Any) -> bytes:
    if not isinstance(audio, str):
        raise EventError("processing_error", f"audio of {APPEND} must be text: base64 of 16-bit PCM.")
    try:
        pcm = base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EventError("invalid_audio", f"Invalid audio data: it is not base64 ({error}).") from None
    if not pcm:
        raise EventError("invalid_audio", "Invalid audio data: it is empty.")
    if len(pcm) % 2:
        raise EventError("invalid_audio", f"Invalid audio data: {len(pcm)} bytes are no 16-bit samples.")
    return pcm


def shortened(value: Any) -> str:
    """Return a client's value as it may be repeated in an error."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…"


def created(session: str, *, at: int) -> str:
    """Return ``session.created``; ``at`` in seconds since 1970."""
    return _encoded("session.created", id=session, created=at)


def delta(text: str) -> str:
    """Return ``transcription.delta``."""
    return _encoded("transcription.delta", delta=text)


def done(text: str) -> str:
    """Return ``transcription.done``."""
    return _encoded("transcription.done", text=text, usage=None)


def failed(code: Code, detail: str) -> str:
    """Return ``error``."""
    return _encoded("error", error=detail, code=code)


def too_much(seconds: float, *, is_started: bool) -> EventError:
    """Return the error of sound beyond a limit. ``is_started``: it is that of an utterance."""
    allowed = "An utterance can have" if is_started else "Before a commit starts an utterance it can have"
    return EventError(
        "invalid_audio", f"Invalid audio data: too much. {allowed} {seconds:g} s. This event was not stored."
    )


def _encoded(kind: str, **fields: Any) -> str:
    return msgspec.json.encode({"type": kind, **fields}).decode()
