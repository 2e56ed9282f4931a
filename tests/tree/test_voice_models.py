"""The Silero model in the service as it is built."""

from pathlib import Path

import msgspec
import pytest
import trio

from orch.audio import silero
from orch.audio.silero import Silero
from orch.audio.voice_activity import ModelActivity, VoiceActivity
from orch.settings.live import LiveSettings
from orch.speech.captions import Origin
from orch.speech.statistics import VoiceModelStatistics
from orch.supervision.branches import Queue
from orch.telemetry.events import EventLog
from orch.wiring import branch_details
from orch.wiring.build import build
from orch.wiring.parts import Parts
from tests.fakes.sounds import pcm, silence
from tests.fakes.speech_back_ends import Session


async def activity_of_a_stream(parts: Parts) -> VoiceActivity:
    """Return what decides what is speech in a stream."""
    stream = parts.speech.stream(
        Origin(session_id="s", stream_id="x", started=0, source_language="en"),
        sample_rate=48_000,
        output=Session(),
    )
    stream.feed(pcm(silence(0.1)))
    stream.end()
    await stream.run()
    return stream._sound._segmenter._activity


@pytest.mark.real_time
async def test_streams_are_segmented_with_the_model_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    """It is used wherever it is installed; a change of the settings holds for the next stream."""
    file = tmp_path / "settings.yaml"

    def write(model: str) -> None:
        document = {
            "orchestration": {"speech": {"vad": {"model": model}}},
            "session_management": {"sqlite_path": str(tmp_path / "x.sqlite3")},
        }
        file.write_bytes(msgspec.json.encode(document))

    write("silero")
    events = EventLog(wall=trio.current_time)
    configuration = LiveSettings(file, {}, events=events, wall=trio.current_time)
    parts = build(configuration, events, {})
    assert isinstance(await activity_of_a_stream(parts), ModelActivity)
    assert parts.speech.statistics().voice_models == VoiceModelStatistics(lent=0, loaded=1, limit=16)
    assert Queue(name="voice models lent", fill=0, limit=16) in branch_details.websocket(parts).queues
    assert b"orch_speech_voice_models_missed_total 0.0" in parts.metrics.render()[0]
    write("none")
    configuration.reload()
    assert not isinstance(await activity_of_a_stream(parts), ModelActivity)


@pytest.mark.real_time
async def test_a_model_that_cannot_be_loaded_is_on_the_tree_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is not the only place where operators can read why music is transcribed."""

    async def load() -> Silero:
        raise OSError("libsilero.so: wrong ELF class")

    monkeypatch.setattr(silero, "load", load)
    file = tmp_path / "settings.yaml"
    file.write_text(f"session_management: {{sqlite_path: {tmp_path / 'x.sqlite3'}}}")
    events = EventLog(wall=trio.current_time)
    configuration = LiveSettings(file, {}, events=events, wall=trio.current_time)
    parts = build(configuration, events, {})
    assert not isinstance(await activity_of_a_stream(parts), ModelActivity)
    assert "OSError: libsilero.so: wrong ELF class" in branch_details.websocket(parts).text
