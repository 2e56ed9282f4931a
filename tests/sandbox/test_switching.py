import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from orch.audio.wav import wav
from orch.problems import ProblemError
from orch.sandbox.audio_service import AudioService
from orch.sandbox.engines import whisper
from orch.sandbox.engines.better_engine import OnProgress
from orch.sandbox.engines.recorded_speech import BYTES_PER_SECOND
from orch.sandbox.engines.speech import SpeechEngine
from orch.sandbox.engines.speech_engines import EngineOptions, LoadedEngine, load_engine
from orch.sandbox.engines.switching import EngineSwitch
from orch.sandbox.models.catalog import BASE
from orch.sandbox.models.progress import Progress
from tests.fakes.engines import ScriptedSpeechEngine, ScriptedWhisper
from tests.fakes.model_hub import ModelHub
from tests.fakes.patience import PATIENCE
from tests.fakes.sandbox import pcm, recording, running
from tests.fakes.whisper_model import unpack

Test = Callable[["Scene"], Awaitable[None]]


class Small(ScriptedSpeechEngine):
    name = "pocketsphinx"
    languages: tuple[str, ...] = ("en",)


class Better(ScriptedSpeechEngine):
    name = "faster-whisper"


class Scene:
    """A service whose better engine comes when the test says so."""

    def __init__(self, small: SpeechEngine | None) -> None:
        self.small = small
        self.better = Better()
        self.go = trio.Event()
        self.failure: Exception | None = None
        self.progress: OnProgress = lambda _progress: None
        self.engines = EngineSwitch(EngineOptions(), load=self._load, get_better=self._get_better)
        self.service = AudioService(EngineOptions())
        self.service._engines = self.engines

    async def _load(self, _options: EngineOptions) -> LoadedEngine:
        await trio.lowlevel.checkpoint()
        return LoadedEngine(self.small, "The model is not here.", "base")

    async def _get_better(self, name: str, on_progress: OnProgress) -> SpeechEngine:
        assert name == "base"
        self.progress = on_progress
        await self.go.wait()
        if self.failure is not None:
            raise self.failure
        return self.better

    async def transcribe(self, seconds: float, session: str | None = "s", language: str = "en") -> str:
        """Return the engine that transcribed a recording."""
        transcript = await self.service.transcribe(
            bytes(int(seconds * BYTES_PER_SECOND)), language=language, enable_vad=False, session_id=session
        )
        return transcript.model_used.partition("/")[0]

    async def switch(self) -> None:
        self.go.set()
        await trio.testing.wait_all_tasks_blocked()
        assert self.engines.current is self.better


async def perform(test: Test, small: SpeechEngine | None) -> None:
    scene = Scene(small)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.service.run)
        await scene.engines.ready.wait()
        await trio.testing.wait_all_tasks_blocked()
        await test(scene)
        nursery.cancel_scope.cancel()


async def test_an_utterance_is_finished_by_the_engine_that_began_it() -> None:
    """Its revisions and its final; the next utterance, and other sessions, have the better engine."""

    async def test(scene: Scene) -> None:
        assert await scene.transcribe(1.0) == "pocketsphinx"
        assert await scene.transcribe(2.0) == "pocketsphinx"
        await scene.switch()
        assert await scene.transcribe(3.0) == "pocketsphinx"
        assert await scene.transcribe(1.0, "another") == "faster-whisper"
        assert await scene.transcribe(5.0, None) == "faster-whisper"
        assert await scene.transcribe(2.8) == "pocketsphinx"
        assert await scene.transcribe(1.0) == "faster-whisper"
        assert await scene.transcribe(2.0) == "faster-whisper"

    await perform(test, Small())


async def test_a_language_of_the_better_engine_alone_does_not_wait_for_the_switch() -> None:
    async def test(scene: Scene) -> None:
        with pytest.raises(ProblemError, match="does not support German"):
            await scene.transcribe(1.0, language="de")
        await scene.transcribe(1.0)
        await scene.switch()
        assert await scene.transcribe(2.0, language="de") == "faster-whisper"

    await perform(test, Small())


async def test_a_recording_in_progress_is_not_lost_by_the_switch() -> None:
    """The former engine ends after the last recording that it has, however long that one takes."""
    small = Small()

    async def test(scene: Scene) -> None:
        small.is_stuck = True
        results: list[str] = []

        async def transcribe() -> None:
            results.append(await scene.transcribe(2.0))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(transcribe)
            await trio.testing.wait_all_tasks_blocked()
            await scene.switch()
            assert scene.service.health().recordings == 1
            assert await scene.transcribe(1.0) == "faster-whisper"
            small.is_stuck = False
            small.unstick.set()
        assert results == ["pocketsphinx"]
        assert small.cancelled == 0
        await trio.sleep(60)
        assert small.is_ended
        assert await scene.transcribe(9.0) == "faster-whisper"

    await perform(test, small)


async def test_the_health_shows_the_progress_and_then_the_better_engine() -> None:
    async def test(scene: Scene) -> None:
        health = scene.service.health()
        assert (health.status, health.engine) == ("healthy", "pocketsphinx")
        progress = Progress(state="downloading", received=62_000_000, size=BASE.size)
        scene.progress(progress)
        health = scene.service.health()
        assert "A better engine, Whisper base, is being downloaded: 62 of 148 MB" in health.notice
        assert health.download == progress
        await scene.switch()
        health = scene.service.health()
        assert (health.status, health.engine, health.languages) == ("healthy", "faster-whisper", ("en", "de"))
        assert (health.notice, health.detail, health.download) == ("", "", None)

    await perform(test, Small())


