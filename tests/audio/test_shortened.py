"""What `silence` left of a file is known to the sample, and why it left nothing."""

import numpy as np
import pytest
from msgspec import structs

from orch.audio.measured_pipeline import MeasuredPipeline
from orch.audio.parameters import Parameters, Silence
from orch.audio.pipeline_settings import PipelineSettings
from orch.audio.stages.stage import Block
from tests.fakes.wav_files import tones

RATE = 16_000
TONE = tones(RATE, 1)[:, 0].astype(np.float32)
"""No voice."""


def processed(sound: Block, *, vad: bool = False, **values: bool) -> tuple[MeasuredPipeline, Block]:
    """Return the pipeline of `silence` after a sound, and what it returned."""
    settings = PipelineSettings(
        parameters=Parameters(silence=structs.replace(Silence(), **values)),
        enabled=frozenset({"silence", "vad"} if vad else {"silence"}),
    )
    pipeline = MeasuredPipeline(settings, RATE, "nothing", clock=lambda: 0.0)
    parts = [pipeline.process(part).samples for part in np.array_split(sound, 7)]
    return pipeline, np.concatenate((*parts, pipeline.flush().samples))


def test_every_part_is_found_in_the_file() -> None:
    """Sample by sample but for the fades at the cuts; the parts fill the result."""
    pause = np.zeros(2 * RATE, np.float32)
    sound = np.concatenate((pause, TONE, pause, TONE, pause))
    pipeline, result = processed(sound)
    parts = pipeline.shortened.parts()
    assert len(parts) == 2
    assert (parts[0][0], parts[0][1], parts[1][1]) == (0, parts[1][0], len(result))
    fade = RATE // 100
    for start, end, source in parts:
        length = end - start - 2 * fade
        there = sound[source + fade : source + fade + length]
        assert np.array_equal(result[start + fade :][:length], there)
        assert np.abs(there).max() > 0.4
    assert pipeline.shortened.emptied() is None


def test_without_a_cut_there_is_one_part() -> None:
    pipeline, result = processed(TONE)
    assert pipeline.shortened.parts() == ((0, len(TONE), 0),)
    assert len(result) == len(TONE)


@pytest.mark.parametrize(
    ("sound", "vad", "path"),
    [
        (TONE, True, "silence.useVoiceActivity"),
        (TONE * np.float32(1e-4), True, "silence.threshold"),
        (TONE * np.float32(1e-4), False, "silence.threshold"),
    ],
)
def test_the_parameter_that_emptied_a_file_is_named(sound: Block, path: str, *, vad: bool) -> None:
    pipeline, result = processed(sound, vad=vad)
    emptied = pipeline.shortened.emptied()
    assert len(result) == 0
    assert emptied is not None
    assert emptied.path == path
    assert pipeline.shortened.parts() == ()


def test_a_sound_that_is_no_voice_stays_if_one_follows_the_advice() -> None:
    pipeline, result = processed(TONE, vad=True, use_voice_activity=False)
    assert len(result) == len(TONE)
    assert pipeline.shortened.emptied() is None


def test_an_empty_file_was_not_emptied() -> None:
    pipeline, _ = processed(TONE[:0])
    assert pipeline.shortened.emptied() is None
