from collections.abc import Callable

import numpy as np
import pytest

from orch.audio.noise_floor import NoiseFloor
from tests.fakes.sounds import Samples, noise, pink, voice


def above(sound: Samples, *, rate: int = 16_000, milliseconds: int = 20, block: int = 1) -> list[float]:
    """Return how far each frame stands above the noise, dB; ``block`` frames are given at once."""
    frame = rate * milliseconds // 1000
    floor = NoiseFloor(sample_rate=rate, frame=frame)
    frames = sound[: len(sound) // frame * frame].reshape(-1, frame) / 32768
    return [
        floor.above(powers)
        for begin in range(0, len(frames), block)
        for powers in floor.powers(frames[begin : begin + block])
    ]


@pytest.mark.parametrize("milliseconds", [10, 20, 30])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("colour", [noise, pink])
@pytest.mark.parametrize("level", [-70, -20])
def test_steady_noise_stands_out_alike_whatever_it_is(
    colour: Callable[[float, float, int], Samples], rate: int, milliseconds: int, level: float
) -> None:
    """One table of thresholds holds for every colour, loudness, rate and length of frame."""
    told = above(colour(20, level, rate), rate=rate, milliseconds=milliseconds)
    settled = told[len(told) // 8 :]
    assert 3.3 < np.mean(settled) < 4.5
    assert np.percentile(settled, 99) < 6.2


def test_a_voice_below_the_noise_stands_out() -> None:
    """As loud as the noise altogether, a voice is far above it where it is."""
    quiet, together = pink(4, -25), pink(3, -25, seed=2)
    spoken = voice(3)
    spoken *= np.sqrt(np.mean(together**2) / np.mean(spoken**2))
    told = above(np.concatenate((quiet, together + spoken)))
    assert np.percentile(told[125:200], 99) < 6.2
    assert np.percentile(told[210:], 75) > 7


def test_noise_that_grows_is_learned() -> None:
    """A fan that starts stands out at first; within three seconds it is the noise."""
    told = above(np.concatenate((noise(4, -50), noise(8, -30, seed=2))))
    assert min(told[205:300]) > 12
    assert max(told[200 + 150 :]) < 8


def test_stillness_is_nothing() -> None:
    """Digital silence stands above nothing, and what follows it stands above it."""
    told = above(np.concatenate((np.zeros(32_000), noise(1, -60))))
    assert max(told[:99]) == 0.0
    assert min(told[101:]) > 20


def test_how_many_frames_are_given_at_once_changes_nothing() -> None:
    sound = pink(3, -30)
    assert above(sound, block=1) == above(sound, block=7) == above(sound, block=150)
