"""Files are processed, measured and compared over HTTP, whatever they are."""

import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import pytest
import trio
from msgspec import structs

from orch.audio.parameters import STAGE_IDS, DeEsser, VoiceEnhancement
from orch.audio.pipeline_settings import PipelineSettings, encode
from orch.audio.presets import PRESETS
from tests.fakes.patience import PATIENCE
from tests.fakes.pipeline_requests import (
    CLIP,
    NOTHING,
    audio_service,
    floats,
    integers,
    post,
    problem,
    running,
)
from tests.fakes.processes import unreaped
from tests.fakes.wav_files import tones, wav_file

pytestmark = [pytest.mark.process, pytest.mark.real_time]


async def test_a_file_is_processed_with_a_preset_or_with_settings(tmp_path: Path) -> None:
    """A preset, minimal where none is named, gives 16-bit WAV at its rate; with all stages off, floats."""
    async with running(tmp_path) as (_, client):
        plain = await post(client, "process", CLIP)
        named = await post(client, "process", CLIP, preset="minimal")
        noisy = await post(client, "process", CLIP, settings=json.dumps(encode(PRESETS["noisy"].settings)))
        for response in (plain, named, noisy):
            assert (response.status_code, response.headers["content-type"]) == (200, "audio/wav")
            assert int(response.headers["content-length"]) == len(response.content)
            samples, rate = integers(response.content)
            assert rate == 16000
            assert 4 < len(samples) / rate <= 7.1
            assert np.abs(samples).max() > 0.05
        assert integers(plain.content)[0].shape == integers(named.content)[0].shape
        assert np.abs(integers(plain.content)[0] - integers(named.content)[0]).max() < 0.001, "but for dither"
        assert noisy.content != named.content
        sound = (tones(44100, 1.3) * 1.5).astype(np.float32)
        same = await post(client, "process", wav_file(sound.astype(float), 44100, "float"), settings=NOTHING)
        back, rate = floats(same.content)
        assert rate == 44100
        assert np.array_equal(back, sound[:, 0])


async def test_every_kind_of_wav_file_is_processed(tmp_path: Path) -> None:
    """Word length, rate and channels; the tone, which is no voice, comes out with its own frequency."""
    minimal = PRESETS["minimal"].settings
    # At 8 kHz there is nothing to de-ess.
    gentle = structs.replace(
        minimal.parameters, voice_enhancement=VoiceEnhancement(de_esser=DeEsser(enabled=False))
    )
    settings = PipelineSettings(parameters=gentle, enabled=minimal.enabled - {"silence"})
    whole = json.dumps(encode(settings))
    async with running(tmp_path) as (_, client):
        for form, own, channels in (
            ("8", 8000, 1),
            ("16", 11025, 3),
            ("24", 48000, 2),
            ("32", 96000, 1),
            ("float", 44100, 8),
            ("double", 192000, 5),
        ):
            data = wav_file(tones(own, 1, channels), own, form)
            response = await post(client, "process", data, settings=whole)
            assert response.status_code == 200, (form, response.text)
            samples, rate = integers(response.content)
            assert rate == 16000
            spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
            assert np.argmax(spectrum) * rate / len(samples) == pytest.approx(440, abs=3), form


