"""Golden vectors of the stage voiceFilter."""

from typing import Final

from orch.audio.parameters import VoiceFilter
from orch.audio.stages.stage import Block
from orch.audio.stages.voice_filter import VoiceFilterStage
from tests.audio.vector_sounds import noisy, speech, tones
from tests.audio.vectors import Case


def _case(name: str, parameters: VoiceFilter, sound: Block, rate: int = 16_000) -> Case:
    return Case(name, VoiceFilterStage(parameters, rate), parameters, rate, sound)


CASES: Final = [
    _case("default", VoiceFilter(), speech(0.4)),
    _case(
        "bells, strongly",
        VoiceFilter(preserve_formants=False, voice_band_gain=2, sibilance_boost=2, sibilance_max=6500),
        noisy(0.3),
    ),
    _case(
        "48 kHz, following",
        VoiceFilter(fundamental_min=60, sibilance_max=12_000),
        tones(0.25, 48_000),
        48_000,
    ),
    _case("8 kHz, everything open", VoiceFilter(adaptive_filtering=False), tones(0.3, 8_000), 8_000),
]
