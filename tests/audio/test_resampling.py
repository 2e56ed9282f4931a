import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.audio.resampling import SUPPORTED_RATES, Resampler, check_rate
from orch.problems import ProblemError
from tests.fakes.sounds import CLIPS, Samples, clip, noise, pcm


def tone(frequency: float, rate: int, seconds: float = 0.5) -> Samples:
    return 20_000 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def resample(data: bytes, rate: int) -> Samples:
    resampler = Resampler(source=rate)
    return np.frombuffer(resampler.feed(data) + resampler.flush(), dtype="<i2").astype(float)


@pytest.mark.parametrize("rate", SUPPORTED_RATES)
@pytest.mark.parametrize("frequency", [100, 1000, 3000])
def test_speech_passes_in_place(rate: int, frequency: float) -> None:
    """A tone inside both bands comes out as the same tone, sample for sample at its own time."""
    out = resample(pcm(tone(frequency, rate)), rate)
    assert len(out) == 8000
    error = (out - tone(frequency, 16_000))[500:-500]
    assert np.max(np.abs(error)) < 20_000 * 0.002


@pytest.mark.parametrize("rate", [22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("frequency", [8_600, 10_000])
def test_what_is_above_half_the_rate_does_not_fold_down(rate: int, frequency: float) -> None:
    """A tone that 16 kHz cannot hold is gone (70 dB), not heard as another."""
    out = resample(pcm(tone(frequency, rate)), rate)[500:-500]
    assert np.sqrt(np.mean(out**2)) < 20_000 * 10 ** (-70 / 20)


def test_at_its_own_rate_nothing_changes() -> None:
    data = pcm(clip(CLIPS[0]))
    resampler = Resampler(source=16_000)
    assert resampler.feed(data) + resampler.flush() == data


@settings(max_examples=40, deadline=None)
@given(rate=st.sampled_from(SUPPORTED_RATES), count=st.integers(0, 30_000), data=st.data())
def test_blocks_change_nothing(rate: int, count: int, data: st.DataObject) -> None:
    """Block by block equals the whole, bit for bit, and the length is that of the rates."""
    whole = pcm(noise(1, -12, rate=30_000)[:count])
    resampler = Resampler(source=rate)
    expected = resampler.feed(whole) + resampler.flush()
    assert len(expected) // 2 == -(-count * 16_000 // rate)
    again = Resampler(source=rate)
    out = b""
    at = 0
    while at < len(whole):
        size = 2 * data.draw(st.integers(1, 9000))
        out += again.feed(whole[at : at + size])
        assert len(again._kept) <= 2 * again._half + max(4, again._down // again._up + 2)
        at += size
    assert out + again.flush() == expected


def test_full_scale_does_not_wrap() -> None:
    """A square at full scale overshoots; it is clipped, not turned over."""
    square = np.where(np.arange(48_000) % 480 < 240, 32767.0, -32768.0)
    out = resample(pcm(square), 48_000)
    assert np.all(np.abs(out[40:79]) > 20_000)
    assert np.sign(out[45]) == np.sign(out[70])


@pytest.mark.parametrize("rate", [0, -1, 1000, 11_025, 96_000])
def test_other_rates_are_refused(rate: int) -> None:
    with pytest.raises(ProblemError, match=str(rate)) as caught:
        check_rate(rate)
    assert caught.value.code == "unsupported_sample_rate"
