"""A file that `silence` shortens keeps its times, and one that it removes is told from one that has sound."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.pipeline_requests import CLIP, NOTHING, audio_service, integers, post, problem, running
from tests.fakes.wav_files import tones, wav_file

pytestmark = [pytest.mark.process, pytest.mark.real_time]

SHORTENED = json.dumps({"parameters": {"silence": {"useVoiceActivity": False}}, "enabledStages": ["silence"]})
MODEL = json.dumps(
    {"parameters": {"noiseReduction": {"engine": "deepFilterNet"}}, "enabledStages": ["noise"]}
)


async def test_what_was_cut_is_found_again_in_the_file(tmp_path: Path) -> None:
    """By the parts of the result; the words of a transcript have the times of the file."""
    speech = integers(CLIP)[0][: 2 * 16_000]
    late = np.concatenate((np.zeros(32_000), speech, np.zeros(64_000), speech, np.zeros(16_000)))
    data = wav_file(late[:, None], 16_000)
    with audio_service() as url:
        async with running(tmp_path, **{"services.audio-service.url": url}) as (_, client):
            found = (await post(client, "analyze", data, settings=SHORTENED)).json()
            compared = (await post(client, "compare", data, a=SHORTENED, b=NOTHING)).json()
    assert found["emptied"] is None
    parts = found["parts"]
    assert parts == compared["a"]["parts"]
    assert parts[0]["start"] == 0
    assert parts[-1]["end"] == pytest.approx(found["after"]["duration"], abs=1e-6)
    assert 1.7 < parts[0]["original_start"] < 2.3
    for part, following in pairwise(parts):
        assert part["end"] == following["start"]
        assert part["original_start"] + part["end"] - part["start"] < following["original_start"]
    assert max(part["original_start"] for part in parts) > 7
    assert compared["b"]["parts"] == [{"start": 0, "end": 11.0, "original_start": 0}]
    first, last = compared["a"]["transcript"]["words"]
    assert first["start"] == pytest.approx(parts[0]["original_start"] + 0.1)
    assert first["end"] - first["start"] == pytest.approx(0.1)
    assert 9 < last["start"] < last["end"] <= 10.3
    assert [word["start"] for word in compared["b"]["transcript"]["words"]] == [0.1, 10.7]


async def test_a_file_without_a_voice_is_not_answered_with_an_empty_one(tmp_path: Path) -> None:
    """The parameter that removed it is named; measures are there anyway, and nothing is transcribed."""
    tone, quiet = (wav_file(level * tones(16_000, 1), 16_000) for level in (1, 1e-4))
    with audio_service() as url:
        async with running(tmp_path, **{"services.audio-service.url": url}) as (service, client):
            for data, path in ((tone, "silence.useVoiceActivity"), (quiet, "silence.threshold")):
                refused = await post(client, "process", data, preset="default")
                assert problem(refused) == (422, "nothing_left", path)
                assert refused.json()["field"] == "preset"
                assert path in refused.json()["detail"]
            found = (await post(client, "analyze", tone)).json()
            compared = (await post(client, "compare", tone, a="default", b=NOTHING)).json()
            kept = await post(client, "process", tone, settings=MODEL)
            assert service.parts.pipeline_runs.statistics().running == 0
    assert found["emptied"]["path"] == "silence.useVoiceActivity"
    assert found["parts"] == []
    assert found["before"]["duration"] == 1
    assert found["after"]["duration"] == 0
    assert compared["a"]["emptied"] == found["emptied"]
    assert compared["a"]["transcript"]["problem"]["code"] == "nothing_left"
    assert compared["b"]["emptied"] is None
    assert compared["b"]["transcript"]["text"] is not None
    # Of the engine, which is not among what tests install.
    assert found["notice"] is None
    assert "DeepFilterNet is not installed" in kept.headers["orch-notice"]
