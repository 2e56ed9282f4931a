"""Golden vectors of the stage noise."""

from typing import Final

import numpy as np

from orch.audio.parameters import NoiseReduction
from orch.audio.stages.noise import NoiseStage
from orch.audio.stages.stage import Activity, Block
from tests.audio.vector_sounds import halves, noisy, tones
from tests.audio.vectors import Case


def _case(
    name: str,
    parameters: NoiseReduction,
    sound: Block,
    rate: int = 16_000,
    activity: Activity | None = None,
) -> Case:
    return Case(name, NoiseStage(parameters, rate), parameters, rate, sound, activity)


def _strokes(sound: Block) -> Block:
    """Return the sound with a click of a millisecond every 0.15 s."""
    clicks = np.random.default_rng(5).normal(0, 0.3, len(sound))
    clicks[np.arange(len(sound)) % 2_400 >= 16] = 0
    return (sound + clicks).astype(np.float32)


CASES: Final = [
    _case("default", NoiseReduction(), noisy(0.25)),
    _case("strong, with activity", NoiseReduction(strength=1), noisy(0.22, -25), activity=halves(3_520)),
    _case("strokes", NoiseReduction(), _strokes(noisy(0.25, -50))),
    _case(
        "subtraction",
        NoiseReduction(spectral_subtraction=True, music_noise_suppression=0, gate_threshold=0.02),
        noisy(0.2),
    ),
    _case("48 kHz", NoiseReduction(smoothing=0.9, voice_protection=False), tones(0.1, 48_000), 48_000),
]
