from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.audio.dither import STEP, noise, rounded
from orch.audio.parameters import Resampling
from orch.audio.stages.resample import ATTENUATION, ResampleStage
from orch.audio.stages.stage import Block
from tests.audio.stages.properties import check_blocks, check_hostile, check_states, hostile, whole

TARGETS = (8_000, 16_000, 22_050, 44_100, 48_000)
RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)
SOUND = np.random.default_rng(2).normal(0, 0.2, 4_000).astype(np.float32)


def stage(rate: int, **values: Any) -> ResampleStage:
    return ResampleStage(Resampling(**{"dithering": False, **values}), rate)


def tone(frequency: float, rate: int, seconds: float = 0.3, phase: float = 0) -> Block:
    at = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * frequency * at + phase)).astype(np.float32)


def level(samples: Block) -> float:
    """Return the RMS of the middle in dB of that of :func:`tone`."""
    edge = len(samples) // 4
    rms = float(np.sqrt(np.mean(samples[edge:-edge].astype(np.float64) ** 2)))
    return float(20 * np.log10(max(rms, 1e-12) / (0.5 / np.sqrt(2))))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_the_same_tone_at_its_own_time(rate: int, target: int) -> None:
    """Output n is the signal at the instant n / output rate."""
    for frequency in (200, 0.42 * min(rate, target)):
        found = whole(stage(rate, target_rate=target), tone(frequency, rate))
        expected = tone(frequency, target)
        edge = len(found) // 4
        assert np.abs(found[: len(expected)] - expected)[edge:-edge].max() < 1e-4


@pytest.mark.parametrize("quality", ["high", "medium", "low"])
@pytest.mark.parametrize("order", [64, 128, 512])
@pytest.mark.parametrize(("rate", "target"), [(48_000, 16_000), (44_100, 22_050), (192_000, 8_000)])
def test_what_would_alias_is_down_by_the_attenuation(
    rate: int, target: int, order: int, quality: str
) -> None:
    """The stop band begins at half of the lower rate, whatever the order."""
    converter = stage(rate, target_rate=target, quality=quality, filter_order=order)
    for frequency in np.geomspace(target / 2 * 1.002, rate / 2 * 0.98, 6):
        assert level(whole(converter, tone(frequency, rate, phase=0.7))) < -ATTENUATION[quality] + 3


@pytest.mark.parametrize("quality", ["high", "medium", "low"])
def test_images_are_down_by_the_attenuation(quality: str) -> None:
    """A tone at 8 kHz is one tone at 48 kHz: nothing between 4 and 24 kHz."""
    found = whole(stage(8_000, target_rate=48_000, quality=quality), tone(3_000, 8_000, 1))
    spectrum = np.abs(np.fft.rfft(found[4_800:-4_800] * np.blackman(len(found) - 9_600)))
    images = spectrum[round(4_100 / 24_000 * len(spectrum)) :].max()
    assert 20 * np.log10(images / spectrum.max()) < -ATTENUATION[quality] + 3


def test_a_longer_filter_passes_more() -> None:
    """The pass band ends closer to half the rate."""
    levels = [level(whole(stage(48_000, filter_order=order), tone(7_400, 48_000))) for order in (16, 64, 256)]
    assert all(a < b - 1 for a, b in pairwise(levels))
    assert levels[-1] == pytest.approx(0, abs=0.01)


def test_without_the_filter_what_the_rate_cannot_hold_folds_down() -> None:
    """It is a choice with consequences, so it has to do something."""
    assert level(whole(stage(48_000, anti_alias=False), tone(10_000, 48_000))) > -6
    assert level(whole(stage(48_000), tone(10_000, 48_000))) < -97


def test_rates_without_a_common_ratio_are_as_clean() -> None:
    """Between the tabled phases the filter is interpolated with an error below -90 dB."""
    found = whole(stage(17_001, target_rate=22_050), tone(1_000, 17_001, 1))
    error = (found - tone(1_000, 22_050, 1.1)[: len(found)])[2_000:-2_000]
    assert np.abs(error).max() < 0.5 * 10 ** (-90 / 20)