async def test_a_file_is_measured_before_after_and_at_each_stage(tmp_path: Path) -> None:
    """Both channels of the original, each stage that is on with its time, the loudness of a known tone."""
    times = np.arange(48000 * 3) / 48000
    tone = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * times)
    stereo = np.stack([tone, -tone], axis=1)
    stereo[1000] = (np.nan, np.inf)
    settings = json.dumps({"parameters": {}, "enabledStages": ["voiceEnhance", "resample"]})
    async with running(tmp_path) as (_, client):
        response = await post(client, "analyze", wav_file(stereo, 48000, "float"), settings=settings)
        assert response.status_code == 200, response.text
        found = response.json()
        speech = (await post(client, "analyze", CLIP, preset="default")).json()
    assert found["file"] == {
        "format": "wav",
        "seconds": 3.0,
        "sample_rate": 48000,
        "channels": 2,
        "pipeline_rate": 48000,
        "invalid_samples": 2,
    }
    assert found["before"]["phase_correlation"] == pytest.approx(-1, abs=1e-6)
    assert found["before"]["loudness_integrated"] == pytest.approx(-23.0, abs=0.1)
    assert found["before"]["channels"] == 2
    assert found["after"]["sample_rate"] == 16000
    stages = {stage["stage"]: stage for stage in found["stages"]}
    assert tuple(stages) == STAGE_IDS
    assert {name for name, stage in stages.items() if stage["milliseconds"] is not None} == {
        "voiceEnhance",
        "resample",
    }
    assert [name for name, stage in stages.items() if not stage["is_on"]] == [
        "voiceFilter",
        "vad",
        "noise",
        "voiceProcess",
        "silence",
    ]
    assert stages["noise"]["analysis"] == stages["decoded"]["analysis"]
    assert stages["decoded"]["analysis"]["channels"] == 1
    assert "voice activity" in found["before"]["reasons"]["vad_confidence"]
    assert speech["preset"] == "default"
    for measures in (speech["before"], speech["after"]):
        assert measures["vad_confidence"] > 0.5
        (first, *_) = measures["speech_segments"]
        assert 0 <= first["start"] < first["end"] <= measures["duration"]
    assert speech["after"]["duration"] < speech["before"]["duration"]
    assert all(stage["is_on"] and stage["analysis"]["duration"] > 4 for stage in speech["stages"])


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


async def test_files_that_cannot_be_processed_are_problems(tmp_path: Path) -> None:
    """Empty, truncated, lying, no audio, too long, too many channels: each with its own code."""
    tone = tones(8000, 2)
    async with running(tmp_path, max_seconds=5) as (service, client):
        for name, data, expected, words in (
            ("empty", b"", (422, "empty_audio"), "empty"),
            ("no samples", wav_file(tone[:0], 8000), (422, "empty_audio"), "no samples"),
            ("truncated", cut(wav_file(tone, 8000)), (415, "not_audio"), "missing"),
            ("lying", wav_file(tone, 8000, declared=1_000_000), (415, "not_audio"), "968000 bytes"),
            ("header only", wav_file(tone, 8000)[:30], (415, "not_audio"), "cannot be read"),
            ("no audio", b"<html>" * 100, (415, "not_audio"), "supported format"),
            ("random", np.random.default_rng(1).bytes(5000), (415, "not_audio"), "recording"),
            ("nine channels", wav_file(tones(8000, 1, 9), 8000), (415, "not_audio"), "up to 8"),
            ("too slow", wav_file(tones(1000, 1), 1000), (422, "unsupported_sample_rate"), "1000"),
            ("too long", wav_file(tones(8000, 5.5), 8000), (413, "recording_too_long"), "longer than 5 s"),
        ):
            for what in ("process", "analyze"):
                response = await post(client, what, data, settings=NOTHING)
                assert problem(response)[:2] == expected, (name, response.text)
                assert words in response.json()["detail"], (name, response.text)
        counts = service.parts.pipeline_runs.statistics()
        assert (counts.running, counts.refused, counts.finished) == (0, 20, 0)


