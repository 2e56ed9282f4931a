"""The Silero model in the service as it is built."""

from pathlib import Path

import msgspec
import pytest
import trio

from orch.audio.voice_activity import ModelActivity
from orch.settings.live import LiveSettings
from orch.speech.captions import Origin
from orch.speech.stream import SpeechStream
from orch.telemetry.events import EventLog
from orch.wiring.build import build
from orch.wiring.parts import Parts
from tests.fakes.speech_back_ends import Session


def open_stream(parts: Parts) -> SpeechStream:
    return parts.speech.stream(
        Origin(session_id="s", stream_id="x", started=0, source_language="en"),
        sample_rate=48_000,
        output=Session(),
    )


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
    async with trio.open_nursery() as nursery:
        await nursery.start(parts.speech.run)
        assert isinstance(open_stream(parts)._sound._segmenter._activity, ModelActivity)
        write("none")
        configuration.reload()
        assert not isinstance(open_stream(parts)._sound._segmenter._activity, ModelActivity)
        nursery.cancel_scope.cancel()