@settings(max_examples=60, deadline=None)
@given(
    rate=st.integers(8_000, 192_000),
    target=st.sampled_from(TARGETS),
    count=st.integers(0, 600),
    sizes=st.lists(st.integers(0, 700), min_size=1, max_size=5).filter(any),
)
def test_the_count_is_that_of_the_rates_whatever_the_blocks(
    rate: int, target: int, count: int, sizes: list[int]
) -> None:
    """ceil(N L / M) samples in all."""
    converter = stage(rate, target_rate=target, filter_order=16)
    assert len(whole(converter, SOUND[:count])) == -(-count * target // rate)
    if count:
        check_blocks(converter, SOUND[:count], sizes)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([(44_100, 16_000), (16_000, 44_100), (48_000, 16_000), (16_000, 16_000)]),
    st.lists(st.sampled_from([0, 1, 2, 127, 500, 1_500]), min_size=1, max_size=9).filter(any),
)
def test_blocks_change_nothing_and_dither_neither(rates: tuple[int, int], sizes: list[int]) -> None:
    """The noise is that of the sample's number."""
    check_blocks(stage(rates[0], target_rate=rates[1], dithering=True), SOUND, sizes)


@pytest.mark.parametrize(("rate", "target"), [(48_000, 16_000), (44_100, 16_000), (8_000, 48_000)])
@pytest.mark.parametrize("values", [{}, {"filter_order": 512}, {"anti_alias": False}])
def test_the_declared_latency_is_the_measured_one(rate: int, target: int, values: dict[str, Any]) -> None:
    """The output for an instant is returned once that many samples after it have arrived, not before."""
    converter = stage(rate, target_rate=target, **values)
    state = converter.initial()
    waits: list[float] = []
    produced = 0
    for received in range(1, 5 * converter.latency + 200):
        out, state = converter.process(SOUND[received % 7 : received % 7 + 1], state)
        waits += [received - number * rate / target for number in range(produced, produced + len(out))]
        produced += len(out)
    assert converter.latency <= max(waits) <= converter.latency + 1
    assert min(waits) > converter.latency - 1


def test_an_older_state_can_be_used_again() -> None:
    check_states(stage(44_100), SOUND)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_hostile_sounds_stay_finite_and_bounded(rate: int) -> None:
    """The filter's overshoot is below 30 %."""
    check_hostile(stage(rate), rate, most=1.3)
    for sound in hostile(rate).values():
        assert np.abs(whole(ResampleStage(Resampling(), rate), sound)).max() <= 1


def test_memory_is_bounded() -> None:
    """Input that no later output needs is dropped."""
    converter = stage(48_000)
    state = converter.initial()
    for _ in range(50):
        _, state = converter.process(SOUND, state)
        assert len(state.history) <= 2 * converter.latency + 3


@pytest.mark.parametrize(
    ("shape", "power"), [("triangular", 3.0), ("rectangular", 2.0), ("none", 1.0)], ids=str
)
def test_the_error_of_rounding_has_the_stated_power(shape: Any, power: float) -> None:
    """step² / 12 times 1, 2 or 3."""
    signal = np.random.default_rng(1).uniform(-0.5, 0.5, 200_000)
    error = rounded(signal, shape, 0) - signal
    assert np.mean(error**2) == pytest.approx(power * STEP**2 / 12, rel=0.02)
    assert abs(np.mean(error)) < 0.01 * STEP
    assert np.array_equal(np.rint(rounded(signal, shape, 0) / STEP) * STEP, rounded(signal, shape, 0))


def test_dither_makes_the_error_independent_of_the_signal() -> None:
    """Without dither nothing is left of a tone below one step; with it the tone is there, no harmonics."""
    at = np.arange(160_000)
    quiet = 0.45 * STEP * np.sin(2 * np.pi * at / 160)
    assert not rounded(quiet, "none", 0).any()
    lines = np.abs(np.fft.rfft(rounded(quiet, "triangular", 0))) / len(at) * 2 / STEP
    assert lines[1_000] == pytest.approx(0.45, abs=0.02)
    assert lines[[2_000, 3_000, 5_000]].max() < 0.02
    # The error's power follows the signal with the rectangular shape, not with the triangular one.
    ramp = (at % 1_000) / 1_000 * STEP
    powers = {}
    for shape in ("triangular", "rectangular"):
        error = rounded(ramp, shape, 0) - ramp
        powers[shape] = np.mean(error.reshape(-1, 1_000) ** 2, axis=0).reshape(10, 100).mean(axis=1)
    assert np.ptp(powers["triangular"]) < 0.15 * powers["triangular"].mean()
    assert np.ptp(powers["rectangular"]) > 0.8 * powers["rectangular"].mean()


@pytest.mark.parametrize("shape", ["triangular", "rectangular"])
def test_the_noise_is_white(shape: Any) -> None:
    """Its samples do not depend on each other."""
    values = noise(shape, 0, 100_000)
    spectrum = np.abs(np.fft.rfft(values, 1 << 18)) ** 2
    correlation = np.fft.irfft(spectrum)[:2_000] / np.sum(values**2)
    assert np.abs(correlation[1:]).max() < 5 / np.sqrt(len(values))
    assert np.array_equal(noise(shape, 500, 10), values[500:510])
