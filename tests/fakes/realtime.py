"""A client of vLLM's ``/v1/realtime``."""

import base64
import json
from collections.abc import Callable
from typing import Any, Protocol

from orch.sandbox.engines.recorded_speech import BYTES_PER_SECOND


class Socket(Protocol):
    """What is needed of a WebSocket."""

    async def send(self, message: str) -> None:
        """Send a text message."""

    async def recv(self) -> str | bytes:
        """Return the next message."""


def append(pcm: bytes) -> dict[str, Any]:
    """Return the event with sound."""
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()}


UPDATE = {"type": "session.update", "model": None}
COMMIT = {"type": "input_audio_buffer.commit"}
FINAL = {"type": "input_audio_buffer.commit", "final": True}


async def transcribed(socket: Socket, pcm: bytes, *, model: str, piece: float = 0.25) -> list[dict[str, Any]]:
    """Return the events that a whole recording gets, as vLLM's own client sends it.

    The end of the sound is committed only after the first ``transcription.delta``: text comes while one
    speaks. ``piece``: seconds of sound in one message.
    """
    received = [await _next(socket)]
    assert received[0]["type"] == "session.created", received
    await _send(socket, {**UPDATE, "model": model})
    await _send(socket, COMMIT)
    size = int(piece * BYTES_PER_SECOND) // 2 * 2
    for at in range(0, len(pcm), size):
        await _send(socket, append(pcm[at : at + size]))
    await _until(socket, received, lambda kind: kind != "session.created")
    await _send(socket, FINAL)
    await _until(socket, received, lambda kind: kind in {"transcription.done", "error"})
    return received


async def _until(socket: Socket, received: list[dict[str, Any]], is_last: Callable[[str], bool]) -> None:
    while not is_last(received[-1]["type"]):
        received.append(await _next(socket))


async def _send(socket: Socket, event: dict[str, Any]) -> None:
    await socket.send(json.dumps(event))


async def _next(socket: Socket) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(await socket.recv())
    return event
