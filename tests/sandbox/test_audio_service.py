import os
import signal
import sys
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import pytest
import trio
from quart.datastructures import FileStorage
from quart_trio.testing import TrioClient

from orch.audio.wav import wav
from orch.problems import ProblemError
from orch.sandbox.audio_service import WAITING_PER_PLACE, AudioService, create
from orch.sandbox.engines import speech_engines, whisper
from orch.sandbox.engines.speaker_embedding import Voice
from orch.sandbox.engines.speakers import SpeakerLabels
from orch.sandbox.engines.speech import EngineFailed
from orch.sandbox.engines.speech_engines import EngineOptions, LoadedEngine
from orch.sandbox.uploads import DEFAULT_LIMITS, UploadLimits
from tests.fakes.engines import SAID, ScriptedSpeechEngine, ScriptedWhisper
from tests.fakes.patience import PATIENCE
from tests.fakes.processes import children
from tests.fakes.running import run
from tests.fakes.sandbox import alone, beginning, recording, running
from tests.fakes.sounds import CLIPS

SOUND = wav(b"\1\2" * 8_000, 16_000)

Test = Callable[[TrioClient, ScriptedSpeechEngine], Awaitable[None]]


class WithService(Protocol):
    """Runs a test against the application with a scripted engine."""

    def __call__(self, test: Test, limits: UploadLimits = ...) -> None:
        """Run it."""


def with_engine(
    test: Callable[[AudioService, ScriptedSpeechEngine], Awaitable[None]],
    *,
    virtual: bool = True,
    speakers: SpeakerLabels | None = None,
) -> None:
    """Run a test against the service with a scripted engine."""
    engine = ScriptedSpeechEngine()

    async def load(_wanted: EngineOptions) -> LoadedEngine:
        await trio.lowlevel.checkpoint()
        return LoadedEngine(engine)

    async def main() -> None:
        service = AudioService(EngineOptions(), load=load, speakers=speakers)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.run)
            await service.loaded()
            await test(service, engine)
            nursery.cancel_scope.cancel()

    run(main, virtual=virtual)


@pytest.fixture
def with_service() -> WithService:
    """Run a test against the application with a scripted engine."""

    def start(test: Test, limits: UploadLimits = DEFAULT_LIMITS) -> None:
        async def over_http(service: AudioService, engine: ScriptedSpeechEngine) -> None:
            await test(create(service, limits).test_client(), engine)  # type: ignore[arg-type]  # quart-trio leaves Quart's type on test_client

        # On the real clock: recordings are decoded in a thread, which a virtual one doesn't wait for.
        with_engine(over_http, virtual=False)

    return start


class OneVoice:
    """Hears the same voice in everything, or fails."""

    failure: Exception | None = None

    def embed(self, pcm: bytes) -> Voice | None:
        if self.failure is not None:
            raise self.failure
        return Voice(np.eye(4)[0], len(pcm) / 16_000)


async def transcribe(service: AudioService) -> None:
    await service.transcribe(b"\1\2" * 8_000, language="en", enable_vad=True, session_id=None)


async def post(client: TrioClient, file: bytes | None, **fields: str) -> Any:
    files = {} if file is None else {"audio": FileStorage(BytesIO(file), filename="speech.wav")}
    return await client.post("/api/transcribe", form=fields, files=files)


async def problem(response: Any) -> tuple[int, str]:
    """Return the status and the code of a problem document."""
    assert response.content_type == "application/problem+json"
    document = msgspec.json.decode(await response.get_data())
    assert document["status"] == response.status_code
    assert document["detail"]
    return response.status_code, document["code"]


