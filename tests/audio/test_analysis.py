"""Every field of the analysis, of sounds whose answer is known."""

import numpy as np
import numpy.typing as npt
import pytest

from orch.audio.analysis import Analysis, Analyzer, Segment
from orch.audio.stages.stage import Activity
from tests.fakes.sounds import clip

RATE = 48_000
Samples = npt.NDArray[np.float64]


def sine(level_db: float, frequency: float, seconds: float = 4, rate: int = RATE) -> Samples:
    at = np.arange(round(seconds * rate)) / rate
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency * at)


def analysed(*channels: Samples, rate: int = RATE, block: int = 4_801) -> Analysis:
    samples = np.array(channels)
    analyzer = Analyzer(rate, len(channels))
    for begin in range(0, samples.shape[1], block):
        analyzer.add(samples[:, begin : begin + block])
    return analyzer.result()


def test_levels_of_a_sine() -> None:
    found = analysed(sine(-6, 1000))
    assert found.duration == 4
    assert found.rms_db == pytest.approx(-9.01, abs=0.01)
    assert found.peak_db == pytest.approx(-6, abs=0.01)
    assert found.true_peak_db == pytest.approx(-6, abs=0.05)
    assert found.crest_factor_db == pytest.approx(3.01, abs=0.01)
    assert found.loudness_integrated == pytest.approx(-9, abs=0.1)
    assert found.loudness_momentary_max == pytest.approx(-9, abs=0.1)
    assert found.loudness_short_term_max == pytest.approx(-9, abs=0.1)
    assert found.loudness_range == pytest.approx(0, abs=0.2)
    assert found.clipping_count == 0
    assert found.dc_offset == pytest.approx(0, abs=1e-4)


def test_the_spectrum_has_a_tone_at_its_line_and_level() -> None:
    line = 100
    found = analysed(sine(-20, line * RATE / 2048))
    assert len(found.spectrum_db) == 1025
    assert int(np.argmax(found.spectrum_db)) == line
    assert found.spectrum_db[line] == pytest.approx(-20, abs=0.05)
    assert max(found.spectrum_db[: line - 4] + found.spectrum_db[line + 5 :]) < -100


def test_clipping_and_offset_are_counted() -> None:
    sound = np.zeros(1000)
    sound[100:110] = 0.99
    sound[200:205] = -1
    found = analysed(sound)
    assert found.clipping_count == 15
    assert found.dc_offset == pytest.approx((10 * 0.99 - 5) / 1000)


@pytest.mark.parametrize(("right", "expected"), [(1.0, 1), (-0.5, -1), (0.0, None)])
def test_phase_correlation_of_two_channels(right: float, expected: float | None) -> None:
    left = sine(-20, 500, 1)
    found = analysed(left, right * left)
    assert found.phase_correlation == (None if expected is None else pytest.approx(expected))
    assert ("phase_correlation" in found.reasons) == (expected is None)
    assert analysed(left).reasons["phase_correlation"].startswith("it is defined for two channels")


def test_uncorrelated_channels_have_none() -> None:
    random = np.random.default_rng(1)
    found = analysed(random.normal(0, 0.1, RATE), random.normal(0, 0.1, RATE))
    assert found.phase_correlation == pytest.approx(0, abs=0.02)


def test_speech_segments_are_those_of_the_activity() -> None:
    """Whatever the blocks, and though the last one has no end."""
    speech = np.zeros(16_000, np.bool_)
    speech[1600:4800] = speech[12_800:] = True
    confidence = np.where(speech, 0.75, 0.25).astype(np.float32)
    for block in (16_000, 1, 777):
        analyzer = Analyzer(16_000)
        for begin in range(0, 16_000, block) if block > 1 else [0]:
            part = slice(begin, begin + block if block > 1 else None)
            analyzer.add(np.zeros((1, len(speech[part]))), Activity(confidence[part], speech[part]))
        found = analyzer.result()
        assert found.speech_segments == (Segment(0.1, 0.3), Segment(0.8, 1.0))
        assert found.speech_segment_count == 2
        assert found.vad_confidence == pytest.approx(0.75)


def test_what_cannot_be_measured_says_why() -> None:
    found = analysed(np.zeros(100))
    assert (found.rms_db, found.peak_db, found.true_peak_db) == (-120, -120, -120)
    assert found.spectrum_db == ()
    assert set(found.reasons) == {
        "snr_db",
        "loudness_integrated",
        "loudness_range",
        "phase_correlation",
        "vad_confidence",
    }
    nothing = Analyzer(16_000).result()
    assert (nothing.duration, nothing.rms_db, nothing.clipping_count) == (0, -120, 0)


def test_speech_has_a_ratio_to_its_noise() -> None:
    sound = clip("austen-0890") / 32768
    loud = np.repeat(np.mean(sound[: len(sound) // 320 * 320].reshape(-1, 320) ** 2, axis=1) > 1e-4, 320)
    speech = np.convolve(loud, np.ones(6400), "same") > 0.5
    sound = sound[: len(speech)]
    analyzer = Analyzer(16_000)
    analyzer.add(sound[None], Activity(np.where(speech, 0.9, 0.1).astype(np.float32), speech))
    found = analyzer.result()
    assert found.snr_db is not None
    assert 20 < found.snr_db < 32
    assert found.noise_floor_db is not None
    assert -60 < found.noise_floor_db < -40


def test_a_block_of_any_length_gives_the_same() -> None:
    sound = clip("austen-0890") / 32768
    first, second = analysed(sound, rate=16_000, block=160), analysed(sound, rate=16_000, block=100_000)
    for name in ("rms_db", "true_peak_db", "loudness_integrated", "snr_db", "dc_offset"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), abs=1e-9)
    assert np.allclose(first.spectrum_db, second.spectrum_db, atol=0.011)
