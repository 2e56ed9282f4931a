"""Cases of the resample stage: up, down, to the same rate, between rates without a common ratio."""

from typing import Any, Final

from orch.audio.parameters import Resampling
from orch.audio.stages.resample import ResampleStage
from orch.audio.stages.stage import Block
from tests.audio.vector_sounds import speech, tones
from tests.audio.vectors import Case


def _case(name: str, sound: Block, rate: int, **values: Any) -> Case:
    parameters = Resampling(**values)
    return Case(name, ResampleStage(parameters, rate), parameters, rate, sound)


CASES: Final = [
    _case("speech to 48 kHz", speech(0.15), 16_000, target_rate=48_000),
    _case(
        "44.1 to 16 kHz, rectangular dither",
        tones(0.1, 44_100),
        44_100,
        dither_type="rectangular",
        quality="medium",
    ),
    _case(
        "48 to 8 kHz, long filter, not rounded",
        tones(0.1, 48_000),
        48_000,
        target_rate=8_000,
        filter_order=256,
        dithering=False,
    ),
    _case("the same rate, dithered", speech(0.1), 16_000),
    _case(
        "a rate without a common ratio",
        tones(0.05, 17_001),
        17_001,
        target_rate=22_050,
        quality="low",
        dither_type="none",
    ),
    _case("without a filter", tones(0.05, 22_050), 22_050, anti_alias=False),
]
