"""The six presets of the pipeline. Pure. What a preset does not name has its default.

A compressor that reduces more has more make-up gain, so that speech of the usual level (an active level of
-25 dBFS, about -26 LUFS) leaves *default* as loud as it was.
"""

from typing import Final

from msgspec import Struct, structs

from orch.audio.parameters import Compressor, NoiseReduction, Parameters, Vad, VoiceEnhancement, VoiceFilter
from orch.audio.pipeline_settings import PipelineSettings


class Preset(Struct, frozen=True, kw_only=True):
    """A preset: ``text`` says for what it is meant."""

    name: str
    title: str
    text: str
    settings: PipelineSettings


def _preset(
    name: str,
    title: str,
    text: str,
    *,
    vad: tuple[int, float],
    voice: tuple[float, float],
    noise: tuple[float, bool],
    compressor: tuple[float, float],
    makeup: float = 1.2,
) -> Preset:
    """Return a preset from the table's four pairs and the make-up gain."""
    parameters = Parameters(
        vad=Vad(aggressiveness=vad[0], energy_threshold=vad[1]),
        voice_filter=VoiceFilter(voice_band_gain=voice[0], sibilance_boost=voice[1]),
        noise_reduction=NoiseReduction(strength=noise[0], voice_protection=noise[1]),
        voice_enhancement=VoiceEnhancement(
            compressor=Compressor(threshold=compressor[0], ratio=compressor[1], makeup_gain=makeup)
        ),
    )
    return Preset(
        name=name, title=title, text=text, settings=structs.replace(PipelineSettings(), parameters=parameters)
    )


UNNAMED: Final = "minimal"
"""The preset where none is named: of those that change speech it costs the fewest words of clean speech."""

PRESETS: Final = {
    preset.name: preset
    for preset in (
        _preset(
            "default",
            "Default",
            "Rooms and headsets: gentle everywhere.",
            vad=(2, 0.01),
            voice=(1.1, 1.2),
            noise=(0.7, True),
            compressor=(-20, 3),
            makeup=1.8,
        ),
        _preset(
            "voice",
            "Voice",
            "One speaker near a good microphone: clear, hardly reduced.",
            vad=(1, 0.005),
            voice=(1.3, 1.5),
            noise=(0.5, True),
            compressor=(-18, 2.5),
        ),
        _preset(
            "noisy",
            "Noisy room",
            "Fans, streets, cafés: strong suppression, speech must be clear to count.",
            vad=(3, 0.02),
            voice=(1.5, 1.8),
            noise=(0.9, True),
            compressor=(-25, 4),
            makeup=2.5,
        ),
        _preset(
            "music",
            "Music",
            "Singing and instruments: suppression that does not mistake music for noise.",
            vad=(0, 0.001),
            voice=(1.0, 1.0),
            noise=(0.3, False),
            compressor=(-15, 2),
        ),
        _preset(
            "minimal",
            "Minimal",
            "Sound that is good already: as little as possible.",
            vad=(1, 0.01),
            voice=(1.0, 1.0),
            noise=(0.3, True),
            compressor=(-10, 1.5),
        ),
        _preset(
            "aggressive",
            "Aggressive",
            "What is understood only with effort: everything that helps, however it sounds.",
            vad=(3, 0.03),
            voice=(1.8, 2.0),
            noise=(0.95, True),
            compressor=(-30, 6),
            makeup=4.0,
        ),
    )
}
