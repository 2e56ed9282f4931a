"""A stand-in of vLLM's ``/v1/realtime``, written from ``vllm/entrypoints/openai/realtime/connection.py``.

It recognises numbered words, as :mod:`tests.fakes.live_vendors` does.
"""

import base64
import json

from orch.speech.live_socket import LiveSocket
from tests.fakes.live_vendors import RATE, Vendor
from tests.fakes.numbered_words import heard

EDGE = 0.06
"""Seconds from the newest sound in which a word may be cut."""


async def vllm(vendor: Vendor, end: LiveSocket) -> None:  # noqa: C901 - one branch for each event
    """Hold one conversation. A final commit without an utterance is never answered, as by vLLM."""
    pcm, told, is_validated, is_begun = b"", 0, False, False
    await vendor.tell(end, {"type": "session.created", "id": "sess-1", "created": 1_790_000_000})

    async def deltas(*, is_whole: bool) -> str:
        nonlocal told
        words = heard(pcm)
        if not is_whole:
            words = [each for each in words if each["end"] < len(pcm) / 2 / RATE - EDGE]
        if len(words) > told:
            delta = "".join(f" {each['word']}" for each in words[told:])
            await vendor.tell(end, {"type": "transcription.delta", "delta": delta})
            told = len(words)
        return "".join(f" {each['word']}" for each in words)

    while True:
        message = json.loads(await end.receive())
        vendor.received.append(message)
        kind = message["type"]
        if kind == "session.update" and "model" in message:
            is_validated = True
        elif kind == "input_audio_buffer.append":
            sound = base64.b64decode(message["audio"])
            vendor.take(sound, RATE)
            pcm += sound
            if is_begun:
                await deltas(is_whole=False)
        elif kind == "input_audio_buffer.commit" and not is_validated:
            error = "Model not validated. Make sure to validate the model by sending a session.update event."
            await vendor.tell(end, {"type": "error", "error": error, "code": "model_not_validated"})
        elif kind == "input_audio_buffer.commit" and not message["final"]:
            is_begun = True
        elif kind == "input_audio_buffer.commit" and is_begun:
            text = await deltas(is_whole=True)
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            await vendor.tell(end, {"type": "transcription.done", "text": text, "usage": usage})
            pcm, told, is_begun = b"", 0, False
        else:
            error = f"Unknown event type: {kind}"
            await vendor.tell(end, {"type": "error", "error": error, "code": "unknown_event"})
