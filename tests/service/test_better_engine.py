"""The demo as a user starts it: PocketSphinx at once, and Whisper as soon as the hub has sent its model."""

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.client import Client, clip, connected
from tests.fakes.model_hub import ModelHub
from tests.fakes.service import UNHURRIED, RunningService, service
from tests.fakes.whisper_model import unpack

SECOND = b"\0\0" * 16_000
BLOCK = 1_280
"""Bytes of 40 ms."""

pytestmark = [pytest.mark.sandbox, pytest.mark.real_time]


def audio_instance(s: RunningService) -> dict[str, Any]:
    services = s.get("/api/services/status").json()["services"]
    audio = next(each for each in services if each["name"] == "audio-service")
    instance: dict[str, Any] = audio["instances"][0]
    return instance | {"service_state": audio["state"]}


async def until(s: RunningService, **wanted: Any) -> dict[str, Any]:
    """Return the instance of the audio-service once it has these values."""
    with trio.fail_after(300):
        while True:
            instance = await trio.to_thread.run_sync(audio_instance, s)
            if all(instance[name] == value for name, value in wanted.items()):
                return instance
            await trio.sleep(0.1)


def words(text: str) -> set[str]:
    return set("".join(letter if letter.isalpha() else " " for letter in text.lower()).split())


async def test_the_demo_goes_over_to_whisper_while_someone_speaks(tmp_path: Path) -> None:
    """No gap, no error, every utterance one final; the words after the change are Whisper's."""
    (tmp_path / "published").mkdir()
    hub = ModelHub({path.name: path.read_bytes() for path in unpack(tmp_path / "published").iterdir()})
    go = trio.Event()
    hub.hold = go.wait
    clips = ("austen-0870", "austen-0890", "austen-0920")
    async with hub.serve() as url:
        environ = {
            **UNHURRIED,
            "ORCH_DEMO_MODEL": "base",
            "HF_ENDPOINT": url,
            "NO_PROXY": "127.0.0.1",
            "HF_HOME": str(tmp_path / "hf"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }
        # Not waited for here: they ask the hub, which is served by this test's own loop.
        with service("demo", tmp_path, environ=environ, awaits_back_ends=False) as s:
            waiting = await until(s, service_state="healthy", engine="pocketsphinx")
            assert "Whisper base" in waiting["notice"]
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
                await client.speak(clip(clips[0]) + SECOND, block=BLOCK, pace=0.04)
                go.set()
                rounds = await speak_until_changed(client, s, clips)
                await client.speak(clip("austen-0920") + 2 * SECOND, block=BLOCK, pace=0.04)
                await client.ask("audio_ended", type="audio_end")
                finals = sorted(client.finals(), key=lambda m: m["start"])
                assert [m["error"] for m in client.messages if m.get("error")] == []
                assert len(finals) >= 2 + rounds
                assert {"married", "amiable", "respectable"} <= words(finals[-1]["text"])
            changed = await until(s, engine="faster-whisper")
            assert "notice" not in changed
            events = s.get("/api/metrics/dashboard").json()["events"]
            assert any("Uses faster-whisper now" in event["text"] for event in events)
            languages = (await trio.to_thread.run_sync(s.get, "/api/languages")).json()["source"]
            assert {"en", "es", "de", "fr"} <= set(languages)


async def speak_until_changed(client: Client, s: RunningService, clips: tuple[str, ...]) -> int:
    """Speak clip after clip until the engine has changed; return how many."""
    rounds = 0
    with trio.fail_after(300):
        while (await trio.to_thread.run_sync(audio_instance, s))["engine"] != "faster-whisper":
            await client.speak(clip(clips[rounds % len(clips)]) + SECOND, block=BLOCK, pace=0.04)
            rounds += 1
    return rounds
