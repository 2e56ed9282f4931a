"""Live speech over vLLM's ``/v1/realtime``: client, service, and the small audio-service's engine."""

from pathlib import Path

import pytest

from orch.sandbox.engines.recorded_speech import BYTES_PER_SECOND
from tests.fakes.client import connected
from tests.fakes.sandbox import beginning, running
from tests.fakes.service import UNHURRIED, service

pytestmark = [pytest.mark.sandbox, pytest.mark.real_time, pytest.mark.slow]

PAUSE = bytes(2 * BYTES_PER_SECOND)

SETTINGS = """
services:
  audio-service: {{url: "{url}", dialect: openai, model: en-us, streaming: always, streaming_protocol: vllm}}
  translation-service: {{url: "http://127.0.0.1:9"}}
"""


async def test_words_come_out_of_vllms_socket(tmp_path: Path) -> None:
    """Of two utterances, over one connection; none is sent over HTTP, which this server does not offer."""
    async with running("orch.sandbox.audio_service", "--engine", "pocketsphinx") as engine:
        await engine.health(until="healthy")
        with service("serve", tmp_path, settings=SETTINGS.format(url=engine.url), environ=UNHURRIED) as s:
            async with connected(s.url) as client:
                await client.ask("session_created", type="create_session", session_id="s")
                await client.ask(
                    "audio_started",
                    type="audio_start",
                    session_id="s",
                    sample_rate=16_000,
                    source_language="en",
                    target_languages=[],
                )
                sound = beginning("austen-0870", 3)
                await client.speak(sound + PAUSE + sound + PAUSE)
                await client.ask("audio_ended", type="audio_end")
                words = " ".join(client.words())
            assert words.count("mr john") == 2, words
            figures = s.get("/api/metrics/dashboard").json()["speech"]["back_ends"]
        assert [(each["service"], each["answered"]) for each in figures] == [("audio-service", 2)]
