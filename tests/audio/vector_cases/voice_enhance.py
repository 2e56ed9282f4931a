"""Golden vectors of the stage voiceEnhance."""

from typing import Final

from orch.audio.parameters import Clarity, Compressor, DeEsser, VoiceEnhancement
from orch.audio.stages.stage import Block
from orch.audio.stages.voice_enhance import VoiceEnhanceStage
from tests.audio.vector_sounds import noisy, speech, tones
from tests.audio.vectors import Case


def _case(name: str, parameters: VoiceEnhancement, sound: Block, rate: int = 16_000) -> Case:
    return Case(name, VoiceEnhanceStage(parameters, rate), parameters, rate, sound)


CASES: Final = [
    _case("default", VoiceEnhancement(), speech(0.4)),
    _case(
        "everything, strongly",
        VoiceEnhancement(
            gain=2,
            normalize=True,
            target_level=-14,
            target_peak=0.3,
            compressor=Compressor(threshold=-35, ratio=8, knee=12, makeup_gain=3),
            clarity=Clarity(amount=1, focus_freq=3000, bandwidth=2000),
            de_esser=DeEsser(threshold=-45, ratio=6),
        ),
        noisy(0.4),
    ),
    _case("48 kHz", VoiceEnhancement(normalize=True), tones(0.2, 48_000), 48_000),
]