async def test_fields_that_cannot_be_used_are_problems_with_their_paths(tmp_path: Path) -> None:
    """No file, two of them, unknown fields, both choices, no JSON, faults of settings: all with paths."""
    faulty = {
        "parameters": {"noiseReduction": {"strength": 2, "colour": "pink"}, "vad": {"voiceFreqMin": "low"}},
        "enabledStages": ["noise", "reverb"],
    }
    crossed = {"parameters": {"voiceFilter": {"formant1Min": 900, "formant1Max": 400}}, "enabledStages": []}
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
    async with running(tmp_path) as (service, client):
        for fields, expected in (
            ({"preset": "loud"}, (422, "unknown_preset", "preset")),
            ({"preset": "noisy", "settings": NOTHING}, (400, "invalid_request", "settings")),
            ({"volume": "11"}, (400, "invalid_request", "volume")),
            ({"settings": "{"}, (400, "invalid_json", "settings")),
            ({"settings": "[" * 5000}, (400, "invalid_json", "settings")),
            ({"settings": "x" * 200_000}, (413, "body_too_large", None)),
        ):
            assert problem(await post(client, "process", CLIP, **fields)) == expected, fields
        refused = await post(client, "process", CLIP, settings=json.dumps(faulty))
        assert problem(refused)[:2] == (422, "invalid_settings")
        assert refused.json()["field"] == "settings"
        assert [fault["path"] for fault in refused.json()["faults"]] == [
            "enabledStages[1]",
            "noiseReduction.strength",
            "noiseReduction.colour",
            "vad.voiceFreqMin",
        ]
        refused = await post(client, "analyze", CLIP, settings=json.dumps(crossed))
        assert [fault["path"] for fault in refused.json()["faults"]] == ["voiceFilter.formant1Min"]
        for body, headers, expected in (
            (b"", form, (400, "invalid_request", "audio")),
            (part + CLIP, form, (400, "invalid_request", "audio")),
            (b"--x--\r\n", form, (400, "invalid_request", "audio")),
            (part + b"\r\n" + part + b"\r\n--x--\r\n", form, (400, "invalid_request", "audio")),
            (part.replace(b"audio", b"sound") + b"1\r\n--x--\r\n", form, (400, "invalid_request", "audio")),
            (CLIP, {"Content-Type": "audio/wav"}, (415, "unsupported_media_type", None)),
            (b"{}", {"Content-Type": "application/json"}, (415, "unsupported_media_type", None)),
        ):
            response = await client.post("/api/pipeline/process", content=body, headers=headers)
            assert problem(response) == expected, (body[:50], response.text)
        assert service.parts.pipeline_runs.statistics().running == 0


async def test_rules_about_the_sample_rate_are_checked_once_it_is_known(tmp_path: Path) -> None:
    """Settings that do not suit a telephone's file are faults; presets leave out what it does not contain."""
    telephone = wav_file(tones(8000, 1), 8000)
    own = json.dumps(encode(PRESETS["default"].settings))
    async with running(tmp_path) as (_, client):
        refused = await post(client, "process", telephone, settings=own)
        assert problem(refused)[:2] == (422, "invalid_settings")
        assert [fault["path"] for fault in refused.json()["faults"]] == [
            "voiceFilter.sibilanceMin",
            "voiceEnhancement.deEsser.frequency",
        ]
        assert "4000 Hz" in refused.json()["faults"][0]["expected"]
        # Of the tones, which are no voice, the stage silence leaves nothing; the settings are accepted.
        assert (await post(client, "analyze", telephone, preset="default")).status_code == 200
        refused = await post(client, "compare", telephone, a="voice", b=own)
        assert refused.json()["field"] == "b"


