"""The pipeline of a session: who may set it, who receives it, and that all workers have the newest."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from orch.audio.pipeline_choice import for_speech
from orch.audio.pipeline_settings import PipelineSettings
from orch.audio.presets import PRESETS
from orch.stores.redis.store import RedisStore
from tests.fakes.hub import running_hub
from tests.fakes.patience import PATIENCE
from tests.fakes.pipelines import FakePipelines
from tests.fakes.redis import redis_server
from tests.fakes.sounds import pcm, silence, voice
from tests.fakes.speech_back_ends import Room
from tests.websocket.test_moderation import GUEST

OWN = {"parameters": {"noiseReduction": {"strength": 0.5}}, "enabledStages": ["noise"]}

SPOKEN = pcm(silence(0.3), voice(1.0), silence(1))
START = {"type": "audio_start", "session_id": "s", "sample_rate": 16_000}


def speech(preset: str) -> PipelineSettings:
    return for_speech(PRESETS[preset].settings)


def setting(pipeline: Any, **more: Any) -> dict[str, Any]:
    return {"type": "set_pipeline", "session_id": "s", "pipeline": pipeline, "id": "p"} | more


async def test_the_host_sets_it_and_those_who_may_speak_receive_it(tmp_path: Path) -> None:
    """Also those who join or return later; after a restart it is still there."""
    async with (
        running_hub(tmp_path) as hub,
        hub.connected() as ann,
        hub.connected() as bob,
        hub.connected() as eve,
    ):
        created = await ann.ask({"type": "create_session", "session_id": "s", "pipeline": "voice"})
        assert created["pipeline"] == "voice"
        joined = await bob.ask({"type": "join_session", "session_id": "s"})
        assert joined["pipeline"] == "voice"
        assert "pipeline" not in await eve.ask(
            {"type": "join_session", "session_id": "s", "role": "observer"}
        )
        reply = await ann.ask(setting(OWN), "pipeline")
        assert (reply["pipeline"]["enabledStages"], reply["revision"], reply["id"]) == (
            ["original", "decoded", "noise", "final"],
            1,
            "p",
        )
        assert reply["pipeline"]["parameters"]["noiseReduction"]["strength"] == 0.5
        received = await bob.until("pipeline")
        assert (received["pipeline"], "id" in received) == (reply["pipeline"], False)
        assert received["participant_id"] == created["participant_id"]
        assert (await ann.ask(setting(None), "pipeline"))["pipeline"] is None
        ann.say({"type": "broadcast", "session_id": "s", "data": 1})
        while (message := await eve.hear())["type"] != "session_message":
            assert message["type"] != "pipeline"
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        recovery = {"type": "recover_session", "session_id": "s", "epoch": created["epoch"], "offset": 0}
        back = await ann.ask(recovery | {"recovery_token": created["recovery_token"]})
        assert (back["recovered"], back["pipeline"]) == (True, None)


async def test_only_hosts_and_operators_may_set_it(tmp_path: Path) -> None:
    """It changes how everyone's words are recognised."""
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as bob, hub.connected() as ann:
        created = await ann.ask({"type": "create_session", "session_id": "s"})
        key = created["keys"]["speak"]
        await bob.ask({"type": "join_session", "session_id": "s", "key": key})
        assert (await bob.ask(setting("noisy"), "error"))["code"] == "not_owner"
        elsewhere = await ann.ask(setting("noisy", session_id="t"), "error")
        assert elsewhere["code"] == "not_in_session"
        shown = await hub.service.pipelines.shown("s")
        assert (shown.pipeline, shown.revision) == (None, 0)


