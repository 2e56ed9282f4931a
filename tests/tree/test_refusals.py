"""From what a back end answers to what operators see, through the parts as the tree builds them."""

from pathlib import Path

import msgspec
import pytest
import trio

from orch.health.verdict import State
from orch.problems import ProblemError
from orch.settings.live import LiveSettings
from orch.speech.outcomes import ENOUGH
from orch.telemetry.events import EventLog
from orch.wiring.build import build
from tests.test_back_end_checks import refusing, server


@pytest.mark.real_time
async def test_a_wrong_key_is_degraded_for_operators_until_another_one_is_set(tmp_path: Path) -> None:
    """Status, event and metric say it in the back end's words; its health check is good all the while."""

    def healthy(path: str, body: bytes) -> tuple[int, object]:
        return (200, {}) if path == "/api/health" else refusing(path, body)

    async with server(healthy) as url:
        file = tmp_path / "settings.yaml"

        def write(key: str) -> None:
            service = {"url": url, "dialect": "openai", "api_key": key}
            document = {
                "services": {"audio-service": service, "translation-service": {"url": url}},
                "session_management": {"sqlite_path": str(tmp_path / "x.sqlite3")},
            }
            file.write_bytes(msgspec.json.encode(document))

        write("sk-verysecret123")
        events = EventLog(wall=trio.current_time)
        configuration = LiveSettings(file, {}, events=events, wall=trio.current_time)
        parts = build(configuration, events, {})
        async with trio.open_nursery() as nursery:
            await nursery.start(parts.health.run)
            await parts.health.wait_for("audio-service", State.HEALTHY)
            for _ in range(ENOUGH):
                with pytest.raises(ProblemError) as caught:
                    await parts.speech._transcriber.transcribe(
                        bytes(3200), sample_rate=16_000, language="en", session_id="s"
                    )
                assert caught.value.code == "refused"
                assert "verysecret" not in caught.value.detail
            (service,) = [each for each in parts.health.statistics().services if each.name == "audio-service"]
            assert service.state is State.DEGRADED
            assert "401: Incorrect API key provided: ••••" in service.reason
            assert service.refusal == service.reason
            assert b'orch_speech_refusing{service="audio-service"} 1.0' in parts.metrics.render()[0]
            assert any("Incorrect API key" in event.text for event in parts.events.latest())
            write("sk-another4567")
            configuration.reload()
            await parts.health.wait_for("audio-service", State.HEALTHY)
            nursery.cancel_scope.cancel()