async def test_too_large_files_are_refused_before_and_while_they_arrive(tmp_path: Path) -> None:
    """By the declared length, and by what arrives where none is declared."""
    async with running(tmp_path, max_upload_bytes=100_000) as (_, client):
        large = wav_file(tones(48000, 5), 48000)
        assert problem(await post(client, "process", large))[:2] == (413, "recording_too_large")

        async def unending() -> AsyncGenerator[bytes, None]:
            yield b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
            for _ in range(100):
                yield bytes(65536)

        response = await client.post(
            "/api/pipeline/process",
            content=unending(),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        assert problem(response)[:2] == (413, "recording_too_large")


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"concurrent_requests": 1, "max_requests_per_address": 1}, (503, "pipeline_busy", None)),
        ({"concurrent_requests": 2, "max_requests_per_address": 1}, (429, "too_many_files", None)),
    ],
)
async def test_beyond_the_limit_requests_are_refused_with_a_time(
    tmp_path: Path, limits: dict[str, int], expected: tuple[int, str, None]
) -> None:
    """A request holds its place from before its body has arrived until its response was sent."""
    arriving, proceed = trio.Event(), trio.Event()
    body = wav_file(tones(16000, 0.5), 16000)
    part = (
        b'--x\r\nContent-Disposition: form-data; name="settings"\r\n\r\n%b\r\n'
        b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
    ) % NOTHING.encode()
    statuses: list[int] = []

    async def slowly() -> AsyncGenerator[bytes, None]:
        yield part + body[:1000]
        arriving.set()
        await proceed.wait()
        yield body[1000:] + b"\r\n--x--\r\n"

    async with running(tmp_path, **limits) as (_, client), trio.open_nursery() as nursery:

        async def first() -> None:
            response = await client.post(
                "/api/pipeline/process",
                content=slowly(),
                headers={"Content-Type": "multipart/form-data; boundary=x"},
            )
            statuses.append(response.status_code)

        nursery.start_soon(first)
        await arriving.wait()
        with trio.fail_after(PATIENCE):
            while (second := await post(client, "process", body, settings=NOTHING)).status_code == 200:
                pass  # the first one has not reached the service yet
        assert problem(second) == expected
        assert int(second.headers["retry-after"]) > 0
        proceed.set()
    assert statuses == [200]


async def test_a_client_that_leaves_ends_both_processes(tmp_path: Path) -> None:
    """They are counted, their place is free again, and nothing of them is left."""
    long = wav_file(np.random.default_rng(1).normal(0, 0.1, (48000 * 60, 1)), 48000)
    before = unreaped()
    async with running(tmp_path, concurrent_requests=1) as (service, client):
        statistics = service.parts.pipeline_runs.statistics
        async with trio.open_nursery() as nursery:
            nursery.start_soon(post, client, "analyze", long)
            with trio.fail_after(120):
                while len(unreaped() - before) < 2:  # noqa: ASYNC110 - processes announce nothing
                    await trio.sleep(0.01)
            assert statistics().running == 1
            nursery.cancel_scope.cancel()
        with trio.fail_after(PATIENCE):
            while statistics().running:  # noqa: ASYNC110 - over HTTP
                await trio.sleep(0.01)
        assert statistics().cancelled == 1
        assert unreaped() == before
        assert (await post(client, "process", CLIP, settings=NOTHING)).status_code == 200


async def test_a_client_that_stops_reading_gives_its_place_back(tmp_path: Path) -> None:
    """The file that it did not read is closed with the connection."""
    noise = wav_file(np.random.default_rng(1).normal(0, 0.1, (48000 * 40, 1)), 48000)
    before = unreaped()
    async with running(tmp_path, concurrent_requests=1) as (service, client):
        files, fields = {"audio": ("a.wav", noise)}, {"settings": NOTHING}
        async with client.stream("POST", "/api/pipeline/process", files=files, data=fields) as response:
            assert response.status_code == 200
            assert int(response.headers["content-length"]) == 58 + 48000 * 40 * 4
            assert unreaped() == before  # both processes have ended; the file is being sent
            assert problem(await post(client, "process", CLIP))[:2] == (503, "pipeline_busy")
        with trio.fail_after(PATIENCE):
            while (last := await post(client, "process", CLIP, settings=NOTHING)).status_code == 503:
                pass  # the service has not noticed yet
        assert last.status_code == 200
        assert service.parts.pipeline_runs.statistics().finished == 2


