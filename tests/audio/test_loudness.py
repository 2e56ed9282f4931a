"""Loudness and true peak of signals whose answer is known: BS.1770, EBU Tech 3341 and 3342."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.audio_mixtures import scaled
from orch.audio.loudness import OFFSET, Histogram, Loudness, LoudnessMeter, k_weighting, oversampling
from orch.audio.stages import biquad
from tests.fakes.sounds import CLIPS, clip

Samples = npt.NDArray[np.float64]


def sine(level_db: float, seconds: float, rate: int = 48_000, frequency: float = 1000) -> Samples:
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def measured(samples: Samples, rate: int = 48_000, channels: int = 2, block: int = 4800) -> Loudness:
    meter = LoudnessMeter(rate, channels)
    for begin in range(0, len(samples), block):
        meter.add(np.tile(samples[begin : begin + block], (channels, 1)))
    return meter.result()


def test_the_coefficients_at_48_khz_are_those_of_the_recommendation() -> None:
    assert np.allclose(
        k_weighting(48_000),
        [
            [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585],
            [1, -2, 1, 1, -1.99004745483398, 0.99007225036621],
        ],
        atol=1e-12,
    )


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 96_000])
def test_other_rates_weigh_the_same(rate: int) -> None:
    frequencies = np.array([50.0, 100.0, 500.0, 1000.0, 2000.0])
    own = biquad.magnitude(k_weighting(rate), frequencies, rate)
    model = biquad.magnitude(k_weighting(48_000), frequencies, 48_000)
    assert np.abs(20 * np.log10(own / model)).max() < (0.5 if rate == 8_000 else 0.15)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_reference_tones(rate: int) -> None:
    """997 Hz at full scale in one channel is -3.01 LUFS; 1 kHz at -23 dBFS in both is -23 LUFS."""
    assert measured(sine(0, 20, rate, 997), rate, 1).integrated == pytest.approx(-3.01, abs=0.1)
    assert measured(sine(-23, 20, rate), rate, 2).integrated == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(-23, 20)], -23),
        ([(-33, 20)], -33),
        ([(-36, 10), (-23, 60), (-36, 10)], -23),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
    ],
)
def test_gates_of_tech_3341(parts: list[tuple[float, float]], expected: float) -> None:
    """Cases 1 to 5: stereo sines of 1 kHz."""
    sound = np.concatenate([sine(level, seconds) for level, seconds in parts])
    assert measured(sound).integrated == pytest.approx(expected, abs=0.1)


def test_momentary_and_short_term_of_a_steady_tone() -> None:
    found = measured(sine(-23, 5))
    for level in (found.momentary, found.momentary_max, found.short_term, found.short_term_max):
        assert level == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15)],
)
def test_range_of_tech_3342(levels: tuple[float, ...], expected: float) -> None:
    """Cases 1 to 4: 20 s at each level."""
    sound = np.concatenate([sine(level, 20) for level in levels])
    assert measured(sound).range == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("names", "libebur128"),
    [(CLIPS[:1], 5.00), (CLIPS[1:2], 3.59), (CLIPS[2:], 2.08), (CLIPS, 4.13)],
)
def test_the_range_of_blocks_a_second_apart_is_libebur128s(names: tuple[str, ...], libebur128: float) -> None:
    """Measured with libebur128 (pyebur128 0.1.1), speech at an active level of -26 dBFS."""
    sound = np.concatenate([scaled(clip(name) / 32768) for name in names])
    meter, blocks = LoudnessMeter(16_000), Histogram()
    for begin in range(0, len(sound) - 15_999, 16_000):
        meter.add(sound[None, begin : begin + 16_000])
        level = meter.result().short_term
        if level is not None:
            blocks.add(10 ** ((level - OFFSET) / 10))
    assert blocks.range() == pytest.approx(libebur128, abs=0.11)


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("phase", [0, 45, 60, 67.5])
def test_true_peak_of_tech_3341(rate: int, phase: float) -> None:
    """Cases 15 to 18: a sine at a quarter of the rate, amplitude 0.5: -6.0 dBTP, +0.2 and -0.4."""
    angle = 2 * np.pi * np.arange(rate) / 4 + math.radians(phase)
    ramp = np.minimum(1, np.minimum(np.arange(rate), np.arange(rate)[::-1]) / (0.1 * rate))
    peak = 20 * math.log10(measured(0.5 * np.sin(angle) * ramp, rate).true_peak)
    assert -6.4 <= peak <= -5.8


def test_true_peak_above_full_scale() -> None:
    """Case 19: amplitude 1.41, +3.0 dBTP."""
    angle = 2 * np.pi * np.arange(48_000) / 4 + math.radians(45)
    ramp = np.minimum(1, np.minimum(np.arange(48_000), np.arange(48_000)[::-1]) / 4_800)
    assert 20 * math.log10(measured(1.41 * np.sin(angle) * ramp).true_peak) == pytest.approx(3.0, abs=0.2)


def test_silence_and_short_sounds_have_no_loudness() -> None:
    nothing = measured(np.zeros(48_000 * 4))
    assert (nothing.integrated, nothing.range, nothing.momentary, nothing.true_peak) == (None, None, None, 0)
    assert measured(sine(-20, 0.2)).momentary is None


def test_blocks_do_not_change_what_is_measured() -> None:
    sound = sine(-20, 4) * np.linspace(0.1, 1, 4 * 48_000)
    first, second = measured(sound, block=777), measured(sound, block=48_000)
    assert first.integrated == pytest.approx(second.integrated, abs=1e-6)
    assert first.true_peak == pytest.approx(second.true_peak, abs=1e-9)


def test_oversampling_reaches_192_khz() -> None:
    assert [oversampling(rate) for rate in (8_000, 16_000, 48_000, 96_000)] == [24, 12, 4, 4]
