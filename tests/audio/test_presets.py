"""What presets do to the loudness of speech."""

import numpy as np
import pytest

from orch.audio.loudness import Loudness, LoudnessMeter
from orch.audio.pipeline import Pipeline
from orch.audio.presets import PRESETS
from tests.fakes.sounds import clip

RATE = 16_000


def measured(samples: np.ndarray[tuple[int], np.dtype[np.floating]]) -> Loudness:
    meter = LoudnessMeter(RATE)
    meter.add(samples[None])
    return meter.result()


@pytest.mark.parametrize("level", [-27.0, -25.0])
def test_speech_leaves_default_as_loud_as_it_was(level: float) -> None:
    """Loudness in LUFS; peaks stay under the target peak."""
    settings = PRESETS["default"].settings
    sound = clip("austen-0890") / 32768
    before = measured(sound).integrated
    assert before is not None
    sound *= 10 ** ((level - before) / 20)
    pipeline = Pipeline(settings, RATE)
    found = np.concatenate((pipeline.process(sound.astype(np.float32)).samples, pipeline.flush().samples))
    after = measured(found)
    assert after.integrated == pytest.approx(level, abs=1)
    assert after.true_peak <= settings.parameters.voice_enhancement.target_peak
