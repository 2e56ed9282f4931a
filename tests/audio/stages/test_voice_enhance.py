"""The stage voiceEnhance: levels, bands and peaks, by what was measured."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from scipy.signal import chirp, firwin, lfilter, resample

from orch.audio.loudness import LoudnessMeter
from orch.audio.parameters import Clarity, Compressor, DeEsser, Limiter, VoiceEnhancement
from orch.audio.stages.envelope import Compression, Expansion
from orch.audio.stages.stage import Block
from orch.audio.stages.voice_enhance import VoiceEnhanceStage
from tests.audio.stages import properties
from tests.audio.vector_sounds import noisy, speech
from tests.fakes.sounds import clip

OFF = VoiceEnhancement(
    compressor=Compressor(enabled=False),
    clarity=Clarity(enabled=False),
    de_esser=DeEsser(enabled=False),
    limiter=Limiter(enabled=False),
)
ALL = VoiceEnhancement(normalize=True, gain=1.5)


def changed(**changes: Any) -> VoiceEnhancement:
    """Return parameters with everything off but what is given."""
    return structs.replace(OFF, **changes)


def tone(level_db: float, frequency: float = 1000, rate: int = 16_000, seconds: float = 1) -> Block:
    at = np.arange(round(seconds * rate)) / rate
    return (10 ** (level_db / 20) * np.sin(2 * np.pi * frequency * at)).astype(np.float32)


def level(sound: Block) -> float:
    """Return the peak level of the second half in dB."""
    return float(20 * np.log10(np.abs(sound[len(sound) // 2 : -1000]).max()))


@pytest.mark.parametrize("rate", properties.RATES)
def test_everything_off_is_a_delay(rate: int) -> None:
    sound = tone(-10, rate=rate)
    stage = VoiceEnhanceStage(OFF, rate)
    found = properties.whole(stage, sound)
    assert np.array_equal(found[stage.latency :], sound)
    assert not found[: stage.latency].any()


@pytest.mark.parametrize("parameters", [VoiceEnhancement(), ALL])
@given(sizes=st.lists(st.integers(0, 900), min_size=1, max_size=5).filter(any))
@settings(deadline=None, max_examples=15)
def test_blocks_do_not_change_the_output(parameters: VoiceEnhancement, sizes: list[int]) -> None:
    properties.check_blocks(VoiceEnhanceStage(parameters, 16_000), noisy(), sizes)


@pytest.mark.parametrize("rate", properties.RATES)
@pytest.mark.parametrize("parameters", [VoiceEnhancement(), ALL])
def test_it_keeps_the_promises_of_stages(parameters: VoiceEnhancement, rate: int) -> None:
    stage = VoiceEnhanceStage(parameters, rate)
    sound = speech()
    properties.check_states(stage, sound)
    properties.check_length(stage, sound)
    properties.check_hostile(stage, rate, most=20)
    assert properties.measured_latency(stage, sound, 2000) == stage.latency


@pytest.mark.parametrize("input_db", [-40, -22, -20, -18, -10, 0])
def test_the_compressor_has_its_static_curve(input_db: float) -> None:
    unit = Compressor(threshold=-20, ratio=4, knee=6, makeup_gain=1, attack=0.001)
    stage = VoiceEnhanceStage(changed(compressor=unit), 16_000)
    expected = input_db + Compression(threshold=-20, ratio=4, knee=6)(input_db)
    assert level(properties.whole(stage, tone(input_db))) == pytest.approx(expected, abs=0.1)


def test_curves_are_the_formulas() -> None:
    levels = np.array([-60.0, -23, -20, -17, 0])
    soft, hard = Compression(-20, 4, 6), Compression(-20, 4, 0)
    assert np.allclose([soft(each) for each in levels], [0, 0, -0.5625, -2.25, -15])
    assert np.allclose([hard(each) for each in levels], [0, 0, 0, -2.25, -15])
    assert np.allclose([Expansion(-20, 2, 30)(each) for each in levels], [-30, -3, 0, 0, 0])


def test_attack_and_release_take_their_times() -> None:
    """After a time constant the gain has moved by 63 %."""
    unit = Compressor(threshold=-30, ratio=20, knee=0, makeup_gain=1, attack=0.02, release=0.2)
    stage = VoiceEnhanceStage(changed(compressor=unit), 16_000)
    sound = np.concatenate((tone(-40, 1000), tone(-10, 1000), tone(-40, 1000)))
    found = properties.whole(stage, sound)[stage.latency :]
    peaks = 20 * np.log10(
        np.abs(found).reshape(-1, 16).max(axis=1) / np.abs(sound).reshape(-1, 16).max(axis=1)
    )
    whole = 20 * (1 - 1 / 20)
    assert peaks[1019] == pytest.approx(-0.63 * whole, abs=1.0)
    assert peaks[1999] == pytest.approx(-whole, abs=0.1)
    assert peaks[2199] == pytest.approx(-0.37 * whole, abs=1.0)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_clarity_raises_its_band(rate: int) -> None:
    stage = VoiceEnhanceStage(changed(clarity=Clarity(amount=1)), rate)
    for frequency, expected in ((2500, 6.02), (100, 0.0)):
        sound = tone(-20, frequency, rate)
        assert level(properties.whole(stage, sound)) + 20 == pytest.approx(expected, abs=0.1)


def test_the_de_esser_reduces_a_loud_hiss_and_nothing_else() -> None:
    stage = VoiceEnhanceStage(changed(de_esser=DeEsser(threshold=-30, ratio=4)), 16_000)
    assert level(properties.whole(stage, tone(-10, 6000))) == pytest.approx(-10 - 15, abs=0.5)
    assert level(properties.whole(stage, tone(-10, 500))) == pytest.approx(-10, abs=0.1)
    assert level(properties.whole(stage, tone(-40, 6000))) == pytest.approx(-40, abs=0.1)


@pytest.mark.parametrize("target", [-23, -18])
def test_normalisation_reaches_its_target(target: float) -> None:
    """Quiet speech gets as loud as wanted, and silence after it is not raised further."""
    stage = VoiceEnhanceStage(changed(normalize=True, target_level=target), 16_000)
    once = np.concatenate([clip(name) for name in ("austen-0870", "austen-0890", "austen-0920")]) / 32768
    sound = np.tile(once * 0.6, 2).astype(np.float32)
    found = properties.whole(stage, sound)
    meter = LoudnessMeter(16_000)
    meter.add(found[None, len(found) // 2 :])
    assert meter.result().integrated == pytest.approx(target, abs=1.5)
    _, state = stage.process(sound, stage.initial())
    before = state.normalization.gain
    _, state = stage.process(np.zeros(16_000 * 5, np.float32), state)
    assert state.normalization.gain == pytest.approx(before, abs=3)


@pytest.mark.parametrize("rate", properties.RATES)
@pytest.mark.parametrize("peak", [0.2, 0.85])
def test_no_true_peak_passes_the_limiter(rate: int, peak: float) -> None:
    """Also of squares, clicks, clipped noise, and the sine whose peaks lie between the samples."""
    stage = VoiceEnhanceStage(changed(limiter=Limiter(), target_peak=peak), rate)
    between = (4 * np.sin(2 * np.pi * np.arange(rate // 2) / 4 + np.pi / 4)).astype(np.float32)
    loud = np.random.default_rng(9).normal(0, 3, rate // 2).astype(np.float32)
    steps = np.repeat(np.random.default_rng(5).uniform(-4, 4, rate // 80), 40).astype(np.float32)
    for name, sound in (
        properties.hostile(rate) | {"between": between, "steps": steps, "loud noise": loud}
    ).items():
        meter = LoudnessMeter(rate)
        meter.add(properties.whole(stage, sound)[None])
        assert meter.result().true_peak <= peak, name


def ideal_peak(sound: Block) -> float:
    """Return the highest magnitude of the band-limited signal with these samples: 16 times oversampled."""
    padded = np.pad(sound.astype(np.float64), 2000)
    return float(np.abs(resample(padded, 16 * len(padded))).max())


@pytest.mark.parametrize("rate", properties.RATES)
def test_an_ideal_reconstruction_has_no_peak_over_the_target_either(rate: int) -> None:
    """Measured by other means than the limiter's: of sounds without what is above 0.45 of the rate."""
    random = np.random.default_rng(rate)
    low = firwin(201, 0.88)
    sounds = [random.normal(0, 2, rate // 2), chirp(np.arange(rate // 2) / rate, 50, 0.5, 0.44 * rate) * 4]
    sounds.append(sounds[0] * (np.arange(rate // 2) // 37 % 7 == 0))
    stage = VoiceEnhanceStage(changed(limiter=Limiter(), target_peak=0.5), rate)
    for sound in sounds:
        assert ideal_peak(properties.whole(stage, lfilter(low, 1, sound).astype(np.float32))) <= 0.5


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_chirp_up_to_half_the_rate_stays_under_the_target(rate: int) -> None:
    """Its end apart, which cuts a tone that no finite interpolation reconstructs."""
    stage = VoiceEnhanceStage(changed(limiter=Limiter(), target_peak=0.5), rate)
    sound = (2 * chirp(np.arange(rate) / rate, 50, 1, 0.499 * rate)).astype(np.float32)
    found = np.pad(properties.whole(stage, sound)[stage.latency :].astype(np.float64), 2000)
    between = np.abs(resample(found, 16 * len(found)))
    assert between[: 16 * (2000 + rate - 200)].max() <= 0.5


@pytest.mark.parametrize("before", [changed(), changed(limiter=Limiter(), target_peak=0.9)])
def test_a_lower_target_peak_holds_from_the_first_sample(before: VoiceEnhancement) -> None:
    """Also for what waited in the limiter when it changed."""
    old = VoiceEnhanceStage(before, 16_000)
    stage = VoiceEnhanceStage(changed(limiter=Limiter(), target_peak=0.2), 16_000)
    sound = np.random.default_rng(2).normal(0, 0.6, 8000).astype(np.float32)
    for cut in (4000, 4011):
        _, state = old.process(sound[:cut], old.initial())
        found, _ = stage.process(sound[cut:], stage.adopted(state))
        # The step that has left the limiter, but not the stage, was under the old target.
        assert np.abs(found[16:]).max() <= 0.2


def test_the_limiter_leaves_what_is_quiet_as_it_is() -> None:
    stage = VoiceEnhanceStage(changed(limiter=Limiter()), 16_000)
    sound = tone(-10)
    assert np.abs(properties.whole(stage, sound)[stage.latency :] - sound).max() < 1e-7


def test_gains_return_to_exactly_none() -> None:
    """So that a loud moment does not cost time for ever."""
    stage = VoiceEnhanceStage(VoiceEnhancement(gain=2), 16_000)
    _, state = stage.process(tone(6, 6000), stage.initial())
    assert min(state.compressor.gain, state.de_esser.gain, state.limiter.gain - 1) < -0.1
    assert stage.reduction(state) < -1
    _, state = stage.process(tone(-60, seconds=12), state)
    assert (state.compressor.gain, state.de_esser.gain, state.limiter.gain) == (0, 0, 1)
    assert stage.reduction(state) == 0


@pytest.mark.parametrize(
    ("rate", "frequency"), [(8_000, 3503), (16_000, 997), (16_000, 7713), (48_000, 9001), (48_000, 19_111)]
)
def test_limiting_and_compressing_make_no_aliases(rate: int, frequency: int) -> None:
    """Everything that is not near a loud tone is 80 dB below it, also where steps cut it unevenly."""
    strong = changed(de_esser=DeEsser(threshold=-60, ratio=20), limiter=Limiter(), target_peak=0.3)
    for parameters in (VoiceEnhancement(), strong):
        stage = VoiceEnhanceStage(parameters, rate)
        found = properties.whole(stage, tone(-3, frequency, rate, seconds=2))[rate : 2 * rate]
        assert properties.loudest_elsewhere(found, frequency, rate) < -80


@pytest.mark.parametrize("rate", properties.RATES)
@pytest.mark.parametrize("part", [1 / 4, 1 / 3, 1 / 8, 1 / 16])
def test_the_strongest_compressor_makes_no_aliases_where_samples_drift_past_periods(
    rate: int, part: float
) -> None:
    """Near a part of the rate the highest sample varies slowly; the level must not."""
    unit = Compressor(threshold=-40, ratio=20, attack=0.001, release=0.02)
    stage = VoiceEnhanceStage(changed(compressor=unit), rate)
    for frequency in (round(part * rate) + 3, round(part * rate) + 15):
        found = properties.whole(stage, tone(-3, frequency, rate, seconds=2))[rate : 2 * rate]
        assert properties.loudest_elsewhere(found, frequency, rate) < -80
