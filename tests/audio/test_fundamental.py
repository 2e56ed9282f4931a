import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from orch.audio.fundamental import FRAME, Fundamental, Signal, Tables, measure
from tests.fakes.sounds import CLIPS, clip, hum, noise, pink, voice

CASES: Final = Path(__file__).parents[1] / "data" / "audio" / "fundamentals.json"
"""Sounds by their partials (Hz, amplitude, phase) and noise, with their fundamentals; also of the browser."""
RATES = [8_000, 16_000, 44_100, 48_000]


def rows(sound: Signal, rate: int = 16_000, hop: float = 0.01) -> Signal:
    """Return the frames of a sound of full scale 32768 that begin every ``hop`` s, full scale 1."""
    frames = np.lib.stride_tricks.sliding_window_view(sound / 32768, round(rate * FRAME))
    return frames[:: round(rate * hop)]


def measured(sound: Signal, rate: int = 16_000, lowest: float = 75, highest: float = 500) -> Fundamental:
    return measure(rows(sound, rate), Tables(rate, lowest=lowest, highest=highest))


def mixture(count: int, rate: int, partials: list[list[float]], loudness: float) -> Signal:
    """Return sines and the noise of a linear congruential generator, full scale 1: the same anywhere."""
    at = np.arange(count) / rate
    total = sum(
        (amplitude * np.sin(2 * np.pi * frequency * at + phase) for frequency, amplitude, phase in partials),
        np.zeros(count),
    )
    number, values = 1, []
    for _ in range(count):
        number = number * 16_807 % 2_147_483_647
        values.append(number / 2_147_483_647 * 2 - 1)
    return total + loudness * np.array(values)


@pytest.mark.parametrize(
    "case", json.loads(CASES.read_text()), ids=lambda case: f"{case['rate']}-{case['noise']}"
)
def test_the_cases_that_the_browser_is_tested_with_are_current(case: dict[str, Any]) -> None:
    tables = Tables(case["rate"], lowest=case["lowest"], highest=case["highest"])
    found = measure(mixture(tables.frame, case["rate"], case["partials"], case["noise"])[None], tables)
    assert found.frequency[0] == pytest.approx(case["frequency"], rel=1e-9, abs=1e-9)
    assert found.harmonicity[0] == pytest.approx(case["harmonicity"], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frequency", [78.0, 111.1, 220.0, 330.7, 480.0])
def test_a_tone_has_its_frequency_and_is_harmonic(rate: int, frequency: float) -> None:
    at = np.arange(rate // 4) / rate
    found = measured(10_000 * np.sin(2 * np.pi * frequency * at), rate)
    assert found.frequency == pytest.approx(np.full(len(found.frequency), frequency), rel=0.01)
    assert found.harmonicity.min() > 0.98


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frequency", [85.0, 140.0, 233.0, 410.0])
def test_a_voice_is_not_taken_for_its_overtone_or_for_half_of_it(rate: int, frequency: float) -> None:
    found = measured(voice(1, rate, frequency), rate)
    assert found.frequency == pytest.approx(np.full(len(found.frequency), frequency), rel=0.04)
    assert np.median(found.frequency) == pytest.approx(frequency, rel=0.002)


def test_a_missing_fundamental_is_found() -> None:
    """A telephone's band begins at 300 Hz; the voice is still that of 120 Hz."""
    at = np.arange(8_000) / 16_000
    found = measured(sum(3000 * np.sin(2 * np.pi * 120 * k * at + k) for k in range(3, 12)) + np.zeros(8_000))
    assert found.frequency == pytest.approx(np.full(len(found.frequency), 120.0), rel=0.01)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("level", [-80, -20])
def test_noise_is_not_harmonic(rate: int, level: float) -> None:
    harmonicity = measured(noise(4, level, rate), rate).harmonicity
    assert np.mean(harmonicity) < 0.3
    assert np.percentile(harmonicity, 99) < 0.5


def test_pink_noise_is_less_harmonic_than_speech() -> None:
    assert np.percentile(measured(pink(4, -30)).harmonicity, 90) < 0.6
    for name in CLIPS:
        found = measured(clip(name))
        assert np.percentile(found.harmonicity, 75) > 0.85
        voiced = found.frequency[found.harmonicity > 0.9]
        # One reader: half of his voice lies within half an octave.
        low, high = np.percentile(voiced, [25, 75])
        assert 75 < low < high < 160
        assert high / low < 2 ** (6 / 12)


def test_harmonicity_is_the_share_of_the_periodic_power() -> None:
    """As h / (1 - h) is the ratio of a tone's power to that of noise in the band below 2 kHz."""
    at = np.arange(64_000) / 16_000
    spectrum = np.fft.rfft(np.random.default_rng(3).normal(size=len(at)))
    spectrum[np.fft.rfftfreq(len(at), 1 / 16_000) > 1_600] = 0
    rest = np.fft.irfft(spectrum, len(at))
    rest *= 1000 / np.sqrt(np.mean(rest**2))
    for ratio in (3.0, 10.0, 30.0):
        tone = 1000 * np.sqrt(2 * ratio) * np.sin(2 * np.pi * 200 * at)
        assert np.median(measured(tone + rest).harmonicity) == pytest.approx(ratio / (1 + ratio), abs=0.05)


def test_a_frequency_outside_the_range_is_not_returned() -> None:
    found = measured(hum(1, 50), lowest=100, highest=300)
    heard = found.frequency[found.frequency > 0]
    assert np.all((heard > 95) & (heard < 320))


@pytest.mark.parametrize("value", [0.0, 32_767.0, 1e-36])
def test_what_does_not_move_has_no_fundamental(value: float) -> None:
    found = measured(np.full(16_000, value))
    assert np.all(found.harmonicity < 0.05)
    assert np.all(np.isfinite(found.frequency))


def test_the_level_changes_nothing_above_the_rounding_of_16_bits() -> None:
    loud, quiet = measured(clip("austen-0870")), measured(clip("austen-0870") / 8)
    voiced = loud.harmonicity > 0.8
    assert quiet.frequency[voiced] == pytest.approx(loud.frequency[voiced], rel=1e-3)
    assert quiet.harmonicity[voiced] == pytest.approx(loud.harmonicity[voiced], abs=2e-2)


def test_frames_are_independent() -> None:
    frames, tables = rows(clip("austen-0890"))[:50], Tables(16_000, lowest=75, highest=500)
    together = measure(frames, tables)
    for index, frame in enumerate(frames):
        alone = measure(frame[None], tables)
        assert alone.frequency[0] == pytest.approx(together.frequency[index], abs=1e-9)
        assert alone.harmonicity[0] == pytest.approx(together.harmonicity[index], abs=1e-12)
