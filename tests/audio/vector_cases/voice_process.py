"""Golden vectors of the stage voiceProcess."""

from typing import Final

from orch.audio.parameters import ExpanderGate, VoiceIsolation, VoiceProcessing
from orch.audio.stages.stage import Block
from orch.audio.stages.voice_process import VoiceProcessStage
from tests.audio.vector_sounds import noisy, speech, tones
from tests.audio.vectors import Case


def _case(name: str, parameters: VoiceProcessing, sound: Block, rate: int = 16_000) -> Case:
    return Case(name, VoiceProcessStage(parameters, rate), parameters, rate, sound)


CASES: Final = [
    _case("default", VoiceProcessing(), speech(0.3)),
    _case(
        "pitch and formants",
        VoiceProcessing(
            preserve_pitch=False, pitch_shift_cents=-70, formant_shift=1, formant_preservation=0.5
        ),
        speech(0.3),
    ),
    _case(
        "harmonic isolation",
        VoiceProcessing(
            voice_isolation=VoiceIsolation(enabled=True, strength=0.8),
            expander_gate=ExpanderGate(threshold=-20),
        ),
        noisy(0.3),
    ),
    _case(
        "percussive isolation at 48 kHz",
        VoiceProcessing(voice_isolation=VoiceIsolation(enabled=True, algorithm="percussive")),
        tones(0.15, 48_000),
        48_000,
    ),
]