def test_the_speaker_is_returned_where_it_is_requested() -> None:
    """A longer recording of the same utterance is the same speaker's; a model that fails costs no words."""
    embedder = OneVoice()

    async def ask(service: AudioService, _engine: ScriptedSpeechEngine) -> None:
        client = create(service).test_client()

        async def said(**fields: str) -> Any:
            response = await post(client, SOUND, session_id="s", **fields)  # type: ignore[arg-type]
            assert response.status_code == 200
            return msgspec.json.decode(await response.get_data())

        assert "speaker" not in await said()
        models = msgspec.json.decode(await (await client.get("/api/models")).get_data())
        assert models["diarization"] is True
        first = await said(diarization="true", segment_id="a-1")
        assert first["speaker"] == "?"  # a second is too little to begin with
        for number in (2, 3):
            later = await said(diarization="true", segment_id=f"a-{number}")
        assert later["speaker"].startswith("1-")
        assert later["speaker_corrections"] == [{"segment_id": "a-1", "speaker": later["speaker"]}]
        embedder.failure = MemoryError()
        failed = await said(diarization="true", segment_id="a-4")
        assert failed["text"] == "hello there"
        assert "speaker" not in failed
        assert failed["speaker_detail"] == "The speaker model failed: MemoryError."

    with_engine(ask, virtual=False, speakers=SpeakerLabels(load=lambda: embedder, is_installed=lambda: True))


def test_a_response_has_the_engines_result(with_service: WithService) -> None:
    async def ask(client: TrioClient, engine: ScriptedSpeechEngine) -> None:
        response = await post(
            client,
            SOUND,
            language="en-GB",
            session_id="s-1",
            enable_vad="false",
            prompt="Elinor",
            interim="true",
        )
        assert response.status_code == 200
        assert (engine.prompts, engine.interim) == (["Elinor"], [True])
        document = msgspec.json.decode(await response.get_data())
        assert document.pop("processing_time") >= 0
        assert document == {
            "text": "hello there",
            "segments": [msgspec.json.decode(msgspec.json.encode(SAID))],
            "language": "en",
            "language_probability": None,
            "confidence": 0.75,
            "model_used": "scripted/of-tests",
            "session_id": "s-1",
        }
        assert engine.asked == [(16_000, "en", False)]

    with_service(ask)


def test_a_form_needs_only_the_recording_and_a_body_may_be_the_recording(
    with_service: WithService,
) -> None:
    async def ask(client: TrioClient, engine: ScriptedSpeechEngine) -> None:
        assert (await post(client, SOUND)).status_code == 200
        raw = await client.post(
            "/api/transcribe?language=de", data=SOUND, headers={"Content-Type": "audio/wav"}
        )
        assert raw.status_code == 200
        assert engine.asked == [(16_000, None, True), (16_000, "de", True)]

    with_service(ask)


@pytest.mark.process
@pytest.mark.parametrize(
    ("file", "fields", "expected"),
    [
        (b"This is a letter, not a recording.", {}, (415, "not_audio")),
        (b"\x7fELF" + bytes(1000), {}, (415, "not_audio")),
        (b"", {}, (422, "empty_audio")),
        (wav(b"", 16_000), {}, (422, "empty_audio")),
        (SOUND, {"language": "tlh"}, (422, "unsupported_language")),
        (SOUND, {"enable_vad": "perhaps"}, (400, "invalid_request")),
        (SOUND, {"prompt": "term, " * 10_000}, (400, "invalid_request")),
        (SOUND, {"diarization": "perhaps"}, (400, "invalid_request")),
        (None, {"language": "en"}, (400, "invalid_request")),
    ],
)
def test_bad_uploads_get_their_problem(
    with_service: WithService,
    file: bytes | None,
    fields: dict[str, str],
    expected: tuple[int, str],
) -> None:
    async def ask(client: TrioClient, engine: ScriptedSpeechEngine) -> None:
        assert await problem(await post(client, file, **fields)) == expected
        assert engine.asked == []

    with_service(ask)


def test_a_recording_over_the_limit_is_refused(with_service: WithService) -> None:
    """By one byte, found only after the form was read, or by more, found from its Content-Length."""
    assert DEFAULT_LIMITS.size == 25 * 1_048_576

    async def ask(client: TrioClient, engine: ScriptedSpeechEngine) -> None:
        for size in (20_001, 20_000 + 100_000):
            sound = wav(bytes(size - 44), 16_000)
            assert await problem(await post(client, sound)) == (413, "recording_too_large")
            raw = await client.post("/api/transcribe", data=sound, headers={"Content-Type": "audio/wav"})
            assert await problem(raw) == (413, "recording_too_large")
        assert engine.asked == []
        assert (await post(client, wav(bytes(20_000 - 44), 16_000))).status_code == 200

    with_service(ask, UploadLimits(size=20_000))