async def test_two_settings_are_compared_by_measures_and_transcripts(tmp_path: Path) -> None:
    """With a reference, word errors of both are counted; the words that differ are listed anyway."""
    with audio_service() as url:
        async with running(tmp_path, **{"services.audio-service.url": url}) as (_, client):
            fields = {"a": NOTHING, "b": "default", "language": "en"}
            response = await post(client, "compare", CLIP, **fields, reference="It was the best of times.")
            assert response.status_code == 200, response.text
            without = (await post(client, "compare", CLIP, **fields)).json()
            for wrong, expected in (
                ({"a": "default"}, (400, "invalid_request", "b")),
                ({"a": "default", "b": "loud"}, (422, "unknown_preset", "b")),
                ({**fields, "reference": "…"}, (400, "invalid_request", "reference")),
                ({**fields, "language": "!"}, (400, "invalid_request", "language")),
                ({**fields, "preset": "voice"}, (400, "invalid_request", "preset")),
            ):
                assert problem(await post(client, "compare", CLIP, **wrong)) == expected
    found = response.json()
    assert (found["a"]["preset"], found["b"]["preset"]) == (None, "default")
    assert found["a"]["analysis"]["duration"] > found["b"]["analysis"]["duration"]
    assert found["before"]["duration"] == pytest.approx(7.1)
    assert found["a"]["transcript"]["word_errors"]["rate"] == 0
    assert found["b"]["transcript"]["text"] == "it was the best times"
    errors = found["b"]["transcript"]["word_errors"]
    assert (errors["words"], errors["deleted"], errors["rate"]) == (6, 1, pytest.approx(1 / 6))
    differing = [step for step in found["differences"]["alignment"] if step["kind"] != "equal"]
    assert differing == [{"kind": "deleted", "reference": "of", "recognised": None}]
    assert without["b"]["transcript"]["word_errors"] is None
    assert without["differences"] == found["differences"]


async def test_without_the_audio_service_the_measures_are_compared(tmp_path: Path) -> None:
    """The transcript has the problem in its place."""
    async with running(tmp_path, **{"services.audio-service.url": "http://127.0.0.1:9"}) as (_, client):
        response = await post(client, "compare", CLIP, a="minimal", b=NOTHING, reference="It was")
        assert response.status_code == 200, response.text
    found = response.json()
    for side in (found["a"], found["b"]):
        assert side["transcript"]["text"] is None
        assert side["transcript"]["problem"]["code"] in {"service_unavailable", "gateway_timeout"}
        assert side["analysis"]["duration"] > 4
    assert found["differences"] is None


async def test_only_operators_and_this_machine_may_use_the_pipeline(tmp_path: Path) -> None:
    """Strangers read its parameters, and nothing else."""
    stranger = {"X-Forwarded-For": "192.0.2.7"}
    async with running(tmp_path, **{"orchestration.control_token": "t" * 30}) as (_, client):
        for what in ("process", "analyze", "compare"):
            files = {"audio": ("a.wav", CLIP)}
            response = await client.post(f"/api/pipeline/{what}", files=files, headers=stranger)
            assert problem(response)[:2] == (401, "token_required")
        for what in ("schema", "presets"):
            assert (await client.get(f"/api/pipeline/{what}", headers=stranger)).status_code == 200
        assert (await post(client, "process", CLIP, settings=NOTHING)).status_code == 200


async def test_the_samples_of_the_document_run_as_they_are(tmp_path: Path) -> None:
    """Copied from docs/audio.md into a shell, with the address of this service."""
    document = (Path(__file__).parents[2] / "docs" / "audio.md").read_text("utf-8")
    (samples,) = re.findall(r"```sh\n(.*?)```", document, re.DOTALL)
    (tmp_path / "speech.wav").write_bytes(CLIP)
    with audio_service() as url:
        async with running(tmp_path, **{"services.audio-service.url": url}) as (service, _):
            script = samples.replace("http://localhost:3000", service.url)
            assert script.count(service.url) == 5
            done = await trio.run_process(
                ["bash", "-e"], stdin=script.encode(), cwd=tmp_path, capture_stdout=True, capture_stderr=True
            )
    assert [preset["name"] for preset in json.loads(done.stdout)["presets"]] == list(PRESETS)
    assert integers((tmp_path / "processed.wav").read_bytes())[1] == 16000
    assert len(floats((tmp_path / "own.wav").read_bytes())[0]) == 7.1 * 16000
    assert json.loads((tmp_path / "measures.json").read_text())["after"]["loudness_integrated"] < 0
    compared = json.loads((tmp_path / "compared.json").read_text())
    assert compared["a"]["transcript"]["word_errors"]["words"] == 22
