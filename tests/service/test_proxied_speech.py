"""Live speech through the gateway: an engine with vLLM's ``/v1/realtime``, which knows nothing of us."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.fakes.realtime import transcribed
from tests.fakes.sandbox import beginning, running
from tests.fakes.service import service
from tests.fakes.websocket_client import connect

pytestmark = [pytest.mark.sandbox, pytest.mark.real_time]


def settings(url: str) -> str:
    """Return settings with a route to the engine's WebSocket."""
    return f"""
orchestration:
  gateway:
    routes:
      - {{prefix: "/api/realtime", service: "audio-service", path: "/v1/realtime", priority: "live"}}
      - {{prefix: "/api/nothing", service: "audio-service", path: "/v1/nothing"}}
services:
  audio-service: {{url: "{url}"}}
  translation-service: {{url: "http://127.0.0.1:9"}}
"""


def without_name(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events without what differs between two connections: the session's id and time."""
    return [
        {name: value for name, value in event.items() if name not in {"id", "created"}} for event in events
    ]


@pytest.mark.slow
async def test_speech_through_the_gateway_is_the_same_text_as_without_it(tmp_path: Path) -> None:
    """The same deltas, the same whole, the same errors; and the engine is free again afterwards."""
    speech = beginning("austen-0870", 3)
    async with running("orch.sandbox.audio_service", "--engine", "pocketsphinx") as engine:
        await engine.health(until="healthy")
        direct = engine.url.replace("http", "ws", 1) + "/v1/realtime"
        with service("serve", tmp_path, settings=settings(engine.url)) as front:
            proxied = front.url.replace("http", "ws", 1) + "/api/realtime"
            received: dict[str, list[dict[str, Any]]] = {}

            async def speak(url: str) -> None:
                async with connect(url) as socket:
                    received[url] = await transcribed(socket, speech, model="en-us")
                    for refused in ("{", '{"type":"input_audio_buffer.clear"}', "[]"):
                        await socket.send(refused)
                        received[url].append(json.loads(await socket.recv()))
                    await socket.send(b"binary")
                    with pytest.raises(ConnectionClosedError) as closed:
                        await socket.recv()
                    received[url].append({"type": "close", "reason": str(closed.value)})

            async with trio.open_nursery() as nursery:
                for url in (direct, proxied):
                    nursery.start_soon(speak, url)
            assert without_name(received[proxied]) == without_name(received[direct])
            texts = [event.get("delta", "") for event in received[proxied]]
            [done] = [event for event in received[proxied] if event["type"] == "transcription.done"]
            assert "".join(texts) == done["text"] != ""
            assert sum(map(bool, texts)) > 1
            with pytest.raises(InvalidStatus) as refused:
                async with connect(front.url.replace("http", "ws", 1) + "/api/nothing"):
                    pass
            assert refused.value.response.status_code == 404
        while (await engine.health(until="healthy"))["sockets"]:
            await trio.lowlevel.checkpoint()