async def test_settings_that_cannot_be_used_change_nothing(tmp_path: Path) -> None:
    """The error has the path of each fault."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s", "pipeline": "voice"})
        wrong = {
            "parameters": {"noiseReduction": {"strength": 2}, "vad": {"loudness": 1}},
            "enabledStages": ["noise", "reverb"],
        }
        refused = await ann.ask(setting(wrong), "error")
        assert (refused["code"], refused["id"]) == ("invalid_settings", "p")
        assert [fault["path"] for fault in refused["faults"]] == [
            "enabledStages[1]",
            "noiseReduction.strength",
            "vad.loudness",
        ]
        assert (refused["path"], "enabledStages[1]" in refused["detail"]) == ("$.pipeline", True)
        unknown = await ann.ask(setting("loud"), "error")
        assert (unknown["code"], unknown["path"]) == ("invalid_settings", "$.pipeline")
        assert "noisy" in unknown["detail"]
        assert (await hub.service.pipelines.shown("s")).pipeline == "voice"
        created = {"type": "create_session", "pipeline": "loud", "id": 1}
        assert (await ann.ask(created, "error"))["code"] == "invalid_settings"


async def test_running_streams_change_with_the_session(tmp_path: Path) -> None:
    """One that asked for its own, or for none, has that; recordings pass through the session's."""
    pipelines = FakePipelines()
    async with (
        running_hub(tmp_path, Room(pipelines=pipelines)) as hub,
        hub.connected() as ann,
        hub.connected() as bob,
        hub.connected() as eve,
    ):
        await ann.ask({"type": "create_session", "session_id": "s", "pipeline": "voice"})
        for guest, own in ((bob, {"pipeline": "music"}), (eve, {"pipeline": None})):
            await guest.ask({"type": "join_session", "session_id": "s"})
            await guest.ask(START | own, "audio_started")
        await ann.ask(START, "audio_started")
        used = [opened.stream._processing._wanted for opened in hub.speech.opened]
        assert used == [speech("music"), None, speech("voice")]
        await ann.ask(setting("noisy"), "pipeline")
        used = [opened.stream._processing._wanted for opened in hub.speech.opened]
        assert used == [speech("music"), None, speech("noisy")]
        await hub.service.pipelines.set("s", "minimal")
        assert (await bob.until("pipeline"))["revision"] == 1
        by_operator = await bob.until("pipeline")
        assert (by_operator["pipeline"], "participant_id" in by_operator) == ("minimal", False)
        wanted = hub.speech.opened[2].stream._processing._wanted
        assert wanted == speech("minimal")
        ann.say({"type": "audio_end"})
        await ann.until("audio_ended")
        refused = await ann.ask(START | {"pipeline": "loud", "id": 4}, "error")
        assert (refused["code"], refused["id"]) == ("invalid_settings", 4)


async def test_a_recording_passes_through_the_pipeline_of_its_session(tmp_path: Path) -> None:
    """As what is spoken there does."""
    pipelines = FakePipelines()
    async with running_hub(tmp_path, Room(pipelines=pipelines)) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s", "pipeline": "voice"})

        async def chunks() -> AsyncIterator[bytes]:
            yield SPOKEN

        opened = await hub.service.open_recording(
            "s", name="Talk", source_language="en", target_languages=(), chunks=chunks()
        )
        caption = await ann.until("transcript")
        assert caption["segment_id"].startswith(opened.stream_id)
        await ann.until("audio_ended")
        assert (pipelines.opened, pipelines.receivers) == (1, {})


@pytest.mark.process
@pytest.mark.real_time
async def test_other_workers_have_the_newest_pipeline(tmp_path: Path) -> None:
    """Those who speak there receive it; what was lost with the connection to Redis is read again."""
    with redis_server(tmp_path / "redis") as server:
        async with (
            running_hub(tmp_path, None, RedisStore(server.url)) as a,
            running_hub(tmp_path, None, RedisStore(server.url)) as b,
            a.connected() as ann,
            b.connected() as bob,
        ):
            await ann.ask({"type": "create_session", "session_id": "s", "pipeline": "voice"})
            assert (await bob.ask({"type": "join_session", "session_id": "s"}))["pipeline"] == "voice"
            await ann.ask(setting("noisy"), "pipeline")
            received = await bob.until("pipeline")
            assert (received["pipeline"], received["revision"]) == ("noisy", 1)
            session = b.service._sessions.cache.peek("s")
            assert session is not None
            assert session.pipeline == b'"noisy"'
            # As when the message of another worker was lost.
            await a.service._sessions.store.store_pipeline("s", b"")
            b.service._sessions.cluster.resynchronise()
            with trio.fail_after(PATIENCE):
                again = await bob.until("pipeline")
            assert (again["pipeline"], again["revision"], "participant_id" in again) == (None, 2, False)
            # Nobody can publish a pipeline that is none.
            b.service._sessions.cluster.receive("s", b'a{"pipeline":{"x":1},"revision":9}')
            assert session.pipeline == b""
