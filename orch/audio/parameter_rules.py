"""Rules that involve two parameters of the pipeline, or one and the sample rate. Pure.

Each broken rule is a fault at the parameter to change, as JSON path of the parameters:
``voiceFilter.formant1Min``. A band's upper edge may lie above half the sample rate: then nothing ends it.
"""

from collections.abc import Iterator

from msgspec import Struct

from orch.audio.parameters import Parameters


class Fault(Struct, frozen=True):
    """What is wrong at a path: ``expected`` completes "expected …"."""

    path: str
    expected: str


def faults(parameters: Parameters, *, sample_rate: int | None = None) -> tuple[Fault, ...]:
    """Return the broken rules; those about frequencies only where the ``sample_rate`` (Hz) is known."""
    found = [*_orders(parameters), *_silence(parameters)]
    if sample_rate is not None:
        found += _edges(parameters, sample_rate / 2)
    return tuple(found)


def _orders(parameters: Parameters) -> Iterator[Fault]:
    """Every minimum is below its maximum."""
    voice, vad = parameters.voice_filter, parameters.vad
    for group, low_name, low, high_name, high in (
        ("voiceFilter", "fundamentalMin", voice.fundamental_min, "fundamentalMax", voice.fundamental_max),
        ("voiceFilter", "formant1Min", voice.formant1_min, "formant1Max", voice.formant1_max),
        ("voiceFilter", "formant2Min", voice.formant2_min, "formant2Max", voice.formant2_max),
        ("voiceFilter", "formant3Min", voice.formant3_min, "formant3Max", voice.formant3_max),
        ("voiceFilter", "sibilanceMin", voice.sibilance_min, "sibilanceMax", voice.sibilance_max),
        ("vad", "voiceFreqMin", vad.voice_freq_min, "voiceFreqMax", vad.voice_freq_max),
    ):
        if low >= high:
            yield Fault(f"{group}.{low_name}", f"less than {high_name}, which is {high:g}")


def _silence(parameters: Parameters) -> Iterator[Fault]:
    silence, frame = parameters.silence, parameters.vad.frame_duration
    if silence.min_duration < frame:
        yield Fault("silence.minDuration", f"at least vad.frameDuration, which is {frame} ms")
    if silence.breath_threshold <= silence.threshold:
        yield Fault(
            "silence.breathThreshold", f"more than silence.threshold, which is {silence.threshold:g} dBFS"
        )


def _edges(parameters: Parameters, half: float) -> Iterator[Fault]:
    """Every band begins, and every bell has its centre, below half the sample rate."""
    voice, enhancement = parameters.voice_filter, parameters.voice_enhancement
    for path, frequency, is_used in (
        ("voiceFilter.formant3Min", voice.formant3_min, True),
        ("voiceFilter.sibilanceMin", voice.sibilance_min, voice.sibilance_boost > 1),
        ("voiceEnhancement.clarity.focusFreq", enhancement.clarity.focus_freq, enhancement.clarity.enabled),
        ("voiceEnhancement.deEsser.frequency", enhancement.de_esser.frequency, enhancement.de_esser.enabled),
    ):
        if is_used and frequency >= half:
            yield Fault(path, f"less than half the sample rate, which is {half:g} Hz")
