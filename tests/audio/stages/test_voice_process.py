"""The stage voiceProcess: pitch, formants, isolation and expander, by what was measured."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.audio.parameters import ExpanderGate, VoiceIsolation, VoiceProcessing
from orch.audio.stages.expander import RANGE
from orch.audio.stages.stage import Block
from orch.audio.stages.voice_process import VoiceProcessStage
from tests.audio.stages import properties
from tests.audio.vector_sounds import noisy, speech

CLOSED = ExpanderGate(enabled=False)
OFF = VoiceProcessing(expander_gate=CLOSED)
EVERYTHING = VoiceProcessing(
    preserve_pitch=False,
    pitch_shift_cents=60,
    formant_shift=2,
    voice_isolation=VoiceIsolation(enabled=True),
)


def shifting(cents: float, *, preservation: float = 1, formants: float = 0) -> VoiceProcessing:
    return VoiceProcessing(
        preserve_pitch=False,
        pitch_shift_cents=cents,
        formant_preservation=preservation,
        formant_shift=formants,
        expander_gate=CLOSED,
    )


def tone(frequency: float, seconds: float = 1, rate: int = 16_000, level: float = 0.3) -> Block:
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


def frequency(sound: Block, rate: int = 16_000) -> float:
    """Return the frequency of the strongest line, by a parabola through the logarithms of three."""
    lines = np.log(np.abs(np.fft.rfft(sound * np.blackman(len(sound)), 8 * len(sound))) + 1e-12)
    at = int(np.argmax(lines))
    before, here, after = lines[at - 1 : at + 2]
    return float((at + 0.5 * (before - after) / (before - 2 * here + after)) * rate / (8 * len(sound)))


@pytest.mark.parametrize("rate", properties.RATES)
def test_everything_off_is_a_delay(rate: int) -> None:
    """Also with a pitch shift that is not wanted: pitch is preserved."""
    sound = tone(440, rate=rate)
    for parameters in (OFF, VoiceProcessing(pitch_shift_cents=100, expander_gate=CLOSED)):
        stage = VoiceProcessStage(parameters, rate)
        found = properties.whole(stage, sound)
        assert np.array_equal(found[stage.latency :], sound)
        assert not found[: stage.latency].any()


@pytest.mark.parametrize("parameters", [VoiceProcessing(), EVERYTHING])
@given(sizes=st.lists(st.integers(0, 900), min_size=1, max_size=5).filter(any))
@settings(deadline=None, max_examples=10)
def test_blocks_do_not_change_the_output(parameters: VoiceProcessing, sizes: list[int]) -> None:
    properties.check_blocks(VoiceProcessStage(parameters, 16_000), noisy(), sizes)


@pytest.mark.parametrize("rate", properties.RATES)
@pytest.mark.parametrize("parameters", [VoiceProcessing(), EVERYTHING])
def test_it_keeps_the_promises_of_stages(parameters: VoiceProcessing, rate: int) -> None:
    stage = VoiceProcessStage(parameters, rate)
    sound = speech()
    properties.check_states(stage, sound)
    properties.check_length(stage, sound)
    properties.check_hostile(stage, rate, most=10)


@pytest.mark.parametrize(
    "parameters",
    [VoiceProcessing(), VoiceProcessing(voice_isolation=VoiceIsolation(enabled=True), expander_gate=CLOSED)],
)
def test_its_latency_is_the_declared_one(parameters: VoiceProcessing) -> None:
    stage = VoiceProcessStage(parameters, 16_000)
    assert properties.measured_latency(stage, speech(), 4000) == stage.latency


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("cents", [-100, -37, 50, 100])
@pytest.mark.parametrize("pitch", [110.0, 440.0, 1234.5])
def test_a_tone_moves_by_the_cents_that_were_asked_for(pitch: float, cents: float, rate: int) -> None:
    """Within 2 cents, and as loud as before within 1 dB, where no formants are preserved."""
    stage = VoiceProcessStage(shifting(cents, preservation=0), rate)
    sound = tone(pitch, 2, rate)
    found = properties.whole(stage, sound)[rate // 2 : rate // 2 + rate]
    assert 1200 * np.log2(frequency(found, rate) / pitch) == pytest.approx(cents, abs=2)
    assert 20 * np.log10(np.std(found) / np.std(sound)) == pytest.approx(0, abs=1)


def vowel(pitch: float, formants: tuple[float, ...] = (700, 1200, 2600)) -> Block:
    """Return a held vowel: harmonics under resonances of 100 Hz."""
    at = np.arange(32_000) / 16_000
    sound = np.zeros(len(at))
    for harmonic in range(1, int(7000 / pitch)):
        f = harmonic * pitch
        gain = sum(1 / (1 + ((f - formant) / 100) ** 2) for formant in formants)
        sound += gain * np.sin(2 * np.pi * f * at + harmonic**2)
    return (0.1 * sound / np.std(sound)).astype(np.float32)


def centre(sound: Block, low: float, high: float) -> float:
    """Return the centre of the power between two frequencies."""
    lines: npt.NDArray[np.float64] = np.abs(np.fft.rfft(sound[8000:24_000] * np.hanning(16_000))) ** 2
    f = np.arange(len(lines))
    inside = (f >= low) & (f <= high)
    return float((f * lines)[inside].sum() / lines[inside].sum())


@pytest.mark.parametrize("cents", [-100, 100])
def test_formants_stay_where_they_were_as_the_pitch_moves(cents: float) -> None:
    """Within 3 %; without preservation they move with the pitch."""
    sound = vowel(90)
    kept = properties.whole(VoiceProcessStage(shifting(cents), 16_000), sound)
    moved = properties.whole(VoiceProcessStage(shifting(cents, preservation=0), 16_000), sound)
    for low, high in ((450, 950), (2100, 3100)):
        before = centre(sound, low, high)
        assert centre(kept, low, high) == pytest.approx(before, rel=0.03)
        assert centre(moved, low, high) / before == pytest.approx(2 ** (cents / 1200), rel=0.03)


def test_formants_are_shifted_alone() -> None:
    """By two semitones, 12 %, while the pitch stays."""
    sound = vowel(100)
    found = properties.whole(VoiceProcessStage(shifting(0, formants=2), 16_000), sound)
    assert centre(found, 2300, 3400) / centre(sound, 2100, 3100) == pytest.approx(1.12, rel=0.04)
    lines = np.abs(np.fft.rfft(found[8000:24_000] * np.hanning(16_000)))
    assert int(np.argmax(lines[550:850])) + 550 in {600, 700, 800}


@pytest.mark.parametrize(("algorithm", "sign"), [("harmonic", 1), ("percussive", -1)])
def test_isolation_keeps_what_was_chosen(algorithm: str, sign: int) -> None:
    """Of a held vowel with clicks, six dB or more of the other kind are gone."""
    held = vowel(120)
    strokes = np.zeros(32_000, np.float32)
    strokes[4000::2000] = 0.5
    parameters = VoiceProcessing(
        voice_isolation=VoiceIsolation(enabled=True, strength=1, algorithm=algorithm),  # type: ignore[arg-type]
        expander_gate=CLOSED,
    )
    stage = VoiceProcessStage(parameters, 16_000)
    found = properties.whole(stage, held + strokes)[stage.latency :]

    def ratio(sound: Block) -> float:
        part = sound[8000:24_000]
        peaks = np.abs(part.reshape(-1, 2000)[:, :8]).max()
        return float(20 * np.log10(np.std(part.reshape(-1, 2000)[:, 500:1500]) / peaks))

    assert sign * (ratio(found) - ratio(held + strokes)) > 6


@pytest.mark.parametrize("level_db", [-70, -60, -50, -41, -30])
def test_the_expander_has_its_static_curve(level_db: float) -> None:
    """Quiet gets quieter: 2 dB for each dB below the threshold, 40 dB at most."""
    unit = ExpanderGate(threshold=-40, ratio=3)
    stage = VoiceProcessStage(VoiceProcessing(expander_gate=unit), 16_000)
    sound = tone(1000, level=10 ** (level_db / 20))
    found = properties.whole(stage, sound)[12_000:15_000]
    gain = max(-RANGE, 2 * min(0, level_db + 40))
    assert 20 * np.log10(np.abs(found).max()) == pytest.approx(level_db + gain, abs=0.2)


@pytest.mark.parametrize("frequency", [6100, 4003, 4015, 5343])
def test_the_expander_makes_no_aliases(frequency: int) -> None:
    """Neither of a tone like others, nor where samples drift slowly past its periods."""
    unit = ExpanderGate(threshold=0, ratio=10, attack=0.001, release=0.02)
    stage = VoiceProcessStage(VoiceProcessing(expander_gate=unit), 16_000)
    found = properties.whole(stage, tone(frequency, 2, level=0.7))[16_000:32_000]
    assert properties.loudest_elsewhere(found, frequency, 16_000) < -80
