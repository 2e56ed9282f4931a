"""The stage noise: what it removes, what it leaves, and the promises of every stage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import exp1

from orch.audio.parameters import NoiseReduction
from orch.audio.stages.log_mmse import estimated
from orch.audio.stages.noise import NoiseStage
from orch.audio.stages.stage import Activity, Block
from tests.audio.stages import properties
from tests.audio.vector_sounds import halves, noisy, speech
from tests.fakes.sounds import CLIPS, clip, hum, noise, pink, typing

UNGATED = NoiseReduction(gate_threshold=0)
PARAMETERS = (
    NoiseReduction(),
    NoiseReduction(strength=1, noise_floor=0, spectral_subtraction=True, smoothing=0),
)


def full_scale(samples: object) -> Block:
    return (np.asarray(samples) / 32_768).astype(np.float32)


def level(sound: Block) -> float:
    """Return the RMS level in dBFS."""
    return float(10 * np.log10(np.mean(sound.astype(np.float64) ** 2) + 1e-12))


def through(parameters: NoiseReduction, sound: Block, activity: Activity | None = None) -> Block:
    """Return the output without the latency."""
    stage = NoiseStage(parameters, 16_000)
    return properties.whole(stage, sound, activity)[stage.latency :]


@pytest.mark.parametrize("parameters", PARAMETERS)
@given(sizes=st.lists(st.integers(0, 4_096), min_size=1, max_size=5).filter(any))
@settings(deadline=None, max_examples=15)
def test_blocks_do_not_change_the_output(parameters: NoiseReduction, sizes: list[int]) -> None:
    sound = noisy(0.4)
    stage = NoiseStage(parameters, 16_000)
    properties.check_blocks(stage, sound, sizes)
    properties.check_blocks(stage, sound, sizes, halves(len(sound)))


def test_blocks_of_a_sample_do_not_change_the_output() -> None:
    properties.check_blocks(NoiseStage(NoiseReduction(), 16_000), noisy(0.2), [1, 0, 1, 2])


@pytest.mark.parametrize("rate", properties.RATES)
@pytest.mark.parametrize("parameters", PARAMETERS)
def test_it_keeps_the_promises_of_stages(parameters: NoiseReduction, rate: int) -> None:
    """No gain is above 1, but windows and what is removed from strokes can add up to a little more."""
    stage = NoiseStage(parameters, rate)
    sound = speech()
    properties.check_states(stage, sound)
    properties.check_length(stage, sound)
    properties.check_hostile(stage, rate, most=1.5)
    assert properties.measured_latency(stage, speech(1.5), 12_000) == stage.latency
    assert stage.latency == pytest.approx(0.096 * rate, abs=24)


@pytest.mark.parametrize("rate", properties.RATES)
def test_strength_0_is_a_delay(rate: int) -> None:
    """All gains are 1 then, and frames are put together again without a fault."""
    stage = NoiseStage(NoiseReduction(strength=0), rate)
    sound = noisy(0.5)
    late = properties.whole(stage, sound)
    assert np.allclose(late[stage.latency :], sound, atol=1e-6)
    assert np.abs(late[: stage.latency]).max() < 1e-12


@pytest.mark.parametrize(("strength", "most"), [(0.3, -11), (0.7, -22), (1.0, -25)])
@pytest.mark.parametrize("colour", [noise, pink])
def test_steady_noise_falls_towards_its_floor(colour: object, strength: float, most: float) -> None:
    """The floor is 0.01 to the power of the strength: -12, -28 and -40 dB."""
    assert callable(colour)
    sound = full_scale(colour(4, -30))
    found = through(NoiseReduction(strength=strength, gate_threshold=0), sound)
    assert -40 * strength - 1 < level(found[32_000:]) - level(sound[32_000:]) < most


def test_hum_falls_to_its_floor() -> None:
    sound = full_scale(hum(4, 50))
    assert level(through(UNGATED, sound)[32_000:]) - level(sound[32_000:]) < -24


def test_speech_stays_and_noise_goes() -> None:
    """Against the clean clip, the ratio of signal to noise grows by more than 5 dB."""
    clean = full_scale(clip("austen-0890"))
    sound = clean + full_scale(noise(len(clean) / 16_000, level(clean) - 5))[: len(clean)]
    found = through(NoiseReduction(), sound)[: len(clean)]
    assert level(clean) - level(found - clean) > level(clean) - level(sound - clean) + 5
    assert level(found) == pytest.approx(level(clean), abs=1)


def test_clean_speech_is_hardly_changed() -> None:
    clean = full_scale(clip("austen-0890"))
    assert level(through(NoiseReduction(), clean)[: len(clean)] - clean) < level(clean) - 13


def test_strokes_of_keys_are_lowered() -> None:
    """They are over too soon to be followed as noise; what is under them stays."""
    room, keys = full_scale(noise(4, -60)), full_scale(typing(4))
    found = through(UNGATED, room + keys)
    assert level(found) < level(keys) - 15


def test_louder_noise_is_learned_within_three_seconds() -> None:
    """A fan that starts is no speech, however far it is above the quiet before it."""
    sound = np.concatenate((full_scale(noise(2, -60)), full_scale(noise(5, -25, seed=2))))
    found = through(UNGATED, sound)
    assert level(found[80_000:]) < level(sound[80_000:]) - 18


def test_noise_after_silence_is_learned_at_once() -> None:
    """Digital silence, as of a muted microphone, is no measure for what follows."""
    sound = np.concatenate((np.zeros(32_000, np.float32), full_scale(noise(3, -30))))
    found = through(UNGATED, sound)
    assert level(found[48_000:]) < level(sound[48_000:]) - 20


def test_the_gate_fades_out_what_is_below_it() -> None:
    """20 dB more, while the rest of the noise is below the threshold."""
    sound = full_scale(noise(4, -30))
    open_, closed = (through(NoiseReduction(gate_threshold=each), sound) for each in (0, 0.05))
    assert level(closed[32_000:-1_600]) - level(open_[32_000:-1_600]) == pytest.approx(-20, abs=1)


def test_voice_protection_raises_the_floor_while_the_voice_is_active() -> None:
    """In noise alone that the VAD calls speech from the first sample, at least -26 dB remain."""
    sound = full_scale(noise(4, -30))
    certain = Activity(np.ones(len(sound), np.float32), np.ones(len(sound), np.bool_))
    protected = NoiseReduction(strength=1, gate_threshold=0)
    free = NoiseReduction(strength=1, gate_threshold=0, voice_protection=False)
    before = level(sound[32_000:-1_600])
    assert level(through(protected, sound, certain)[32_000:-1_600]) - before > -26.5
    assert level(through(free, sound, certain)[32_000:-1_600]) - before < -29


@pytest.mark.parametrize("seconds", [0.1, 0.3, 4])
def test_noise_that_was_taken_for_a_voice_at_the_start_is_suppressed_soon(seconds: float) -> None:
    """From the second window of the minimum on as much as without the mistake, within 2 dB."""
    sound = full_scale(noise(4, -30))
    is_voice = np.arange(len(sound)) < seconds * 16_000
    mistaken = Activity(is_voice.astype(np.float32), is_voice)
    right = Activity(np.zeros(len(sound), np.float32), np.zeros(len(sound), np.bool_))
    free = NoiseReduction(gate_threshold=0, voice_protection=False)
    levels = [level(through(free, sound, each)[40_000:-1_600]) for each in (mistaken, right)]
    assert levels[0] == pytest.approx(levels[1], abs=2)


def test_musical_noise_is_smoothed() -> None:
    """Single frequencies that stand out of the noise by chance are lowered, too."""
    sound = full_scale(noise(4, -30))

    def loudest(suppression: float) -> float:
        found = through(NoiseReduction(gate_threshold=0, music_noise_suppression=suppression), sound)
        frames = found[32_000:63_232].reshape(-1, 512) * np.hanning(512)
        powers = np.abs(np.fft.rfft(frames, axis=1)) ** 2
        return float(10 * np.log10(np.percentile(powers, 99.9)))

    assert loudest(0.95) < loudest(0) - 3


@pytest.mark.parametrize(
    ("sound", "least", "most"),
    [
        (hum(3, 50), 0, 0.2),
        (noise(3, -30), 0.45, 0.7),
        (noise(3, -30) * np.linspace(0.5, 1, 48_000), 0.45, 0.75),
    ],
    ids=["hum", "noise", "noise that grows"],
)
def test_tones_and_steady_noise_are_told_apart(sound: object, least: float, most: float) -> None:
    """Their power varies differently: not at all in a tone, by 0.58 in noise, also as it grows by 6 dB."""
    stage = NoiseStage(UNGATED, 16_000)
    _, state = stage.process(full_scale(sound), stage.initial())
    assert least <= state.noise.spread < most


def test_voices_in_the_background_are_lowered_less() -> None:
    """Three people at a time are unsteady noise, of which at least -7.5 dB remain."""
    voices = np.sum([np.resize(np.roll(clip(name), 20_000), 96_000) for name in CLIPS], axis=0)
    sound = full_scale(voices / 4)
    stage = NoiseStage(UNGATED, 16_000)
    found, state = stage.process(sound, stage.initial())
    assert state.noise.unsteadiness > 0.9
    late = stage.latency
    assert -7.6 < level(found[48_000 + late :]) - level(sound[48_000:-late]) < 0


def test_the_gain_is_that_of_the_exponential_integral() -> None:
    """The approximation is within 0.02 dB of G = ξ/(1+ξ) · exp(½ E₁(v))."""
    prior, ratio = (each.ravel() for each in np.meshgrid(np.logspace(-2.5, 3, 60), np.logspace(-5, 3, 60)))
    square, v = estimated(prior, ratio)
    exact = np.minimum((prior / (1 + prior)) ** 2 * np.exp(exp1(v)), 1)
    assert np.abs(10 * np.log10(square / ratio / exact)).max() < 0.02


def test_a_state_is_adopted_with_other_parameters() -> None:
    """What was learned of the noise holds for the new parameters at once."""
    sound = full_scale(noise(4, -30))
    weak, strong = NoiseStage(NoiseReduction(strength=0.3), 16_000), NoiseStage(UNGATED, 16_000)
    _, state = weak.process(sound[:32_000], weak.initial())
    assert weak.reduction(state) < -10
    found, after = strong.process(sound[32_000:], strong.adopted(state))
    assert level(found[4_000:]) < level(sound) - 22
    assert strong.reduction(after) < -20
