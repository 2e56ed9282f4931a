"""Golden vectors of the stage vad."""

from typing import Final

import numpy as np

from orch.audio.parameters import Vad
from orch.audio.stages.stage import Block
from orch.audio.stages.vad import VadStage
from tests.audio.vector_sounds import noisy, speech, tones
from tests.audio.vectors import Case


def _case(name: str, parameters: Vad, sound: Block, rate: int = 16_000) -> Case:
    return Case(name, VadStage(parameters, rate), parameters, rate, sound)


CASES: Final = [
    _case("an onset", Vad(), speech(0.3, begin=0.2)),
    _case(
        "another range, frames of 30 ms, in noise",
        Vad(
            aggressiveness=0,
            frame_duration=30,
            voice_freq_min=60,
            voice_freq_max=400,
            energy_threshold=0,
            min_speech_duration=50,
            max_silence_duration=100,
        ),
        noisy(0.25),
    ),
    _case(
        "a pause, frames of 10 ms, strictly",
        Vad(aggressiveness=3, frame_duration=10, min_speech_duration=50, max_silence_duration=100),
        np.concatenate((speech(0.16, begin=1.2), np.zeros(2_000, np.float32))),
    ),
    _case("48 kHz", Vad(), tones(0.06, 48_000), 48_000),
]