def test_a_recording_that_decodes_to_too_many_seconds_is_refused(with_service: WithService) -> None:
    async def ask(client: TrioClient, engine: ScriptedSpeechEngine) -> None:
        long = wav(bytes(61 * 32_000), 16_000)
        assert await problem(await post(client, long)) == (413, "recording_too_large")
        assert engine.asked == []

    with_service(ask, UploadLimits(seconds=60))


@pytest.mark.process
def test_other_rates_and_channels_are_converted(with_service: WithService) -> None:
    """The engine gets 16 kHz mono, whatever was uploaded."""

    async def ask(client: TrioClient, engine: ScriptedSpeechEngine) -> None:
        assert (await post(client, wav(bytes(2 * 48_000), 48_000))).status_code == 200
        [(size, _, _)] = engine.asked
        assert abs(size - 32_000) < 200

    with_service(ask)


def test_other_bodies_paths_and_methods_get_a_problem_too(with_service: WithService) -> None:
    async def ask(client: TrioClient, _engine: ScriptedSpeechEngine) -> None:
        body = await client.post("/api/transcribe", data=b"{}", headers={"Content-Type": "application/json"})
        assert await problem(body) == (415, "unsupported_media_type")
        assert await problem(await client.get("/api/transcribe")) == (405, "method_not_allowed")
        assert await problem(await client.get("/api/nothing")) == (404, "not_found")

    with_service(ask)


def test_no_more_recordings_wait_than_may() -> None:
    """One is transcribed, eight are queued, the tenth gets Retry-After."""

    async def crowd(service: AudioService, engine: ScriptedSpeechEngine) -> None:
        engine.is_stuck = True
        async with trio.open_nursery() as survey:
            for _ in range(1 + WAITING_PER_PLACE):
                survey.start_soon(transcribe, service)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(ProblemError) as refused:
                await transcribe(service)
            assert refused.value.code == "too_many_recordings"
            assert refused.value.headers == {"Retry-After": "2"}
            assert service.health().recordings == 1 + WAITING_PER_PLACE
            survey.cancel_scope.cancel()
        engine.is_stuck = False
        await transcribe(service)
        assert service.health().recordings == 0

    with_engine(crowd)


def test_a_recording_does_not_wait_for_ever() -> None:
    async def wait(service: AudioService, engine: ScriptedSpeechEngine) -> None:
        engine.is_stuck = True
        async with trio.open_nursery() as survey:
            survey.start_soon(transcribe, service)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(ProblemError) as refused:
                await transcribe(service)
            assert refused.value.code == "too_many_recordings"
            survey.cancel_scope.cancel()
        assert engine.cancelled == 1

    with_engine(wait)


def test_an_engine_that_fails_is_an_error(with_service: WithService) -> None:
    async def fail(client: TrioClient, engine: ScriptedSpeechEngine) -> None:
        engine.failure = EngineFailed("segmentation fault")
        assert await problem(await post(client, SOUND)) == (503, "service_unavailable")

    with_service(fail)


async def test_a_service_without_an_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "is_installed", lambda: False)
    monkeypatch.setattr(speech_engines, "find_spec", lambda _name: None)

    service = AudioService(EngineOptions())
    client = create(service).test_client()
    starting = msgspec.json.decode(await (await client.get("/api/health")).get_data())
    assert starting["status"] == "starting"
    with pytest.raises(ProblemError) as still:
        await transcribe(service)
    assert still.value.code == "service_unavailable"
    await service.run()
    health = msgspec.json.decode(await (await client.get("/api/health")).get_data())
    assert health["status"] == "degraded"
    assert "pip install" in health["detail"]
    with pytest.raises(ProblemError) as missing:
        await transcribe(service)
    assert missing.value.code == "engine_missing"
    models = msgspec.json.decode(await (await client.get("/api/models")).get_data())
    assert models == {"models": [], "languages": [], "diarization": False}


