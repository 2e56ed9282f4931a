"""The pipeline of the browser returns what that of the service returns, also while it is changed."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from msgspec import structs

from orch.audio.parameters import STAGE_IDS, Silence, StageId
from orch.audio.pipeline import Pipeline
from orch.audio.pipeline_settings import PipelineSettings, encode
from orch.audio.presets import PRESETS
from tests.audio.vector_sounds import noisy
from tests.fakes.tools import require

pytestmark = pytest.mark.process

SCRIPT: Final = Path(__file__).parents[1] / "js" / "run-pipeline.js"
RATE: Final = 16_000
BLOCKS: Final = (320, 128, 1, 700)
TAPS: Final[tuple[StageId, ...]] = ("voiceFilter", "noise", "voiceEnhance", "voiceProcess", "final")

DEFAULT: Final = PRESETS["default"].settings
NOISY: Final = PRESETS["noisy"].settings
#: Cuts nothing: a decision that is a frame apart would move all that follows.
KEEPS: Final = structs.replace(
    DEFAULT.parameters, silence=Silence(trim_start=False, trim_end=False, min_duration=1000)
)


def without(settings: PipelineSettings, stage: StageId) -> PipelineSettings:
    return structs.replace(settings, enabled=settings.enabled - {stage})


def keeping(settings: PipelineSettings) -> PipelineSettings:
    """Return the settings with a silence stage that cuts nothing."""
    parameters = structs.replace(settings.parameters, silence=KEEPS.silence)
    return structs.replace(settings, parameters=parameters)


def in_python(changes: list[tuple[int, PipelineSettings]], samples: Any) -> dict[str, Any]:
    waiting = list(changes)
    pipeline = Pipeline(waiting.pop(0)[1], RATE)
    outputs: dict[str, list[Any]] = {stage: [] for stage in TAPS}
    begin = index = 0
    while begin < len(samples):
        while waiting and waiting[0][0] <= begin:
            pipeline.change(waiting.pop(0)[1])
        end = min(len(samples), begin + BLOCKS[index % len(BLOCKS)])
        for stage, block in pipeline.process(samples[begin:end], TAPS).taps.items():
            outputs[stage].append(block)
        begin, index = end, index + 1
    for stage, block in pipeline.flush(TAPS).taps.items():
        outputs[stage].append(block)
    return {stage: np.concatenate(blocks) for stage, blocks in outputs.items()}


def in_javascript(changes: list[tuple[int, PipelineSettings]], samples: Any) -> dict[str, Any]:
    request = {
        "sampleRate": RATE,
        "blocks": BLOCKS,
        "input": base64.b64encode(samples.tobytes()).decode(),
        "changes": [{"at": at, "settings": {"pausedAt": None, **encode(each)}} for at, each in changes],
        "taps": TAPS,
    }
    done = subprocess.run(
        [require("node"), SCRIPT], input=json.dumps(request), capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    return {stage: np.frombuffer(base64.b64decode(answer[stage]), np.float32) for stage in TAPS}


@pytest.mark.parametrize(
    "changes",
    [
        [(0, keeping(DEFAULT))],
        [(0, keeping(DEFAULT)), (4000, keeping(NOISY))],
        [(0, keeping(DEFAULT)), (3000, keeping(without(DEFAULT, "noise"))), (9000, keeping(DEFAULT))],
        [(0, keeping(DEFAULT)), (6000, structs.replace(keeping(DEFAULT), paused_at="noise"))],
    ],
    ids=["unchanged", "another preset", "a stage off and on", "paused"],
)
def test_both_pipelines_return_the_same(changes: list[tuple[int, PipelineSettings]]) -> None:
    samples = noisy(1.0)
    wanted = in_python(changes, samples)
    for stage, output in in_javascript(changes, samples).items():
        assert output.shape == wanted[stage].shape, stage
        assert float(np.max(np.abs(output - wanted[stage]))) <= 1e-4, stage


def test_both_know_the_same_stages() -> None:
    text = (Path(__file__).parents[2] / "static/js/audio/kernels/stages.js").read_text()
    assert json.dumps(STAGE_IDS) in text