@pytest.mark.parametrize("small", [Small(), None])
async def test_a_model_that_cannot_be_loaded_leaves_everything_as_it_is(small: SpeechEngine | None) -> None:
    async def test(scene: Scene) -> None:
        assert scene.service.health().status == ("healthy" if small else "starting")
        scene.failure = whisper.ModelUnavailable("Not enough memory.")
        scene.go.set()
        await trio.testing.wait_all_tasks_blocked()
        health = scene.service.health()
        assert health.status == ("healthy" if small else "degraded")
        assert "Not enough memory." in (health.notice or health.detail)
        if small is None:
            with pytest.raises(ProblemError, match="Not enough memory") as missing:
                await scene.transcribe(1.0)
            assert missing.value.code == "engine_missing"
        else:
            assert await scene.transcribe(1.0) == "pocketsphinx"

    await perform(test, small)


async def test_without_another_engine_a_recording_is_refused_with_the_progress() -> None:
    """It is refused as "not yet": the service stores the speech and tries again."""

    async def test(scene: Scene) -> None:
        scene.progress(Progress(state="downloading", received=1_000_000, size=BASE.size))
        with pytest.raises(ProblemError, match="1 of 148 MB") as refused:
            await scene.transcribe(1.0)
        assert refused.value.code == "service_unavailable"
        await scene.switch()
        assert await scene.transcribe(1.0) == "faster-whisper"

    await perform(test, None)


def environment(folder: Path, url: str = "http://127.0.0.1:9", **more: str) -> dict[str, str]:
    """Return variables of a machine whose caches are in a folder, and whose hub is at ``url``."""
    caches = {"XDG_CACHE_HOME": str(folder), "HF_HOME": str(folder / "hf")}
    return {**caches, "HF_ENDPOINT": url, "NO_PROXY": "127.0.0.1", **more}


@pytest.mark.real_time
async def test_a_download_that_is_forbidden_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "is_installed", lambda: True)
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    allowed = await load_engine(EngineOptions())
    assert (allowed.awaited, "English only" in allowed.detail) == ("base", True)
    forbidden = await load_engine(EngineOptions(may_download=False))
    assert (forbidden.awaited, "--no-download" in forbidden.detail) == (None, True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    offline = await load_engine(EngineOptions())
    assert (offline.awaited, "HF_HUB_OFFLINE" in offline.detail) == (None, True)
    folder = await load_engine(EngineOptions(model=str(tmp_path / "nowhere")))
    assert (folder.awaited, "does not exist" in folder.detail) == (None, True)


@pytest.mark.real_time
async def test_a_model_of_the_librarys_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "is_installed", lambda: True)
    monkeypatch.setitem(sys.modules, "faster_whisper", ScriptedWhisper())
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    snapshot = tmp_path / "hf" / "hub" / "models--Systran--faster-whisper-base" / "snapshots" / BASE.revision
    snapshot.mkdir(parents=True)
    unpack(snapshot)
    loaded = await load_engine(EngineOptions())
    assert loaded.engine is not None
    assert (loaded.engine.name, loaded.engine.model, loaded.awaited) == ("faster-whisper", "base", None)


MODULE = "orch.sandbox.audio_service"


@pytest.mark.real_time
@pytest.mark.sandbox
async def test_the_real_model_is_downloaded_while_people_speak(tmp_path: Path) -> None:
    """PocketSphinx transcribes until the model of the hub is there; the next start has it at once."""
    (tmp_path / "hub").mkdir()
    published = {path.name: path.read_bytes() for path in unpack(tmp_path / "hub").iterdir()}
    hub = ModelHub(published)
    go = trio.Event()
    hub.hold = go.wait
    said = "had he married a more amiable woman"
    async with hub.serve() as url:
        env = environment(tmp_path / "cache", url)
        async with running(MODULE, env=env) as service:
            health = await service.health(until="healthy")
            assert health["engine"] == "pocketsphinx"
            sound = {"audio": recording("austen-0920")}
            answer = await service.client.post("/api/transcribe", files=sound, data={"session_id": "s"})
            assert answer.json()["model_used"] == "pocketsphinx/en-us"
            go.set()
            notices = [health["notice"]]
            with trio.fail_after(300):
                while health["engine"] != "faster-whisper":
                    health = await service.health(until="healthy")
                    notices.append(health["notice"])
                    await trio.sleep(0.05)
            assert any("of 148 MB" in notice for notice in notices)
            assert notices[-1] == ""
            answer = await service.client.post("/api/transcribe", files=sound, data={"session_id": "t"})
            assert answer.json()["model_used"] == "faster-whisper/base"
            assert said in answer.json()["text"].lower()
    async with running(MODULE, env=environment(tmp_path / "cache")) as service:
        health = await service.health(until="healthy")
        assert (health["engine"], health["notice"]) == ("faster-whisper", "")


@pytest.mark.real_time
@pytest.mark.sandbox
async def test_without_a_network_the_demo_says_what_to_do(tmp_path: Path) -> None:
    """Nothing listens at the hub's address."""
    async with running(MODULE, env=environment(tmp_path)) as service:
        health = await service.health(until="healthy")
        with trio.fail_after(PATIENCE):
            while "cannot be downloaded" not in health["notice"]:
                health = await service.health(until="healthy")
                await trio.sleep(0.05)
        assert "127.0.0.1 cannot be reached" in health["notice"]
        assert "ORCH_DEMO_MODEL" in health["notice"]
        answer = await service.client.post(
            "/api/transcribe", files={"audio": wav(pcm("austen-0920"), 16_000)}
        )
        assert answer.json()["model_used"] == "pocketsphinx/en-us"
