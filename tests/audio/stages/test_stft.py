import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.audio.stages.stage import Block
from orch.audio.stages.stft import Stft

SIGNAL = np.random.default_rng(1).standard_normal(6_000).astype(np.float32)


def through(stft: Stft, signal: Block, sizes: list[int]) -> Block:
    """Return ``signal`` after analysis and synthesis, in blocks of ``sizes`` and then the rest."""
    state, parts, begin = stft.initial(), [], 0
    for size in [*sizes, len(signal)]:
        block = signal[begin : begin + size]
        begin += len(block)
        spectra, state = stft.analyse(block, state)
        part, state = stft.synthesise(spectra, len(block), state)
        assert len(part) == len(block)
        parts.append(part)
    return np.concatenate(parts)


@pytest.mark.parametrize(("frame", "hop"), [(512, 256), (512, 128), (1536, 384), (1412, 706), (8, 2)])
def test_unchanged_spectra_return_the_signal_late_by_the_latency(frame: int, hop: int) -> None:
    """Reconstruction is perfect but for the rounding of float32."""
    stft = Stft(frame, hop)
    late = through(stft, np.concatenate((SIGNAL, np.zeros(stft.latency, np.float32))), [100, 1, 0, 999])
    assert np.abs(late[: stft.latency]).max() < 1e-12
    np.testing.assert_allclose(late[stft.latency :], SIGNAL, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2, 127, 128, 129, 511, 512, 1500]), max_size=30))
def test_the_sizes_of_blocks_change_nothing(sizes: list[int]) -> None:
    """Frames lie on a grid that is counted from the first sample."""
    stft = Stft(512, 128)
    np.testing.assert_array_equal(through(stft, SIGNAL, sizes), through(stft, SIGNAL, []))


def test_an_earlier_state_can_be_used_again() -> None:
    """No array of a state is modified later."""
    stft = Stft(512, 256)
    spectra, state = stft.analyse(SIGNAL[:1_000], stft.initial())
    _, state = stft.synthesise(spectra, 1_000, state)
    results = []
    for _ in range(2):
        spectra, after = stft.analyse(SIGNAL[1_000:3_000], state)
        results.append(stft.synthesise(spectra, 2_000, after)[0])
    np.testing.assert_array_equal(results[0], results[1])


def test_a_sine_has_half_its_amplitude_times_the_windows_sum_at_its_bin() -> None:
    """The scale of spectra is the stated one, and the bin is the one of its frequency."""
    stft = Stft.of_rate(16_000)
    assert (stft.frame, stft.hop, stft.size) == (512, 256, 512)
    sine = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(2_048) / 16_000)
    spectra, _ = stft.analyse(sine, stft.initial())
    magnitudes = np.abs(spectra[-1])
    assert stft.frequencies(16_000)[magnitudes.argmax()] == 1_000
    assert magnitudes.max() == pytest.approx(0.25 * stft.window.sum(), rel=1e-3)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_frames_are_as_long_at_every_rate(rate: int) -> None:
    """What is tuned in seconds holds at each rate; the transform's length is a power of two."""
    stft = Stft.of_rate(rate, overlap=4)
    assert stft.frame / rate == pytest.approx(0.032, rel=2e-3)
    assert stft.frame == 4 * stft.hop
    assert stft.size & (stft.size - 1) == 0


@pytest.mark.parametrize(
    ("frame", "hop", "size"), [(512, 200, 0), (512, 512, 0), (512, 0, 0), (512, 256, 256)]
)
def test_what_cannot_be_put_together_again_is_refused(frame: int, hop: int, size: int) -> None:
    """Hops divide the frame, frames overlap, and fit into the transform."""
    with pytest.raises(ValueError, match="frame"):
        Stft(frame, hop, size)
