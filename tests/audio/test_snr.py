"""The ratio of speech to noise, of mixtures whose ratio is known, and why there sometimes is none."""

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from orch.audio.snr import NoiseRatio, NoiseRatioMeter
from tests.fakes.sounds import CLIPS, clip, hum, noise, pink, typing, voice

RATE = 16_000
Samples = npt.NDArray[np.float64]


def powers(samples: Samples) -> Samples:
    """Return the power of each frame of 20 ms."""
    whole: Samples = np.mean(samples[: len(samples) // 320 * 320].reshape(-1, 320) ** 2, axis=1)
    return whole


@cache
def speech(name: str) -> tuple[Samples, float, float]:
    """Return a clip after half a second without sound, its active power, and the power of its own floor."""
    samples = clip(name) / 32768
    frames = np.sort(powers(samples))
    active = float(np.mean(frames[frames > frames[-1] * 10**-2.5]))
    floor = float(np.mean(frames[: len(frames) // 20]))
    return np.concatenate((np.zeros(RATE // 2), samples)), active, floor


def mixed(name: str, sound: Samples, ratio: float) -> tuple[Samples, float]:
    """Return speech in noise, and the true ratio: to the added noise and the clip's own."""
    samples, active, floor = speech(name)
    scaled = sound[: len(samples)] * np.sqrt(
        active / 10 ** (ratio / 10) / np.mean(sound[: len(samples)] ** 2)
    )
    return samples + scaled, 10 * np.log10(active / (np.mean(scaled**2) + floor))


def measured(samples: Samples, rate: int = RATE, block: int = 8_000) -> NoiseRatio:
    meter = NoiseRatioMeter(rate)
    for begin in range(0, len(samples), block):
        meter.add(samples[begin : begin + block])
    return meter.result()


def fan(seconds: float) -> Samples:
    """Return pink noise that swells 23 times a second as blades turn, and the tones of the blades."""
    at = np.arange(round(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * 115 * harmonic * at) / harmonic for harmonic in (1, 2, 3))
    return pink(seconds, -20, seed=8) * (1 + 0.15 * np.sin(2 * np.pi * 23 * at)) + 1000 * tones


def cars(seconds: float) -> Samples:
    """Return white noise that swells by 10 dB every three seconds, as when cars pass."""
    at = np.arange(round(seconds * RATE)) / RATE
    return noise(seconds, -20, seed=8) * 10 ** (0.25 * np.sin(2 * np.pi * at / 3))


STEADY = {
    "white": noise(10, -20, seed=8),
    "pink": pink(10, -20, seed=8),
    "hum": hum(10, 50) + noise(10, -50),
    "fan": fan(10),
}


@pytest.mark.parametrize("ratio", [0, 5, 10, 15])
@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("kind", STEADY)
def test_the_ratio_to_steady_noise_is_within_2_db(kind: str, name: str, ratio: float) -> None:
    sound, truth = mixed(name, STEADY[kind], ratio)
    found = measured(sound)
    assert found.snr_db == pytest.approx(truth, abs=2)
    assert found.confidence > 0.1
    assert found.reason is None


@pytest.mark.parametrize("ratio", [0, 10, 15])
def test_there_is_no_ratio_to_noise_that_is_not_steady(ratio: float) -> None:
    crowd = sum(
        np.tile(clip(name), 3)[begin : begin + 9 * RATE]
        for name, begin in zip(CLIPS * 2, range(0, 60_000, 10_000), strict=True)
    )
    for kind in (typing(10) + noise(10, -70), np.asarray(crowd), cars(10)):
        found = measured(mixed("austen-0870", kind, ratio)[0])
        assert (found.snr_db, found.confidence, found.reason) == (None, 0, "the noise is not stationary")


def test_an_offset_is_no_noise() -> None:
    sound, truth = mixed("austen-0870", STEADY["white"], 10)
    assert measured(sound + 0.2).snr_db == pytest.approx(truth, abs=2)


def test_noise_alone_has_a_floor_and_no_ratio() -> None:
    found = measured(noise(6, -40) / 32768)
    assert found.noise_floor_db == pytest.approx(-40, abs=0.5)
    assert (found.snr_db, found.reason) == (None, "no speech is louder than the noise")


def test_perfect_silence_and_short_sounds_say_nothing() -> None:
    assert measured(np.zeros(RATE * 4)).reason == "there is no noise to measure"
    assert measured(clip("austen-0870")[:8000] / 32768).reason == "less than 1 s were measured"


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_other_rates(rate: int) -> None:
    sound = voice(8, rate) / 32768
    swell = np.repeat(np.arange(16) % 2, rate // 2)  # half the time
    hiss = noise(8, -45, rate) / 32768
    found = measured(sound * swell + hiss, rate)
    active = np.mean(sound[swell == 1] ** 2)
    inside = 1 if rate <= 16_000 else 16_000 / rate  # of the noise, what is below 8 kHz
    truth = 10 * np.log10(active / (np.mean(hiss**2) * inside))
    assert found.snr_db == pytest.approx(truth, abs=2)


def test_blocks_do_not_change_it() -> None:
    sound, _ = mixed("austen-0890", STEADY["white"], 10)
    found = measured(sound, block=len(sound))
    for block in (320, 61, 777):
        assert measured(sound[: 4 * RATE], block=block) == measured(sound[: 4 * RATE], block=4 * RATE)
    assert found.snr_db == pytest.approx(measured(sound, block=320).snr_db, abs=1e-9)