@pytest.mark.real_time
async def test_the_choice_of_engine_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whisper if it and a model are available, else PocketSphinx, unless one of them is requested by name."""

    async def chosen(engine: speech_engines.EngineChoice) -> str | None:
        options = EngineOptions(engine=engine, model="small", may_download=False)
        found = await speech_engines.load_engine(options)
        return None if found.engine is None else found.engine.name

    monkeypatch.setattr(whisper, "is_installed", lambda: False)
    assert await chosen("auto") == await chosen("pocketsphinx") == "pocketsphinx"
    assert await chosen("whisper") is None
    monkeypatch.setattr(whisper, "is_installed", lambda: True)
    monkeypatch.setitem(sys.modules, "faster_whisper", ScriptedWhisper(on_disk=False))
    assert await chosen("auto") == "pocketsphinx"
    monkeypatch.setitem(sys.modules, "faster_whisper", ScriptedWhisper())
    assert await chosen("auto") == whisper.Whisper.name
    assert await chosen("pocketsphinx") == "pocketsphinx"


@pytest.mark.real_time
async def test_the_health_says_why_another_engine_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A missing folder is not reported as a missing package."""
    monkeypatch.setattr(whisper, "is_installed", lambda: True)
    folder = str(tmp_path / "nowhere")

    wanted = await speech_engines.load_engine(EngineOptions(engine="whisper", model=folder))
    assert wanted.engine is None
    assert folder in wanted.detail
    assert "pip install" not in wanted.detail
    instead = await speech_engines.load_engine(EngineOptions(engine="auto", model=folder))
    assert instead.engine is not None
    assert folder in instead.detail
    assert "PocketSphinx" in instead.detail


MODULE = "orch.sandbox.audio_service"


@pytest.mark.real_time
@pytest.mark.sandbox
async def test_the_process_transcribes_like_the_engine_alone() -> None:
    """The words over HTTP are those of the engine alone, for each of the clips."""
    async with running(MODULE, "--engine", "pocketsphinx") as service:
        health = await service.health(until="healthy")
        assert (health["engine"], health["model"], health["languages"]) == (
            "pocketsphinx",
            "en-us",
            ["en"],
        )
        models = (await service.client.get("/api/models")).json()
        assert models["models"] == [{"name": "en-us", "engine": "pocketsphinx", "languages": ["en"]}]
        for clip in CLIPS:
            sound = beginning(clip)
            answer = await service.client.post(
                "/api/transcribe", files={"audio": wav(sound, 16_000)}, data={"language": "auto"}
            )
            assert answer.json()["text"] == alone(sound)
            assert 0 < answer.json()["confidence"] < 1
            assert answer.json()["language"] == "en"


@pytest.mark.real_time
@pytest.mark.sandbox
async def test_a_client_that_goes_away_stops_the_decoding() -> None:
    async with running(MODULE, "--engine", "pocketsphinx") as service:
        await service.health(until="healthy")
        [worker] = children(service.process.pid)
        with trio.CancelScope() as request:
            async with trio.open_nursery() as nursery:

                async def leave() -> None:
                    while not children(worker):
                        await trio.lowlevel.checkpoint()
                    request.cancel()

                nursery.start_soon(leave)
                await service.client.post("/api/transcribe", files={"audio": recording("austen-0870")})
                raise AssertionError("it was answered before the client could leave")
        with trio.fail_after(PATIENCE):
            while children(worker):
                await trio.lowlevel.checkpoint()
        assert (await service.health(until="healthy"))["recordings"] == 0


@pytest.mark.real_time
@pytest.mark.sandbox
async def test_a_process_whose_worker_dies_ends_with_it() -> None:
    """So that its parent restarts it, instead of sending requests to a dead engine."""
    async with running(MODULE, "--engine", "pocketsphinx") as service:
        await service.health(until="healthy")
        [worker] = children(service.process.pid)
        os.kill(worker, signal.SIGKILL)
        assert await service.process.wait() == 1
